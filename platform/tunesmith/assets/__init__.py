"""What the project ships and made itself: the tiny models and the sample corpus."""

from pathlib import Path

_MODELS = Path(__file__).parent / "models"


def model_source(name: str) -> str:
    """Turn a model's name into what `from_pretrained` and vLLM load.

    Args:
        name: a shipped model (`tiny-reader`), a folder, or a Hugging Face name.

    Returns:
        The shipped model's folder, else the name as it is.
    """
    shipped = _MODELS / name
    return str(shipped) if shipped.is_dir() else name


def handbook_folder(edition: str = "2026-01") -> Path:
    """The folder of one edition of the sample corpus.

    Args:
        edition: `2026-01` (whole) or `2026-07` (the documents that changed).

    Returns:
        Its path.
    """
    return Path(__file__).parent / "handbook" / edition
