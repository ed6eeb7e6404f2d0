from tunesmith.config.evaluate import EvaluateConfig
from tunesmith.evaluate.arms import ARM_COST, build_arms, describe_arms


def test_the_arms_differ_by_model_stores_and_schema(config: EvaluateConfig) -> None:
    arms = build_arms(config, tuned="ft:x")
    assert tuple(arm.name for arm in arms) == ARM_COST
    assert [arm.retrieves for arm in arms] == [False, True, True, False, True]
    assert [arm.name for arm in arms if arm.schema] == ["rag_schema"]
    assert [arm.model for arm in arms] == ["tiny-reader"] * 3 + ["ft:x"] * 2


def test_what_is_compared_is_named_once(config: EvaluateConfig) -> None:
    arms = build_arms(config.model_copy(update={"stores": ("rules", "news")}), tuned="ft:x")
    assert describe_arms(arms) == (
        "Model of base, rag, rag_schema: tiny-reader.",
        "Model of tuned, hybrid: ft:x.",
        "Vector stores of base, tuned: none.",
        "Vector stores of rag, rag_schema, hybrid: rules, news.",
    )
