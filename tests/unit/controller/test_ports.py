from __future__ import annotations

import socket

import pytest

from tunesmith.controller.ports import free_ports, require_free
from tunesmith.errors import ConflictError


def test_free_ports_differ_and_are_free():
    ports = free_ports(("a", "b", "c"))
    assert len(set(ports.values())) == 3
    for port in ports.values():
        require_free(port)


def test_a_taken_port_is_named_with_the_way_out():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        with pytest.raises(ConflictError, match=rf"Port {port} .*--port") as error:
            require_free(port)
    assert error.value.param == "port"
    require_free(port)
