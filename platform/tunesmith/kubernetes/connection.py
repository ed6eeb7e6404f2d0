"""The way to an API server: a kubeconfig and a context, or the service account of this pod."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlencode

import urllib3
import yaml
from kubernetes import client as kubernetes_client
from kubernetes import config as kubernetes_config
from kubernetes.config.kube_config import ConfigNode, KubeConfigMerger

from tunesmith.errors import ConfigError, PlatformError, UnavailableError
from tunesmith.kubernetes.answers import error_of

_CONNECT_SECONDS, _ANSWER_SECONDS = 5.0, 20.0
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.2, 5.0
_LATER = {429, 500, 502, 503, 504}
_Body = Mapping[str, Any] | Sequence[Mapping[str, Any]]
_UNREADABLE = (OSError, TypeError, AttributeError, ValueError, KeyError, yaml.YAMLError)
"""What the official client raises for a kubeconfig that is none."""
_NAMESPACE_FILE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


class Configuration(Protocol):
    """What is used of the official client's configuration: address, TLS, credentials that renew themselves."""

    host: str

    def get_api_key_with_prefix(self, identifier: str, alias: str | None = None) -> str | None:
        """The value of the Authorization header."""


@dataclass(frozen=True, slots=True)
class _Kubeconfig:
    """What is read of a kubeconfig: contexts and users by name."""

    contexts: Mapping[str, Mapping[str, Any]]
    current: str | None
    users: Mapping[str, Mapping[str, Any]]


