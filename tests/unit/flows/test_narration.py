import io

import pytest
from rich.console import Console

from tunesmith.flows.narration import Narrator


@pytest.fixture
def out() -> io.StringIO:
    return io.StringIO()


def test_a_step_tells_its_number_command_and_seconds(out: io.StringIO) -> None:
    tell = Narrator(Console(file=out, width=40), num_steps=2)
    with tell.step("Do [this]", command="tunesmith do --with 'a very long argument that does not fit'"):
        tell.say("found [1] thing")
    told = out.getvalue()
    assert "1/2  Do [this]" in told
    assert "$ tunesmith do --with 'a very long argument that does not fit'\n" in told
    assert "found [1] thing" in told
    assert "done in 0.0 s" in told
    assert [(step.title, step.seconds) for step in tell.steps] == [("Do [this]", 0.0)]


def test_a_failed_step_is_not_done(out: io.StringIO) -> None:
    tell = Narrator(Console(file=out), num_steps=1)
    with pytest.raises(RuntimeError), tell.step("Do", command="do"):
        raise RuntimeError
    assert not tell.steps
    assert "done" not in out.getvalue()
