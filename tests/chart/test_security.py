"""Closed by default: every pod fits `restricted`, holds what it needs and no more, and permissions are counted."""

from __future__ import annotations

import re
from typing import Any

import pytest
from rendering import Objects, find, pod_specs, render_objects

from generate.manifests import CHART

WITH_TOKEN = {"Deployment/tunesmith-controller", "Job/tunesmith-bootstrap"}


def test_every_pod_fits_the_restricted_level(objects: Objects) -> None:
    """The controls of Pod Security's level `restricted`, each."""
    for where, pod in pod_specs(objects).items():
        spec = pod["spec"]
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec), where
        assert spec["securityContext"]["runAsNonRoot"] is True, where
        assert spec["securityContext"]["runAsUser"] > 10_000, where
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, where
        volumes = {key for volume in spec["volumes"] for key in volume if key != "name"}
        assert volumes <= {"configMap", "emptyDir", "persistentVolumeClaim", "projected", "secret"}, where
        for container in [*spec["containers"], *spec.get("initContainers", [])]:
            context = container["securityContext"]
            assert context["allowPrivilegeEscalation"] is False, where
            assert context["capabilities"] == {"drop": ["ALL"]}, where
            assert context["readOnlyRootFilesystem"] is True, where
            assert not any("hostPort" in port for port in container.get("ports", [])), where


def test_every_container_is_bounded(objects: Objects) -> None:
    for where, pod in pod_specs(objects).items():
        for container in pod["spec"]["containers"]:
            for side in ("requests", "limits"):
                assert {"cpu", "memory", "ephemeral-storage"} <= set(container["resources"][side]), where


def test_every_folder_that_programs_write_to_is_a_volume(objects: Objects) -> None:
    for where, pod in pod_specs(objects).items():
        container = pod["spec"]["containers"][0]
        mounts = tuple(m["mountPath"] for m in container["volumeMounts"] if not m.get("readOnly"))
        told = {variable["name"]: variable.get("value", "") for variable in container["env"]}
        # Weights that are all there already are read, never written.
        hub = ["HF_HOME"] if told.get("HF_HUB_OFFLINE") == "0" else []
        for name in ("HOME", "TUNESMITH_HOME", "XDG_CACHE_HOME", *hub):
            assert told[name].startswith(mounts), (where, name)
        assert "/tmp" in mounts, where


def test_a_token_is_mounted_where_the_api_is_asked(objects: Objects) -> None:
    holders = {
        where for where, pod in pod_specs(objects).items() if pod["spec"]["automountServiceAccountToken"]
    }
    assert holders <= WITH_TOKEN
    accounts = [obj for obj in objects if obj["kind"] == "ServiceAccount"]
    assert accounts
    assert not any(account["automountServiceAccountToken"] for account in accounts)


def test_the_chart_makes_no_secret_and_no_cluster_role(objects: Objects) -> None:
    kinds = {obj["kind"] for obj in objects}
    assert not kinds & {"Secret", "ClusterRole", "ClusterRoleBinding"}


def test_credentials_come_by_reference(objects: Objects) -> None:
    secret = re.compile(r"(PASSWORD|TOKEN|SECRET|API_KEY|DATABASE_URL)$")
    for where, pod in pod_specs(objects).items():
        for variable in pod["spec"]["containers"][0]["env"]:
            if secret.search(variable["name"]):
                assert set(variable["valueFrom"]) == {"secretKeyRef"}, (where, variable)


