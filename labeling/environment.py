"""Reading the environment strictly: a misspelt value stops the start, with the variable's name.

Every variable may be given by a file instead: NAME_FILE=/run/secrets/name holds its value, and white space at
the file's ends does not count. A variable given both ways is refused, and so is a file that is empty.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit, urlunsplit


class BadEnvironment(Exception):
    """An environment variable has a value that cannot be used."""


def text(name: str, default: str = "") -> str:
    value = _given(name)
    return default if value is None else value


def flag(name: str, default: bool) -> bool:
    """`1`, `true`, `yes`, `on` or `0`, `false`, `no`, `off`; anything else is refused."""
    value = _given(name)
    if value is None or value == "":
        return default
    lowered = value.strip().lower()
    if lowered in ("1", "true", "yes", "on"):
        return True
    if lowered in ("0", "false", "no", "off"):
        return False
    raise BadEnvironment(f"{name}={value!r}: expected 1 or 0")


def integer(name: str, default: int) -> int:
    value = _given(name)
    if value is None or value == "":
        return default
    try:
        return int(value)
    except ValueError:
        raise BadEnvironment(f"{name}={value!r}: expected a whole number") from None


def words(name: str, default: str) -> list[str]:
    """A comma-separated list."""
    return [word.strip() for word in text(name, default).split(",") if word.strip()]


def database(url: str) -> dict[str, Any]:
    """Django's settings for `postgresql://user:password@host:port/name?option=value`.

    A socket folder goes into the query: `postgresql:///rankloop?host=/run/postgresql&user=app`. The password
    may stand in DATABASE_PASSWORD instead, and so in a file.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("postgres", "postgresql"):
        raise BadEnvironment("DATABASE_URL: expected postgresql://… (PostgreSQL is the only database)")
    options = dict(parse_qsl(parts.query))
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.lstrip("/")),
        "USER": unquote(parts.username or options.pop("user", "")),
        "PASSWORD": _password("DATABASE", parts.password),
        "HOST": parts.hostname or options.pop("host", ""),
        "PORT": str(parts.port or options.pop("port", "")),
        "OPTIONS": options,
    }


def broker(url: str) -> str:
    """Celery's spelling of REDIS_URL: `redis://`, `rediss://`, or `unix:///path?db=0` for a socket.

    The password may stand in REDIS_PASSWORD instead, and so in a file.
    """
    parts = urlsplit(url)
    if parts.scheme == "unix":
        number = dict(parse_qsl(parts.query)).get("db", "0")
        return f"redis+socket://{parts.path}?virtual_host={number}"
    if parts.scheme not in ("redis", "rediss"):
        raise BadEnvironment("REDIS_URL: expected redis://…, rediss://… or unix:///path/of/socket")
    password = _password("REDIS", parts.password)
    if not password:
        return url
    user, _, place = parts.netloc.rpartition("@")
    name = user.partition(":")[0]
    return urlunsplit(parts._replace(netloc=f"{name}:{quote(password, safe='')}@{place}"))


def secret_key(state: Path) -> str:
    """RANKLOOP_SECRET_KEY, or a key made once for this installation and kept in its state folder."""
    given = _given("RANKLOOP_SECRET_KEY")
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


def _given(name: str) -> str | None:
    """The value of a variable, from the environment or from the file that NAME_FILE names."""
    value, path = os.environ.get(name), os.environ.get(f"{name}_FILE")
    if not path:
        return value
    if value is not None:
        raise BadEnvironment(f"{name} and {name}_FILE are both set: give one of them")
    try:
        content = Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise BadEnvironment(f"{name}_FILE={path}: cannot be read ({error})") from None
    if not content:
        raise BadEnvironment(f"{name}_FILE={path}: the file is empty")
    return content


def _password(server: str, in_address: str | None) -> str:
    """The password of a server: out of its address, or given by itself."""
    given = text(f"{server}_PASSWORD")
    if given and in_address:
        raise BadEnvironment(f"{server}_URL and {server}_PASSWORD both hold a password: give one of them")
    return given or unquote(in_address or "")
