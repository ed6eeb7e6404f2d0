"""transformers without what it imports wherever it is installed, and nothing here uses.

scikit-learn for a way of decoding with a draft model, SciPy for the losses of vision models; both bring pandas along.
Together they are a third of the time that `from transformers import AutoTokenizer` takes.
"""

from __future__ import annotations

import sys

_NEVER_USED = ("sklearn", "scipy")


def pass_over_unused() -> None:
    """Have transformers take scikit-learn and SciPy as not installed, before it loads a tokenizer or a model.

    It asks once and remembers; whoever else in this process imports them gets them.
    """
    hidden = [name for name in _NEVER_USED if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None: not to be found
    try:
        from transformers.utils.import_utils import is_scipy_available, is_sklearn_available

        is_scipy_available(), is_sklearn_available()
    finally:
        for name in hidden:
            del sys.modules[name]
