"""Reading the environment strictly: a misspelt value stops the start, with the variable's name.

Every variable may be given by a file instead: NAME_FILE=/run/secrets/name holds its value, and white space at
the file's ends does not count. Or by a file of its own name in the folder RANKLOOP_SECRETS, for those whose
names nobody knows beforehand: the secret of each provider. A variable given in two ways is refused, and so is
a file that is empty. A variable that is empty is not given.
"""

from __future__ import annotations

import ipaddress
import json
import os
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit, urlunsplit

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

SECRETS = "RANKLOOP_SECRETS"
"""Names the folder whose files hold the values of variables, each under its variable's name."""

KEY_FILE = "secret_key"
"""The file in the state folder, and in a backup, that holds the installation's key."""


@dataclass(frozen=True)
class _Other:
    """Another system that an operator names as a JSON object: its fields, and those that it must have."""

    what: str
    fields: Mapping[str, type]
    needs: tuple[str, ...]
    address: str
    """The field with its address."""
    shortest_secret: int = 1
    """0: it may have none, and then its address may be http:// too."""


PROVIDER = _Other(
    "provider",
    {"id": str, "name": str, "server_url": str, "client_id": str, "trusted": bool, "open": bool},
    needs=("id", "name", "server_url", "client_id"),
    address="server_url",
)
RECEIVER = _Other(
    "receiver",
    {"id": str, "name": str, "url": str},
    needs=("id", "name", "url"),
    address="url",
    shortest_secret=32,
)
SERVER = _Other(
    "server",
    {
        "id": str, "name": str, "url": str, "model": str, "currency": str, "timeout_seconds": float,
        "parallel": int, "price_in": float, "price_out": float,
    },
    needs=("id", "name", "url", "model"),
    address="url",
    shortest_secret=0,
)  # fmt: skip


TRAIN_QUEUE = "train"
"""The queue of runs that ask for nothing in particular."""
RESOURCES: Mapping[str, Any] = {
    "queue": TRAIN_QUEUE, "processes": 1, "hosts": 1, "strategy": "ddp", "launch": [], "rendezvous": "",
}  # fmt: skip
"""The fields of resources, and what they are where the operator does not say."""


class BadEnvironment(Exception):
    """An environment variable has a value that cannot be used."""


def text(name: str, default: str = "") -> str:
    value = _given(name)
    return default if value is None else value


def flag(name: str, default: bool) -> bool:
    """`1`, `true`, `yes`, `on` or `0`, `false`, `no`, `off`; anything else is refused."""
    value = _given(name)
    if value is None:
        return default
    lowered = value.strip().lower()
    if lowered in ("1", "true", "yes", "on"):
        return True
    if lowered in ("0", "false", "no", "off"):
        return False
    raise BadEnvironment(f"{name}={value!r}: expected 1 or 0")


def integer(name: str, default: int) -> int:
    value = _given(name)
    if value is None:
        return default
    try:
        return int(value)
    except ValueError:
        raise BadEnvironment(f"{name}={value!r}: expected a whole number") from None


def words(name: str, default: str) -> list[str]:
    """A comma-separated list."""
    return [word.strip() for word in text(name, default).split(",") if word.strip()]


def choices(name: str, known: Sequence[str]) -> list[str]:
    """A comma-separated list of words out of `known`."""
    chosen = words(name, "")
    if unknown := [word for word in chosen if word not in known]:
        raise BadEnvironment(f"{name}: {unknown[0]!r} is none of {', '.join(known)}")
    return chosen


def networks(name: str) -> list[Network]:
    """A comma-separated list of addresses and networks: `10.0.0.0/8,127.0.0.1`."""
    try:
        return [ipaddress.ip_network(word) for word in words(name, "")]
    except ValueError as error:
        raise BadEnvironment(f"{name}: {error}") from None


def providers(name: str) -> list[dict[str, Any]]:
    """OpenID providers as JSON: a list of objects with id, name, server_url, client_id, trusted and open.

    The secret of the provider `lab` stands in a variable of its own: NAME_SECRET_LAB.
    """
    return _others(name, PROVIDER, secrets_in=f"{name}_SECRET")


def receivers(name: str) -> list[dict[str, Any]]:
    """Receivers of webhooks as JSON: a list of objects with id, name and url.

    The secret that signs what is sent to `lab` stands in RANKLOOP_WEBHOOK_SECRET_LAB.
    """
    return _others(name, RECEIVER, secrets_in="RANKLOOP_WEBHOOK_SECRET")


