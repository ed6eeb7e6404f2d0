from __future__ import annotations

import math

import openai
import pytest

from tunesmith.errors import ConfigError
from tunesmith.gateway.embeddings import shorten


def test_the_official_client_gets_the_same_numbers_in_both_encodings(gateway_url, key):
    client = openai.OpenAI(base_url=f"{gateway_url}/v1", api_key=key)
    packed = client.embeddings.create(model="mini", input=["a", "b"])
    plain = client.embeddings.create(model="mini", input="a", encoding_format="float")

    assert [entry.index for entry in packed.data] == [0, 1]
    assert packed.data[0].embedding == plain.data[0].embedding == [3.0, 4.0, 12.0]
    assert packed.usage.prompt_tokens == 2


def test_base64_is_the_default_of_the_client_alone(http):
    assert http.post("/v1/embeddings", json={"model": "mini", "input": "a"}).json()["data"][0][
        "embedding"
    ] == [3, 4, 12]


def test_fewer_dimensions_are_at_unit_length_again(gateway_url, key):
    client = openai.OpenAI(base_url=f"{gateway_url}/v1", api_key=key)
    short = client.embeddings.create(model="mini", input="a", dimensions=2).data[0].embedding
    assert short == pytest.approx([0.6, 0.8])
    assert math.hypot(*shorten([3, 4, 12], 3)) == pytest.approx(1)
    with pytest.raises(ConfigError, match="dimensions=4 is more than the 3"):
        shorten([3, 4, 12], 4)


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        ({"model": "tiny-reader", "input": "a"}, 404, "model"),
        ({"model": "mini"}, 400, "input"),
        ({"model": "mini", "input": []}, 400, "input"),
        ({"model": "mini", "input": [""]}, 400, "input"),
        ({"model": "mini", "input": [1, 2]}, 400, "input"),
        ({"model": "mini", "input": ["a"] * 2049}, 400, "input"),
        ({"model": "mini", "input": "a", "encoding_format": "hex"}, 400, "encoding_format"),
        ({"model": "mini", "input": "a", "dimensions": 0}, 400, "dimensions"),
        ({"model": "mini", "input": "a", "dimensions": 9}, 400, "dimensions"),
    ],
)
def test_bad_requests_name_their_field(http, body, status, param):
    response = http.post("/v1/embeddings", json=body)
    assert response.status_code == status
    assert response.json()["error"]["param"] == param
