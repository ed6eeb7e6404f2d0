from __future__ import annotations

import pytest

from tunesmith.config.serve import ServeConfig
from tunesmith.errors import ConfigError, ModelNotFoundError
from tunesmith.flows.base_model import require_models


@pytest.mark.parametrize("name", ["no-such-model", "./no/such/folder", "/nowhere", "a/b/c"])
def test_a_missing_model_is_named(name):
    with pytest.raises(ModelNotFoundError, match=f'model="{name}"'):
        require_models(ServeConfig(model=name))


def test_a_folder_without_config_is_refused(tmp_path):
    with pytest.raises(ModelNotFoundError, match=r"no config\.json"):
        require_models(ServeConfig(model=str(tmp_path)))


def test_a_relative_folder_becomes_absolute(tmp_path, monkeypatch):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    assert require_models(ServeConfig(model="./model")).model == str(tmp_path / "model")


@pytest.mark.parametrize("written", ["{}/model/", "{}/link", "{}/model/../model"])
def test_a_folder_is_served_under_its_real_path(tmp_path, written):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("{}")
    (tmp_path / "link").symlink_to(tmp_path / "model")
    assert require_models(ServeConfig(model=written.format(tmp_path))).model == str(tmp_path / "model")


@pytest.mark.parametrize("written", ["tiny-reader", "tiny-reader/"])
def test_a_shipped_model_is_served_under_its_name(written):
    assert require_models(ServeConfig(model=written)).model == "tiny-reader"


def test_offline_only_the_cache_counts(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ModelNotFoundError, match="HF_HUB_OFFLINE"):
        require_models(ServeConfig(model="org/name"))
    (tmp_path / "models--org--name").mkdir()
    assert require_models(ServeConfig(model="org/name")).model == "org/name"


def test_of_several_bases_the_missing_one_is_named_by_its_place():
    config = ServeConfig.model_validate({"bases": [{"model": "tiny-reader"}, {"model": "/nowhere"}]})
    with pytest.raises(ModelNotFoundError, match=r'^bases\.1\.model="/nowhere": no such folder'):
        require_models(config)


def test_one_base_under_two_names_is_refused():
    config = ServeConfig.model_validate({"bases": [{"model": "tiny-reader"}, {"model": "tiny-reader/"}]})
    with pytest.raises(
        ConfigError, match=r'^bases\.1\.model="tiny-reader/" is tiny-reader, as bases\.0\.model is'
    ) as refused:
        require_models(config)
    assert refused.value.param == "bases"


def test_a_model_beside_bases_is_their_first_or_refused(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    bases = [{"model": "tiny-reader"}, {"model": str(tmp_path)}]
    for config in ({"bases": bases}, {"bases": bases, "model": "tiny-reader/"}):
        assert require_models(ServeConfig.model_validate(config)).model == "tiny-reader"
    with pytest.raises(ConfigError, match='is not the first of bases, which is "tiny-reader"'):
        require_models(ServeConfig.model_validate({"bases": bases, "model": str(tmp_path)}))
