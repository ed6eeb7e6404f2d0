"""Logs of the control plane: lines for people, or a JSON object each for machines. Neither holds a key or a prompt."""

from __future__ import annotations

import json
import logging
import re
from datetime import UTC, datetime
from typing import Any, Literal

LogFormat = Literal["text", "json"]
_SECRET = re.compile(r"(sk-[A-Za-z]+-|[Bb]earer +)[A-Za-z0-9._~+/=-]{6,}")
_PASSWORD = re.compile(r"(://[^/\s:@]*:)[^/\s@]+@")
_TEXT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def configure_logs(form: LogFormat, *, service: str, level: int = logging.INFO) -> None:
    """Set the process's log up; what was set up before is replaced.

    Args:
        form: `text` or `json`.
        service: stands in each JSON line.
        level: what of our own and of libraries is said; chatty clients say warnings alone.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter(service) if form == "json" else TextFormatter(_TEXT))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for chatty in ("httpx", "httpcore", "websockets", "uvicorn", "alembic", "botocore", "opentelemetry"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def hide_secrets(text: str) -> str:
    """Take keys, tokens and the passwords of URLs out of a text, wherever they came in.

    Args:
        text: a message, or a traceback.

    Returns:
        The same with `[hidden]` for the secret part.
    """
    return _PASSWORD.sub(r"\1[hidden]@", _SECRET.sub(r"\1[hidden]", text))


class TextFormatter(logging.Formatter):
    """A line for people."""

    def format(self, record: logging.LogRecord) -> str:
        """Write a line.

        Args:
            record: what was logged.

        Returns:
            Time, level, logger, message, and `fields` behind it.
        """
        fields = getattr(record, "fields", {})
        said = " ".join(f"{name}={value}" for name, value in fields.items() if value not in ("", None))
        return hide_secrets(f"{super().format(record)} {said}".rstrip())


class JsonFormatter(logging.Formatter):
    """One JSON object a line.

    Args:
        service: name of the process.
    """

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        """Write a line.

        Args:
            record: what was logged; its `fields` become keys of their own.

        Returns:
            JSON without a line break.
        """
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "service": self._service,
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return hide_secrets(json.dumps(line, default=str, ensure_ascii=False))
