"""Versions that a program trained in a home of its own, taken into the release: copied, proved, and only then named.

    <its home>/objects/projects/default/models/<id>  -->  projects/<project>/models/<id>  -->  proof  -->  the name

`ray job submit` and `tunesmith train --on kubernetes` leave such homes on the volume that pods share.
"""

from __future__ import annotations

import hashlib
import logging
import time
from dataclasses import dataclass, replace

from tunesmith.config.home import Home
from tunesmith.controller.parity import prove
from tunesmith.controller.proving import ProvingEngines
from tunesmith.errors import ConflictError, DataError, ModelNotFoundError
from tunesmith.records import ModelVersion
from tunesmith.stores.database import Database
from tunesmith.stores.foreign_versions import (
    ForeignVersion,
    copy_foreign_version,
    foreign_versions,
    read_foreign_version,
)
from tunesmith.stores.registry import Registry
from tunesmith.stores.version_folders import VersionFolders

LOG = logging.getLogger("tunesmith.controller.arrivals")
"""The log of what is taken in."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """What became of the versions in a home.

    Attributes:
        names: those that answer under their names now.
        faults: one line for each that does not, and why.
    """

    names: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()

    @property
    def lines(self) -> list[str]:
        """What to tell whoever ran the program."""
        return [f"Registered: {name}" for name in self.names] + [
            f"Not registered: {fault}" for fault in self.faults
        ]


class Arrivals:
    """Takes versions in.

    Args:
        database: the metadata database.
        home: the installation; its objects are the volume.
        engines: where a version can be asked.
    """

    def __init__(self, database: Database, home: Home, *, engines: ProvingEngines) -> None:
        self._database = database
        self._home = home
        self._engines = engines

    def has_any(self, made_in: str) -> bool:
        """Whether a program has left a version.

        Args:
            made_in: the program's home, relative to the folder of objects.

        Returns:
            True where there is one.
        """
        return bool(foreign_versions(self._home.objects, made_in))

    def __call__(self, made_in: str, *, project_id: str, origin: str) -> Arrived:
        """Take in all versions that a program has left; again changes nothing.

        Args:
            made_in: the program's home, relative to the folder of objects.
            project_id: whose they will be.
            origin: what the program is called; stands in their lineage.

        Returns:
            What became of them.

        Raises:
            UnavailableError: an engine does not answer now; to call again is right.
            StorageError: there is no room.
        """
        names, faults = [], []
        for folder in foreign_versions(self._home.objects, made_in):
            try:
                said = read_foreign_version(self._home.objects, folder)
                names.append(self._take_in(folder, said, project_id, origin))
            except (DataError, ConflictError) as error:
                faults.append(f"{folder.rpartition('/')[2]}: {error.message.rstrip('.')}.")
        for line in (arrived := Arrived(tuple(names), tuple(faults))).lines:
            LOG.info("%s: %s", origin, line)
        return arrived

    def _take_in(self, folder: str, said: ForeignVersion, project_id: str, origin: str) -> str:
        version = _as_own(folder, said, project_id, origin)
        registry = Registry(self._database, project_id)
        if _is_named(registry, version.name, version.path):
            return version.name
        self._require_engine(version)
        copy_foreign_version(self._home.objects, folder, said, self._home.objects / version.path)
        VersionFolders(self._home).push(version.path)
        registry.register(version, hidden=True)
        self._prove(version, registry)
        registry.reveal(version.name)
        return version.name

    def _prove(self, version: ModelVersion, registry: Registry) -> None:
        try:
            with self._engines.client(version) as engine:
                prove(version.name, self._home.objects / version.path, client=engine)
        except DataError:
            registry.discard(version.name)  # or a whole model would go on holding an engine
            raise

    def _require_engine(self, version: ModelVersion) -> None:
        if not self._engines.serves(version):
            raise DataError(
                f"{version.name} was trained on {version.base}, which this release does not serve. Add it to "
                "`config.bases` and run the same command again"
            )


def _as_own(folder: str, said: ForeignVersion, project_id: str, origin: str) -> ModelVersion:
    """The version as it will be registered: at a place that no program chooses, made by nobody else's job."""
    digest = hashlib.sha256(folder.encode()).hexdigest()[:32]
    return ModelVersion(
        name=said.name_in(project_id),
        project_id=project_id,
        base=said.base,
        kind=said.kind,
        path=f"projects/{project_id}/models/{digest}",
        created_at=int(time.time()),
        lineage=replace(said.lineage, job_id=f"{origin}/{said.lineage.job_id}"),
    )


def _is_named(registry: Registry, name: str, path: str) -> bool:
    """Whether it was taken in before."""
    try:
        return registry.version(name).path == path
    except ModelNotFoundError:
        return False