def servers(name: str) -> dict[str, dict[str, Any]]:
    """OpenAI-compatible servers by id, of JSON: a list of objects with id, name, url, model and more.

    The key of the server `lab`, where it wants one, stands in RANKLOOP_SERVER_KEY_LAB.
    """
    found = _others(name, SERVER, secrets_in="RANKLOOP_SERVER_KEY")
    for one in found:
        for field in ("timeout_seconds", "parallel", "price_in", "price_out"):
            least = 0 if field.startswith("price") else 1
            if one.get(field, 1) < least:
                raise BadEnvironment(f"{name}: {field} of {one['id']} must be at least {least}")
        if len(one["model"]) > 100:
            raise BadEnvironment(f"{name}: the model of {one['id']} is longer than 100 characters")
        if not re.fullmatch(r"[!-~]*", one["secret"]):
            raise BadEnvironment(f"{name}: the key of {one['id']} must be printable ASCII without spaces")
    return {one["id"]: one for one in found}


def resources(name: str) -> dict[str, dict[str, Any]]:
    """What runs may be trained with, as JSON: an object of objects by name, the fields those of RESOURCES.

    Whoever runs on several hosts must say how: `launch` is the program that starts a command on each of them.
    """
    try:
        found = json.loads(text(name) or "{}")
    except ValueError as error:
        raise BadEnvironment(f"{name}: this is no JSON ({error})") from None
    if not isinstance(found, dict) or not all(isinstance(one, dict) for one in found.values()):
        raise BadEnvironment(f"{name}: expected an object of objects by name")
    return {key: {**RESOURCES, **_checked_resources(f"{name}.{key}", key, one)} for key, one in found.items()}


def _checked_resources(where: str, key: str, one: dict[str, Any]) -> dict[str, Any]:
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,29}", key):
        raise BadEnvironment(f"{where}: a name is small letters, digits and hyphens")
    for field, value in one.items():
        if field not in RESOURCES:
            raise BadEnvironment(f"{where}: unknown field {field!r}; there are {', '.join(RESOURCES)}")
        wanted = type(RESOURCES[field])
        if type(value) is not wanted:
            raise BadEnvironment(f"{where}.{field} must be a {wanted.__name__}")
    whole = {**RESOURCES, **one}
    if min(whole["processes"], whole["hosts"]) < 1:
        raise BadEnvironment(f"{where}: at least one process on one host is wanted")
    if whole["strategy"] not in ("ddp", "fsdp"):
        raise BadEnvironment(f"{where}.strategy: {whole['strategy']!r} is none of ddp, fsdp")
    if whole["queue"] == "control" or not re.fullmatch(r"[a-z][a-z0-9-]{0,29}", whole["queue"]):
        raise BadEnvironment(f"{where}.queue: small letters, digits and hyphens, and not the queue control")
    if not all(isinstance(word, str) for word in whole["launch"]):
        raise BadEnvironment(f"{where}.launch: a list of words is wanted")
    if whole["hosts"] > 1 and not (whole["launch"] and whole["rendezvous"]):
        raise BadEnvironment(f"{where}: several hosts want launch and rendezvous")
    return one


def _others(name: str, kind: _Other, *, secrets_in: str) -> list[dict[str, Any]]:
    """The checked objects, each with the secret that stands beside it in the environment."""
    try:
        found = json.loads(text(name) or "[]")
    except ValueError as error:
        raise BadEnvironment(f"{name}: this is no JSON ({error})") from None
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise BadEnvironment(f"{name}: expected a list of objects")
    for one in found:
        _check_other(name, kind, one)
        variable = f"{secrets_in}_{one['id'].upper().replace('-', '_')}"
        one["secret"] = text(variable)
        is_open = not one["secret"] and not kind.shortest_secret
        if not _is_safe_address(one[kind.address], with_tls=not is_open):
            raise BadEnvironment(
                f"{name}: the {kind.address} of {one['id']} must begin with https://, and hold no password"
            )
        if not one["secret"] and kind.shortest_secret:
            raise BadEnvironment(f"{variable} is wanted: the secret of the {kind.what} {one['id']}")
        if len(one["secret"]) < kind.shortest_secret:
            raise BadEnvironment(f"{variable}: at least {kind.shortest_secret} characters are wanted")
    if len({one["id"] for one in found}) < len(found):
        raise BadEnvironment(f"{name}: two {kind.what}s have the same id")
    return found


