"""`tunesmith deploy render | install | status | destroy`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tunesmith.cli.terminal import (
    ContextOption,
    JsonOption,
    NamespaceOption,
    ReleaseOption,
    print_json,
    print_table,
)

if TYPE_CHECKING:
    from tunesmith.deploy.helm import Release
    from tunesmith.kubernetes.client import KubernetesClient

app = typer.Typer(help="A release on Kubernetes: render, install, look at, take away.", no_args_is_help=True)

ValuesOption = Annotated[list[Path], typer.Option("--values", "-f", help="A file of values for the chart.")]
SetOption = Annotated[
    list[str], typer.Option("--set", help="A value, path=value; of the recipe where one is given.")
]
ChartOption = Annotated[Path | None, typer.Option("--chart", help="Another chart: a folder or an archive.")]


@app.command()
def render(
    recipe: Annotated[
        str | None, typer.Argument(help="A recipe: render its RayJob instead of the release.")
    ] = None,
    values: ValuesOption = [],  # noqa: B006
    settings: SetOption = [],  # noqa: B006
    chart: ChartOption = None,
    namespace: Annotated[str, typer.Option("--namespace", "-n", help="Namespace.")] = "tunesmith",
    release: ReleaseOption = "tunesmith",
) -> None:
    """Print manifests, as `kubectl apply` takes them; asks no cluster."""
    from tunesmith.deploy.render import render_recipe, render_release

    wanted = _release(release, namespace, chart, values, [] if recipe else settings)
    text = render_recipe(recipe, settings, wanted) if recipe else render_release(wanted)
    typer.echo(text, nl=False)


@app.command()
def install(
    values: ValuesOption = [],  # noqa: B006
    settings: SetOption = [],  # noqa: B006
    chart: ChartOption = None,
    context: ContextOption = None,
    namespace: NamespaceOption = None,
    release: ReleaseOption = "tunesmith",
    timeout_seconds: Annotated[
        int, typer.Option(min=10, help="How long everything may take to be ready.")
    ] = 600,
    check: Annotated[bool, typer.Option(help="Look at the cluster first.")] = True,
    prerequisites: Annotated[
        list[str],
        typer.Option(
            "--with",
            help="Where the cluster lacks it: kuberay, kueue, monitoring; a store beside the release: postgres, "
            "milvus, objects. milvus=VERSION pins a chart.",
        ),
    ] = [],  # noqa: B006
) -> None:
    """Install a release or upgrade it; says what comes up and what is stuck, and takes back what fails."""
    from dataclasses import replace

    from tunesmith.deploy.helm import Helm
    from tunesmith.deploy.install import install as install_release
    from tunesmith.deploy.prerequisites import choose, install_prerequisites
    from tunesmith.deploy.stores import choose_stores, install_stores

    helm, client = Helm.find(), _client(context, namespace)
    wanted = _release(release, client.namespace, chart, values, settings, client.context)
    stores, others = choose_stores(prerequisites)
    install_prerequisites(client, helm, choose(others), say=typer.echo)
    told = install_stores(client, helm, stores, release=release, say=typer.echo)
    wanted = replace(wanted, settings=[*told, *settings])
    install_release(client, helm, wanted, say=typer.echo, timeout_seconds=timeout_seconds, checked=check)
    typer.echo(f"{release} is installed in {client.namespace}. `tunesmith deploy status` shows it.")


@app.command()
def status(
    context: ContextOption = None,
    namespace: NamespaceOption = None,
    release: ReleaseOption = "tunesmith",
    as_json: JsonOption = False,
) -> None:
    """Show what is served where, GPUs used and free, jobs and what they wait for."""
    from dataclasses import asdict

    from tunesmith.deploy.status import release_status

    client = _client(context, namespace)
    seen = release_status(client, release=release)
    if as_json:
        print_json(asdict(seen))
        return
    if not seen.parts:
        typer.echo(
            f"No release {release} in {client.namespace} of context {client.context}. Name another one with "
            "--namespace or --release, or install it: `tunesmith deploy install`.\n"
        )
    print_table(
        ("PART", "READY", ""),
        [(each.name, f"{each.ready}/{each.wanted}", each.reason) for each in seen.parts],
    )
    typer.echo()
    print_table(
        ("SERVED", "READY", "ADDRESS", ""),
        [(each.base, "yes" if each.ready else "no", each.address, each.message) for each in seen.served],
    )
    typer.echo()
    print_table(
        ("JOB", "STATE", "QUEUE", ""),
        [(each.job or each.name, each.state, each.queue, each.reason) for each in seen.jobs],
    )
    typer.echo()
    if seen.gpus is None:
        typer.echo("GPUs: not known; this account may not list nodes.")
    else:
        print_table(("GPUS", "USED", "FREE"), [(each.resource, each.used, each.free) for each in seen.gpus])


@app.command()
def destroy(
    context: ContextOption = None,
    namespace: NamespaceOption = None,
    release: ReleaseOption = "tunesmith",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Take a release away; says what goes, and asks. Database, object store and volume claims stay."""
    from tunesmith.deploy.destroy import plan_removal, remove
    from tunesmith.deploy.helm import Helm

    helm, client = Helm.find(), _client(context, namespace)
    wanted = _release(release, client.namespace, None, [], [], client.context)
    removal = plan_removal(client, helm, wanted)
    if removal.empty:
        typer.echo(f"No release {release} in {client.namespace}; nothing to take away.")
        return
    for line in removal.lines():
        typer.echo(line)
    if not yes:
        typer.confirm(f"Delete all this from {client.namespace} of context {client.context}?", abort=True)
    remove(client, helm, wanted, say=lambda line: typer.echo(f"deleting {line}"))
    typer.echo(
        "Gone. Database, object store, volume claims and the Secret of the first key are as they were."
    )


