"""Versions that a program trained in a home of its own, taken into the release: copied, proved, and only then named.

    <its home>/objects/projects/default/models/<id>  -->  projects/<project>/models/<id>  -->  proof  -->  the name

`ray job submit` and `tunesmith train --on kubernetes` leave such homes on the volume that pods share. Their pods mount
no more of it than that home.
"""

from __future__ import annotations

import hashlib
import logging
import time
from dataclasses import dataclass, replace

from tunesmith.config.home import Home
from tunesmith.controller.parity import prove
from tunesmith.controller.proving import ProvingEngines
from tunesmith.errors import DataError, ModelNotFoundError, PlatformError, StorageError, UnavailableError
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
        faults: one line for each that does not and never will, and why.
        waiting: why others must be tried again; empty where none must.
    """

    names: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()
    waiting: str = ""

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

    def __call__(self, made_in: str, *, project_id: str, origin: str, last: bool = False) -> Arrived:
        """Take in all versions that a program has left; again changes nothing.

        Args:
            made_in: the program's home, relative to the folder of objects.
            project_id: whose they will be.
            origin: what the program is called; stands in their lineage.
            last: whether this is the last try: what would have to wait is given up.

        Returns:
            What became of them.
        """
        names, faults, waiting = [], [], ""
        for folder in foreign_versions(self._home.objects, made_in):
            try:
                names.append(self._take_in(folder, project_id, origin, last=last))
            except (UnavailableError, StorageError) as error:
                if last:
                    faults.append(_fault(folder, error.message))
                else:
                    waiting = error.message
            except PlatformError as error:
                faults.append(_fault(folder, error.message))
            except Exception:  # a program wrote what is read here; the next version is not to suffer from it
                LOG.exception("%s: %s", origin, folder)
                faults.append(_fault(folder, "the controller's log says why"))
        return Arrived(tuple(names), tuple(faults), waiting)

    def _take_in(self, folder: str, project_id: str, origin: str, *, last: bool) -> str:
        said = read_foreign_version(self._home.objects, folder)
        version = _as_own(folder, said, project_id, origin)
        registry = Registry(self._database, project_id)
        if _is_named(registry, version):
            return version.name
        self._require_place(version, registry)
        copy_foreign_version(self._home.objects, folder, said, self._home.objects / version.path)
        VersionFolders(self._home).push(version.path)
        registry.register(version, hidden=True)
        self._prove(version, registry, last=last)
        registry.reveal(version.name)
        LOG.info("%s: registered %s", origin, version.name)
        return version.name

    def _require_place(self, version: ModelVersion, registry: Registry) -> None:
        if registry.is_deleted(version.name):
            raise DataError(f"{version.name} was deleted, or differed from what the engine says")
        if not self._engines.serves(version):
            raise DataError(
                f"{version.name} was trained on {version.base}, which this release does not serve. Add it to "
                "`config.bases` and run the same command again"
            )

    def _prove(self, version: ModelVersion, registry: Registry, *, last: bool) -> None:
        try:
            with self._engines.client(version) as engine:
                prove(version.name, self._home.objects / version.path, client=engine)
        except UnavailableError:
            if last:
                registry.discard(version.name)
            raise
        except Exception:
            registry.discard(version.name)  # or a whole model would go on holding an engine
            raise


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
        lineage=replace(said.lineage, base=said.base, job_id=f"{origin}/{folder.rpartition('/')[2]}"),
    )


def _is_named(registry: Registry, version: ModelVersion) -> bool:
    """Whether it was taken in before."""
    try:
        return registry.version(version.name).path == version.path
    except ModelNotFoundError:
        return False


def _fault(folder: str, message: str) -> str:
    told = f"{folder.rpartition('/')[2]}: {' '.join(message.split()).rstrip('.')}."
    return "".join(letter if letter.isprintable() else "?" for letter in told)[:500]
