"""The arms: what is compared with what.

            without retrieval    with retrieval
base        base                 rag, rag_schema (the house form by JSON-schema decoding)
tuned       tuned                hybrid
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tunesmith.config.evaluate import EvaluateConfig

ARM_COST = ("base", "rag", "rag_schema", "tuned", "hybrid")
"""From the cheapest to keep to the dearest: nothing, an index, an index and a schema, a training run, both.

Documents change: what is only indexed is ingested again in seconds, what is trained must be trained again.
"""


@dataclass(frozen=True, slots=True)
class Arm:
    """One way to answer.

    Attributes:
        name: `base`, `rag`, `rag_schema`, `tuned` or `hybrid`.
        model: the model's name in the API.
        stores: vector stores that its requests name; none: no retrieval.
        schema: whether its requests ask for JSON-schema decoding of the house form.
    """

    name: str
    model: str
    stores: tuple[str, ...] = ()
    schema: bool = False

    @property
    def retrieves(self) -> bool:
        """Whether it is shown sources."""
        return bool(self.stores)


def describe_arms(arms: Sequence[Arm]) -> tuple[str, ...]:
    """Say what is compared: who answers in which arm, and from what.

    Args:
        arms: the arms.

    Returns:
        One sentence for each model and each set of stores.
    """
    models = _group({arm.name: arm.model for arm in arms})
    stores = _group({arm.name: ", ".join(arm.stores) for arm in arms})
    return (
        *(f"Model of {', '.join(names)}: {model}." for model, names in models.items()),
        *(f"Vector stores of {', '.join(names)}: {each or 'none'}." for each, names in stores.items()),
    )


def _group(named: Mapping[str, str]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for name, value in named.items():
        groups.setdefault(value, []).append(name)
    return groups


def build_arms(config: EvaluateConfig, *, tuned: str) -> tuple[Arm, ...]:
    """Lay out the arms of an evaluation.

    Args:
        config: the recipe.
        tuned: the tuned model's name in the API.

    Returns:
        Four arms, and a fifth where the recipe wants it, cheapest first.
    """
    arms = [
        Arm("base", config.base),
        Arm("rag", config.base, config.stores),
        Arm("rag_schema", config.base, config.stores, schema=True),
        Arm("tuned", tuned),
        Arm("hybrid", tuned, config.stores),
    ]
    return tuple(arm for arm in arms if config.schema_arm or not arm.schema)
