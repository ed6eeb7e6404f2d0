"""Where a version is proved: on the engine of its base, which is woken for it."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence

import httpx

from tunesmith.assets import same_base
from tunesmith.errors import UnavailableError
from tunesmith.records import ModelVersion
from tunesmith.stores.bases import BaseStates

_MOMENT_SECONDS = 10.0


class ProvingEngines:
    """The engines of a platform.

    Args:
        bases: the configured bases.
        states: who sleeps and who is ready.
        address: where the engine of a base is.
        always: bases that are never put to sleep: no state is kept of them.
    """

    def __init__(
        self,
        bases: Sequence[str],
        *,
        states: BaseStates,
        address: Callable[[str], str],
        always: Collection[str] = (),
    ) -> None:
        self._bases = bases
        self._states = states
        self._address = address
        self._always = always

    def client(self, version: ModelVersion) -> httpx.Client:
        """Find the engine of a version's base: a whole model is its own.

        Args:
            version: a registered version, hidden or not.

        Returns:
            A client of vLLM's OpenAI routes, to be closed.

        Raises:
            UnavailableError: its base is not served here, or not in memory yet.
        """
        base = self._base_of(version)
        if base not in self._always and not self._is_ready(base):
            raise UnavailableError(f"{version.name} waits for its proof: {base} is being started.")
        return httpx.Client(base_url=self._address(base), trust_env=False)

    def serves(self, version: ModelVersion) -> bool:
        """Whether there is an engine for a version, awake or not.

        Args:
            version: any version.

        Returns:
            True where its base is a configured one, or it is its own.
        """
        return version.kind == "full" or any(same_base(version.base, base) for base in self._bases)

    def _is_ready(self, base: str) -> bool:
        """Whether it is in memory; waits for a moment, since whoever asks will be back at once."""
        until = time.monotonic() + _MOMENT_SECONDS
        while self._states.ask(base).state != "ready":
            if time.monotonic() > until:
                return False
            time.sleep(0.5)
        return True

    def _base_of(self, version: ModelVersion) -> str:
        if version.kind == "full":
            return version.name
        for base in self._bases:
            if same_base(version.base, base):
                return base
        raise UnavailableError(
            f"{version.name} is trained, but this platform serves {', '.join(self._bases)} now, not {version.base}, "
            f"and cannot prove it. Start it with `tunesmith up --model {version.base}`, and the job ends well."
        )
