"""`tunesmith keys` and `tunesmith projects`, on a home of their own."""

from __future__ import annotations

import json
import shutil
import time

import pytest
from typer.testing import CliRunner

from tunesmith.cli.main import app
from tunesmith.config.home import Home
from tunesmith.config.serve import PricesConfig, ServeConfig
from tunesmith.controller.plan import plan_platform
from tunesmith.errors import AuthenticationError, ConfigError, NotFoundError
from tunesmith.stores.database import open_home_database
from tunesmith.stores.keys import KeyStore
from tunesmith.stores.limits import Limits, LimitStore
from tunesmith.stores.platform_file import write_running
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


def test_a_user_with_a_role_in_a_project_and_a_key(tunesmith, tmp_path):
    tunesmith("projects", "create", "Support")
    user = tunesmith("users", "add", "Ada", "--email", "ada@example.org").strip()
    with pytest.raises(NotFoundError, match=user):
        tunesmith("keys", "create", "laptop", "--project", "Support", "--user", "ada@example.org")
    tunesmith("users", "role", "ada@example.org", "use", "--project", "Support")
    (member,) = json.loads(tunesmith("users", "ls", "--project", "Support", "--json"))
    assert (member["id"], member["role"]) == (user, "use")
    key = tunesmith("keys", "create", "laptop", "--project", "Support", "--user", user).strip()
    database = open_home_database(Home(tmp_path))
    known = KeyStore(database).verify(key)
    assert (known.principal_id, known.role) == (user, "use")
    tunesmith("users", "role", user, "none", "--project", "Support")
    with pytest.raises(AuthenticationError):
        KeyStore(database).verify(key)
    assert "owner" in tunesmith("users", "ls")
    tunesmith("users", "rm", user)
    assert user not in tunesmith("users", "ls")
    database.close()


def test_costs_are_shown_at_the_prices_of_the_running_platform(tunesmith, tmp_path):
    database = open_home_database(Home(tmp_path))
    by = UsedBy(
        "default", "key_1", "user-owner", "tiny-reader", "completions", int(time.time()) // 3600 * 3600
    )
    UsageStore(database).add({by: Used(3, 2_000_000, 10)})
    database.close()
    lines = {line["line_item"]: line for line in json.loads(tunesmith("usage", "--costs", "--json"))}
    assert (lines["input tokens"]["quantity"], lines["input tokens"]["amount"]) == (2_000_000, 0)
    platform = plan_platform(
        Home(tmp_path), ServeConfig(port=0, prices=PricesConfig(million_input_tokens=1.5))
    )
    write_running(platform)
    shutil.rmtree(platform.ray_temp_dir, ignore_errors=True)
    lines = {line["line_item"]: line for line in json.loads(tunesmith("usage", "--costs", "--json"))}
    assert (lines["input tokens"]["amount"], lines["input tokens"]["currency"]) == (3.0, "usd")
