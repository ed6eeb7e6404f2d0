import pytest
from pydantic import ValidationError

from tunesmith.config.evaluate import EvaluateConfig


def test_arms_with_retrieval_need_a_store() -> None:
    with pytest.raises(ValidationError, match="stores"):
        EvaluateConfig(questions="q.jsonl", tuned="ft:x", stores=())
    assert EvaluateConfig(questions="q.jsonl", tuned="ft:x").stores == ("documents",)