class Connection:
    """Sends requests; waits where the server is busy, and says what its refusals mean.

    Patience is had once: from a server that was given up every further request is asked once, until one is answered.
    Else a loop over many objects would stand still as many times over.

    Args:
        api: the official client.
        namespace: the context's namespace.
        context: its name, for messages.
        patience_seconds: how long a busy server is asked again.
        sleep: waits; tests count.
    """

    def __init__(
        self,
        api: Any,
        *,
        namespace: str,
        context: str,
        patience_seconds: float = 30.0,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.namespace = namespace
        self.context = context
        self._configuration: Configuration = api.configuration
        self._pool: urllib3.PoolManager = api.rest_client.pool_manager
        self._patience_seconds = patience_seconds
        self._sleep = sleep
        self._given_up = False

    @property
    def server(self) -> str:
        """Address of the API server."""
        return self._configuration.host

    def request(
        self,
        method: str,
        path: str,
        *,
        what: str,
        query: Mapping[str, Any] | None = None,
        body: _Body | None = None,
        content_type: str = "application/json",
    ) -> bytes:
        """Ask, and ask again for a while where the server is too busy to answer.

        Args:
            method: HTTP method.
            path: path of the URL.
            what: what is asked for, for messages.
            query: parameters.
            body: JSON.
            content_type: of the body.

        Returns:
            The answer.

        Raises:
            PlatformError: what the refusal means, see `answers`.
            UnavailableError: the server cannot be reached, or stays busy.
        """
        deadline = time.monotonic() + (0.0 if self._given_up else self._patience_seconds)
        pause = _FIRST_PAUSE_SECONDS
        while True:
            try:
                answer = self._once(method, path, what, query, body, content_type)
            except _Busy as busy:
                # A creation whose answer was lost is told as AlreadyExists the second time; callers know.
                wait = max(busy.retry_after_seconds, pause)
                if time.monotonic() + wait > deadline:
                    self._given_up = True
                    raise busy.error from None
            except UnavailableError:
                raise
            except PlatformError:
                self._given_up = False  # a refusal is an answer
                raise
            else:
                self._given_up = False
                return answer
            self._sleep(wait)
            pause = min(_LONGEST_PAUSE_SECONDS, pause * 2)

    def lines(
        self, path: str, *, what: str, query: Mapping[str, Any], idle_seconds: float
    ) -> Iterator[bytes]:
        """Read an answer line by line, as it comes: a watch, or a log that is followed.

        Args:
            path: path of the URL.
            what: what is asked for, for messages.
            query: parameters.
            idle_seconds: the longest silence.

        Yields:
            Lines without their end; it ends when the server, or silence, ends it.

        Raises:
            PlatformError: what the refusal means.
            UnavailableError: the server cannot be reached.
        """
        try:
            response = self._send("GET", path, query, None, "application/json", read_seconds=idle_seconds)
        except _Busy as busy:
            raise busy.error from None
        try:
            if response.status != 200:
                raise error_of(response.status, response.read(), what=what, server=self.server)
            rest = b""
            for piece in response.stream(65536, decode_content=True):
                *whole, rest = (rest + piece).split(b"\n")
                yield from whole
            if rest:
                yield rest
        except (urllib3.exceptions.HTTPError, OSError):
            return  # cut in the middle: whoever reads goes on from where it was
        finally:
            response.close()

    def _once(
        self,
        method: str,
        path: str,
        what: str,
        query: Mapping[str, Any] | None,
        body: _Body | None,
        content_type: str,
    ) -> bytes:
        response = self._send(method, path, query, body, content_type, read_seconds=_ANSWER_SECONDS)
        try:
            data = response.read()
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise _Busy(self._unreachable(error)) from None
        finally:
            response.release_conn()
        if response.status < 300:
            return bytes(data)
        refused = error_of(response.status, data, what=what, server=self.server)
        if response.status in _LATER:
            raise _Busy(refused, _retry_after(response.headers.get("Retry-After")))
        raise refused

    def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any] | None,
        body: _Body | None,
        content_type: str,
        *,
        read_seconds: float,
    ) -> urllib3.BaseHTTPResponse:
        headers = {"Accept": "application/json", "User-Agent": "tunesmith"}
        if body is not None:
            headers["Content-Type"] = content_type
        try:
            # Asked each time: tokens of service accounts and of sign-in programs are renewed behind this call.
            if key := self._configuration.get_api_key_with_prefix("BearerToken", alias="authorization"):
                headers["Authorization"] = key
            return self._pool.request(
                method,
                f"{self.server}{path}{f'?{urlencode(query)}' if query else ''}",
                body=None if body is None else json.dumps(body),
                headers=headers,
                timeout=urllib3.Timeout(connect=_CONNECT_SECONDS, read=read_seconds),
                retries=False,
                preload_content=False,
            )
        except kubernetes_config.ConfigException as error:
            raise ConfigError(f"Context {self.context} cannot sign in: {error}. Sign in again.") from error
        except (urllib3.exceptions.HTTPError, OSError) as error:
            unreachable = self._unreachable(error)
            # Only what may be repeated without harm is; of a lost creation nobody knows whether it was done.
            raise (_Busy(unreachable) if method == "GET" else unreachable) from None

    def _unreachable(self, error: Exception) -> UnavailableError:
        reason = " ".join(str(error).split())[:160] or type(error).__name__
        return UnavailableError(
            f"The API server {self.server} of context {self.context} cannot be reached: {reason}. Check the address, "
            "the network or VPN, or choose another context with --context.",
            code="unreachable",
        )


class _Busy(Exception):
    """Worth asking again."""

    def __init__(self, error: PlatformError, retry_after_seconds: float = 0.0) -> None:
        super().__init__(error.message)
        self.error = error
        self.retry_after_seconds = retry_after_seconds


