"""The first key of an administrator, made into a Secret once: `python -m tunesmith.deploy.bootstrap`.

The key is made inside the cluster and written straight into the Secret: it stands in no values file, no rendering and
no log. Where the Secret is there already it is left as it is, also when its key was revoked since.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Any, Protocol

from tunesmith.errors import ConfigError, PlatformError, UnavailableError
from tunesmith.records import DEFAULT_PROJECT
from tunesmith.stores.database import Database
from tunesmith.stores.keys import KeyStore

KEY = "key"
"""Key of the Secret."""
_NAME, _NAMESPACE, _DATABASE = "TUNESMITH_ADMIN_SECRET_NAME", "TUNESMITH_NAMESPACE", "TUNESMITH_DATABASE_URL"


class Secrets(Protocol):
    """The two things that the hook may do, and is allowed to."""

    def exists(self, name: str) -> bool:
        """Whether there is a Secret of that name."""

    def create(self, name: str, key: str) -> bool:
        """Make a Secret with one key; False where another one was faster."""


def main() -> None:
    """Make the key if need be; an error is one line."""
    try:
        print(bootstrap(os.environ, ClusterSecrets(_required(os.environ, _NAMESPACE))))
    except PlatformError as error:
        print(f"error: {error.message}", file=sys.stderr)
        sys.exit(error.exit_code)


def bootstrap(environment: Mapping[str, str], secrets: Secrets) -> str:
    """Make the first key, unless its Secret is there.

    Args:
        environment: names the Secret and the database.
        secrets: of the namespace.

    Returns:
        What was done, for the log.

    Raises:
        ConfigError: a variable is not set, or the Secret is of another database.
    """
    name = _required(environment, _NAME)
    database = Database(_required(environment, _DATABASE))
    try:
        keys = KeyStore(database)
        if secrets.exists(name):
            return _left(keys, name, environment.get(_NAMESPACE, "NAMESPACE"))
        made = _make_key(keys, secrets, name)
    finally:
        database.close()
    return f"Secret {name} holds the first key." if made else f"Another run made the Secret {name}."


def _left(keys: KeyStore, name: str, namespace: str) -> str:
    """Leave the Secret as it is; but a database that has never had a key cannot be the one that knows it."""
    if keys.all(DEFAULT_PROJECT):
        return f"Secret {name} is there already; it was left as it is."
    raise ConfigError(
        f"The Secret {name} is there, but this database has never had a key, so nothing would open the platform: it "
        f"is of another database. Name that one, or begin anew: `kubectl -n {namespace} delete secret {name}`, and "
        "install again."
    )


def _make_key(keys: KeyStore, secrets: Secrets, name: str) -> bool:
    key = keys.create(DEFAULT_PROJECT, "admin", role="administer", of_organisation=True)
    made = False
    try:
        made = secrets.create(name, key)
    finally:
        if not made:  # a key that nobody holds opens nothing
            keys.revoke(DEFAULT_PROJECT, keys.verify(key).id)
    return made


class ClusterSecrets:
    """Secrets of a namespace, with the rights of this pod's service account.

    Args:
        namespace: where they lie.
    """

    def __init__(self, namespace: str) -> None:
        from kubernetes import client, config

        self._namespace = namespace
        self._refusal: type[Exception] = client.ApiException
        try:
            config.load_incluster_config()  # type: ignore[no-untyped-call]
        except config.ConfigException as error:
            raise ConfigError(
                f"No service account is mounted: {error}. This runs as a Job of the chart; elsewhere use "
                "`tunesmith keys create NAME`."
            ) from error
        self._api: Any = client.CoreV1Api()

    def exists(self, name: str) -> bool:
        """Whether there is a Secret of that name; see Secrets."""
        return self._asked("read", name, 404, self._api.read_namespaced_secret, name, self._namespace)

    def create(self, name: str, key: str) -> bool:
        """Make a Secret with one key; see Secrets."""
        secret = {"metadata": {"name": name}, "type": "Opaque", "stringData": {KEY: key}}
        return self._asked("create", name, 409, self._api.create_namespaced_secret, self._namespace, secret)

    def _asked(self, verb: str, name: str, otherwise: int, call: Any, *arguments: Any) -> bool:
        """Whether the call went well; False where the server answers with the one status that is no fault."""
        try:
            call(*arguments, _request_timeout=30)
        except self._refusal as error:
            status = getattr(error, "status", None)
            if status == otherwise:
                return False
            raise UnavailableError(
                f"The API server refused to {verb} the Secret {name} in {self._namespace}: {status} "
                f"{getattr(error, 'reason', '')}. The chart's bootstrap Role allows it (templates/bootstrap/role.yaml)."
            ) from error
        return True


def _required(environment: Mapping[str, str], name: str) -> str:
    if not environment.get(name):
        raise ConfigError(f"{name} is not set. The chart sets it; by hand, use `tunesmith keys create NAME`.")
    return environment[name]


if __name__ == "__main__":
    main()
