"""From an adapter's name to its folder, at the moment a replica misses it.

The registry makes a name visible after its files are complete, and a version never changes, so a folder
that was found once may be kept for as long as the replica lives. One that another machine has made is pulled from the
object store first.
"""

from __future__ import annotations

import json
from pathlib import Path

from tunesmith.assets import same_base
from tunesmith.config.home import Home
from tunesmith.errors import ConfigError, ModelNotFoundError, NotFoundError
from tunesmith.records import CHECKPOINT, ModelVersion
from tunesmith.stores.database import Database
from tunesmith.stores.registry import Registry
from tunesmith.stores.version_folders import VersionFolders


class RegisteredAdapters:
    """The adapters of one base model, read from the home's registry on every miss.

    Args:
        home: the installation.
        base: name of the base model that is served.
        max_rank: largest rank that the engine was started for.
    """

    def __init__(self, home: Home, *, base: str, max_rank: int) -> None:
        self._database = Database(home.database_url)
        self._folders = VersionFolders(home)
        self._base = base
        self._max_rank = max_rank

    def find(self, name: str) -> Path | None:
        """Look up the folder of a registered adapter.

        Args:
            name: `ft:<base>:<project>:<suffix>:<id>`, or that of a checkpoint of it.

        Returns:
            The folder with `adapter_config.json` and `adapter_model.safetensors`; None if no adapter of
            this base has the name.

        Raises:
            ConfigError: the adapter's rank is larger than the engine takes.
            PlatformError: the object store does not give its files out now.
        """
        version = self._version(name)
        if version is None or version.kind != "adapter" or not same_base(version.base, self._base):
            return None
        try:
            folder = self._folders.find(version.path)
        except NotFoundError:
            return None
        # A pickled adapter (adapter_model.bin) runs code when it is loaded: it counts as missing.
        if not (folder / "adapter_model.safetensors").is_file():
            return None
        self._check_rank(name, folder)
        return folder

    def _version(self, name: str) -> ModelVersion | None:
        parts = name.partition(CHECKPOINT)[0].split(":")
        if len(parts) != 5 or parts[0] != "ft":
            return None
        try:
            return Registry(self._database, parts[2]).version(name, hidden=True)
        except ModelNotFoundError:
            return None

    def _check_rank(self, name: str, folder: Path) -> None:
        rank = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))["r"]
        if rank > self._max_rank:
            raise ConfigError(
                f'Adapter "{name}" has rank {rank}, the engine takes {self._max_rank} at most. '
                f"Raise engine.max_lora_rank, or train with lora.rank={self._max_rank} or less.",
                param="model",
            )
