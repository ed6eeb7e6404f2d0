"""What the API says of a vector store, and what becomes of each of its documents."""

import hashlib

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("vector_stores") as stores:
        stores.add_column(sa.Column("label", sa.String(), nullable=True))
        stores.add_column(sa.Column("description", sa.String(), nullable=True))
        stores.add_column(sa.Column("metadata", sa.JSON(), nullable=True))
        stores.add_column(sa.Column("expires_after_days", sa.Integer(), nullable=True))
        stores.add_column(sa.Column("last_active_at", sa.Integer(), nullable=True))
        stores.add_column(sa.Column("expired_at", sa.Integer(), nullable=True))
        stores.add_column(sa.Column("deleted_at", sa.Integer(), nullable=True))
    with op.batch_alter_table("documents") as documents:
        documents.add_column(sa.Column("file_id", sa.String(), nullable=False, server_default=""))
        documents.add_column(sa.Column("created_at", sa.Integer(), nullable=False, server_default="0"))
        documents.add_column(sa.Column("status", sa.String(), nullable=False, server_default="completed"))
        documents.add_column(sa.Column("pending", sa.Boolean(), nullable=False, server_default=sa.false()))
        documents.add_column(sa.Column("error_code", sa.String(), nullable=True))
        documents.add_column(sa.Column("error_message", sa.String(), nullable=True))
        documents.add_column(sa.Column("attributes", sa.JSON(), nullable=False, server_default="{}"))
        documents.add_column(sa.Column("strategy", sa.JSON(), nullable=True))
        documents.add_column(sa.Column("usage_bytes", sa.BigInteger(), nullable=False, server_default="0"))
        documents.add_column(sa.Column("batch_id", sa.String(), nullable=True))
        documents.add_column(sa.Column("tries", sa.Integer(), nullable=False, server_default="0"))
        documents.add_column(sa.Column("held_by", sa.String(), nullable=True))
        documents.add_column(sa.Column("held_until", sa.Float(), nullable=True))
    _name_known_documents()
    op.create_index("documents_by_file", "documents", ["file_id", "store_id"], unique=True)
    op.create_index("documents_by_time", "documents", ["store_id", "created_at", "file_id"])
    op.create_index("documents_pending", "documents", ["pending", "created_at"])


def _name_known_documents() -> None:
    # As `document_file_id` of stores/documents.py made ids when this was written.
    documents = sa.table(
        "documents",
        *(
            sa.column(name)
            for name in ("project_id", "store_id", "path", "file_id", "created_at", "ingested_at")
        ),
    )
    connection = op.get_bind()
    for project_id, store_id, path, ingested_at in connection.execute(
        sa.select(documents.c.project_id, documents.c.store_id, documents.c.path, documents.c.ingested_at)
    ).all():
        digest = hashlib.sha256(f"{project_id}/{store_id}/{path}".encode()).hexdigest()
        connection.execute(
            documents.update()
            .where(documents.c.store_id == store_id, documents.c.path == path)
            .values(file_id=f"file-{digest[:24]}", created_at=ingested_at)
        )
