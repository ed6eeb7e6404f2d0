"""What the controller makes of the pod templates is taken by server and operator, and is what the values say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from crd import HAVE_CRDS, operator_faults, validate
from kubernetes_schema import VERSIONS, faults
from ray_objects import OWN_FOLDER, RELEASE, pods_of, ray_objects, serve_config, templates
from rendering import Objects, find, render_objects
from test_processes import mounted

from generate.manifests import CHART
from tunesmith.config.in_cluster import read_settings
from tunesmith.config.train import ResourcesConfig
from tunesmith.kubernetes.ray_job import MODEL_CACHE_VOLUME, OBJECTS_VOLUME, Run, ray_job
from tunesmith.kubernetes.ray_service import serve_url, serving_groups
from tunesmith.kubernetes.usage import quantity

needs_crds = pytest.mark.skipif(not HAVE_CRDS, reason="KubeRay's CRDs do not lie beside the checkout")
CI = CHART / "ci"


@needs_crds
def test_server_and_operator_take_every_ray_object(objects: Objects) -> None:
    made = ray_objects(objects)
    assert {thing["kind"] for thing in made} == {"RayService", "RayJob"}
    refused = {thing["metadata"]["name"]: validate(thing) + operator_faults(thing) for thing in made}
    assert {name: said for name, said in refused.items() if said} == {}


@pytest.mark.parametrize("version", [VERSIONS[0], VERSIONS[-1]])
def test_filled_pods_are_valid(objects: Objects, version: str) -> None:
    for thing in ray_objects(objects):
        for pod in pods_of(thing):
            wrapped = {"apiVersion": "v1", "kind": "PodTemplate", "metadata": {"name": "x"}, "template": pod}
            assert faults(wrapped, version) == []


def test_every_cluster_asks_for_a_token(objects: Objects) -> None:
    for thing in ray_objects(objects):
        cluster = thing["spec"].get("rayClusterConfig") or thing["spec"]["rayClusterSpec"]
        assert cluster["authOptions"] == {"mode": "token"}


def test_no_head_schedules_work_or_holds_a_gpu(objects: Objects) -> None:
    for thing in ray_objects(objects):
        cluster = thing["spec"].get("rayClusterConfig") or thing["spec"]["rayClusterSpec"]
        assert cluster["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"
        limits = cluster["headGroupSpec"]["template"]["spec"]["containers"][0]["resources"]["limits"]
        assert set(limits) == {"cpu", "memory", "ephemeral-storage"}


def test_rays_object_store_fits_into_the_shared_memory(objects: Objects) -> None:
    """Left to itself Ray takes 30% of the memory, and keeps its objects in /tmp where /dev/shm holds less."""
    for thing in ray_objects(objects):
        cluster = thing["spec"].get("rayClusterConfig") or thing["spec"]["rayClusterSpec"]
        for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
            volumes = {volume["name"]: volume for volume in group["template"]["spec"]["volumes"]}
            held = quantity(volumes["shared-memory"]["emptyDir"]["sizeLimit"])
            assert int(group["rayStartParams"]["object-store-memory"]) == held / 2


def test_a_redis_is_reached_as_a_user_and_with_tls() -> None:
    settings = ["ray.faultTolerance.enabled=true", "ray.faultTolerance.redis=rediss://redis.example.com:6380"]
    settings += ["ray.faultTolerance.username=tunesmith", "ray.faultTolerance.password.name=redis"]
    objects = render_objects(*(word for setting in settings for word in ("--set", setting)))
    (service, *_) = ray_objects(objects)
    secret = {"secretKeyRef": {"name": "redis", "key": "password"}}
    assert service["spec"]["rayClusterConfig"]["gcsFaultToleranceOptions"] == {
        "redisAddress": "rediss://redis.example.com:6380",
        "redisUsername": {"value": "tunesmith"},
        "redisPassword": {"valueFrom": secret},
    }
    assert not HAVE_CRDS or validate(service) + operator_faults(service) == []


WEIGHTS_GIB = {
    "tiny-reader": 0.1,
    "/var/cache/models/qwen3-8b": 15.3,
    "Qwen/Qwen3-4B": 7.5,
    "Qwen/Qwen3-8B": 15.3,
    "meta-llama/Llama-3.3-70B-Instruct": 131.4,
}
"""In bfloat16: two bytes a parameter."""
GPU_GIB = {"L4": 22.5, "A10G": 22.5, "H100": 79.6, None: 22.5}
"""What a GPU has; of one without a name, the least that the scenarios think of."""
MUST_BE_LEFT_GIB = 2
"""For the KV cache of a few requests, what the layers pass on, and adapters."""


def test_every_base_fits_into_the_group_that_it_is_served_by(objects: Objects) -> None:
    """A 70B on one L4 and an 8B on 16 GiB of a CPU pod stood in the scenarios, and no check said so."""
    config, shape = serve_config(objects), templates(objects).config.serving
    for base in config.served_bases:
        (group, *_), engine = serving_groups(shape, base.worker_group), base.engine or config.engine
        gpus = group.num_of_hosts * group.accelerators
        if group.accelerators:
            assert base.gpus <= gpus, base.model
            held = base.gpus * GPU_GIB[group.accelerator_type] * engine.gpu_memory_utilization
        else:
            held = group.memory_gib
        assert WEIGHTS_GIB[base.model] + MUST_BE_LEFT_GIB <= held, base.model
        assert base.max_replicas * base.gpus <= group.max_replicas * max(gpus, 1), base.model


def test_every_group_that_serves_with_gpus_is_some_bases(objects: Objects) -> None:
    config, shape = serve_config(objects), templates(objects).config.serving
    used = {serving_groups(shape, base.worker_group)[0].name for base in config.served_bases}
    assert {group.name for group in shape.worker_groups if group.accelerators} <= used


def test_what_is_highly_available_has_replicas_to_lose() -> None:
    objects = render_objects("--values", str(CI / "highly-available.yaml"))
    config, shape = serve_config(objects), templates(objects).config.serving
    (base,) = config.served_bases
    group = next(group for group in shape.worker_groups if group.name == base.worker_group)
    assert (base.min_replicas, base.max_replicas) == (group.min_replicas, group.max_replicas) == (3, 12)
    assert config.retrieval_replicas >= 2


def test_config_is_the_programs_own(objects: Objects, scenario: Path) -> None:
    assert serve_config(objects).model
    assert templates(objects).config.ray_version == "2.60.0"


def test_only_the_autoscaler_holds_a_token_of_kubernetes() -> None:
    made = templates(render_objects("--set", "training.autoscaler.enabled=true"))
    for shape in (made.config.serving, made.config.training):
        assert shape.autoscaler_options is not None
        mounts = {mount["name"] for mount in shape.autoscaler_options["volumeMounts"]}
        assert "kubernetes-token" in mounts
        head = made.pod(shape.head.template)["spec"]
        assert head["automountServiceAccountToken"] is False
        assert "kubernetes-token" in {volume["name"] for volume in head["volumes"]}
        assert "kubernetes-token" not in {mount["name"] for mount in head["containers"][0]["volumeMounts"]}


def test_pods_of_an_attempt_see_the_folder_of_their_project_and_no_other(objects: Objects) -> None:
    for thing in ray_objects(objects):
        if thing["kind"] == "RayJob":
            *cluster, submitter = [_container(pod) for pod in pods_of(thing)]
            for container in cluster:
                told = {variable["name"]: variable.get("value") for variable in container["env"]}
                mounts = [mount for mount in container["volumeMounts"] if mount["name"] == OBJECTS_VOLUME]
                whole = told.get("TUNESMITH_OBJECTS_FOLDER") or told["TUNESMITH_OBJECTS_URL"]
                path = f"{whole.removeprefix('file://')}/{OWN_FOLDER}"
                assert mounts == [{"name": OBJECTS_VOLUME, "mountPath": path, "subPath": OWN_FOLDER}]
            assert OBJECTS_VOLUME not in [mount["name"] for mount in submitter["volumeMounts"]]


IDENTITY = "serviceAccount.annotations.eks\\.amazonaws\\.com/role-arn"


def test_pods_of_ray_have_a_clouds_identity_where_one_is_given() -> None:
    """Else they had the namespace's own account, which nobody annotates: no bucket without a Secret."""
    settings = ["--set", f"serving.{IDENTITY}=serves", "--set", f"training.{IDENTITY}=trains"]
    tenants = ["--set", "tenants[0].namespace=a,tenants[0].project=p", "--set"]
    tenants += ["tenants[0].serviceAccountAnnotations.eks\\.amazonaws\\.com/role-arn=as-a"]
    objects = render_objects(*settings, *tenants)
    roles = {
        (obj["metadata"].get("namespace"), obj["metadata"]["name"]): obj["metadata"].get("annotations")
        for obj in objects
        if obj["kind"] == "ServiceAccount" and obj["metadata"]["name"].endswith(("-serving", "-training"))
    }
    assert roles == {
        ("tunesmith", "tunesmith-serving"): {"eks.amazonaws.com/role-arn": "serves"},
        ("tunesmith", "tunesmith-training"): {"eks.amazonaws.com/role-arn": "trains"},
        ("a", "tunesmith-training"): {"eks.amazonaws.com/role-arn": "as-a"},
    }
    for thing in ray_objects(objects):
        plane = "serving" if thing["kind"] == "RayService" else "training"
        accounts = [pod["spec"].get("serviceAccountName") for pod in pods_of(thing)]
        cluster = accounts[:-1] if thing["kind"] == "RayJob" else accounts  # the submitter asks no store
        assert set(cluster) == {f"tunesmith-{plane}"}
        assert all(pod["spec"]["automountServiceAccountToken"] is False for pod in pods_of(thing))


