"""The order that a controller lays into an attempt's folder before it starts the attempt."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tunesmith.errors import NotFoundError
from tunesmith.stores.atomic import write_atomic

ORDER = "order.json"


@dataclass(frozen=True, slots=True)
class AttemptOrder:
    """All that an attempt is told.

    Attributes:
        job_id: the job; also the name of the Ray Train run.
        project_id: whose job it is.
        fence: number of the attempt.
        config: the resolved recipe.
        files: where below the home's `objects/` each file lies that the recipe names by its id, and the folder of a
            version that it names.
    """

    job_id: str
    project_id: str
    fence: int
    config: Mapping[str, Any]
    files: Mapping[str, str] = field(default_factory=dict)


def write_order(folder: Path, order: AttemptOrder) -> None:
    """Lay an order into an attempt's folder, which it makes.

    Args:
        folder: the attempt's folder.
        order: the order.

    Raises:
        StorageError: the folder cannot be written.
    """
    write_atomic(folder / ORDER, json.dumps(asdict(order), indent=2))


def read_order(folder: Path) -> AttemptOrder:
    """Read the order of an attempt.

    Args:
        folder: the attempt's folder.

    Returns:
        The order.

    Raises:
        NotFoundError: there is none.
    """
    try:
        return AttemptOrder(**json.loads((folder / ORDER).read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise NotFoundError(
            f"{folder} holds no {ORDER}: a controller writes one before it starts an attempt. "
            "To train from the command line: `tunesmith train RECIPE`."
        ) from None
