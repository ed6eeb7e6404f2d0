import io
import shlex
from pathlib import Path

import pytest
from rich.console import Console

from tunesmith.config.home import Home
from tunesmith.flows.narration import Narrator, typed


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


def test_a_command_can_be_pasted_into_a_shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUNESMITH_HOME", str(tmp_path / "usual"))
    usual, other = Home.locate(None), Home.locate(tmp_path / "an other")
    assert typed("ask", "How many days?", "--set", "stores=[a]", home=usual) == (
        "tunesmith ask 'How many days?' --set 'stores=[a]'"
    )
    assert shlex.split(typed("up", home=other)) == ["tunesmith", "up", "--home", str(other.root)]
