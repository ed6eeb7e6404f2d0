"""Alembic migrations: one file per change of the schema, for SQLite and Postgres alike."""
