"""Reading the environment strictly: a misspelt value stops the start, with the variable's name."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit


class BadEnvironment(Exception):
    """An environment variable has a value that cannot be used."""


def text(name: str, default: str = "") -> str:
    return os.environ.get(name, default)


def flag(name: str, default: bool) -> bool:
    """`1`, `true`, `yes`, `on` or `0`, `false`, `no`, `off`; anything else is refused."""
    value = os.environ.get(name)
    if value is None or value == "":
        return default
    lowered = value.strip().lower()
    if lowered in ("1", "true", "yes", "on"):
        return True
    if lowered in ("0", "false", "no", "off"):
        return False
    raise BadEnvironment(f"{name}={value!r}: expected 1 or 0")


def integer(name: str, default: int) -> int:
    value = os.environ.get(name)
    if value is None or value == "":
        return default
    try:
        return int(value)
    except ValueError:
        raise BadEnvironment(f"{name}={value!r}: expected a whole number") from None


def words(name: str, default: str) -> list[str]:
    """A comma-separated list."""
    return [word.strip() for word in os.environ.get(name, default).split(",") if word.strip()]


def database(url: str) -> dict[str, Any]:
    """Django's settings for `postgresql://user:password@host:port/name?option=value`.

    A socket folder goes into the query: `postgresql:///rankloop?host=/run/postgresql&user=app`.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("postgres", "postgresql"):
        raise BadEnvironment("DATABASE_URL: expected postgresql://… (PostgreSQL is the only database)")
    options = dict(parse_qsl(parts.query))
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.lstrip("/")),
        "USER": unquote(parts.username or options.pop("user", "")),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": parts.hostname or options.pop("host", ""),
        "PORT": str(parts.port or options.pop("port", "")),
        "OPTIONS": options,
    }


def broker(url: str) -> str:
    """Celery's spelling of REDIS_URL: `redis://`, `rediss://`, or `unix:///path?db=0` for a socket."""
    parts = urlsplit(url)
    if parts.scheme == "unix":
        number = dict(parse_qsl(parts.query)).get("db", "0")
        return f"redis+socket://{parts.path}?virtual_host={number}"
    if parts.scheme not in ("redis", "rediss"):
        raise BadEnvironment("REDIS_URL: expected redis://…, rediss://… or unix:///path/of/socket")
    return url


def secret_key(state: Path) -> str:
    """RANKLOOP_SECRET_KEY, or a key made once for this installation and kept in its state folder."""
    given = os.environ.get("RANKLOOP_SECRET_KEY")
    if given is not None:
        if len(given) < 50:
            raise BadEnvironment("RANKLOOP_SECRET_KEY: at least 50 characters are wanted")
        return given
    path = state / "secret_key"
    state.mkdir(parents=True, exist_ok=True)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text(encoding="ascii").strip()
    key = secrets.token_urlsafe(64)
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(key + "\n")
    return key
