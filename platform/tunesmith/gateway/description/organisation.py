"""What is said of the organisation: projects, keys, limits, usage and the audit log."""

from __future__ import annotations

from collections.abc import Mapping

from tunesmith.gateway.description.operation import (
    ANY_OBJECT,
    COUNT,
    FLAG,
    MOMENT,
    TEXT,
    Operation,
    Schema,
    const,
    deleted,
    list_of,
    nullable,
    one_of,
    record,
    ref,
)
from tunesmith.gateway.organisation.costs import CostFields
from tunesmith.gateway.organisation.keys import AccountFields, AccountKeyFields, AdminKeyFields
from tunesmith.gateway.organisation.projects import LimitFields, ProjectFields, ProjectListFields
from tunesmith.gateway.organisation.reports import AuditFields, UsageFields
from tunesmith.gateway.organisation.shared import AdminPageFields
from tunesmith.gateway.organisation.users import (
    MemberFields,
    MemberRoleFields,
    UserFields,
    UserListFields,
    UserRoleFields,
)

_ORGANISATION = "/v1/organization"
_PROJECTS = f"{_ORGANISATION}/projects"
_PROJECT = f"{_PROJECTS}/{{project_id}}"
_ACCOUNTS, _KEYS = f"{_PROJECT}/service_accounts", f"{_PROJECT}/api_keys"
_ADMIN_KEYS = f"{_ORGANISATION}/admin_api_keys"
_USERS, _MEMBERS = f"{_ORGANISATION}/users", f"{_PROJECT}/users"


def _page(schema: Schema) -> Schema:
    ids = {"first_id": nullable(TEXT), "last_id": nullable(TEXT)}
    return record({"object": const("list"), "data": list_of(schema), **ids, "has_more": FLAG})


def _user(kind: str, role: Schema) -> Schema:
    named = {"id": TEXT, "name": TEXT, "email": nullable(TEXT), "role": role, "added_at": MOMENT}
    return record({"object": const(kind), **named}, closed=False)


_NAMED: Mapping[str, Schema] = {"id": TEXT, "name": TEXT, "created_at": MOMENT}
_ACCOUNT = record({"object": TEXT, **_NAMED, "role": TEXT}, closed=False)
_SECRET = record({"object": TEXT, **_NAMED, "value": TEXT}, closed=False)
_KEY = record({"object": TEXT, **_NAMED, "redacted_value": TEXT, "owner": ANY_OBJECT}, closed=False)
_USAGE_PAGE = record(
    {
        "object": const("page"),
        "data": list_of(
            record(
                {
                    "object": const("bucket"),
                    "start_time": MOMENT,
                    "end_time": MOMENT,
                    "results": list_of(ANY_OBJECT),
                }
            )
        ),
        "has_more": FLAG,
        "next_page": nullable(TEXT),
    }
)

