"""Who may do what: organisations, people and programs, their roles in projects, and what a key may do at most.

What exists goes on: its projects belong to the one organisation, and its keys to the organisation's owner, with the
right to everything in their project, as before.
"""

import time

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    now = int(time.time())
    organisations = op.create_table(
        "organisations",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("created_at", sa.Integer(), nullable=False),
    )
    principals = op.create_table(
        "principals",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("organisation_id", sa.String(), sa.ForeignKey("organisations.id"), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("email", sa.String(), nullable=True),
        sa.Column("is_owner", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.Integer(), nullable=False),
        sa.Column("removed_at", sa.Integer(), nullable=True),
        sa.UniqueConstraint("organisation_id", "email"),
    )
    op.create_table(
        "memberships",
        sa.Column("project_id", sa.String(), sa.ForeignKey("projects.id"), primary_key=True),
        sa.Column("principal_id", sa.String(), sa.ForeignKey("principals.id"), primary_key=True),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("created_at", sa.Integer(), nullable=False),
    )
    op.bulk_insert(organisations, [{"id": "org-default", "name": "default", "created_at": now}])
    owner = {"id": "user-owner", "organisation_id": "org-default", "kind": "user", "name": "owner"}
    op.bulk_insert(principals, [owner | {"email": None, "is_owner": True, "created_at": now}])
    for column in (
        sa.Column("organisation_id", sa.String(), nullable=False, server_default="org-default"),
        sa.Column("name", sa.String(), nullable=True),
        sa.Column("archived_at", sa.Integer(), nullable=True),
    ):
        op.add_column("projects", column)
    for column in (
        sa.Column("principal_id", sa.String(), nullable=False, server_default="user-owner"),
        sa.Column("role", sa.String(), nullable=False, server_default="administer"),
        sa.Column("of_organisation", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("expires_at", sa.Integer(), nullable=True),
        sa.Column("last_used_at", sa.Integer(), nullable=True),
    ):
        op.add_column("api_keys", column)
