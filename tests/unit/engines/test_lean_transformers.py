"""What transformers takes as not installed, in a process of its own: it asks once."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import sys
from tunesmith.engines.lean_transformers import pass_over_unused
pass_over_unused()
assert not {"sklearn", "scipy"} & set(sys.modules)
from transformers.utils import import_utils
assert not import_utils.is_sklearn_available() and not import_utils.is_scipy_available()
import scipy
"""


def test_unused_packages_are_passed_over_and_stay_there_for_others() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
