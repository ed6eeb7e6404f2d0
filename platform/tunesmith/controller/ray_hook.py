"""What `ray start` is told through `RAY_START_HOOK`, because it has no flag for it."""

from __future__ import annotations

from typing import Any


def leave_out_client_server(ray_params: Any, _head: bool) -> None:
    """Start no Ray Client server: nothing here uses it, and it costs a port and 100 MB.

    Args:
        ray_params: the parameters that `ray start` is about to use; changed in place.
        _head: whether it is about to start a head.
    """
    ray_params.ray_client_server_port = None
