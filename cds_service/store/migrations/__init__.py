"""Steps of the database. Alembic reads this folder."""
