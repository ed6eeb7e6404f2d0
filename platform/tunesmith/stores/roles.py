"""The four roles of a project, each of which includes those before it.

read        list and look up
use         ask models, upload and delete files, give feedback, have batches answered
train       make jobs, vector stores and aliases, delete versions
administer  members, service accounts, keys and limits of the project
"""

from __future__ import annotations

from typing import get_args

from tunesmith.records import ProjectRole

ROLES: tuple[ProjectRole, ...] = get_args(ProjectRole)
"""All roles, the least one first."""


def covers(held: ProjectRole, needed: ProjectRole) -> bool:
    """Whether a role is enough.

    Args:
        held: what somebody may do.
        needed: what a request takes.

    Returns:
        True if the role held includes the one needed.
    """
    return ROLES.index(held) >= ROLES.index(needed)


def lesser(one: ProjectRole, other: ProjectRole) -> ProjectRole:
    """What two roles both allow.

    Args:
        one: a role.
        other: another.

    Returns:
        The one that the other includes.
    """
    return other if covers(one, other) else one


def to_role(text: str) -> ProjectRole:
    """Read a role that was checked when it was written.

    Args:
        text: its name.

    Returns:
        The role.
    """
    return ROLES[ROLES.index(text)]
