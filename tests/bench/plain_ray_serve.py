"""Plain `ray.serve.llm` with the engine's flags, as its documentation has it: a process that serves until SIGTERM.

python plain_ray_serve.py '{"options": {...EngineOptions...}, "port": 8123, "ray_folder": "/tmp/x"}'
"""

from __future__ import annotations

import json
import signal
import sys
import threading

import ray
from ray import serve
from ray.serve.llm import LLMConfig, build_openai_app

from tunesmith.serve.engine_kwargs import engine_kwargs
from tunesmith.serve.options import EngineOptions


def main() -> None:
    """Serve what the argument describes."""
    told = json.loads(sys.argv[1])
    options = EngineOptions.model_validate(told["options"])
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    config = LLMConfig(
        model_loading_config={"model_id": options.model, "model_source": options.source},
        accelerator_config={"kind": "cpu"},
        engine_kwargs=engine_kwargs(options, gpu=False),
        # On a machine that imports three vLLMs at once, an engine is not dead after ten seconds of silence.
        deployment_config={
            "autoscaling_config": {"min_replicas": 1, "max_replicas": 1},
            "health_check_timeout_s": 120,
        },
        # Ray's own exporter of vLLM's metrics: as little is counted here as elsewhere.
        log_engine_metrics=False,
    )
    ray.init(
        address="local",
        num_cpus=8,
        include_dashboard=False,
        log_to_driver=False,
        object_store_memory=100 * 2**20,
        _temp_dir=told["ray_folder"],
    )
    try:
        serve.start(
            http_options={"host": "127.0.0.1", "port": told["port"]},
            logging_config={"enable_access_log": False},
        )
        serve.run(build_openai_app({"llm_configs": [config]}), name="plain")
        print("ready", flush=True)
        stop.wait()
    finally:
        serve.shutdown()
        ray.shutdown()


if __name__ == "__main__":
    main()
