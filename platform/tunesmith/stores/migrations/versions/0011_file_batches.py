"""Files that were attached to a vector store together."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "file_batches",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("store_id", sa.String(), nullable=False),
        sa.Column("project_id", sa.String(), nullable=False),
        sa.Column("created_at", sa.Integer(), nullable=False),
        sa.Column("cancelled_at", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["store_id"], ["vector_stores.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("documents_by_batch", "documents", ["batch_id"])
