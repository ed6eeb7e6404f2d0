from __future__ import annotations

import pytest

from tunesmith.config.home import Home
from tunesmith.errors import AuthenticationError, NotFoundError
from tunesmith.stores.database import Base
from tunesmith.stores.keys import KeyStore, ensure_admin_key


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path)


@pytest.fixture
def keys(metadata):
    return KeyStore(metadata)


def test_a_key_opens_its_project_until_it_is_revoked(keys):
    secret = keys.create("default", "laptop")
    key = keys.verify(secret)
    assert (key.project_id, key.name, key.revoked) == ("default", "laptop", False)

    keys.revoke("default", key.id)
    with pytest.raises(AuthenticationError):
        keys.verify(secret)
    assert keys.all("default")[0].revoked


def test_the_key_itself_is_nowhere_in_the_database(keys, metadata):
    secret = keys.create("default", "laptop")
    with metadata.session() as session:
        stored = str([session.execute(table.select()).all() for table in Base.metadata.tables.values()])
    assert "laptop" in stored
    assert secret.removeprefix("sk-ts-") not in stored


def test_another_project_cannot_revoke_it(keys):
    key = keys.verify(keys.create("default", "laptop"))
    with pytest.raises(NotFoundError, match=key.id):
        keys.revoke("other", key.id)


def test_the_first_key_is_made_once_and_is_its_owners_alone(keys, home):
    first = ensure_admin_key(home, keys, "default")
    assert ensure_admin_key(home, keys, "default") == first
    assert home.admin_key_file.stat().st_mode & 0o777 == 0o600
    assert keys.verify(first).name == "admin"


@pytest.mark.parametrize("kept", ["", "\n", "sk-ts-of-another-database\n", "\xff\xfe"])
def test_a_first_key_that_opens_nothing_is_made_anew(keys, home, kept):
    home.admin_key_file.write_text(kept, encoding="latin-1")
    key = ensure_admin_key(home, keys, "default")
    assert home.admin_key_file.read_text() == f"{key}\n"
    assert home.admin_key_file.stat().st_mode & 0o777 == 0o600
    assert keys.verify(key).project_id == "default"
    assert ensure_admin_key(home, keys, "default") == key


def test_a_revoked_first_key_is_made_anew(keys, home):
    first = ensure_admin_key(home, keys, "default")
    keys.revoke("default", keys.verify(first).id)
    second = ensure_admin_key(home, keys, "default")
    assert second != first
    assert keys.verify(second).name == "admin"
    assert home.admin_key_file.read_text().strip() == second


def test_a_first_key_of_another_project_is_not_taken(keys, home):
    ensure_admin_key(home, keys, "default")
    assert keys.verify(ensure_admin_key(home, keys, "acme")).project_id == "acme"


def test_a_crash_while_the_first_key_is_written_leaves_no_file(keys, home, monkeypatch):
    def crash(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("pathlib.Path.replace", crash)
    with pytest.raises(KeyboardInterrupt):
        ensure_admin_key(home, keys, "default")
    assert not home.admin_key_file.exists()
    assert not list(home.root.glob(".admin.key*"))


def test_a_key_that_opens_nothing_is_refused_with_both_ways_out(keys):
    with pytest.raises(AuthenticationError, match=r"`tunesmith keys create`.*admin\.key.*`tunesmith up`"):
        keys.verify("sk-ts-nothing")
