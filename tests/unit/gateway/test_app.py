"""Keys, health, models, aliases, metrics and error bodies of the whole app."""

from __future__ import annotations

import httpx
import openai
import pytest

from tunesmith.records import Alias
from tunesmith.stores.keys import KeyStore
from tunesmith.stores.registry import Registry
from tunesmith.stores.state_file import PartState, PlatformState


@pytest.mark.parametrize("header", [None, "Bearer", "Bearer sk-wrong", "Basic abc"])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/models"),
        ("POST", "/v1/chat/completions"),
        ("POST", "/v1/embeddings"),
        ("POST", "/v1/completions"),
        ("POST", "/v1/responses"),
        ("GET", "/v1/responses/resp_1"),
        ("DELETE", "/v1/responses/resp_1"),
        ("GET", "/v1/responses/resp_1/input_items"),
        ("POST", "/v1/responses/resp_1/cancel"),
        ("DELETE", "/v1/models/tiny-reader"),
        ("GET", "/v1/aliases"),
    ],
)
def test_nothing_under_v1_answers_without_a_key(gateway_url, plane, header, method, path):
    headers = {"Authorization": header} if header else {}
    response = httpx.request(method, gateway_url + path, headers=headers, content=b"not json")
    assert response.status_code == 401
    error = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["code"] == "invalid_api_key"
    assert plane.requests == []


def test_a_revoked_key_stops_working(gateway_url, database, monkeypatch):
    monkeypatch.setattr("tunesmith.gateway.auth.REMEMBERED_SECONDS", 0.0)
    keys = KeyStore(database)
    headers = {"Authorization": f"Bearer {keys.create('default', 'short-lived')}"}
    assert httpx.get(f"{gateway_url}/v1/models", headers=headers).status_code == 200
    keys.revoke("default", keys.all("default")[-1].id)
    assert httpx.get(f"{gateway_url}/v1/models", headers=headers).status_code == 401


def test_unknown_urls_and_methods_are_said_in_the_openai_shape(http):
    missing, wrong = http.get("/v1/nothing"), http.delete("/v1/models")
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "unknown_url")
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (405, "method_not_allowed")
    assert missing.headers["x-request-id"].startswith("req_")


def test_an_unexpected_failure_tells_nothing_but_its_request_id(http, monkeypatch, caplog):
    def explode(*_args):
        raise RuntimeError("secret")

    monkeypatch.setattr("tunesmith.gateway.names.Names.all", explode)
    response = http.get("/v1/models")
    assert response.status_code == 500
    assert "secret" not in response.text
    request_id = response.headers["x-request-id"]
    assert request_id in response.json()["error"]["message"]
    (logged,) = [record for record in caplog.records if record.name == "tunesmith.gateway"]
    assert request_id in logged.getMessage()
    assert "secret" in str(logged.exc_info)


def test_models_are_base_versions_and_aliases(gateway_url, key, database, register):
    version = register("ft:tiny-reader:default:house:abc123")
    register("ft:big:default:house:ffffff", base="big")
    Registry(database, "default").set_alias(Alias("support", "default", version.name))
    Registry(database, "default").set_alias(Alias("nowhere", "default", "ft:gone:default:x:000000"))
    client = openai.OpenAI(base_url=f"{gateway_url}/v1", api_key=key)

    assert [model.id for model in client.models.list()] == ["tiny-reader", version.name, "support"]
    found = client.models.retrieve(version.name)
    assert (found.object, found.created, found.owned_by) == ("model", 1700000000, "default")
    with pytest.raises(openai.NotFoundError) as error:
        client.models.retrieve("nothing/here:at-all")
    assert error.value.code == "model_not_found"


