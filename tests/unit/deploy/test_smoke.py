"""The helm test passes on a release that works and fails, tidied up, on each that does not."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from tunesmith.deploy import smoke


class Release:
    """A release as the client sees it; `broken` names what does not work."""

    def __init__(self, broken: str = "") -> None:
        self.left: set[str] = set()
        self.broken = broken
        self.models = SimpleNamespace(
            list=lambda: SimpleNamespace(data=[named("tiny-reader")]), delete=self._delete
        )
        self.files = SimpleNamespace(create=lambda **_: self._make("file"), delete=self._delete)
        self.vector_stores = SimpleNamespace(
            create=lambda **_: self._make("store"), delete=self._delete, retrieve=self._store
        )
        self.responses = SimpleNamespace(create=self._answer)
        self.fine_tuning = SimpleNamespace(
            jobs=SimpleNamespace(create=self._job, retrieve=self._ended, cancel=print)
        )

    def _make(self, kind: str) -> Any:
        name = f"{kind}-{len(self.left)}"
        self.left.add(name)
        return named(name)

    def _delete(self, name: str) -> None:
        self.left.remove(name)

    def _store(self, name: str) -> Any:
        completed = 0 if self.broken == "index" else 1
        return named(name, status="completed", file_counts=SimpleNamespace(completed=completed))

    def _answer(self, **_: Any) -> Any:
        text = "None." if self.broken == "answer" else "They receive 29 days of leave."
        cited = [] if self.broken == "citation" else [SimpleNamespace(filename=smoke._FILE)]
        message = SimpleNamespace(type="message", content=[SimpleNamespace(annotations=cited)])
        return SimpleNamespace(status="completed", output=[message], output_text=text, error=None)

    def _job(self, **_: Any) -> Any:
        if self.broken != "training":
            self.left.add("ft:tiny-reader")
        return named("job")

    def _ended(self, name: str) -> Any:
        status = "failed" if self.broken == "training" else "succeeded"
        error = SimpleNamespace(message="no GPU")
        return named(name, status=status, error=error, fine_tuned_model="ft:tiny-reader")


def named(name: str, **more: Any) -> Any:
    return SimpleNamespace(id=name, **more)


def test_a_release_that_works_passes_and_is_left_as_it_was() -> None:
    release, said = Release(), []
    smoke.run(release, say=said.append)
    assert said == [
        "tiny-reader is served",
        "a document was uploaded and indexed",
        "an answer cites it",
        "ft:tiny-reader was trained",
        "ft:tiny-reader answers under its name",
    ]
    assert release.left == set()


def test_it_waits_until_everything_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = [
        httpx.ConnectError("refused"),
        httpx.Response(503, text="engine: starting"),
        httpx.Response(200),
    ]
    asked: list[str] = []

    def get(url: httpx.URL, **_: Any) -> httpx.Response:
        asked.append(str(url))
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(smoke, "_POLL_SECONDS", 0)
    monkeypatch.setattr(httpx, "get", get)
    smoke.wait_until_served("http://gateway/v1/")
    assert asked == ["http://gateway/readyz"] * 3
    answers.append(httpx.Response(503, text="engine: starting"))
    with pytest.raises(smoke.SmokeError, match=r"does not serve after 0 s: engine: starting"):
        smoke.wait_until_served("http://gateway/v1/", seconds=0)


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ("index", "the document was not indexed"),
        ("answer", r"answered 'None\.' .* expected '29 days'"),
        ("citation", r"with the citations \[\]"),
        ("training", "the job job ended as failed: no GPU"),
    ],
)
def test_a_release_that_does_not_fails_and_is_tidied_up(broken: str, said: str) -> None:
    release = Release(broken)
    with pytest.raises(smoke.SmokeError, match=said):
        smoke.run(release)
    assert release.left == set()
