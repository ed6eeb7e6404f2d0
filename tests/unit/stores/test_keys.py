from __future__ import annotations

import pytest

from tunesmith.config.home import Home
from tunesmith.errors import AuthenticationError, NotFoundError
from tunesmith.stores.database import open_home_database
from tunesmith.stores.keys import KeyStore, ensure_admin_key


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path)


@pytest.fixture
def database(home):
    opened = open_home_database(home)
    yield opened
    opened.close()


@pytest.fixture
def keys(database):
    return KeyStore(database)


def test_a_key_opens_its_project_until_it_is_revoked(keys):
    secret = keys.create("default", "laptop")
    key = keys.verify(secret)
    assert (key.project_id, key.name, key.revoked) == ("default", "laptop", False)

    keys.revoke("default", key.id)
    with pytest.raises(AuthenticationError):
        keys.verify(secret)
    assert keys.all("default")[0].revoked


def test_the_key_itself_is_nowhere_in_the_database(keys, home):
    secret = keys.create("default", "laptop")
    stored = b"".join(path.read_bytes() for path in home.root.glob("metadata.sqlite3*"))
    assert b"laptop" in stored
    assert secret.encode() not in stored
    assert secret.removeprefix("sk-ts-").encode() not in stored


def test_another_project_cannot_revoke_it(keys):
    key = keys.verify(keys.create("default", "laptop"))
    with pytest.raises(NotFoundError, match=key.id):
        keys.revoke("other", key.id)


def test_the_first_key_is_made_once_and_is_its_owners_alone(keys, home):
    first = ensure_admin_key(home, keys, "default")
    assert ensure_admin_key(home, keys, "default") == first
    assert home.admin_key_file.stat().st_mode & 0o777 == 0o600
    assert keys.verify(first).name == "admin"
