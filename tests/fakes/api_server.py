"""A small Kubernetes API server over real HTTP, for the client: it keeps objects, and behaves badly when asked to.

    create, get, list (pages), delete (owners first), server-side apply, merge and JSON patch, status subresource, watch
    409 on a second creation, 404 with and without a name, 410 for a watch from before `forget()`, 401, 403, 429

Objects of KubeRay are validated as the real server does (`crd.validate`), where the CRDs are at hand. There are no
controllers: a test plays the operator, by `set_status`.
"""

from __future__ import annotations

import asyncio
import copy
import json
import socket
import threading
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvicorn
import yaml
from crd import HAVE_CRDS, PLURALS, validate
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from tunesmith.kubernetes.resources import RESOURCES, Resource

Key = tuple[str, str, str]
"""Plural, namespace (empty where there is none), name."""


@dataclass
class FakeApiServer:
    """What the server knows, and how it shall behave; tests change it while it runs."""

    url: str = ""
    token: str = "good-token"
    objects: dict[Key, dict[str, Any]] = field(default_factory=dict)
    logs: dict[tuple[str, str], str] = field(default_factory=dict)
    requests: list[tuple[str, str]] = field(default_factory=list)
    applied: set[str] = field(default_factory=set)
    """Paths of objects that were applied, on the server's side."""
    missing_kinds: set[str] = field(default_factory=set)
    old_kinds: set[str] = field(default_factory=set)
    """Kinds that are served at their older version alone."""
    groups: set[str] = field(default_factory=set)
    """Groups with their versions that are served beside those of the kinds."""
    forbidden: set[tuple[str, str]] = field(default_factory=set)
    """(verb, plural) that answer 403."""
    busy: list[int] = field(default_factory=list)
    """Statuses that the next requests are answered with."""
    retry_after: int = 0
    """Seconds that a busy answer asks for."""
    cut_watches: bool = False
    """End each watch after one event."""
    minor: str = "33"
    _version: int = 1
    _history: list[tuple[int, str, dict[str, Any]]] = field(default_factory=list)
    _forgotten: int = 0
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _serve: Callable[[], AbstractContextManager[None]] = nullcontext
    _up: ExitStack = field(default_factory=ExitStack)

    def go_away(self) -> None:
        """Stop listening, and cut every connection: an API server that is upgraded. What it knows stays."""
        self._up.close()

    def come_back(self) -> None:
        """Listen again, at the same address."""
        self._up.enter_context(self._serve())

    def put(self, thing: dict[str, Any]) -> dict[str, Any]:
        """Have an object be there, as somebody else makes it."""
        resource = RESOURCES[thing["kind"]]
        thing = copy.deepcopy(thing)
        if resource.namespaced:
            thing["metadata"].setdefault("namespace", "tunesmith")
        return self._store(resource, thing)

    def find(self, kind: str, name: str, namespace: str = "tunesmith") -> dict[str, Any] | None:
        """Look an object up."""
        resource = RESOURCES[kind]
        return self.objects.get((resource.plural, namespace if resource.namespaced else "", name))

    def all(self, kind: str) -> list[dict[str, Any]]:
        """All objects of a kind."""
        return [thing for (plural, _, _), thing in self.objects.items() if plural == RESOURCES[kind].plural]

    def set_status(self, kind: str, name: str, status: dict[str, Any], namespace: str = "tunesmith") -> None:
        """Play the operator."""
        thing = copy.deepcopy(self.find(kind, name, namespace))
        assert thing is not None
        thing["status"] = {**thing.get("status", {}), **status}
        self._store(RESOURCES[kind], thing)

    def remove(self, kind: str, name: str, namespace: str = "tunesmith") -> None:
        """Delete an object at once, as another one does it."""
        resource = RESOURCES[kind]
        with self._lock:
            thing = self.objects.pop((resource.plural, namespace if resource.namespaced else "", name))
            self._remember("DELETED", thing)

    def forget(self) -> None:
        """Forget the past: a watch from before gets 410."""
        with self._lock:
            self._forgotten = self._version
            self._history.clear()

    def kubeconfig(self, folder: Path, *, token: str | None = None, namespace: str = "tunesmith") -> Path:
        """Write a kubeconfig that leads here."""
        path = folder / "kubeconfig"
        user = {"token": token or self.token}
        path.write_text(
            yaml.safe_dump(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "clusters": [{"name": "fake", "cluster": {"server": self.url}}],
                    "users": [{"name": "me", "user": user}],
                    "contexts": [
                        {"name": "fake", "context": {"cluster": "fake", "user": "me", "namespace": namespace}}
                    ],
                    "current-context": "fake",
                }
            ),
            encoding="utf-8",
        )
        return path

    def _store(self, resource: Resource, thing: dict[str, Any]) -> dict[str, Any]:
        with self._lock:
            metadata = thing["metadata"]
            key = (
                resource.plural,
                metadata.get("namespace", "") if resource.namespaced else "",
                metadata["name"],
            )
            known = self.objects.get(key)
            self._version += 1
            metadata.setdefault("uid", str(uuid.uuid4()))
            metadata.setdefault("creationTimestamp", time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))
            if known is None or known.get("spec") != thing.get("spec"):
                metadata["generation"] = metadata.get("generation", 0) + 1
            metadata["resourceVersion"] = str(self._version)
            self.objects[key] = thing
            self._remember("MODIFIED" if known else "ADDED", thing, bump=False)
            return thing

    def _remember(self, event: str, thing: dict[str, Any], *, bump: bool = True) -> None:
        if bump:
            self._version += 1
        thing = copy.deepcopy(thing)
        thing["metadata"]["resourceVersion"] = str(self._version)
        self._history.append((self._version, event, thing))

    async def answer(self, request: Request) -> Response:
        """Answer a request."""
        self.requests.append((request.method, request.url.path))
        if self.busy:
            status = self.busy.pop(0)
            return _status(status, "TooManyRequests", "slow down", retry_after=self.retry_after)
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if (scheme.lower(), token) != ("bearer", self.token):
            return _status(401, "Unauthorized", "Unauthorized")
        if request.url.path == "/version":
            return JSONResponse({"major": "1", "minor": self.minor, "gitVersion": f"v1.{self.minor}.0"})
        if request.url.path == "/apis":
            return JSONResponse({"kind": "APIGroupList", "groups": self._groups()})
        found = self._route(request.url.path)
        if found is None:
            return PlainTextResponse("404 page not found\n", 404)
        resource, namespace, name, subresource = found
        verb = _verb(request, name)
        if (verb, resource.plural) in self.forbidden:
            return _status(
                403,
                "Forbidden",
                f'{resource.plural} is forbidden: User "me" cannot {verb} resource "{resource.plural}"',
            )
        if resource.kind == "SelfSubjectAccessReview":
            return self._review(await request.json())
        if subresource == "log":
            return self._log(namespace, name)
        match verb:
            case "list" | "watch":
                return self._collection(request, resource, namespace, verb)
            case "create":
                return self._create(resource, namespace, await request.json())
            case "patch":
                return await self._patch(request, resource, namespace, name, subresource)
        thing = self.objects.get((resource.plural, namespace, name))
        if thing is None:
            return _status(404, "NotFound", f'{resource.plural} "{name}" not found', name=name)
        if verb == "delete":
            return self._delete(resource, namespace, name)
        return JSONResponse(thing)

    def _route(self, path: str) -> tuple[Resource, str, str, str] | None:
        parts = path.strip("/").split("/")
        version, rest = ("/".join(parts[1:3]), parts[3:]) if parts[0] == "apis" else (parts[1], parts[2:])
        namespace = ""
        if len(rest) > 2 and rest[0] == "namespaces":
            namespace, rest = rest[1], rest[2:]
        for resource in self._served():
            if resource.api_version == version and resource.plural == rest[0]:
                name, subresource = (*rest[1:], "", "")[:2]
                return resource, namespace, name, subresource
        return None

    def _served(self) -> list[Resource]:
        known = [resource for resource in RESOURCES.values() if resource.kind not in self.missing_kinds]
        return [
            resource.older or resource if resource.kind in self.old_kinds else resource for resource in known
        ]

    def _groups(self) -> list[dict[str, Any]]:
        served = {resource.api_version for resource in self._served() if resource.group} | self.groups
        return [{"name": each.split("/")[0], "versions": [{"groupVersion": each}]} for each in sorted(served)]

    def _review(self, body: dict[str, Any]) -> Response:
        asked = body["spec"]["resourceAttributes"]
        allowed = (asked["verb"], asked["resource"]) not in self.forbidden
        return JSONResponse({**body, "status": {"allowed": allowed}}, 201)

    def _log(self, namespace: str, name: str) -> Response:
        if (namespace, name) not in self.logs:
            if pod := self.objects.get(("pods", namespace, name)):
                container = pod["spec"]["containers"][0]["name"]
                return _status(
                    400,
                    "BadRequest",
                    f'container "{container}" in pod "{name}" is waiting to start: ContainerCreating',
                )
            return _status(404, "NotFound", f'pods "{name}" not found', name=name)
        return PlainTextResponse(self.logs[(namespace, name)])

    def _collection(self, request: Request, resource: Resource, namespace: str, verb: str) -> Response:
        if verb == "watch":
            since = int(request.query_params.get("resourceVersion") or 0)
            if since < self._forgotten:
                # Told within the stream, as the real server does.
                gone = {
                    "kind": "Status",
                    "code": 410,
                    "reason": "Expired",
                    "message": f"too old resource version: {since}",
                }
                return PlainTextResponse(json.dumps({"type": "ERROR", "object": gone}) + "\n")
            return StreamingResponse(self._events(resource, namespace, since, request))
        with self._lock:
            things = [
                thing
                for (plural, space, _), thing in sorted(self.objects.items())
                if plural == resource.plural and namespace in ("", space) and _selected(thing, request)
            ]
            version = str(self._version)
        seen, _, counted = (request.query_params.get("continue") or f"{version}/0").partition("/")
        if int(seen) < self._forgotten:
            return _status(410, "Expired", "The provided continue parameter is too old")
        start = int(counted)
        limit = min(
            int(request.query_params.get("limit") or 10**6), 2
        )  # small, so that every test turns some pages
        more = {"continue": f"{seen}/{start + limit}"} if start + limit < len(things) else {}
        return JSONResponse(
            {
                "kind": f"{resource.kind}List",
                "metadata": {"resourceVersion": version, **more},
                "items": things[start : start + limit],
            }
        )

    async def _events(
        self, resource: Resource, namespace: str, since: int, request: Request
    ) -> AsyncIterator[str]:
        while not await request.is_disconnected():
            with self._lock:
                fresh = [entry for entry in self._history if entry[0] > since]
            for version, event, thing in fresh:
                since = version
                own = RESOURCES[thing["kind"]].plural == resource.plural
                if (
                    own
                    and namespace in ("", thing["metadata"].get("namespace", ""))
                    and _selected(thing, request)
                ):
                    yield json.dumps({"type": event, "object": thing}) + "\n"
                    if self.cut_watches:
                        return
            if self.cut_watches:
                return
            await asyncio.sleep(0.02)

    def _create(self, resource: Resource, namespace: str, thing: dict[str, Any]) -> Response:
        if resource.namespaced and ("namespaces", "", namespace) not in self.objects:
            return _status(404, "NotFound", f'namespaces "{namespace}" not found', name=namespace)
        name = thing["metadata"]["name"]
        if (resource.plural, namespace, name) in self.objects:
            return _status(409, "AlreadyExists", f'{resource.plural} "{name}" already exists', name=name)
        if faults := _faults(resource, thing):
            return _status(
                422, "Invalid", f'{resource.kind} "{name}" is invalid: {"; ".join(faults)}', name=name
            )
        if resource.namespaced:
            thing["metadata"]["namespace"] = namespace
        return JSONResponse(self._store(resource, thing), 201)

    async def _patch(
        self, request: Request, resource: Resource, namespace: str, name: str, subresource: str
    ) -> Response:
        body = yaml.safe_load(await request.body())
        known = self.objects.get((resource.plural, namespace, name))
        if request.headers["content-type"].startswith("application/apply-patch"):
            self.applied.add(request.url.path)
            if known is None:
                return self._create(resource, namespace, body)
        if known is None:
            return _status(404, "NotFound", f'{resource.plural} "{name}" not found', name=name)
        if request.headers["content-type"].startswith("application/json-patch"):
            try:
                thing = _operated(known, body)
            except ValueError:
                refusal = "the server rejected our request due to an error in our request"
                return _status(422, "Invalid", refusal, name=name)
        else:
            thing = _merged(known, {"status": body.get("status", {})} if subresource == "status" else body)
        if faults := _faults(resource, thing):
            return _status(422, "Invalid", "; ".join(faults), name=name)
        if thing == known:
            return JSONResponse(known)  # nothing changed, nobody is told
        return JSONResponse(self._store(resource, thing))

    def _delete(self, resource: Resource, namespace: str, name: str) -> Response:
        key = (resource.plural, namespace, name)
        if self.objects[key]["metadata"].get("finalizers"):
            thing = copy.deepcopy(self.objects[key])
            thing["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
            return JSONResponse(self._store(resource, thing))
        self.remove(resource.kind, name, namespace)
        return JSONResponse({"kind": "Status", "status": "Success"})


@contextmanager
def api_server(
    address: str = "127.0.0.1", *, certificate: tuple[Path, Path] | None = None
) -> Iterator[FakeApiServer]:
    """Run a server while the block runs; with a certificate and its key it speaks TLS, as pods expect."""
    fake = FakeApiServer()
    for space in ("default", "tunesmith"):
        fake.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": space}})
    methods = ["GET", "POST", "PATCH", "DELETE"]
    app = Starlette(routes=[Route("/{path:path}", fake.answer, methods=methods)])
    fake.url = f"{'https' if certificate else 'http'}://{address}:{_free_port(address)}"
    fake._serve = lambda: _served(app, fake.url, certificate)
    fake.come_back()
    try:
        yield fake
    finally:
        fake.go_away()


@contextmanager
def _served(app: Starlette, url: str, certificate: tuple[Path, Path] | None) -> Iterator[None]:
    address, _, port = url.rpartition("/")[2].partition(":")
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((address, int(port)))
    listener.listen()  # who connects from now on waits, and is not refused
    options: dict[str, Any] = {"log_level": "error", "lifespan": "off", "timeout_graceful_shutdown": 1}
    if certificate:
        options |= {"ssl_certfile": certificate[0], "ssl_keyfile": certificate[1]}
    server = uvicorn.Server(uvicorn.Config(app, **options))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(timeout=10)
        listener.close()


def _free_port(address: str) -> int:
    with socket.socket() as listener:
        listener.bind((address, 0))
        return int(listener.getsockname()[1])


def _verb(request: Request, name: str) -> str:
    if request.method == "GET" and not name:
        return "watch" if request.query_params.get("watch") == "true" else "list"
    return {"GET": "get", "POST": "create", "PATCH": "patch", "DELETE": "delete"}[request.method]


def _selected(thing: dict[str, Any], request: Request) -> bool:
    labels = thing["metadata"].get("labels") or {}
    for pair in filter(None, request.query_params.get("labelSelector", "").split(",")):
        name, _, value = pair.partition("=")
        if labels.get(name) != value:
            return False
    for pair in filter(None, request.query_params.get("fieldSelector", "").split(",")):
        path, _, value = pair.partition("=")
        found: Any = thing
        for part in path.split("."):
            found = (found or {}).get(part)
        if str(found) != value:
            return False
    return True


def _faults(resource: Resource, thing: dict[str, Any]) -> list[str]:
    return validate(thing) if HAVE_CRDS and resource.kind in PLURALS else []


def _merged(known: Any, change: Any) -> Any:
    """Maps are merged, everything else is replaced: enough of an apply for objects whose lists are all ours."""
    if not isinstance(known, dict) or not isinstance(change, dict):
        return copy.deepcopy(change)
    merged = copy.deepcopy(known)
    for key, value in change.items():
        merged[key] = _merged(merged.get(key), value)
    return merged


def _operated(known: Any, operations: Any) -> Any:
    """A JSON patch (RFC 6902), as far as `test`, `add` and `replace` of a field go."""
    changed = copy.deepcopy(known)
    for operation in operations:
        *way, last = operation["path"].removeprefix("/").split("/")
        place: Any = changed
        for step in way:
            place = place[int(step)] if isinstance(place, list) else place[step]
        match operation["op"]:
            case "test" if place.get(last) != operation["value"]:
                raise ValueError(f"testing value {operation['path']} failed")
            case "replace" if last not in place:
                raise ValueError(f"replace operation does not apply: {operation['path']}")
            case "add" | "replace":
                place[last] = operation["value"]
            case other if other != "test":
                raise ValueError(f"unexpected operation {other}")
    return changed


def _status(
    code: int, reason: str, message: str, *, name: str = "", retry_after: int | None = None
) -> JSONResponse:
    body = {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "code": code,
        "reason": reason,
        "message": message,
    }
    if name:
        body["details"] = {"name": name}
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    return JSONResponse(body, code, headers=headers)
