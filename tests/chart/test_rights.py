"""The controller's Role holds what the controller does against an API server, and not one verb more."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from api_server import FakeApiServer, api_server
from kuberay_operator import make_clusters
from ray_objects import templates
from rendering import Objects, find, render_objects
from test_security import granted

from generate.manifests import CHART
from tunesmith.config.home import Home
from tunesmith.config.serve import ServeConfig
from tunesmith.controller.services import ServedBases
from tunesmith.jobs.runners.kubernetes import KubernetesRunner
from tunesmith.kubernetes.client import KubernetesClient
from tunesmith.kubernetes.connection import connect
from tunesmith.records import Job

_PATH = re.compile(
    r"^/(?:api|apis/(?P<group>[^/]+))/[^/]+/namespaces/(?P<namespace>[^/]+)/(?P<plural>[^/]+)(?P<name>/[^/]+)?(?P<sub>/\w+)?$"
)
_VERBS = {"POST": "create", "PATCH": "patch", "DELETE": "delete"}


@pytest.fixture(scope="module")
def objects() -> Objects:
    return render_objects("--values", str(CHART / "ci" / "several-tenants.yaml"))


@pytest.fixture
def server() -> Iterator[FakeApiServer]:
    with api_server() as running:
        running.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team-legal"}})
        yield running


def used(server: FakeApiServer) -> set[tuple[str, str, str, str]]:
    """(namespace, group, resource, verb) of every request."""
    found = set()
    for method, path in server.requests:
        match = _PATH.match(path)
        assert match is not None, f"{method} {path} is not within a namespace"
        verb = _VERBS.get(method) or ("get" if match["name"] else "list")
        found.add((match["namespace"], match["group"] or "", match["plural"] + (match["sub"] or ""), verb))
        if path in server.applied:  # the server asks for both where an apply makes the object
            found.add((match["namespace"], match["group"] or "", match["plural"], "create"))
    return found


def test_the_role_is_what_the_controller_does(
    objects: Objects, server: FakeApiServer, tmp_path: Path
) -> None:
    client = KubernetesClient(connect(kubeconfig=str(server.kubeconfig(tmp_path)), patience_seconds=2))
    serve(client, server, objects, tmp_path)
    for project in ("default", "proj_legal"):
        train(client, server, objects, project, tmp_path)
    may = {
        (namespace, group, resource, verb)
        for namespace in ("tunesmith", "team-legal")
        for (group, resource), verbs in granted(
            find(objects, "Role", "tunesmith-controller", namespace)
        ).items()
        for verb in verbs
        # Bases are served from the release's own namespace; the Role is one for all.
        if namespace != "team-legal" or resource not in ("rayservices", "rayclusters", "poddisruptionbudgets")
    }
    assert used(server) == may


def serve(client: KubernetesClient, server: FakeApiServer, objects: Objects, folder: Path) -> None:
    """Serve a base, keep the bounds of its running cluster, then serve another one in its place."""
    settings = SimpleNamespace(
        release="tunesmith",
        namespace="tunesmith",
        home=Home(folder),
        milvus_uri="http://milvus:19530",
        config=ServeConfig(model="tiny-reader"),
    )
    bases: Any = ServedBases(client, settings, templates=lambda: templates(objects))  # type: ignore[arg-type]
    bases.tick()
    (cluster,) = make_clusters(server)
    cluster["spec"]["workerGroupSpecs"][0]["maxReplicas"] += 1
    server.put(cluster)
    bases.tick()
    settings.config = ServeConfig(model="Qwen/Qwen3-8B")
    bases.tick()


def train(
    client: KubernetesClient, server: FakeApiServer, objects: Objects, project: str, folder: Path
) -> None:
    """Begin an attempt twice, ask why it waits in every way, and end it with its log kept."""
    runner = KubernetesRunner(
        client, templates=lambda: templates(objects), release="tunesmith", objects=folder
    )
    config = {
        "name": "a",
        "data": {"type": "file", "path": "a.jsonl"},
        "resources": {"num_workers": 1, "gpus_per_worker": 1},
    }
    job = Job(f"ftjob-{project.replace('_', '-')}", project, "a", "running", 1, "", config, 0)
    place = folder / job.id / "attempt-0001"
    place.mkdir(parents=True)
    handle = runner.start(job, place)
    assert runner.start(job, place)["uid"] == handle["uid"]
    assert runner.is_alive(handle)
    name, namespace = handle["name"], handle["namespace"]
    thing = server.find("RayJob", name, namespace)
    assert thing is not None
    for suspended in (False, True):  # its pods wait, or its queue has not let it in
        server.put(
            {
                **thing,
                "spec": {**thing["spec"], "suspend": suspended},
                "status": {"rayClusterName": "c"},
            }
        )
        runner.reason(handle)
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"submitter-{project.replace('_', '-')}",
            "namespace": namespace,
            "labels": {"batch.kubernetes.io/job-name": name},
        },
        "spec": {"containers": [{"name": "submitter"}]},
    }
    server.put(pod)
    runner.stop(handle)
