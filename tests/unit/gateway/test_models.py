"""Models that go: a version's name can be taken away, its lineage stays."""

from __future__ import annotations

import openai
import pytest

from tunesmith.records import Alias
from tunesmith.stores.database import ModelVersionRow, ProjectRow
from tunesmith.stores.registry import Registry

NAME = "ft:tiny-reader:default:house:abc123"
QUESTION = [{"role": "user", "content": "x"}]


def test_a_deleted_version_has_no_name_and_keeps_its_lineage(client, http, register, database, conforms):
    register(NAME)
    gone = http.delete(f"/v1/models/{NAME.replace(':', '%3A')}")
    conforms("DeleteModelResponse", gone.json())
    assert gone.json() == {"id": NAME, "object": "model", "deleted": True}

    assert [model.id for model in client.models.list()] == ["tiny-reader"]
    for call in (client.models.retrieve, client.models.delete):
        with pytest.raises(openai.NotFoundError) as missing:
            call(NAME)
        assert missing.value.code == "model_not_found"
    with pytest.raises(openai.NotFoundError):
        client.chat.completions.create(model=NAME, messages=QUESTION)
    assert http.post("/v1/aliases", json={"name": "support", "model": NAME}).status_code == 404
    with database.session() as session:
        row = session.get(ModelVersionRow, NAME)
        assert row.lineage["job_id"] == f"ftjob-{NAME}"


def test_a_version_behind_aliases_stays_until_they_move(client, http, register, database):
    register(NAME)
    registry = Registry(database, "default")
    for alias in ("support", "beta"):
        registry.set_alias(Alias(alias, "default", NAME))
    with pytest.raises(openai.ConflictError, match=r"stands behind beta, support\.") as refused:
        client.models.delete(NAME)
    assert refused.value.response.headers["x-should-retry"] == "false"
    for alias in ("support", "beta"):
        http.post("/v1/aliases", json={"name": alias, "model": "tiny-reader"})
    assert client.models.delete(NAME).deleted is True


@pytest.mark.parametrize(
    ("name", "said"), [("tiny-reader", "a base"), ("support", "an alias of tiny-reader")]
)
def test_the_base_and_aliases_cannot_be_deleted(client, database, name, said):
    Registry(database, "default").set_alias(Alias("support", "default", "tiny-reader"))
    with pytest.raises(openai.PermissionDeniedError, match=said):
        client.models.delete(name)
    assert client.models.retrieve(name).id == name


def test_a_version_of_another_project_or_base_is_not_served_but_only_ones_own_goes(
    client, register, database
):
    with database.session() as session:
        session.add(ProjectRow(id="other", created_at=1))
    theirs = register("ft:tiny-reader:other:house:abc123", project="other")
    with pytest.raises(openai.NotFoundError):
        client.models.delete(theirs.name)
    assert Registry(database, "other").versions() == [theirs]
    ours = register("ft:big:default:house:ffffff", base="big")
    assert client.models.delete(ours.name).deleted is True
