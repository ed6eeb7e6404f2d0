"""Versions that the engine can load but nobody can name yet: they wait for their proof."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("model_versions") as versions:
        versions.add_column(sa.Column("hidden", sa.Boolean(), nullable=False, server_default=sa.false()))
