"""Objects of a cluster as plain mappings: read, written with one field manager, watched without a gap."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from tunesmith.errors import ConfigError, ConflictError, DependencyError, NotFoundError, UnavailableError
from tunesmith.kubernetes.answers import EXISTS, GONE, NO_KIND
from tunesmith.kubernetes.connection import Connection
from tunesmith.kubernetes.names import MANAGER
from tunesmith.kubernetes.resources import Resource, resource_of

_PAGE = 500
_WATCH_SECONDS = 300
_PAUSE_SECONDS = 1.0
_SHORTEST_WATCH_SECONDS = 0.1
_JSON_PATCH = "application/json-patch+json"
_NO_LOG_YET = ("is waiting to start", "does not have a host assigned", "is not available")
"""What an API server says, with 400, of a container that has not run yet."""

Thing = Mapping[str, Any]
"""A Kubernetes object."""


@dataclass(frozen=True, slots=True)
class Change:
    """What happened to an object.

    Attributes:
        type: `seen`: it is there, new or changed; `gone`: it was deleted.
        thing: the object, as it last was.
    """

    type: Literal["seen", "gone"]
    thing: Thing


class KubernetesClient:
    """Reads and writes objects.

    Args:
        connection: the way to the API server.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @property
    def namespace(self) -> str:
        """The namespace where things are looked for unless another one is named."""
        return self._connection.namespace

    @property
    def context(self) -> str:
        """Name of the context."""
        return self._connection.context

    @property
    def server(self) -> str:
        """Address of the API server."""
        return self._connection.server

    def version(self) -> tuple[int, int]:
        """Ask for the server's version.

        Returns:
            Major and minor.
        """
        told = json.loads(self._connection.request("GET", "/version", what="read the version"))
        return int(told["major"]), int("".join(filter(str.isdecimal, told["minor"])))

    def api_versions(self) -> list[str]:
        """Ask for all that the server serves beside the core.

        Returns:
            Groups with their versions, `ray.io/v1`.
        """
        told = json.loads(self._connection.request("GET", "/apis", what="list the API groups"))
        return [version["groupVersion"] for group in told["groups"] for version in group["versions"]]

    def get(self, kind: str, name: str, *, namespace: str | None = None) -> Thing | None:
        """Read an object.

        Args:
            kind: its kind.
            name: its name.
            namespace: instead of the client's own.

        Returns:
            The object; None where there is none.

        Raises:
            PlatformError: it cannot be read.
        """
        resource, space = resource_of(kind), namespace or self.namespace
        try:
            return self._ask("GET", resource, space, name)
        except NotFoundError:
            return None

    def all(
        self, kind: str, *, selector: str = "", fields: str = "", namespace: str | None = None
    ) -> list[Thing]:
        """Read all objects of a kind, page by page; where the server has only the kind's older version, that.

        Args:
            kind: the kind.
            selector: labels, `a=b,c=d`.
            fields: fields, `involvedObject.name=x`.
            namespace: instead of the client's own; `*`: all.

        Returns:
            The objects.

        Raises:
            PlatformError: they cannot be read.
        """
        resource, space, selectors = resource_of(kind), self._space(namespace), _selectors(selector, fields)
        try:
            return self._whole(resource, space, selectors)
        except DependencyError as error:
            if error.code != NO_KIND or resource.older is None:
                raise
            return self._whole(resource.older, space, selectors)

    def create(self, thing: Thing) -> Thing:
        """Make an object.

        Args:
            thing: the object, with name and namespace.

        Returns:
            It, as the server has it.

        Raises:
            ConflictError: it exists; code `already_exists`.
            PlatformError: it cannot be made.
        """
        query = {"fieldManager": MANAGER, "fieldValidation": "Strict"}
        return self._ask(
            "POST", resource_of(thing), _space_of(thing), None, body=thing, query=query, of=_name(thing)
        )

    def apply(self, thing: Thing) -> Thing:
        """Make an object, or have the fields that are ours be as given; fields of others stay (server-side apply).

        Args:
            thing: the fields that are ours.

        Returns:
            The whole object.

        Raises:
            PlatformError: it cannot be applied.
        """
        return self._ask(
            "PATCH",
            resource_of(thing),
            _space_of(thing),
            _name(thing),
            body=thing,
            query={"fieldManager": MANAGER, "force": "true", "fieldValidation": "Strict"},
            content_type="application/apply-patch+yaml",
        )

    def patch(
        self, kind: str, name: str, operations: Sequence[Mapping[str, Any]], *, namespace: str | None = None
    ) -> Thing:
        """Change single fields of an object that is somebody else's (JSON patch, RFC 6902): all of them, or none.

        Args:
            kind: its kind.
            name: its name.
            operations: `op`, `path`, `value`; a `test` that fails keeps the rest from being done.
            namespace: instead of the client's own.

        Returns:
            The whole object.

        Raises:
            NotFoundError: there is none.
            PlatformError: it cannot be changed, or a test failed.
        """
        return self._ask(
            "PATCH",
            resource_of(kind),
            namespace or self.namespace,
            name,
            body=operations,
            query={"fieldManager": MANAGER, "fieldValidation": "Strict"},
            content_type=_JSON_PATCH,
        )

    def delete(self, kind: str, name: str, *, namespace: str | None = None, at_once: bool = False) -> bool:
        """Delete an object and all that it owns; it is there until the last of that is gone.

        Args:
            kind: its kind.
            name: its name.
            namespace: instead of the client's own.
            at_once: give a pod no time to leave, as a machine that dies gives none.

        Returns:
            Whether there was one.

        Raises:
            PlatformError: it cannot be deleted.
        """
        body: dict[str, Any] = {
            "kind": "DeleteOptions",
            "apiVersion": "v1",
            "propagationPolicy": "Foreground",
        }
        if at_once:
            body["gracePeriodSeconds"] = 0
        try:
            self._ask("DELETE", resource_of(kind), namespace or self.namespace, name, body=body)
        except NotFoundError:
            return False
        return True

    def watch(
        self,
        kind: str,
        *,
        selector: str = "",
        namespace: str | None = None,
        stopped: Callable[[], bool] = lambda: False,
    ) -> Iterator[Change]:
        """Follow all objects of a kind: first those that are there, then every change, across broken connections.

        After a break the watch goes on where it was. Where the server has forgotten that point (410 Gone) everything
        is listed anew, and what is missing then is told as gone: no change is lost, some are told twice.

        Args:
            kind: the kind.
            selector: labels.
            namespace: instead of the client's own.
            stopped: asked between changes and breaks.

        Yields:
            Changes.

        Raises:
            PlatformError: they may not be read.
        """
        resource, space, selectors = resource_of(kind), self._space(namespace), _selectors(selector, "")
        known: dict[tuple[str | None, str], Thing] = {}
        version: str | None = None
        while not stopped():
            try:
                if version is None:
                    things, version = self._list(resource, space, selectors)
                    yield from _compare(known, things)
                began = time.monotonic()
                for change, seen in self._watch_once(resource, space, selectors, version):
                    version = seen
                    if change is not None:
                        _note(known, change)
                        yield change
                    if stopped():
                        return
                if time.monotonic() - began < _SHORTEST_WATCH_SECONDS:
                    time.sleep(_SHORTEST_WATCH_SECONDS)
            except ConflictError as error:
                if error.code != GONE:
                    raise
                version = None
            except UnavailableError:
                # Busy for longer than a request's patience; a watch has nothing better to do.
                time.sleep(_PAUSE_SECONDS)

    def may(self, verb: str, kind: str, *, namespace: str | None = None, subresource: str = "") -> bool:
        """Ask whether this account may do something.

        Args:
            verb: `get`, `create`, ...
            kind: of which objects.
            namespace: instead of the client's own.
            subresource: such as `log`.

        Returns:
            The server's word.

        Raises:
            PlatformError: it cannot be asked.
        """
        resource = resource_of(kind)
        attributes = {
            "verb": verb,
            "group": resource.group,
            "resource": resource.plural,
            **({"namespace": namespace or self.namespace} if resource.namespaced else {}),
            **({"subresource": subresource} if subresource else {}),
        }
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "metadata": {},
            "spec": {"resourceAttributes": attributes},
        }
        return bool(self.create(review)["status"]["allowed"])

    def log(
        self, pod: str, *, container: str, namespace: str | None = None, tail: int | None = None
    ) -> bytes:
        """Read what a container has printed.

        Args:
            pod: its pod.
            container: its name.
            namespace: instead of the client's own.
            tail: only so many last lines.

        Returns:
            The log; nothing where there is none yet, or any more.

        Raises:
            PlatformError: it may not be read.
        """
        path = resource_of("Pod").path(namespace or self.namespace, pod)
        query = {"container": container, **({"tailLines": tail} if tail else {})}
        try:
            return self._connection.request("GET", f"{path}/log", what=f"read the log of {pod}", query=query)
        except NotFoundError:
            return b""
        except ConfigError as error:
            if any(words in error.message for words in _NO_LOG_YET):
                return b""
            raise

    def follow_log(self, pod: str, *, container: str, namespace: str | None = None) -> Iterator[str]:
        """Read what a container prints, as it prints it.

        Args:
            pod: its pod.
            container: its name.
            namespace: instead of the client's own.

        Yields:
            Lines, until the container ends or the connection does.

        Raises:
            PlatformError: it may not be read.
        """
        path = resource_of("Pod").path(namespace or self.namespace, pod)
        query = {"container": container, "follow": "true"}
        for line in self._connection.lines(
            f"{path}/log", what=f"read the log of {pod}", query=query, idle_seconds=3600
        ):
            yield line.decode(errors="replace")

    def _watch_once(
        self, resource: Resource, space: str | None, selectors: Mapping[str, str], version: str
    ) -> Iterator[tuple[Change | None, str]]:
        query = {
            **selectors,
            "watch": "true",
            "resourceVersion": version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": _WATCH_SECONDS,
        }
        lines = self._connection.lines(
            resource.path(space),
            what=f"watch {resource.plural}",
            query=query,
            idle_seconds=_WATCH_SECONDS + 15,
        )
        for line in lines:
            try:
                event = json.loads(line)
            except ValueError:
                return  # the connection broke within a line
            thing = event["object"]
            if event["type"] == "ERROR":
                if thing.get("code") == 410:
                    raise ConflictError(
                        f"watch {resource.plural}: {thing.get('message')}. List anew.", code=GONE
                    )
                return
            version = thing["metadata"]["resourceVersion"]
            if event["type"] == "BOOKMARK":
                yield None, version
            else:
                yield Change("gone" if event["type"] == "DELETED" else "seen", thing), version

    def _whole(self, resource: Resource, space: str | None, selectors: Mapping[str, str]) -> list[Thing]:
        """A list that the server forgot between two of its pages is asked for anew, once."""
        try:
            return self._list(resource, space, selectors)[0]
        except ConflictError as error:
            if error.code != GONE:
                raise
            return self._list(resource, space, selectors)[0]

    def _list(
        self, resource: Resource, space: str | None, selectors: Mapping[str, str]
    ) -> tuple[list[Thing], str]:
        things: list[Thing] = []
        query: dict[str, Any] = {**selectors, "limit": _PAGE}
        while True:
            page = self._ask("GET", resource, space, None, query=query)
            # Items of a list of a built-in kind do not say what they are.
            things += [
                {"apiVersion": resource.api_version, "kind": resource.kind, **item} for item in page["items"]
            ]
            metadata = page.get("metadata", {})
            if not metadata.get("continue"):
                return things, str(metadata.get("resourceVersion", ""))
            query = {**query, "continue": metadata["continue"]}

    def _ask(
        self,
        method: str,
        resource: Resource,
        space: str | None,
        name: str | None,
        *,
        query: Mapping[str, Any] | None = None,
        body: Thing | Sequence[Thing] | None = None,
        content_type: str = "application/json",
        of: str | None = None,
    ) -> Thing:
        where = f" in {space}" if resource.namespaced and space else ""
        verb = {
            "GET": "get" if name else "list",
            "POST": "create",
            "PATCH": "patch" if content_type == _JSON_PATCH else "apply",
            "DELETE": "delete",
        }[method]
        answer = self._connection.request(
            method,
            resource.path(space, name),
            what=f"{verb} {resource.plural}{f'/{name or of}' if name or of else ''}{where}",
            query=query,
            body=body,
            content_type=content_type,
        )
        thing: Thing = json.loads(answer)
        return thing

    def _space(self, namespace: str | None) -> str | None:
        return None if namespace == "*" else namespace or self.namespace


