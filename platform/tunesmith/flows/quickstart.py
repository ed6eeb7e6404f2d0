"""The whole loop on the sample corpus: ingest, train, serve, evaluate, and a document that changes.

up -> ingest -> build training data -> train -> ask -> evaluate -> change a document, ask again -> report -> down
"""

from __future__ import annotations

import hashlib
import shlex
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path

from rich.console import Console

from tunesmith.assets import handbook_folder
from tunesmith.config.data import BuildDocumentsConfig
from tunesmith.config.evaluate import EvaluateConfig
from tunesmith.config.home import Home
from tunesmith.config.ingest import IngestConfig
from tunesmith.config.recipe import load_recipe
from tunesmith.config.serve import ServeConfig
from tunesmith.config.train import TrainConfig
from tunesmith.controller.ports import require_free
from tunesmith.datasets.build import build_from_documents
from tunesmith.errors import ConfigError, ConflictError
from tunesmith.evaluate.report import EvaluationReport
from tunesmith.evaluate.run import run_evaluation
from tunesmith.flows.ask import ask_platform
from tunesmith.flows.down import take_down
from tunesmith.flows.narration import Narrator, typed
from tunesmith.flows.quickstart_report import QuickstartReport, render_quickstart, write_quickstart
from tunesmith.flows.up import Progress, bring_up
from tunesmith.flows.updates import UpdateReport, ask_updates, load_updates
from tunesmith.ingest.progress import terminal_progress
from tunesmith.ingest.run import run_ingest
from tunesmith.stores.atomic import write_atomic
from tunesmith.stores.platform_file import RunningPlatform, read_running
from tunesmith.train.run import TrainResult, run_training
from tunesmith.train.watch import make_watcher

STORE = "handbook"
NUM_SAMPLES = 60
"""Questions of the evaluation; the recipe asks all of them."""
CHANGED = "people/annual-leave.md"
"""The document that gets its July edition."""
_NUM_STEPS = 6
"""Between up and down."""

Counted = Callable[[str], AbstractContextManager[Callable[[int], None]]]
"""From what is counted to a function that is called after each piece with the number of all pieces."""


@dataclass(frozen=True, slots=True)
class Shown:
    """Where the quickstart shows what it does.

    Attributes:
        console: steps, tables, the decision.
        counted: a bar for long work.
        parts: told which parts of the platform answer.
    """

    console: Console = field(default_factory=Console)
    counted: Counted = lambda _what: nullcontext(lambda _total: None)
    parts: Progress = lambda _state: None


def run_quickstart(
    home: Home,
    *,
    shown: Shown,
    keep_running: bool = False,
    num_samples: int = NUM_SAMPLES,
    training: Sequence[str] = (),
) -> QuickstartReport:
    """Run the whole loop; a second run goes through too, and trains only what has changed.

    Args:
        home: the installation.
        shown: where to show progress.
        keep_running: leave the platform up at the end.
        num_samples: questions of the evaluation.
        training: overrides of the training recipe, `path.to.field=value`.

    Returns:
        The report, written to `HOME/quickstart`.

    Raises:
        PlatformError: any step failed; what this call started is down again.
    """
    running = read_running(home)
    starts, stops = running is None, running is None and not keep_running
    tell = Narrator(shown.console, num_steps=_NUM_STEPS + starts + stops)
    with _platform(home, tell, shown, running=running, keep_running=keep_running) as platform:
        corpus = lay_out_corpus(home)
        _ingest(corpus, home, tell)
        data = _build_data(corpus, home, tell, shown)
        version = _train(data, platform, home, tell, training)
        _ask(platform, version, home, tell)
        evaluation = _evaluate(platform, version, num_samples, home, tell, shown)
        update = _change(corpus, evaluation.config, version, home, tell)
        report = write_quickstart(evaluation, update, steps=tell.steps, model=version, home=home)
    shown.console.print()
    shown.console.print(render_quickstart(report))
    return report


def lay_out_corpus(home: Home) -> Path:
    """Put a fresh copy of the January handbook where the quickstart may change it.

    Args:
        home: the installation.

    Returns:
        The copy's folder.
    """
    copy = home.quickstart / "handbook"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(handbook_folder("2026-01"), copy)
    return copy


@contextmanager
def _platform(
    home: Home, tell: Narrator, shown: Shown, *, running: RunningPlatform | None, keep_running: bool
) -> Iterator[RunningPlatform]:
    if running:
        tell.say(f"A platform runs on {home.root} already: {running.base_url}. It is used, and stays up.")
        yield running
        return
    with tell.step("Start the platform: Ray, Milvus Lite, vLLM, the gateway", command=typed("up", home=home)):
        platform = bring_up(home, ServeConfig(port=_free_port()), progress=shown.parts)
        tell.say(f"{platform.base_url} answers, model {platform.model}")
    try:
        yield platform
    except BaseException:
        take_down(home)
        raise
    if keep_running:
        down = typed("down", home=home)
        tell.say(f"Still up: {platform.base_url}, key in {platform.api_key_file}. `{down}` stops it.")
        return
    with tell.step("Stop everything", command=typed("down", home=home)):
        take_down(home)


def _free_port() -> int:
    wanted = ServeConfig().port
    try:
        require_free(wanted)
    except ConflictError:
        return 0
    return wanted


def _ingest(corpus: Path, home: Home, tell: Narrator) -> None:
    with tell.step("Put the documents into Milvus", command=_ingest_command(corpus, home)):
        tell.say(_ingest_again(corpus, home))


