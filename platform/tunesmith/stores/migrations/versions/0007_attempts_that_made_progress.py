"""Whether an attempt got further than those before it."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("attempts") as attempts:
        attempts.add_column(
            sa.Column("made_progress", sa.Boolean(), nullable=False, server_default=sa.false())
        )