def test_training_pods_hold_no_database_and_no_vectors(objects: Objects) -> None:
    for thing in ray_objects(objects):
        if thing["kind"] == "RayJob":
            told = {variable["name"] for pod in pods_of(thing) for variable in _container(pod)["env"]}
            assert not told & {"TUNESMITH_DATABASE_URL", "TUNESMITH_MILVUS_URI", "TUNESMITH_MILVUS_TOKEN"}
            assert "TUNESMITH_OBJECTS_URL" in told


def test_gpu_group_gets_image_limits_tolerations_and_node_selector() -> None:
    objects = render_objects("--values", str(CI / "mixed-gpu-pools.yaml"))
    pod = templates(objects).pod("worker-h100.yaml")["spec"]
    container = pod["containers"][0]
    assert container["image"] == "registry.example.com/tunesmith:0.1.0-cuda"
    assert container["resources"]["limits"]["nvidia.com/gpu"] == "8"
    assert container["resources"]["requests"] == container["resources"]["limits"]
    assert pod["nodeSelector"] == {"nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3"}
    assert {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"} in pod["tolerations"]
    (group,) = (group for group in templates(objects).config.serving.worker_groups if group.name == "h100")
    assert (group.num_of_hosts, group.accelerator, group.accelerator_type) == (2, "nvidia.com/gpu", "H100")


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [("Drain", {"type": "None"}), ("Surge", {"type": "NewCluster"})],
)
def test_upgrade_strategy_is_kuberays(strategy: str, expected: dict[str, Any]) -> None:
    objects = render_objects("--set", f"serving.upgrade.strategy={strategy}")
    assert templates(objects).config.serving.upgrade_strategy == expected


