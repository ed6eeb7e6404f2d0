"""Where everything of one installation lies: one folder, `TUNESMITH_HOME`, default `~/.tunesmith`."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Home:
    """The folder of one installation; every path of the platform is derived here.

    Attributes:
        root: the folder itself, absolute.
    """

    root: Path

    @classmethod
    def locate(cls, path: str | Path | None = None) -> Home:
        """Find the home folder: the argument, else `TUNESMITH_HOME`, else `~/.tunesmith`.

        Args:
            path: an explicit folder; need not exist yet.

        Returns:
            The home, with the folder's real path as its root: by whichever link or `..` a command is told of it,
            it finds what another one started there.
        """
        chosen = path or os.environ.get("TUNESMITH_HOME") or Path.home() / ".tunesmith"
        # Path.resolve() raises where links go in a circle; whoever writes there says so better.
        return cls(Path(os.path.realpath(Path(chosen).expanduser())))

    def make(self) -> None:
        """Make the folder, for its owner's eyes alone, unless it is there.

        Raises:
            OSError: it cannot be made.
        """
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)

    @property
    def database_url(self) -> str:
        """URL of the metadata database: `TUNESMITH_DATABASE_URL` (`postgresql://...`), else what the running platform
        was started with, else a file in the home."""
        return (
            os.environ.get("TUNESMITH_DATABASE_URL")
            or _read(self.database_url_file)
            or f"sqlite:///{self.root / 'metadata.sqlite3'}"
        )

    @property
    def database_url_file(self) -> Path:
        """The `TUNESMITH_DATABASE_URL` of the running platform, readable by its owner alone: what is started without
        credentials in its environment, and every other shell, finds the same database."""
        return self.run / "database.url"

    @property
    def objects(self) -> Path:
        """Folder of what runs write, and of model versions; files too, where `TUNESMITH_OBJECTS_URL` is it.

        Beside a bucket it is `TUNESMITH_OBJECTS_FOLDER`, which controller, workers and engines share; by default the
        home's own.
        """
        told = os.environ.get("TUNESMITH_OBJECTS_URL", "")
        if told.startswith("file://"):
            return Path(told.removeprefix("file://"))
        return Path(os.environ.get("TUNESMITH_OBJECTS_FOLDER") or self.root / "objects")

    @property
    def objects_are_shared(self) -> bool:
        """Whether `objects` is one folder for all machines: it is the object store itself, or lies beside a bucket."""
        return self.objects_url.startswith("file://") or "TUNESMITH_OBJECTS_FOLDER" in os.environ

    @property
    def objects_url(self) -> str:
        """URL of the object store of files: `TUNESMITH_OBJECTS_URL` (`s3://bucket/prefix`), else the home's folder."""
        return os.environ.get("TUNESMITH_OBJECTS_URL") or f"file://{self.objects}"

    @property
    def vectors(self) -> Path:
        """Data folder of Milvus Lite; one process at a time may hold it."""
        return self.root / "vectors"

    @property
    def run(self) -> Path:
        """Process ids, ports and logs of the running platform."""
        return self.root / "run"

    @property
    def platform_file(self) -> Path:
        """JSON of the running platform: instance id, ports, process ids. Written by `up`, removed by `down`."""
        return self.run / "platform.json"

    @property
    def indexer_beat(self) -> Path:
        """Touched every second by the process that indexes files of the API's vector stores."""
        return self.run / "indexer.beat"

    @property
    def admin_key_file(self) -> Path:
        """The first API key, readable by its owner alone."""
        return self.root / "admin.key"

    @property
    def quickstart(self) -> Path:
        """Reports of `make quickstart`."""
        return self.root / "quickstart"


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError:
        return ""
