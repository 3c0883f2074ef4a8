"""Runs the steps on the connection that `cds_service.store.migrate` opened."""

from __future__ import annotations

from alembic import context

attributes = context.config.attributes
# Steps themselves need no tables of the program; only drafting one compares with them.
context.configure(connection=attributes["connection"], target_metadata=attributes.get("metadata"), render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
