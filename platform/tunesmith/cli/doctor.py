"""`tunesmith doctor`."""

from __future__ import annotations

from typing import Annotated

import typer

from tunesmith.cli.terminal import ContextOption, HomeOption, JsonOption, NamespaceOption, print_json
from tunesmith.config.home import Home


def doctor(
    home: HomeOption = None,
    cluster: Annotated[
        bool, typer.Option("--cluster", help="Look at the Kubernetes cluster instead.")
    ] = False,
    context: ContextOption = None,
    namespace: NamespaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say what is wrong with this machine, or with a cluster; exits with 1 where something must be mended."""
    from dataclasses import asdict

    if cluster:
        from tunesmith.deploy.doctor import examine_cluster
        from tunesmith.kubernetes.client import KubernetesClient
        from tunesmith.kubernetes.connection import connect

        connection = connect(context=context, namespace=namespace, patience_seconds=3)
        findings = examine_cluster(KubernetesClient(connection))
    else:
        from tunesmith.flows.doctor import examine

        findings = examine(Home.locate(home))
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        for finding in findings:
            typer.echo(f"{finding.verdict:<5} {finding.what:<14} {finding.detail}")
    if any(finding.verdict == "bad" for finding in findings):
        raise typer.Exit(1)
