"""What looks like a credential stays with the control plane; what engines and workers need goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from tunesmith.config.home import Home
from tunesmith.controller.credentials import keep_database_url, without_credentials

URL = "postgresql://tunesmith:pass@db/tunesmith"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TUNESMITH_DATABASE_URL", "postgresql://tunesmith@db/tunesmith"),
        ("AWS_ACCESS_KEY_ID", "AKIA"),
        ("AWS_SECRET_ACCESS_KEY", "x"),
        ("AWS_SESSION_TOKEN", "x"),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", "/x"),
        ("GOOGLE_APPLICATION_CREDENTIALS", "/x.json"),
        ("AZURE_STORAGE_CONNECTION_STRING", "x"),
        ("OPENAI_API_KEY", "x"),
        ("WANDB_API_KEY", "x"),
        ("GITHUB_TOKEN", "x"),
        ("PGPASSWORD", "x"),
        ("MYSQL_PWD_URL", "mysql://root:x@db"),
        ("SSH_AUTH_SOCK", "/tmp/agent"),
        ("kubeconfig", "/x"),
        ("STORAGE", "Endpoint=https://x;AccountKey=abc"),
        ("HARMLESS", "sk-ts-0123456789abcdefghij"),
        ("RAY_AUTH_TOKEN", "x"),
    ],
)
def test_a_credential_is_left_out(name: str, value: str) -> None:
    assert without_credentials({name: value, "HOME": "/h"}) == {"HOME": "/h"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PATH", "/bin:/usr/bin"),
        ("PWD", "/x"),
        ("PYTHONPATH", "/opt/sk-learn-of-some-other-project:/x"),
        ("LD_PRELOAD", "/x.so"),
        ("CUDA_VISIBLE_DEVICES", "0"),
        ("NCCL_SOCKET_IFNAME", "^lo"),
        ("TOKENIZERS_PARALLELISM", "false"),
        ("HF_TOKEN", "hf_x"),
        ("HF_HOME", "/x"),
        ("https_proxy", "http://user:pass@proxy:3128"),
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:9000"),
        ("TUNESMITH_OBJECTS_URL", "s3://bucket/prefix"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318"),
        ("SSL_CERT_FILE", "/x"),
        ("MONKEYS", "3"),
    ],
)
def test_what_engines_and_workers_need_is_not(name: str, value: str) -> None:
    assert without_credentials({name: value}) == {name: value}


def test_whoever_is_started_without_the_address_finds_the_same_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Home(tmp_path)
    monkeypatch.setenv("TUNESMITH_DATABASE_URL", URL)
    keep_database_url(home)
    monkeypatch.delenv("TUNESMITH_DATABASE_URL")
    assert home.database_url == URL
    assert home.database_url_file.stat().st_mode & 0o777 == 0o600
    # Brought up again in a shell without it, the platform has a database of its own.
    keep_database_url(home)
    assert home.database_url == f"sqlite:///{tmp_path / 'metadata.sqlite3'}"
    keep_database_url(home)
