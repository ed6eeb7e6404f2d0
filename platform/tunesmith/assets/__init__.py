"""What the project ships and made itself: the tiny models and the sample corpus."""

from pathlib import Path

_MODELS = Path(__file__).parent / "models"


def model_source(name: str) -> str:
    """Turn a model's name into what `from_pretrained` and vLLM load.

    Args:
        name: a shipped model (`tiny-reader`), a folder, or a Hugging Face name. The bare name of a shipped model
            means that one wherever it is said; a folder called the same is written `./tiny-reader`.

    Returns:
        The shipped model's folder, else the name as it is.
    """
    shipped = {folder.name: str(folder) for folder in _MODELS.iterdir() if folder.is_dir()}
    return shipped.get(name.rstrip("/"), name)


def canonical_base(name: str) -> str:
    """Give a base model its one name, so that what was trained is found again by what serves.

        tiny-reader  tiny-reader/  .../assets/models/tiny-reader     ->  tiny-reader
        ./base  base/  ~/models/../models/base  a link to it         ->  /home/ann/models/base
        Qwen/Qwen3-0.6B                                              ->  Qwen/Qwen3-0.6B

    Args:
        name: the base as somebody wrote it.

    Returns:
        The shipped model's name, a folder's real path, or any other name as it is.
    """
    try:
        folder = Path(model_source(name)).expanduser()
    except RuntimeError:  # `~somebody` whom this machine does not know
        return name
    if not folder.is_dir():
        return name
    folder = folder.resolve()
    return folder.name if folder.parent == _MODELS.resolve() else str(folder)


def same_base(one: str, other: str) -> bool:
    """Whether two names mean one base model.

    Args:
        one: a name.
        other: a name; versions of earlier releases hold theirs as it was written.

    Returns:
        True where both are the same, however they are written.
    """
    return one == other or canonical_base(one) == canonical_base(other)


def handbook_folder(edition: str = "2026-01") -> Path:
    """The folder of one edition of the sample corpus.

    Args:
        edition: `2026-01` (whole) or `2026-07` (the documents that changed).

    Returns:
        Its path.
    """
    return Path(__file__).parent / "handbook" / edition
