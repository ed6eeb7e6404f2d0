"""RayServices, as an API server, the operator and Ray Serve see them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from crd import HAVE_CRDS, operator_faults, validate
from pod_templates import CPU_GROUP, templates
from ray.serve.config import AutoscalingConfig

from tunesmith.config.home import Home
from tunesmith.config.serve import BaseConfig, EngineConfig, ServeConfig
from tunesmith.errors import ConfigError
from tunesmith.kubernetes.ray_service import ray_service
from tunesmith.serve.applications import Hosted, cluster_applications, serve_applications
from tunesmith.serve.engine import replica_bundles, replica_choice, replica_count
from tunesmith.serve.first_token import FirstTokenPolicy
from tunesmith.serve.options import EngineOptions
from tunesmith.serve.prefix_router import PrefixRouter

HOME = Home(Path("/var/lib/tunesmith"))
LARGE = BaseConfig(
    model="meta-llama/Llama-3.1-70B-Instruct",
    worker_group="h100",
    min_replicas=0,
    max_replicas=4,
    tensor_parallel_size=8,
    engine=EngineConfig(dtype="bfloat16", max_num_seqs=64),
)


def make(base: BaseConfig = LARGE, **changes: Any) -> Any:
    document = cluster_applications(
        ServeConfig(), Hosted.configured(base), home=HOME, milvus_uri="http://milvus:19530", gpu=base.gpus > 1
    )
    return ray_service(
        base.model, document, templates(**changes), group=base.worker_group, namespace="ns", release="ts"
    )


def options(service: Any) -> EngineOptions:
    (args,) = [
        application["args"]
        for application in yaml.safe_load(service["spec"]["serveConfigV2"])["applications"]
        if application["name"] == "engine"
    ]
    return EngineOptions.model_validate(args)


INCREMENTAL = {
    "type": "NewClusterWithIncrementalUpgrade",
    "clusterUpgradeOptions": {
        "gatewayClassName": "envoy",
        "stepSizePercent": 10,
        "intervalSeconds": 10,
        "maxSurgePercent": 20,
    },
}


@pytest.mark.skipif(not HAVE_CRDS, reason="KubeRay's CRDs do not lie beside the checkout")
@pytest.mark.parametrize("base", [LARGE, BaseConfig(model="tiny-reader")])
@pytest.mark.parametrize("strategy", [{"type": "NewCluster"}, INCREMENTAL, {"type": "None"}])
def test_the_server_and_the_operator_take_it(base: BaseConfig, strategy: dict[str, Any]) -> None:
    service = make(base, serving={"upgradeStrategy": strategy})
    assert validate(service) == []
    assert operator_faults(service) == []


def test_serves_the_same_applications_as_a_laptop() -> None:
    served = yaml.safe_load(make(BaseConfig(model="tiny-reader"))["spec"]["serveConfigV2"])
    laptop = serve_applications(ServeConfig(), home=HOME, milvus_uri="http://milvus:19530", http_port=8000)
    for ours, theirs in zip(served["applications"], laptop["applications"], strict=True):
        if ours["name"] == "engine":
            assert ours["args"].pop("replicas")["gpu"] is False
            assert theirs["args"].pop("replicas")["gpu"] is None
        assert ours == theirs
    assert served["http_options"] == {"host": "0.0.0.0", "port": 8000}


def test_routing_by_prefix_takes_our_router_and_else_ray_serve_has_its_own() -> None:
    routed = replica_choice(options(make(BaseConfig(model="tiny-reader", routing="prefix"))))
    assert routed["request_router_config"].get_request_router_class() is PrefixRouter
    assert replica_choice(options(make(BaseConfig(model="tiny-reader")))) == {}


def test_golden_tensor_parallel_replica_on_one_node() -> None:
    engine = options(make())
    assert engine.engine.dtype == "bfloat16"
    bundles = replica_bundles(engine, gpu=True)
    assert len(bundles) == 8
    assert sum(bundle["GPU"] for bundle in bundles) == 8
    assert replica_count(engine)["autoscaling_config"] == {
        "min_replicas": 0,
        "max_replicas": 4,
        "target_ongoing_requests": 16,
        "upscale_delay_s": 10,
        "downscale_delay_s": 300,
    }


def test_a_target_for_the_first_token_takes_our_policy_and_else_ray_serve_has_its_own() -> None:
    base = LARGE.model_copy(update={"target_first_token_seconds": 1.5})
    config = AutoscalingConfig(**replica_count(options(make(base)))["autoscaling_config"])
    # Serve carries it by value.
    assert config.policy.get_policy().__name__ == FirstTokenPolicy.__name__
    assert config.policy.policy_kwargs == {"target_seconds": 1.5}


def test_one_replica_does_not_scale() -> None:
    engine = options(make(BaseConfig(model="tiny-reader")))
    assert replica_bundles(engine, gpu=False) == [{"CPU": 1.0}]
    assert replica_count(engine) == {"num_replicas": 1}


def test_gpus_for_the_engine_and_none_for_retrieval() -> None:
    groups = make()["spec"]["rayClusterConfig"]["workerGroupSpecs"]
    assert [(group["groupName"], group["minReplicas"], group["maxReplicas"]) for group in groups] == [
        ("h100", 0, 2),
        ("cpu", 1, 4),
    ]


def test_a_changed_knob_changes_the_serve_config_alone() -> None:
    """In place: the operator makes a new cluster only when `rayClusterConfig` differs."""
    before, after = make(), make(LARGE.model_copy(update={"max_replicas": 2}))
    assert before["spec"].pop("serveConfigV2") != after["spec"].pop("serveConfigV2")
    assert before == after


def test_a_changed_image_changes_the_cluster_alone() -> None:
    before, after = make(), make(rayVersion="2.61.0")
    assert before["spec"]["serveConfigV2"] == after["spec"]["serveConfigV2"]
    assert before["spec"]["rayClusterConfig"] != after["spec"]["rayClusterConfig"]


def test_names_are_short_and_of_one_base_each() -> None:
    names = {
        make(BaseConfig(model=name))["metadata"]["name"]
        for name in ("Org/a.b", "org/a-b", "org-a-b", "x" * 90)
    }
    assert len(names) == 4
    assert all(len(name) <= 47 for name in names)


def test_an_unknown_group_is_refused() -> None:
    with pytest.raises(ConfigError, match=r'"l4" is not among serving.workerGroups \(cpu, h100\)'):
        make(LARGE.model_copy(update={"worker_group": "l4"}))
    with pytest.raises(ConfigError, match="called cpu"):
        templates(serving={"workerGroups": [CPU_GROUP, CPU_GROUP]})
