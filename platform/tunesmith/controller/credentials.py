"""What of a shell's environment stays with the control plane: credentials.

Gateway, controller and indexer talk to the database and to the object store. Ray, what is submitted to it, and
attempts at jobs do not: none of them is given a variable that looks like a credential, whichever service it opens. A
file of the home says where the database is, so that its password stands in no environment of theirs and in no log.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from tunesmith.config.home import Home
from tunesmith.stores.atomic import write_atomic

_DATABASE = "TUNESMITH_DATABASE_URL"
_NAME = re.compile(
    r"PASSWORD|PASSWD|PASSPHRASE|SECRET|CREDENTIAL|CONNECTION_STRING|KUBECONFIG|SSH_AUTH_SOCK"
    r"|(^|_)(API|ACCESS|PRIVATE)?_?KEYS?(_|$)|(^|_)TOKENS?(_|$)|(^|_)PAT$",
    re.IGNORECASE,
)
_VALUE = re.compile(
    r"://[^/\s:@]*:[^/\s@]+@|^sk-[\w-]{16,}$|(AccountKey|SharedAccessKey|password|pwd)=", re.IGNORECASE
)
_PROXY = re.compile(r"_proxy$", re.IGNORECASE)
_OF_MODELS = frozenset({"HF_TOKEN", "HF_TOKEN_PATH", "HUGGING_FACE_HUB_TOKEN"})
"""They open models, which engines and workers fetch by themselves, and no project's data."""


def without_credentials(environment: Mapping[str, str]) -> dict[str, str]:
    """Leave out what opens something: passwords, keys and tokens, by their names and by their looks.

    Args:
        environment: variables of a shell.

    Returns:
        What may be handed to what runs models, recipes and submissions.
    """
    return {name: value for name, value in environment.items() if not _is_credential(name, value)}


def _is_credential(name: str, value: str) -> bool:
    if name in _OF_MODELS or _PROXY.search(name):
        return False
    return bool(name == _DATABASE or _NAME.search(name) or _VALUE.search(value))


def keep_database_url(home: Home) -> None:
    """Note in the home which database the platform is started on, or that it is the home's own.

    Args:
        home: the installation; nothing of it runs.

    Raises:
        StorageError: the home cannot be written.
    """
    told = os.environ.get(_DATABASE)
    if told:
        write_atomic(home.database_url_file, f"{told}\n")
    else:
        home.database_url_file.unlink(missing_ok=True)
