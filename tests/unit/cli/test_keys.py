"""`tunesmith keys` and `tunesmith projects`, on a home of their own."""

from __future__ import annotations

import json
import time

import pytest
from typer.testing import CliRunner

from tunesmith.cli.main import app
from tunesmith.config.home import Home
from tunesmith.errors import ConfigError, NotFoundError
from tunesmith.stores.database import open_home_database
from tunesmith.stores.keys import KeyStore
from tunesmith.stores.limits import Limits, LimitStore
from tunesmith.stores.projects import Projects
from tunesmith.stores.usage import UsageStore, Used, UsedBy


@pytest.fixture
def tunesmith(tmp_path):
    def run(*words):
        result = CliRunner().invoke(app, [*words, "--home", str(tmp_path)])
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == 0, result.output
        return result.output

    return run


def test_a_key_of_a_project_with_a_role_and_an_end(tunesmith, tmp_path):
    project = tunesmith("projects", "create", "Support").strip()
    made = json.loads(
        tunesmith(
            "keys", "create", "bot", "--project", "Support", "--role", "use", "--expires", "2d", "--json"
        )
    )
    database = open_home_database(Home(tmp_path))
    key = KeyStore(database).verify(made["key"])
    database.close()
    assert (key.project_id, key.role) == (project, "use")
    assert key.expires_at == pytest.approx(time.time() + 2 * 86_400, abs=60)

    listed = tunesmith("keys", "ls", "--project", "Support")
    assert key.id in listed
    assert made["key"] not in listed
    assert key.id not in tunesmith("keys", "ls")
    tunesmith("keys", "revoke", key.id, "--project", project)
    assert "revoked" in tunesmith("keys", "ls", "--project", project)
    tunesmith("projects", "archive", "Support")
    assert project not in tunesmith("projects", "ls")
    assert "archived" in tunesmith("projects", "ls", "--archived")


def test_what_makes_no_sense_is_said(tunesmith):
    with pytest.raises(ConfigError, match="90d"):
        tunesmith("keys", "create", "bot", "--expires", "soon")
    with pytest.raises(NotFoundError, match="projects ls"):
        tunesmith("keys", "create", "bot", "--project", "nobody")


def test_limits_and_usage_are_said_and_read(tunesmith, tmp_path):
    tunesmith("projects", "create", "Support")
    tunesmith("projects", "limit", "Support", "--requests-per-minute", "7", "--gpu-hours", "1.5")
    database = open_home_database(Home(tmp_path))
    project = next(project for project in Projects(database).all() if project.name == "Support")
    assert LimitStore(database).project(project.id) == Limits(7, None, 1.5)
    by = UsedBy(
        project.id, "key_1", "user-owner", "tiny-reader", "completions", int(time.time()) // 3600 * 3600
    )
    UsageStore(database).add({by: Used(3, 20, 10)})
    database.close()

    (line,) = json.loads(tunesmith("usage", "--project", "Support", "--json"))
    assert (line["requests"], line["input_tokens"], line["output_tokens"]) == (3, 20, 10)
    assert "tiny-reader" in tunesmith("usage")
    assert "tiny-reader" not in tunesmith("usage", "--project", "default")
