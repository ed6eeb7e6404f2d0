"""What the platform's processes listen on, all of it: the loopback, or nothing without Ray's token."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address

import grpc
import psutil
import pytest
from live_platform import LivePlatform

from tunesmith.controller.processes import INSTANCE

pytestmark = pytest.mark.flow


def test_what_listens_beyond_the_loopback_answers_nobody_without_the_token(platform: LivePlatform) -> None:
    listening = dict(_listening(platform.record.instance))
    beyond = {port: name for (address, port), name in listening.items() if not _is_loopback(address)}
    assert len(listening) > len(beyond)
    # Ray Serve opens one for calls between replicas, and cannot be told where.
    assert {name.split(":")[3] for name in beyond.values()} >= {"engine", "embed", "answer"}
    assert all(name.startswith("ray::ServeReplica:") for name in beyond.values()), beyond
    for port, name in beyond.items():
        assert _ask(port) is grpc.StatusCode.UNAUTHENTICATED, name


def _listening(instance: str) -> Iterator[tuple[tuple[str, int], str]]:
    for process in psutil.process_iter():
        try:
            if process.environ().get(INSTANCE) != instance:
                continue
            for connection in process.net_connections(kind="tcp"):
                if connection.status == psutil.CONN_LISTEN:
                    yield connection.laddr, process.name()
        except psutil.Error:
            continue


def _is_loopback(address: str) -> bool:
    parsed = ip_address(address)
    return (getattr(parsed, "ipv4_mapped", None) or parsed).is_loopback


def _ask(port: int) -> grpc.StatusCode:
    """Call a replica as another replica would, but for the token."""
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        call = channel.unary_unary("/ray.serve.ASGIService/HandleRequest")
        with pytest.raises(grpc.RpcError) as refused:
            call(b"", timeout=10)
    return refused.value.code()