ORGANISATION_SCHEMAS: Mapping[str, Schema] = {
    "Project": record(
        {
            "object": const("organization.project"),
            **_NAMED,
            "archived_at": nullable(MOMENT),
            "status": one_of("active", "archived"),
        }
    ),
    "RateLimit": record(
        {
            "object": const("project.rate_limit"),
            "id": TEXT,
            "model": TEXT,
            "max_requests_per_1_minute": COUNT,
            "max_tokens_per_1_minute": COUNT,
            "gpu_hours_per_month": nullable({"type": "number"}),
        }
    ),
    "ServiceAccount": _ACCOUNT,
    "User": _user("organization.user", one_of("owner", "reader")),
    "ProjectUser": _user("organization.project.user", one_of("owner", "member")),
    "NewKey": _SECRET,
    "ApiKey": _KEY,
}
"""By name."""
ORGANISATION_OPERATIONS: Mapping[str, Operation] = {
    f"GET {_PROJECTS}": Operation(
        summary="Projects", query=ProjectListFields, answer=_page(ref("Project")), refusals=(400,)
    ),
    f"POST {_PROJECTS}": Operation(summary="Make a project", body=ProjectFields, answer=ref("Project")),
    f"GET {_PROJECT}": Operation(summary="A project", answer=ref("Project")),
    f"POST {_PROJECT}": Operation(summary="Rename a project", body=ProjectFields, answer=ref("Project")),
    f"POST {_PROJECT}/archive": Operation(
        summary="Archive a project: its keys open nothing any more", answer=ref("Project"), refusals=(409,)
    ),
    f"GET {_PROJECT}/rate_limits": Operation(summary="Limits of a project", answer=_page(ref("RateLimit"))),
    f"POST {_PROJECT}/rate_limits/{{rate_limit_id}}": Operation(
        summary="Change a limit", body=LimitFields, answer=ref("RateLimit")
    ),
    f"GET {_ACCOUNTS}": Operation(
        summary="Service accounts",
        query=AdminPageFields,
        answer=_page(ref("ServiceAccount")),
        refusals=(400,),
    ),
    f"POST {_ACCOUNTS}": Operation(
        summary="Make a service account, and a key for it; the key is shown once",
        body=AccountFields,
        answer=ref("ServiceAccount"),
    ),
    f"GET {_ACCOUNTS}/{{service_account_id}}": Operation(
        summary="A service account", answer=ref("ServiceAccount")
    ),
    f"DELETE {_ACCOUNTS}/{{service_account_id}}": Operation(
        summary="End a service account and its keys",
        answer=deleted("organization.project.service_account.deleted"),
    ),
    f"POST {_ACCOUNTS}/{{service_account_id}}/api_keys": Operation(
        summary="Make a key for a service account; it is shown once",
        body=AccountKeyFields,
        answer=ref("NewKey"),
    ),
    f"GET {_USERS}": Operation(
        summary="Users", query=UserListFields, answer=_page(ref("User")), refusals=(400,)
    ),
    f"POST {_USERS}": Operation(summary="Add a user", body=UserFields, answer=ref("User"), refusals=(409,)),
    f"GET {_USERS}/{{user_id}}": Operation(summary="A user", answer=ref("User")),
    f"POST {_USERS}/{{user_id}}": Operation(
        summary="Say whether a user administers the organisation",
        body=UserRoleFields,
        answer=ref("User"),
        refusals=(409,),
    ),
    f"DELETE {_USERS}/{{user_id}}": Operation(
        summary="Let a user go, and end their keys",
        answer=deleted("organization.user.deleted"),
        refusals=(409,),
    ),
    f"GET {_MEMBERS}": Operation(
        summary="Users of a project", query=AdminPageFields, answer=_page(ref("ProjectUser")), refusals=(400,)
    ),
    f"POST {_MEMBERS}": Operation(
        summary="Give a user a role in a project", body=MemberFields, answer=ref("ProjectUser")
    ),
    f"GET {_MEMBERS}/{{user_id}}": Operation(summary="A user of a project", answer=ref("ProjectUser")),
    f"POST {_MEMBERS}/{{user_id}}": Operation(
        summary="Change a user's role in a project", body=MemberRoleFields, answer=ref("ProjectUser")
    ),
    f"DELETE {_MEMBERS}/{{user_id}}": Operation(
        summary="Take a user's role in a project away; their keys of it open nothing any more",
        answer=deleted("organization.project.user.deleted"),
    ),
    f"POST {_MEMBERS}/{{user_id}}/api_keys": Operation(
        summary="Make a key for a user of a project; it is shown once",
        body=AccountKeyFields,
        answer=ref("NewKey"),
    ),
    f"GET {_KEYS}": Operation(
        summary="Keys of a project", query=AdminPageFields, answer=_page(ref("ApiKey")), refusals=(400,)
    ),
    f"GET {_KEYS}/{{api_key_id}}": Operation(summary="A key, without its secret", answer=ref("ApiKey")),
    f"DELETE {_KEYS}/{{api_key_id}}": Operation(
        summary="End a key", answer=deleted("organization.project.api_key.deleted")
    ),
    f"GET {_ADMIN_KEYS}": Operation(
        summary="Keys of the organisation",
        query=AdminPageFields,
        answer=_page(ref("ApiKey")),
        refusals=(400,),
    ),
    f"POST {_ADMIN_KEYS}": Operation(
        summary="Make a key of the organisation; it is shown once",
        body=AdminKeyFields,
        answer=ref("NewKey"),
    ),
    f"GET {_ADMIN_KEYS}/{{key_id}}": Operation(summary="A key of the organisation", answer=ref("ApiKey")),
    f"DELETE {_ADMIN_KEYS}/{{key_id}}": Operation(
        summary="End a key of the organisation", answer=deleted("organization.admin_api_key.deleted")
    ),
    f"GET {_ORGANISATION}/usage/completions": Operation(
        summary="Tokens of the models that answer", query=UsageFields, answer=_USAGE_PAGE, refusals=(400,)
    ),
    f"GET {_ORGANISATION}/usage/embeddings": Operation(
        summary="Tokens of the embedder", query=UsageFields, answer=_USAGE_PAGE, refusals=(400,)
    ),
    f"GET {_ORGANISATION}/costs": Operation(
        summary="What tokens and hours of training cost",
        query=CostFields,
        answer=_USAGE_PAGE,
        refusals=(400,),
    ),
    f"GET {_ORGANISATION}/audit_logs": Operation(
        summary="Who changed what", query=AuditFields, answer=_page(ANY_OBJECT), refusals=(400, 404)
    ),
}
"""By method and path."""
