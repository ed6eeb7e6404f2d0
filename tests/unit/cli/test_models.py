from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from tunesmith.cli.main import app
from tunesmith.config.home import Home
from tunesmith.records import Lineage, ModelVersion
from tunesmith.stores.database import open_home_database
from tunesmith.stores.registry import Registry


def test_a_version_is_shown_with_its_folder(tmp_path: Path) -> None:
    home = Home.locate(tmp_path)
    lineage = Lineage("tiny-reader", "0" * 64, {}, 1, {}, "0.1.0", "ftjob-1")
    version = ModelVersion("ft:a", "default", "tiny-reader", "full", "projects/default/models/1", 1, lineage)
    Registry(open_home_database(home), "default").register(version)
    done = CliRunner().invoke(app, ["models", "show", "ft:a", "--home", str(home.root), "--json"])
    assert json.loads(done.stdout)["folder"] == str(home.objects / "projects/default/models/1")
