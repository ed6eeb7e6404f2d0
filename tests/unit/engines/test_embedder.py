from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tunesmith.engines.bert_embedder import BertEmbedder
from tunesmith.engines.embedder import DEFAULT_EMBEDDER, embedder_folder, is_plain_bert, open_embedder
from tunesmith.engines.sentence_embedder import SentenceTransformerEmbedder
from tunesmith.errors import DependencyError


def copy_of_the_default(folder: Path) -> Path:
    shipped = embedder_folder(DEFAULT_EMBEDDER)
    assert shipped
    shutil.copytree(shipped, folder, ignore=shutil.ignore_patterns("*.safetensors"))
    (folder / "model.safetensors").symlink_to(shipped / "model.safetensors")
    return folder


def test_the_default_comes_from_its_wheel_without_sentence_transformers() -> None:
    code = (
        "import sys; from tunesmith.engines.embedder import open_embedder\n"
        "embedder = open_embedder('all-MiniLM-L6-v2')\n"
        "assert embedder.count_tokens(['two words']) == [2] and 'torch' not in sys.modules\n"
        "assert len(embedder.embed(['two words'])[0]) == embedder.dimensions == 384\n"
        "assert not {'transformers', 'sentence_transformers', 'sklearn'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_folder_is_opened_by_its_path(tmp_path: Path) -> None:
    folder = copy_of_the_default(tmp_path / "model")
    embedder = open_embedder(str(folder))
    assert isinstance(embedder, BertEmbedder)
    assert embedder.name == str(folder)


@pytest.mark.parametrize(
    ("file", "change"),
    [
        ("config.json", {"model_type": "mpnet"}),
        ("config.json", {"hidden_act": "relu"}),
        ("1_Pooling/config.json", {"pooling_mode_mean_tokens": False, "pooling_mode_cls_token": True}),
    ],
)
def test_what_the_light_bert_does_not_compute_goes_to_sentence_transformers(
    tmp_path: Path, file: str, change: dict[str, object]
) -> None:
    folder = copy_of_the_default(tmp_path / "model")
    config = json.loads((folder / file).read_text())
    (folder / file).write_text(json.dumps({**config, **change}))
    assert not is_plain_bert(folder)
    assert isinstance(open_embedder(str(folder)), SentenceTransformerEmbedder)


def test_a_missing_wheel_is_told_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tunesmith.engines.embedder._SHIPPED_WHEEL", "wheel_that_is_not_there")
    assert importlib.util.find_spec("wheel_that_is_not_there") is None
    with pytest.raises(DependencyError, match="`make install` in a checkout"):
        open_embedder(DEFAULT_EMBEDDER)