def test_incremental_upgrade_names_its_gateway_and_its_surge() -> None:
    strategy = templates(
        render_objects("--values", str(CI / "highly-available.yaml"))
    ).config.serving.upgrade_strategy
    assert strategy["type"] == "NewClusterWithIncrementalUpgrade"
    assert strategy["clusterUpgradeOptions"]["gatewayClassName"] == "istio"
    assert strategy["clusterUpgradeOptions"]["maxSurgePercent"] == 25


def test_requests_follow_the_gateway_where_it_moves_traffic(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """During such an upgrade KubeRay's own Service stays on the cluster that shrinks."""
    objects = render_objects("--values", str(CI / "highly-available.yaml"))
    (service, *_) = ray_objects(objects)
    for deployment in ("tunesmith-gateway", "tunesmith-controller", "tunesmith-indexer"):
        for name, value in mounted(objects, deployment, tmp_path / deployment).items():
            monkeypatch.setenv(name, value)
        settings = read_settings()
        url = serve_url(settings, settings.config.served_bases[0].model)
        # KubeRay calls it NAME-gateway, Istio its Service NAME-gateway-CLASS.
        assert url == f"http://{service['metadata']['name']}-gateway-istio.tunesmith.svc"


QUEUE = "kueue.x-k8s.io/queue-name"


@pytest.mark.parametrize("scenario", ["mixed-gpu-pools", "several-tenants"])
@pytest.mark.parametrize("serving_grows", [True, False])
def test_kueue_admits_what_queues(scenario: str, serving_grows: bool) -> None:
    """Its webhook takes no cluster that grows; its queue admits no pod that asks for what it does not name."""
    grows = f"serving.autoscaler.enabled={str(serving_grows).lower()}"
    objects = render_objects("--values", str(CI / f"{scenario}.yaml"), "--set", grows)
    queues = {obj["metadata"]["name"]: obj["spec"] for obj in objects if obj["kind"] == "ClusterQueue"}
    local = {obj["metadata"]["namespace"]: obj for obj in objects if obj["kind"] == "LocalQueue"}
    queued = [thing for thing in ray_objects(objects) if QUEUE in thing["metadata"]["labels"]]
    assert {thing["kind"] for thing in queued} == {"RayJob", *(() if serving_grows else ("RayService",))}
    for thing in queued:
        cluster = thing["spec"].get("rayClusterConfig") or thing["spec"]["rayClusterSpec"]
        assert not cluster["enableInTreeAutoscaling"]
        queue = local[thing["metadata"]["namespace"]]
        assert thing["metadata"]["labels"][QUEUE] == queue["metadata"]["name"]
        (group,) = queues[queue["spec"]["clusterQueue"]]["resourceGroups"]
        for pod in pods_of(thing):
            assert set(_container(pod)["resources"]["requests"]) <= set(group["coveredResources"])
        for flavor in group["flavors"]:  # in the order of the covered ones, as Kueue asks
            assert [resource["name"] for resource in flavor["resources"]] == group["coveredResources"]


def test_kueue_is_told_of_no_class_that_is_not_its_own() -> None:
    queued = ("--values", str(CI / "mixed-gpu-pools.yaml"), "--set", "serving.autoscaler.enabled=false")
    label = "kueue.x-k8s.io/priority-class"
    classes = {thing["metadata"]["labels"][label] for thing in ray_objects(render_objects(*queued))}
    assert classes == {"tunesmith-serving", "tunesmith-training"}
    theirs = render_objects(
        *queued, "--set", "priorityClasses.create=false", "--set", "pod.priorityClassName=theirs"
    )
    assert not any(label in thing["metadata"]["labels"] for thing in ray_objects(theirs))


def test_model_cache_is_mounted_where_weights_are_looked_for() -> None:
    objects = render_objects("--set", "modelCache.enabled=true")
    claim = find(objects, "PersistentVolumeClaim", "tunesmith-model-cache")
    assert claim["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
    for file in ("worker-cpu.yaml", "train-worker-cpu.yaml"):
        pod = templates(objects).pod(file)["spec"]
        home = next(entry["value"] for entry in pod["containers"][0]["env"] if entry["name"] == "HF_HOME")
        (mount,) = _cache_mounts(pod)
        assert mount["mountPath"] == home


def test_what_is_served_comes_from_a_cache_that_no_program_of_a_tenant_can_write_to() -> None:
    """A training job put weights where serving looked for its own: both mounted the whole claim."""
    folders = {}
    for part, pod in _cached_pods("modelHub.offline=false").items():
        (mount,) = _cache_mounts(pod["spec"])
        assert not mount.get("readOnly"), part
        folders[part] = mount["subPath"]
    assert folders == {
        "serving": "serving",
        "indexer": "indexer",
        "job of support": "training/projects/support",
        "job of legal": "training/projects/legal",
    }


def test_a_cache_that_is_filled_by_hand_is_written_to_by_nobody() -> None:
    for part, pod in _cached_pods("modelHub.offline=true").items():
        assert [(mount["readOnly"], "subPath" in mount) for mount in _cache_mounts(pod["spec"])] == [
            (True, False)
        ], part


def test_the_submitter_of_a_job_mounts_no_weights() -> None:
    made = templates(render_objects("--set", "modelCache.enabled=true"))
    assert _cache_mounts(made.pod("submitter.yaml")["spec"]) == []


def _cached_pods(setting: str) -> dict[str, dict[str, Any]]:
    """Who mounts the cache: the head and the workers of one cluster mount it alike."""
    objects = render_objects("--set", "modelCache.enabled=true", "--set", setting)
    made = templates(objects)
    service = next(thing for thing in ray_objects(objects) if thing["kind"] == "RayService")
    found = {"serving": pods_of(service)}
    for project in ("support", "legal"):
        part = f"job of {project}"
        run = Run("a", ["b"], ResourcesConfig(num_workers=1), project, f"projects/{project}/jobs/1")
        space = made.config.workspaces[0]
        found[part] = pods_of(ray_job(run, made, workspace=space, release=RELEASE))[:-1]
    found["indexer"] = [find(objects, "Deployment", "tunesmith-indexer")["spec"]["template"]]
    for pods in found.values():
        assert all(_cache_mounts(pod["spec"]) == _cache_mounts(pods[0]["spec"]) for pod in pods)
    return {part: pods[0] for part, pods in found.items()}


def _cache_mounts(spec: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        mount
        for container in spec["containers"]
        for mount in container["volumeMounts"]
        if mount["name"] == MODEL_CACHE_VOLUME
    ]


def _container(pod: dict[str, Any]) -> dict[str, Any]:
    return pod["spec"]["containers"][0]
