"""`tunesmith data validate`: the exit code, and every fault."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tunesmith.cli.main import main

GOOD = '{"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}]}\n'
BAD = '{"messages": [{"role": "bot", "content": "hi"}]}\n'


def _validate(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr("sys.argv", ["tunesmith", "data", "validate", *arguments])
    with pytest.raises(SystemExit) as left:
        main()
    return int(left.value.code or 0)


def test_good_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "train.jsonl"
    path.write_text(GOOD * 3, encoding="utf-8")
    assert _validate(monkeypatch, str(path)) == 0
    assert "3 conversations, 3 learned turns, no faults" in capsys.readouterr().out


def test_bad_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "train.jsonl"
    path.write_text(GOOD + BAD + "{\n", encoding="utf-8")
    assert _validate(monkeypatch, str(path)) == 1
    told = capsys.readouterr().err.splitlines()
    assert told[0] == f"error: {path} has 2 bad lines:"
    assert told[1] == f'{path}:2: role "bot" is not allowed. Use system, user, assistant or tool.'
    assert told[2].startswith(f"{path}:3: not valid JSON")


def test_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "train.jsonl"
    path.write_text(GOOD + BAD, encoding="utf-8")
    assert _validate(monkeypatch, str(path), "--json") == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["valid"], told["conversations"]) == (False, 1)
    assert [fault["line"] for fault in told["faults"]] == [2]
