"""Projects, principals and their roles, keys that end, and the log of it all."""

from __future__ import annotations

import hashlib
import time

import pytest
from sqlalchemy import text

from tunesmith.errors import AuthenticationError, ConflictError, NotFoundError
from tunesmith.stores.audit import Actor, AuditLog
from tunesmith.stores.database import ApiKeyRow
from tunesmith.stores.keys import KeyStore
from tunesmith.stores.principals import Principals
from tunesmith.stores.projects import Projects


@pytest.fixture
def projects(metadata):
    return Projects(metadata)


@pytest.fixture
def principals(metadata):
    return Principals(metadata)


@pytest.fixture
def keys(metadata):
    return KeyStore(metadata)


def types(metadata):
    return [event.type for event in AuditLog(metadata).list(limit=100)][::-1]


def test_a_key_can_do_what_its_principal_may_and_no_more_than_its_own_role(projects, principals, keys):
    project = projects.create("Support").id
    user = principals.add_user("Ada", email="ada@example.org")
    secret = keys.create(project, "laptop", role="train", principal_id=user.id)
    with pytest.raises(AuthenticationError, match="left"):
        keys.verify(secret)

    for held, effective in (("read", "read"), ("use", "use"), ("administer", "train")):
        principals.set_role(project, user.id, held)
        assert keys.verify(secret).role == effective
    principals.remove_member(project, user.id)
    with pytest.raises(AuthenticationError):
        keys.verify(secret)


def test_a_role_in_one_project_is_none_in_another(projects, principals, keys):
    one, other = projects.create("One").id, projects.create("Other").id
    user = principals.add_user("Ada")
    principals.set_role(one, user.id, "administer")
    with pytest.raises(AuthenticationError):
        keys.verify(keys.create(other, "laptop", principal_id=user.id))


def test_a_service_account_belongs_to_its_project_alone(principals, keys):
    account = principals.add_service_account("acme", "nightly", role="use")
    assert keys.verify(keys.create("acme", "nightly", principal_id=account.id)).role == "use"
    with pytest.raises(NotFoundError):
        principals.set_role("default", account.id, "administer")
    with pytest.raises(NotFoundError):
        principals.member("default", account.id, "service_account")


def test_whoever_leaves_takes_their_keys_with_them(principals, keys):
    account = principals.add_service_account("acme", "nightly")
    secret = keys.create("acme", "nightly", principal_id=account.id)
    principals.remove(account.id)
    with pytest.raises(AuthenticationError):
        keys.verify(secret)
    assert [key.revoked for key in keys.all("acme")] == [True]


def test_the_last_owner_stays(principals):
    with pytest.raises(ConflictError, match="last owner"):
        principals.remove("user-owner")
    second = principals.add_user("Second", is_owner=True)
    for leave in (principals.remove, lambda user: principals.set_owner(user, False)):
        with pytest.raises(ConflictError, match=r"admin\.key"):
            leave("user-owner")
    principals.remove(second.id)


def test_two_users_cannot_have_one_address_but_many_have_none(principals):
    principals.add_user("Ada", email="ada@example.org")
    with pytest.raises(ConflictError, match="address"):
        principals.add_user("Another", email="ada@example.org")
    principals.add_user("B")
    principals.add_user("C")


def test_an_archived_project_is_closed_to_its_keys(projects, keys):
    project = projects.create("Old")
    secret = keys.create(project.id, "laptop")
    projects.archive(project.id)
    projects.archive(project.id)
    with pytest.raises(AuthenticationError, match="archived") as caught:
        keys.verify(secret)
    assert secret not in caught.value.message
    assert not keys.is_open(project.id, "org-default")
    assert project.id not in [known.id for known in projects.all()]
    assert project.id in [known.id for known in projects.all(include_archived=True)]
    with pytest.raises(ConflictError):
        projects.archive("default")


def test_a_project_is_found_by_its_name_where_that_says_which(projects):
    first = projects.create("Twin")
    assert projects.find("Twin") == first == projects.find(first.id)
    projects.create("Twin")
    with pytest.raises(ConflictError, match=first.id):
        projects.find("Twin")
    with pytest.raises(NotFoundError):
        projects.find("Nobody")


def test_a_key_ends_when_it_shall(keys):
    now = int(time.time())
    assert keys.verify(keys.create("default", "soon", expires_at=now + 60)).expires_at == now + 60
    with pytest.raises(AuthenticationError, match="expired") as caught:
        keys.verify(keys.create("default", "late", expires_at=now))
    assert caught.value.code == "expired_api_key"


def test_when_a_key_was_last_used_is_remembered(keys):
    key = keys.verify(keys.create("default", "laptop"))
    keys.note_used({key.id: 1700000000, "key_gone": 1})
    assert keys.get("default", key.id).last_used_at == 1700000000
    with pytest.raises(NotFoundError):
        keys.get("acme", key.id)


def test_every_change_is_in_the_log_and_no_secret_is(metadata, projects, principals, keys):
    actor = Actor("user-owner", "key_1", "req_1")
    project = projects.create("Support", actor=actor).id
    projects.rename(project, "Help", actor=actor)
    account = principals.add_service_account(project, "nightly", actor=actor)
    principals.set_role(project, account.id, "read", actor=actor)
    secret = keys.create(project, "nightly", principal_id=account.id, actor=actor)
    key = keys.verify(secret)
    keys.revoke(project, key.id, actor=actor)
    keys.revoke(project, key.id, actor=actor)
    principals.remove(account.id, actor=actor, project_id=project)
    projects.archive(project, actor=actor)

    assert types(metadata) == [
        "project.created",
        "project.updated",
        "service_account.created",
        "role.assignment.created",
        "api_key.created",
        "api_key.deleted",
        "service_account.deleted",
        "project.archived",
    ]
    events = AuditLog(metadata).list(project_ids=[project])
    assert len(events) == 8
    assert {event.actor for event in events} == {actor}
    assert secret not in str(events)
    second_page = AuditLog(metadata).list(limit=3, after=events[2].id)
    assert second_page == events[3:6]


@pytest.mark.parametrize("change", ["UPDATE audit_events SET type = 'nothing'", "DELETE FROM audit_events"])
def test_the_log_can_only_grow(metadata, projects, change):
    projects.create("Support")
    with (
        pytest.raises(Exception, match="can only grow"),
        metadata.session() as session,
    ):
        session.execute(text(change))
    assert types(metadata) == ["project.created"]


def test_keys_from_before_there_were_roles_go_on(metadata, keys):
    with metadata.session() as session:
        session.execute(
            text(
                "INSERT INTO api_keys (id, project_id, name, key_hash, hint, created_at) "
                "VALUES ('key_old', 'default', 'old', :hash, '...', 1)"
            ),
            {"hash": hashlib.sha256(b"sk-ts-old").hexdigest()},
        )
    key = keys.verify("sk-ts-old")
    assert (key.role, key.of_organisation, key.principal_id) == ("administer", False, "user-owner")
    with metadata.session() as session:
        assert session.get(ApiKeyRow, "key_old").expires_at is None


def test_nobody_but_an_owner_administers_the_organisation(principals, keys):
    account = principals.add_service_account("acme", "nightly", role="administer")
    secret = keys.create("acme", "nightly", role="administer", principal_id=account.id, of_organisation=True)
    assert not keys.verify(secret).of_organisation