def _ingest_again(corpus: Path, home: Home) -> str:
    config = load_recipe("tiny/ingest-handbook", IngestConfig, [f"paths=[{corpus}]", "remove_missing=true"])
    with terminal_progress() as progress:
        return run_ingest(config, home=home, progress=progress).summary()


def _ingest_command(corpus: Path, home: Home) -> str:
    return typed("ingest", corpus, "--recipe", "tiny/ingest-handbook", "--remove-missing", home=home)


def _build_data(corpus: Path, home: Home, tell: Narrator, shown: Shown) -> Path:
    out = home.quickstart / "train.jsonl"
    command = typed("data", "build", "documents", "--recipe", "tiny/build-handbook", "--out", out, home=home)
    config = load_recipe("tiny/build-handbook", BuildDocumentsConfig, [f"store={STORE}"])
    made_from = out.with_suffix(".made-from")
    now = _hash_of(corpus, config)
    with tell.step("Make training data from the documents", command=command):
        if out.exists() and made_from.exists() and made_from.read_text(encoding="utf-8") == now:
            # Equal hits trade places when an index is rebuilt; made again, the data would be another run's.
            tell.say("made before from the same documents and recipe")
            return out
        with shown.counted("questions") as count:
            made = build_from_documents(config, out, home=home, on_question=count)
        write_atomic(made_from, now)
        told = ", ".join(f"{number} {kind.replace('_', ' ')}" for kind, number in made.counts.items())
        tell.say(f"{len(made.rows)} conversations: {told}")
    return out


def _hash_of(corpus: Path, config: BuildDocumentsConfig) -> str:
    digest = hashlib.sha256(config.model_dump_json().encode())
    for path in sorted(path for path in corpus.rglob("*") if path.is_file()):
        digest.update(str(path.relative_to(corpus)).encode() + b"\0")
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _train(
    data: Path, platform: RunningPlatform, home: Home, tell: Narrator, overrides: Sequence[str]
) -> str:
    given = [f"data.path={data}", f"model={platform.model}", *overrides]
    command = typed("train", "tiny/handbook-lora", *_options(given), home=home)
    config = load_recipe("tiny/handbook-lora", TrainConfig, given)
    with tell.step("Fine-tune: Ray Train, DeepSpeed, LoRA", command=command):
        result = _run_training(config, home)
        metrics = result.version.lineage.metrics
        done = "trained" if result.trained else "trained before from the same data and recipe"
        tell.say(f"{result.version.name} {done}: {metrics['steps']:.0f} steps, loss {metrics['loss']:.3f}")
    return result.version.name


def _run_training(config: TrainConfig, home: Home) -> TrainResult:
    watcher = make_watcher()
    try:
        return run_training(config, home=home, watcher=watcher)
    except ConfigError as error:
        if error.param != "name":
            raise
        # An earlier quickstart trained under this name from other data: it is set aside, not resumed.
        return run_training(config, home=home, watcher=watcher, fresh=True)
    finally:
        watcher.close()


def _ask(platform: RunningPlatform, version: str, home: Home, tell: Narrator) -> None:
    question = load_updates(_questions("updates"), document=CHANGED)[0].question
    command = typed("ask", question, "--store", STORE, "--model", version, home=home)
    with tell.step("Ask the new model under its name", command=command):
        answer = ask_platform(platform, question, stores=[STORE], model=version)
        tell.say(f"{question} {answer.text}")
        for cited in answer.citations:
            tell.say(f"[{cited['number']}] {cited['document']} ({cited['status']}): {cited['text']}")


def _evaluate(
    platform: RunningPlatform, version: str, num_samples: int, home: Home, tell: Narrator, shown: Shown
) -> EvaluationReport:
    given = [f"tuned={version}", f"base={platform.model}", f"num_samples={num_samples}", f"stores=[{STORE}]"]
    command = typed("evaluate", "tiny/evaluate-handbook", *_options(given), home=home)
    config = load_recipe("tiny/evaluate-handbook", EvaluateConfig, given)
    with (
        tell.step("Ask what no training row asks, in every arm", command=command),
        shown.counted("answers") as count,
    ):
        report = run_evaluation(config, home=home, on_answer=count)
        tell.say(report.coverage)
    return report


def _change(corpus: Path, config: EvaluateConfig, version: str, home: Home, tell: Narrator) -> UpdateReport:
    updates = load_updates(_questions("updates"), document=CHANGED)
    edition = handbook_folder("2026-07") / CHANGED
    copy = shlex.join(["cp", str(edition), str(corpus / CHANGED)])
    command = f"{copy} && {_ingest_command(corpus, home)}"
    with tell.step(f"Change {CHANGED}, ingest it again, ask before and after", command=command):
        before = ask_updates(updates, config, tuned=version, home=home)
        shutil.copyfile(edition, corpus / CHANGED)
        tell.say(_ingest_again(corpus, home))
        after = ask_updates(updates, config, tuned=version, home=home)
        update = UpdateReport.of(updates, config, tuned=version, before=before, after=after)
        tell.say(update.verdict)
    return update


def _options(overrides: Sequence[str]) -> list[str]:
    return [word for override in overrides for word in ("--set", override)]


def _questions(name: str) -> Path:
    return Path(str(files("tunesmith"))) / "assets" / "handbook" / "questions" / f"{name}.jsonl"