def _check_other(name: str, kind: _Other, one: dict[str, Any]) -> None:
    for field, value in one.items():
        wanted = kind.fields.get(field)
        if wanted is None:
            raise BadEnvironment(f"{name}: unknown field {field!r}; there are {', '.join(kind.fields)}")
        kinds = (int, float) if wanted is float else (wanted,)
        if not isinstance(value, kinds) or (isinstance(value, bool) and wanted is not bool):
            raise BadEnvironment(f"{name}: {field} must be a {wanted.__name__}")
    if missing := [field for field in kind.needs if not one.get(field)]:
        raise BadEnvironment(f"{name}: a {kind.what} lacks {missing[0]}")
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,29}", one["id"]):
        raise BadEnvironment(f"{name}: the id {one['id']!r} must be small letters, digits and hyphens")


def _is_safe_address(url: str, *, with_tls: bool) -> bool:
    """TLS if it is wanted, or this very machine; nothing that would have to be hidden or escaped."""
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname, parts.port
    except ValueError:
        return False
    is_local = host in ("localhost", "127.0.0.1", "::1")
    speaks = parts.scheme == "https" or (parts.scheme == "http" and (is_local or not with_tls))
    return bool(host and speaks and re.fullmatch(r"[!-~]+", url)) and "@" not in parts.netloc


def email(name: str) -> dict[str, Any]:
    """Django's settings for `smtps://user:password@host:port` (TLS), `smtp+starttls://…` or `smtp://…`.

    Empty without an address: nothing is sent then. NAME's sender stands in RANKLOOP_EMAIL_FROM.
    """
    if not (url := text(name)):
        return {}
    ports = {"smtp": 25, "smtp+starttls": 587, "smtps": 465}
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise BadEnvironment(f"{name}: the port is no number") from None
    if parts.scheme not in ports or not parts.hostname or parts.path.strip("/") or parts.query:
        raise BadEnvironment(
            f"{name}: expected smtps://user:password@host:port, smtp+starttls://… or smtp://…"
        )
    sender = text("RANKLOOP_EMAIL_FROM")
    if "@" not in sender:
        raise BadEnvironment("RANKLOOP_EMAIL_FROM is wanted: the address that e-mail comes from")
    return {
        "EMAIL_HOST": parts.hostname,
        "EMAIL_PORT": port or ports[parts.scheme],
        "EMAIL_HOST_USER": unquote(parts.username or ""),
        "EMAIL_HOST_PASSWORD": unquote(parts.password or ""),
        "EMAIL_USE_SSL": parts.scheme == "smtps",
        "EMAIL_USE_TLS": parts.scheme == "smtp+starttls",
        "DEFAULT_FROM_EMAIL": sender,
    }


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
    path = state / KEY_FILE
    state.mkdir(parents=True, exist_ok=True)
    key = secrets.token_urlsafe(64)
    try:
        write_secret(path, key)
    except FileExistsError:
        return path.read_text(encoding="ascii").strip()
    return key


def write_secret(path: Path, secret: str) -> None:
    """A new file that only its owner may read. Raises FileExistsError."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(secret + "\n")


def _given(name: str) -> str | None:
    """The value of a variable, in whichever way it is given; None if it is not."""
    value, files = os.environ.get(name), _files(name)
    if len(ways := [name] * bool(value) + list(files)) > 1:
        raise BadEnvironment(f"{ways[0]} and {ways[1]} are both set: give one of them")
    for way, path in files.items():
        return _content(way, path)
    return value or None


def _files(name: str) -> dict[str, Path]:
    """The files that hold the value of a variable, by what names them."""
    files = {}
    if path := os.environ.get(f"{name}_FILE"):
        files[f"{name}_FILE"] = Path(path)
    if folder := os.environ.get(SECRETS):
        try:
            found = Path(folder, name) in Path(folder).iterdir()
        except OSError as error:
            raise BadEnvironment(f"{SECRETS}={folder}: cannot be read ({error})") from None
        if found:
            files[f"{name} in {SECRETS}"] = Path(folder, name)
    return files


def _content(way: str, path: Path) -> str:
    try:
        content = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise BadEnvironment(f"{way}={path}: cannot be read ({error})") from None
    if not content:
        raise BadEnvironment(f"{way}={path}: the file is empty")
    return content


def _password(server: str, in_address: str | None) -> str:
    """The password of a server: out of its address, or given by itself."""
    given = text(f"{server}_PASSWORD")
    if given and in_address:
        raise BadEnvironment(f"{server}_URL and {server}_PASSWORD both hold a password: give one of them")
    return given or unquote(in_address or "")