def test_aliases_are_made_moved_and_listed(http, plane, store, register):
    version = register("ft:tiny-reader:default:house:abc123")
    made = http.post("/v1/aliases", json={"name": "support", "model": "tiny-reader"})
    moved = http.post(
        "/v1/aliases", json={"name": "support", "model": version.name, "vector_stores": ["handbook"]}
    )
    assert (made.status_code, moved.status_code) == (200, 200)
    assert http.get("/v1/aliases").json()["data"] == [
        {
            "object": "alias",
            "name": "support",
            "model": version.name,
            "vector_stores": ["handbook"],
            "instructions": None,
        }
    ]
    http.post(
        "/v1/chat/completions", json={"model": "support", "messages": [{"role": "user", "content": "x"}]}
    )
    assert plane.requests[0][1]["model"] == version.name


@pytest.mark.parametrize(
    ("alias", "status", "param"),
    [
        ({"name": "support", "model": "nothing"}, 404, "model"),
        ({"name": "support", "model": "tiny-reader", "vector_stores": ["nothing"]}, 404, "vector_stores"),
        ({"name": "tiny-reader", "model": "tiny-reader"}, 400, "name"),
        ({"name": "ft:a:b", "model": "tiny-reader"}, 400, "name"),
        ({"name": "support", "model": "tiny-reader", "stores": []}, 400, "stores"),
    ],
)
def test_an_alias_that_leads_nowhere_is_refused(http, alias, status, param):
    response = http.post("/v1/aliases", json=alias)
    assert response.status_code == status
    assert response.json()["error"]["param"] == param
    assert http.get("/v1/aliases").json()["data"] == []


def test_health_needs_no_key_and_readiness_follows_the_parts(gateway_url, readiness):
    assert httpx.get(f"{gateway_url}/healthz").json() == {"status": "ok"}
    assert httpx.get(f"{gateway_url}/readyz").status_code == 200

    readiness.state = PlatformState("i", 0.0, (PartState("engine", "starting", "deploying"),))
    response = httpx.get(f"{gateway_url}/readyz")
    assert response.status_code == 503
    assert response.json() == {
        "ready": False,
        "controller": "silent",
        "parts": {"engine": {"state": "starting", "message": "deploying"}},
    }
    readiness.state = None
    assert httpx.get(f"{gateway_url}/readyz").status_code == 503


def test_metrics_count_requests_and_tokens_without_growing(http, gateway_url):
    chat = {"model": "tiny-reader", "messages": [{"role": "user", "content": "x"}]}
    http.post("/v1/chat/completions", json=chat)
    http.post("/v1/chat/completions", json=chat | {"stream": True})
    for number in range(20):
        http.get(f"/v1/models/unknown-{number}")
        http.get(f"/nowhere/{number}")

    text = httpx.get(f"{gateway_url}/metrics").text
    whose = 'model="tiny-reader",project="default"}'
    assert f'tunesmith_tokens_total{{direction="completion",{whose} 5.0' in text
    assert f'tunesmith_tokens_total{{direction="prompt",{whose} 10.0' in text
    assert f"tunesmith_time_to_first_token_seconds_count{{{whose} 1.0" in text
    assert f"tunesmith_queue_seconds_count{{{whose} 2.0" in text
    assert 'project="default",route="/v1/chat/completions",status="200"} 2.0' in text
    assert 'route="/v1/models/{model:path}",status="404"} 20.0' in text
    assert 'route="unmatched",status="404"} 20.0' in text
    assert 'tunesmith_errors_total{code="model_not_found",model="none",project="default"} 20.0' in text
    assert "tunesmith_requests_in_flight 0.0" in text
    assert "unknown-" not in text


def test_a_data_plane_that_is_not_there_is_503(http, monkeypatch):
    # Nothing listens on the discard port.
    monkeypatch.setattr("tunesmith.gateway.chat._ENGINE", "http://127.0.0.1:9/")
    chat = {"model": "tiny-reader", "messages": [{"role": "user", "content": "x"}]}
    response = http.post("/v1/chat/completions", json=chat)
    assert response.status_code == 503
    assert "Retry-After" in response.headers
