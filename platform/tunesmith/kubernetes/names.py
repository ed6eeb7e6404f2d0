"""Names and labels of what this project makes in a cluster.

KubeRay derives the names of pods and services from ours, so they must be short: 47 characters for a RayJob and a
RayService, and of the letters that a DNS label takes.
"""

from __future__ import annotations

import hashlib
import re

LONGEST = 47
"""Characters of the name of a RayJob or RayService."""
MANAGER = "tunesmith"
"""Field manager of every write, and value of `app.kubernetes.io/managed-by`."""
JOB_LABEL = "tunesmith/job"
"""Label with the job's id."""
FENCE_LABEL = "tunesmith/attempt"
"""Label with the attempt's number."""
PROJECT_LABEL = "tunesmith/project"
"""Label with the project."""
BASE_LABEL = "tunesmith/base"
"""Label of a RayService with the served base."""
BASE_ANNOTATION = "tunesmith/base-name"
"""Annotation with the base's whole name, which no label holds."""

_HASH = 8


def object_name(*parts: str, longest: int = LONGEST) -> str:
    """Make a name that tells two sources apart, whatever they are called.

        tunesmith, tiny-reader             ->  tunesmith-tiny-reader
        tunesmith, Qwen/Qwen3-0.6B         ->  tunesmith-qwen-qwen3-0-6b-5a1fc3d0

    Args:
        *parts: what the name is made of, joined by `-`.
        longest: most characters.

    Returns:
        A DNS-1035 label; it ends in a hash of the parts where they do not stand in it as they are.
    """
    plain = "-".join(parts)
    name = re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")
    if not name[:1].isalpha():
        name = f"x-{name}".rstrip("-")
    if name == plain and len(name) <= longest:
        return name
    digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:_HASH]
    return f"{name[: longest - _HASH - 1].rstrip('-')}-{digest}"


def attempt_name(job_id: str, fence: int) -> str:
    """Name of the RayJob of an attempt, and its submission id on Ray.

    Args:
        job_id: the job.
        fence: the attempt's number.

    Returns:
        The name.
    """
    return object_name(job_id, str(fence))


def label_value(text: str) -> str:
    """Make a text fit a label.

    Args:
        text: any text.

    Returns:
        The text where it is a label value, else one that is, with a hash of the text.
    """
    if len(text) <= 63 and re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?", text):
        return text
    return object_name(text, longest=63)


def common_labels(release: str) -> dict[str, str]:
    """Labels of everything that one release makes.

    Args:
        release: name of the release.

    Returns:
        Kubernetes' recommended labels.
    """
    return {
        "app.kubernetes.io/name": "tunesmith",
        "app.kubernetes.io/instance": label_value(release),
        "app.kubernetes.io/managed-by": MANAGER,
    }