def test_a_training_pod_holds_no_credential_but_the_object_stores_and_the_model_hubs(
    objects: Objects,
) -> None:
    """Its program is the tenant's: what it holds, the tenant can read."""
    pods = [(where, pod) for where, pod in pod_specs(objects).items() if where.startswith("ray/train-")]
    assert pods
    for where, pod in pods:
        spec = pod["spec"]
        # An account is there for a cloud's identity alone; its token of Kubernetes is mounted nowhere.
        assert spec.get("serviceAccountName", "tunesmith-training") == "tunesmith-training", where
        secretive = {volume["name"] for volume in spec["volumes"] if {"projected", "secret"} & set(volume)}
        for container in spec["containers"]:
            # The autoscaler beside a head mounts its token; the head, where the program runs, does not.
            assert not secretive & {mount["name"] for mount in container["volumeMounts"]}, where
            secret = {variable["name"] for variable in container["env"] if "valueFrom" in variable}
            assert secret <= {"HF_TOKEN"}, where
            assert [source for source in container.get("envFrom", []) if "secretRef" not in source] == [], (
                where
            )
            assert len(container.get("envFrom", [])) <= 1, where
            told = {variable["name"] for variable in container["env"]}
            assert not told & {"TUNESMITH_DATABASE_URL", "TUNESMITH_MILVUS_URI", "TUNESMITH_MILVUS_TOKEN"}, (
                where
            )


def test_the_controllers_permissions_are_these_and_no_others(objects: Objects) -> None:
    queues = any(obj["kind"] == "ClusterQueue" for obj in objects)
    expected = {
        ("ray.io", "rayjobs"): ["get", "create", "delete"],
        ("ray.io", "rayservices"): ["list", "create", "patch", "delete"],
        ("ray.io", "rayclusters"): ["get", "patch"],
        ("policy", "poddisruptionbudgets"): ["create", "patch"],
        ("", "pods"): ["list"],
        ("", "events"): ["list"],
        ("", "pods/log"): ["get"],
        **({("kueue.x-k8s.io", "workloads"): ["list"]} if queues else {}),
    }
    roles = [
        obj for obj in objects if (obj["kind"], obj["metadata"]["name"]) == ("Role", "tunesmith-controller")
    ]
    assert roles
    for role in roles:
        assert granted(role) == expected


def test_the_bootstraps_permissions_are_these_and_no_others() -> None:
    role = find(render_objects(), "Role", "tunesmith-bootstrap")
    assert role["rules"] == [
        {"apiGroups": [""], "resources": ["secrets"], "verbs": ["create"]},
        {
            "apiGroups": [""],
            "resources": ["secrets"],
            "resourceNames": ["tunesmith-admin-key"],
            "verbs": ["get"],
        },
    ]


def test_a_role_for_each_workspace_and_none_elsewhere() -> None:
    objects = render_objects("--values", str(CHART / "ci" / "several-tenants.yaml"))
    for kind in ("Role", "RoleBinding"):
        places = [
            obj["metadata"]["namespace"]
            for obj in objects
            if (obj["kind"], obj["metadata"]["name"]) == (kind, "tunesmith-controller")
        ]
        assert places == ["tunesmith", "team-legal", "team-support"]


def test_a_namespace_that_the_chart_makes_is_restricted() -> None:
    objects = render_objects("--values", str(CHART / "ci" / "several-tenants.yaml"))
    labels = find(objects, "Namespace", "team-legal")["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"


@pytest.mark.parametrize("flavour", ["cpu", "cuda"])
def test_images_can_be_pinned_by_digest(flavour: str) -> None:
    digest = f"sha256:{'0123456789abcdef' * 4}"
    objects = render_objects(
        "--values", str(CHART / "ci" / "mixed-gpu-pools.yaml"), "--set", f"image.digests.{flavour}={digest}"
    )
    images = {c["image"] for pod in pod_specs(objects).values() for c in pod["spec"]["containers"]}
    assert f"registry.example.com/tunesmith@{digest}" in images
    assert not any(image.endswith(f"-{flavour}") for image in images)


def test_no_image_is_the_latest(objects: Objects) -> None:
    for pod in pod_specs(objects).values():
        for container in pod["spec"]["containers"]:
            assert re.search(r":[\w.]+-(cpu|cuda)$", container["image"]), container["image"]


def granted(role: dict[str, Any]) -> dict[tuple[str, str], list[str]]:
    assert not any("*" in words for rule in role["rules"] for words in rule.values())
    return {
        (group, resource): rule["verbs"]
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }
