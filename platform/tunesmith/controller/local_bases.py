"""Which bases one machine has in memory, and so what its Ray Serve shall run."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from tunesmith.config.home import Home
from tunesmith.config.serve import ServeConfig
from tunesmith.controller.awake import Roster
from tunesmith.controller.memory import EngineMemory
from tunesmith.records import ModelVersion
from tunesmith.serve.applications import ANSWER, EMBED, Hosted, engine_name, is_engine, serve_applications
from tunesmith.stores.bases import BaseStates
from tunesmith.stores.state_file import PartState


class LocalBases:
    """The bases of one home: those that are configured, and the versions that are whole models.

    Args:
        config: the platform's knobs.
        home: the installation.
        milvus_uri: the running Milvus.
        http_port: port of Serve's proxy.
        states: where gateways ask for bases.
        versions: all versions that are whole models, hidden ones too: they are proved here.
        routes: what Serve's proxy routes to.
        free: bytes of memory that can be had on this machine; None: that is not looked at.
    """

    def __init__(
        self,
        config: ServeConfig,
        *,
        home: Home,
        milvus_uri: str,
        http_port: int,
        states: BaseStates,
        versions: Callable[[], Sequence[ModelVersion]],
        routes: Callable[[], Collection[str]],
        free: Callable[[], int] | None = None,
    ) -> None:
        self._config = config
        self._home = home
        self._milvus_uri = milvus_uri
        self._http_port = http_port
        self._roster = Roster(states)
        self._versions = versions
        self._routes = routes
        self._free = free
        self._configured = {base.model: Hosted.configured(base) for base in config.served_bases}
        self._away: set[str] = set()
        """Configured bases that sleep, or have slept and are not back yet."""
        self._begun = False

    @property
    def parts(self) -> list[str]:
        """Applications that the platform is not ready without."""
        return [*map(self._engine_of, self._configured), EMBED, ANSWER]

    def document(self, running: Mapping[str, Any]) -> Mapping[str, Any]:
        """Choose who is in memory.

        Args:
            running: what Serve says it runs, by application.

        Returns:
            What it shall run.

        Raises:
            StorageError: the database cannot be read or written.
        """
        engines = list(filter(is_engine, running))
        if not self._begun:
            self._begin(fresh=not engines)
        tuned = {
            version.name: Hosted.tuned(version, self._home, self._config) for version in self._versions()
        }
        known = self._configured | tuned
        awake = self._roster.turn(
            known,
            engines=engines,
            engine_of=self._engine_of,
            max_awake=self._config.max_awake,
            idle_seconds=self._config.serving.idle_seconds,
            lasting=self._configured,
            memory=EngineMemory(known, engine=self._config.engine, free=self._free) if self._free else None,
        )
        self._away |= self._configured.keys() - awake
        return serve_applications(
            self._config,
            home=self._home,
            milvus_uri=self._milvus_uri,
            http_port=self._http_port,
            hosted=[hosted for model, hosted in known.items() if model in awake],
        )

    def observe(self, states: Sequence[PartState]) -> list[PartState]:
        """Take note of how far the applications of the last document are.

        Args:
            states: of each.

        Returns:
            What counts for the platform: a base that sleeps or wakes is as it shall be, and a whole model of a project
            is its project's affair.
        """
        seen = {state.name: state for state in states}
        routes: Collection[str] | None = None
        awake = self._roster.awake()
        for base in awake:
            part = seen.get(self._engine_of(base.model))
            if part is None:
                continue
            if part.condition == "ready" and base.state != "ready":
                routes = self._routes() if routes is None else routes
                if f"/{part.name}" not in routes:
                    part = replace(part, condition="starting")
            self._roster.note(base, part.condition, part.message)
            if part.condition in ("ready", "failed"):
                self._away.discard(base.model)
        coming = {base.model for base in awake}
        away = {self._engine_of(model): "on its way" if model in coming else "asleep" for model in self._away}
        return [PartState(name, "ready", away[name]) if name in away else seen[name] for name in self.parts]

    def _begin(self, *, fresh: bool) -> None:
        """What an earlier controller began goes on; an empty Serve begins with what is configured."""
        models = list(self._configured)
        first = models[: self._config.max_awake]
        self._roster.begin(first, models[len(first) :], fresh=fresh)
        self._begun = True

    def _engine_of(self, model: str) -> str:
        return engine_name(model, default=self._config.served_bases[0].model)
