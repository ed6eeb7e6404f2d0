"""`tunesmith jobs`: the durable jobs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tunesmith.cli.terminal import HomeOption, JsonOption, print_json, print_table
from tunesmith.config.home import Home
from tunesmith.errors import ConflictError

if TYPE_CHECKING:
    from tunesmith.jobs.store import JobStore
    from tunesmith.records import Job, WantedState

app = typer.Typer(help="Training jobs: state, loss curve, logs.", no_args_is_help=True)
NameArgument = Annotated[str, typer.Argument(help="Name or id of the job.")]


@app.command()
def ls(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """List all jobs, newest first."""
    place, jobs = Home.locate(home), _open(home)
    found = jobs.jobs()
    if as_json:
        print_json([_describe(place, jobs, job) for job in found])
        return
    rows = []
    for job in found:
        curve = jobs.metrics(job.id)
        loss = f"{curve[-1].values['loss']:.4f}" if curve else "-"
        made = datetime.fromtimestamp(job.created_at).strftime("%Y-%m-%d %H:%M")
        rows.append(
            (job.name, _state(place, job), curve[-1].step if curve else 0, loss, made, job.model or job.id)
        )
    print_table(("NAME", "STATE", "STEP", "LOSS", "CREATED", "MODEL OR JOB"), rows)


@app.command()
def show(name: NameArgument, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Show one job with its attempts and its loss curve."""
    place, jobs = Home.locate(home), _open(home)
    job = jobs.job(name)
    curve = jobs.metrics(job.id)
    if as_json:
        steps = [{"step": step.step, "attempt": step.fence, **_as_json(step.values)} for step in curve]
        print_json({**_describe(place, jobs, job), "config": job.config, "metrics": steps})
        return
    typer.echo(f"{job.id}  {job.name}  {_state(place, job)}  {job.model or ''}".rstrip())
    if job.error:
        typer.echo(f"error: {job.error}")
    if _is_abandoned(place, job):
        typer.echo(
            "No process of this machine drives it; killed, it cannot say so. The same command goes on."
        )
    for attempt in jobs.attempts(job.id):
        typer.echo(f"attempt {attempt.fence}: {attempt.outcome or 'not ended'}")
    shown = curve[:: max(1, len(curve) // 20)]
    rows = [(step.step, f"{step.values['loss']:.4f}", step.values["tokens_per_second"]) for step in shown]
    print_table(("STEP", "LOSS", "TOKENS/S"), rows)


@app.command()
def logs(
    name: NameArgument,
    attempt: Annotated[int | None, typer.Option(help="Number of the attempt. [the last]")] = None,
    tail: Annotated[int, typer.Option(help="Lines of each worker.")] = 50,
    home: HomeOption = None,
) -> None:
    """Print the end of the workers' logs."""
    from tunesmith.jobs.folders import attempt_folder, job_folder, worker_logs

    place = Home.locate(home)
    job = _open(home).job(name)
    folder = attempt_folder(job_folder(place, job), attempt or job.fence)
    for path in worker_logs(folder):
        typer.echo(f"==> {path}")
        typer.echo("\n".join(_last_lines(path, tail)))


@app.command()
def cancel(name: NameArgument, home: HomeOption = None) -> None:
    """End a job that was asked for through the API; its checkpoints stay."""
    _want(home, name, "cancelled")


@app.command()
def pause(name: NameArgument, home: HomeOption = None) -> None:
    """Stop a job that was asked for through the API; it keeps its checkpoints and gives its place away."""
    _want(home, name, "paused")


@app.command()
def resume(name: NameArgument, home: HomeOption = None) -> None:
    """Let a paused job go on from its newest checkpoint."""
    _want(home, name, "succeeded")


def _want(home: str | None, name: str, wanted: WantedState) -> None:
    from tunesmith.jobs.requests import JobRequests
    from tunesmith.records import DEFAULT_PROJECT
    from tunesmith.stores.database import open_home_database

    job = _open(home).job(name)
    if job.request is None:
        raise ConflictError(
            f'"{job.name}" was started with `tunesmith train`: its own process drives it. End that one (Ctrl-C); the '
            "same command goes on."
        )
    asked = JobRequests(open_home_database(Home.locate(home)), DEFAULT_PROJECT).want(job.id, wanted)
    typer.echo(f"{asked.id}  {asked.state}" + ("" if asked.state == wanted else f", {wanted} is wanted"))


def _open(home: str | None) -> JobStore:
    from tunesmith.jobs.store import JobStore
    from tunesmith.records import DEFAULT_PROJECT
    from tunesmith.stores.database import open_home_database

    return JobStore(open_home_database(Home.locate(home)), DEFAULT_PROJECT)


def _is_abandoned(home: Home, job: Job) -> bool:
    """Whether a job that says it runs has nobody who drives it: a killed driver can no longer say so."""
    from tunesmith.jobs.folders import lock_folder
    from tunesmith.jobs.lock import is_held

    # What was asked for through the API has a controller: it finds out by itself.
    driven_here = job.request is None and job.state in ("running", "publishing")
    return driven_here and not is_held(lock_folder(home), job.name)


def _state(home: Home, job: Job) -> str:
    return f"{job.state} (no driver)" if _is_abandoned(home, job) else job.state


def _as_json(values: Mapping[str, float]) -> dict[str, float | None]:
    # JSON knows no NaN; curves of earlier releases may hold one.
    return {name: value if math.isfinite(value) else None for name, value in values.items()}


def _describe(home: Home, jobs: JobStore, job: Job) -> dict[str, Any]:
    attempts = [{"attempt": attempt.fence, "outcome": attempt.outcome} for attempt in jobs.attempts(job.id)]
    return {
        "id": job.id,
        "name": job.name,
        "state": job.state,
        "abandoned": _is_abandoned(home, job),
        "model": job.model,
        "error": job.error,
        "created_at": job.created_at,
        "attempts": attempts,
    }


def _last_lines(path: Path, count: int) -> list[str]:
    return path.read_text(encoding="utf-8", errors="replace").splitlines()[-count:]
