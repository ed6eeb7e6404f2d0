"""How Alembic reaches the database: the URL comes from `stores.database.migrate`."""

from alembic import context
from sqlalchemy import text

from tunesmith.stores.database import Base, open_engine

engine = open_engine(context.config.get_main_option("sqlalchemy.url") or "")
with engine.connect() as connection:
    context.configure(connection=connection, target_metadata=Base.metadata, render_as_batch=True)
    with context.begin_transaction():
        if engine.dialect.name == "postgresql":
            # Processes of several machines may start together; of one machine, a lock file lets one migrate.
            connection.execute(text("SELECT pg_advisory_xact_lock(hashtextextended('migrations', 0))"))
        context.run_migrations()
engine.dispose()