@app.command()
def capacity(
    settings: Annotated[
        list[str], typer.Option("--set", help="load.chunks=1e9, speeds.decode_tokens_per_second=..., ...")
    ] = [],  # noqa: B006
    as_json: JsonOption = False,
) -> None:
    """Say how many GPUs, replicas and nodes a load takes, each figure with its formula."""
    from dataclasses import asdict

    from tunesmith.config.capacity import CapacityConfig
    from tunesmith.config.recipe import apply_override, validate
    from tunesmith.deploy.capacity import capacity as compute

    document: dict[str, object] = {}
    for setting in settings:
        apply_override(document, setting)
    needs = compute(validate(document, CapacityConfig, where="--set"))
    if as_json:
        print_json([asdict(need) for need in needs])
        return
    rows = [(need.what, f"{need.amount:,.4g} {need.unit}".rstrip(), need.formula) for need in needs]
    print_table(("WHAT", "HOW MUCH", "BECAUSE"), rows)


@app.command()
def simulate(
    rates: Annotated[
        list[float], typer.Option("--rate", help="Requests a second over the day; one row each.")
    ] = [10, 100, 1000, 10000],  # noqa: B006
    settings: Annotated[
        list[str], typer.Option("--set", help="max_replicas=200, cold_start_seconds=30, ...")
    ] = [],  # noqa: B006
    as_json: JsonOption = False,
) -> None:
    """Run a day of traffic, with spikes and lost nodes, through the autoscaler: where does it saturate?"""
    from dataclasses import asdict

    from tunesmith.config.capacity import DayConfig
    from tunesmith.config.recipe import apply_override, validate
    from tunesmith.deploy.simulate import simulate_day

    document: dict[str, object] = {}
    for setting in settings:
        apply_override(document, setting)
    days = [
        simulate_day(validate({**document, "average_requests_per_second": rate}, DayConfig, where="--set"))
        for rate in rates
    ]
    if as_json:
        print_json([{"rate": rate, **asdict(day)} for rate, day in zip(rates, days, strict=True)])
        return
    rows = [
        (
            f"{rate:g}/s",
            f"{day.refused_share:.2%}",
            f"{day.delayed / day.requests:.2%}",
            f"{day.longest_wait_seconds:.0f} s",
            day.most_replicas,
            f"{day.replica_hours:.0f}",
            f"{day.minutes_at_most:.0f}",
        )
        for rate, day in zip(rates, days, strict=True)
    ]
    print_table(
        ("RATE", "REFUSED", "WAITED > 1 s", "LONGEST", "REPLICAS", "REPLICA HOURS", "MINUTES AT MOST"), rows
    )


def _client(context: str | None, namespace: str | None) -> KubernetesClient:
    from tunesmith.kubernetes.client import KubernetesClient
    from tunesmith.kubernetes.connection import connect

    # Somebody sits before it: a server that cannot be reached is told soon.
    return KubernetesClient(connect(context=context, namespace=namespace, patience_seconds=10))


def _release(
    name: str,
    namespace: str,
    chart: Path | None,
    values: list[Path],
    settings: list[str],
    context: str | None = None,
) -> Release:
    from tunesmith.deploy.helm import Release

    # In a pod helm signs in with its service account, as we do, and knows no context of that name.
    named = None if context == "in-cluster" else context
    return Release(name, namespace, chart, tuple(values), tuple(settings), named)
