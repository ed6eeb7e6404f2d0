"""One platform for all flows in this folder: `tunesmith up` before the first, `tunesmith down` after the last."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from live_platform import LivePlatform, running_platform

# Of this session, so that nobody else's are taken for them; the same in whichever module reads them.
_SESSION = os.environ["TUNESMITH_TEST_SESSION"][:16]
PLANTED = {
    "AWS_ACCESS_KEY_ID": f"planted-access-{_SESSION}",
    "AWS_SECRET_ACCESS_KEY": f"planted-s3-{_SESSION}",
    "PGPASSWORD": f"planted-password-{_SESSION}",
    "SOME_VAULT_TOKEN": f"planted-vault-{_SESSION}",
}
"""Credentials in the shell that the shared platform is brought up in; `test_secrets.py` looks where they end up."""


@pytest.fixture(scope="package")
def platform() -> Iterator[LivePlatform]:
    """The running platform."""
    with running_platform(shell=PLANTED) as live:
        yield live
