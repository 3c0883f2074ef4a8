"""Documents and comments are sealed; a handle that has ended is found by its index."""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa
from alembic import context, op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Seal what is there."""
    cipher: Any = context.config.attributes["cipher"]
    bind = op.get_bind()
    op.add_column("review", sa.Column("sealed", sa.Text(), nullable=True))
    review = sa.table("review", sa.column("id", sa.String), sa.column("document", sa.JSON), sa.column("sealed", sa.Text))
    for number in [row.id for row in bind.execute(sa.select(review.c.id))]:
        document = bind.execute(sa.select(review.c.document).where(review.c.id == number)).scalar_one()
        bind.execute(review.update().where(review.c.id == number).values(sealed=cipher.seal(document)))
    with op.batch_alter_table("review") as batch:
        batch.alter_column("sealed", existing_type=sa.Text(), nullable=False)
        batch.drop_column("document")
    feedback = sa.table("feedback", sa.column("id", sa.Integer), sa.column("comment", sa.Text))
    for row in bind.execute(sa.select(feedback).where(feedback.c.comment.is_not(None))).all():
        bind.execute(feedback.update().where(feedback.c.id == row.id).values(comment=cipher.seal(row.comment)))
    op.create_index("ix_handle_expires", "handle", ["expires"])


def downgrade() -> None:
    """Open what is sealed."""
    cipher: Any = context.config.attributes["cipher"]
    bind = op.get_bind()
    op.drop_index("ix_handle_expires", "handle")
    feedback = sa.table("feedback", sa.column("id", sa.Integer), sa.column("comment", sa.Text))
    for row in bind.execute(sa.select(feedback).where(feedback.c.comment.is_not(None))).all():
        bind.execute(feedback.update().where(feedback.c.id == row.id).values(comment=cipher.unseal(row.comment)))
    op.add_column("review", sa.Column("document", sa.JSON(), nullable=True))
    review = sa.table("review", sa.column("id", sa.String), sa.column("document", sa.JSON), sa.column("sealed", sa.Text))
    for row in bind.execute(sa.select(review.c.id, review.c.sealed)).all():
        bind.execute(review.update().where(review.c.id == row.id).values(document=json.loads(json.dumps(cipher.unseal(row.sealed)))))
    with op.batch_alter_table("review") as batch:
        batch.alter_column("document", existing_type=sa.JSON(), nullable=False)
        batch.drop_column("sealed")