def create_or_get(client: KubernetesClient, thing: Thing) -> Thing:
    """Make an object, unless it is there: for objects that others change once they are made.

    Args:
        client: the client.
        thing: the object.

    Returns:
        It, as the server has it.

    Raises:
        PlatformError: it cannot be made.
    """
    try:
        return client.create(thing)
    except ConflictError as error:
        if error.code != EXISTS:
            raise
    found = client.get(thing["kind"], _name(thing), namespace=_space_of(thing))
    if found is None:
        raise UnavailableError(f"{thing['kind']} {_name(thing)} was there and is gone. Try again.")
    return found


def _selectors(selector: str, fields: str) -> dict[str, str]:
    return {
        **({"labelSelector": selector} if selector else {}),
        **({"fieldSelector": fields} if fields else {}),
    }


def _compare(known: dict[tuple[str | None, str], Thing], things: list[Thing]) -> Iterator[Change]:
    listed = {_key(thing): thing for thing in things}
    for key in known.keys() - listed.keys():
        yield Change("gone", known.pop(key))
    for key, thing in listed.items():
        known[key] = thing
        yield Change("seen", thing)


def _note(known: dict[tuple[str | None, str], Thing], change: Change) -> None:
    if change.type == "gone":
        known.pop(_key(change.thing), None)
    else:
        known[_key(change.thing)] = change.thing


def _key(thing: Thing) -> tuple[str | None, str]:
    return _space_of(thing), _name(thing)


def _name(thing: Thing) -> str:
    return str(thing["metadata"].get("name", ""))


def _space_of(thing: Thing) -> str | None:
    space: str | None = thing["metadata"].get("namespace")
    return space