def connect(
    *,
    context: str | None = None,
    namespace: str | None = None,
    kubeconfig: str | None = None,
    patience_seconds: float = 30.0,
) -> Connection:
    """Find a cluster: the named context, else the pod's own service account, else the current context.

    Args:
        context: a context of the kubeconfig.
        namespace: instead of the context's own.
        kubeconfig: its file; `KUBECONFIG`, else `~/.kube/config`, if unset.
        patience_seconds: how long a busy server is asked again.

    Returns:
        The connection; nothing was sent yet.

    Raises:
        ConfigError: there is no such context, or no kubeconfig.
    """
    if context is None and kubeconfig is None and "KUBERNETES_SERVICE_HOST" in os.environ:
        return _from_pod(namespace, patience_seconds)
    kubeconfig = kubeconfig or os.environ.get("KUBECONFIG") or str(Path.home() / ".kube" / "config")
    found = _read_kubeconfig(kubeconfig)
    chosen = _choose_context(found, context)
    try:
        api = kubernetes_config.new_client_from_config(  # type: ignore[no-untyped-call]
            config_file=kubeconfig, context=chosen, persist_config=False
        )
    except (*_UNREADABLE, kubernetes_config.ConfigException) as error:
        raise ConfigError(
            f"Context {chosen} of {kubeconfig} cannot be used: {_line(error)}. Write it again with your "
            "provider's command."
        ) from error
    _require_sign_in(api.configuration, found, chosen)
    space = namespace or found.contexts[chosen].get("namespace") or "default"
    return Connection(api, namespace=space, context=chosen, patience_seconds=patience_seconds)


def _read_kubeconfig(kubeconfig: str) -> _Kubeconfig:
    """All of its files together, as kubectl sees them."""
    try:
        document = _plain(KubeConfigMerger(kubeconfig).config)  # type: ignore[no-untyped-call]
        if document is not None:
            return _Kubeconfig(
                {each["name"]: each["context"] for each in document.get("contexts") or ()},
                document.get("current-context"),
                {each["name"]: each.get("user") or {} for each in document.get("users") or ()},
            )
    except (*_UNREADABLE, kubernetes_config.ConfigException) as error:
        raise ConfigError(
            f"{kubeconfig} is no kubeconfig: {_line(error)}. Set KUBECONFIG, or write it again with your provider's "
            "command."
        ) from error
    raise ConfigError(
        f"No cluster to talk to: {kubeconfig} does not exist. Set KUBECONFIG, or write ~/.kube/config with your "
        "provider's command."
    )


def _plain(node: Any) -> Any:
    """What the official client has read and merged, without the nodes that remember whence it came."""
    value = node.value if isinstance(node, ConfigNode) else node
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list) else value


def _choose_context(found: _Kubeconfig, wanted: str | None) -> str:
    known = ", ".join(sorted(found.contexts))
    chosen = wanted or found.current
    if not chosen:
        raise ConfigError(
            f"The kubeconfig has no current context. Choose one with --context: {known or 'there is none'}."
        )
    if chosen not in found.contexts:
        raise ConfigError(f'Context "{chosen}" is not in the kubeconfig. Known: {known}.')
    return chosen


def _require_sign_in(configuration: Any, found: _Kubeconfig, chosen: str) -> None:
    """The official client only logs a sign-in program that fails, and goes on as nobody."""
    program = found.users.get(found.contexts[chosen].get("user", ""), {}).get("exec")
    if program and not configuration.api_key and not configuration.cert_file:
        raise ConfigError(
            f"Context {chosen} cannot sign in: {program.get('command')} gave no credentials. Run "
            f"`kubectl --context {chosen} get pods` to see why; install it, or sign in again."
        )


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200].rstrip(".") or type(error).__name__


def _from_pod(namespace: str | None, patience_seconds: float) -> Connection:
    configuration = kubernetes_client.Configuration()
    try:
        kubernetes_config.load_incluster_config(  # type: ignore[no-untyped-call]
            client_configuration=configuration
        )
        own = (
            namespace
            or os.environ.get("TUNESMITH_NAMESPACE")
            or _NAMESPACE_FILE.read_text(encoding="ascii").strip()
        )
    except (kubernetes_config.ConfigException, OSError) as error:
        raise ConfigError(
            f"This pod has no service account to sign in with: {error}. Mount one, or give a kubeconfig."
        ) from error
    return Connection(
        kubernetes_client.ApiClient(configuration),
        namespace=own,
        context="in-cluster",
        patience_seconds=patience_seconds,
    )


def _retry_after(value: str | None) -> float:
    return float(value) if value and value.isdecimal() else 0.0
