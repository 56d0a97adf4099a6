"""What the environment may say, and by which files."""

from __future__ import annotations

import json

import pytest

from labeling import environment
from labeling.environment import BadEnvironment


def test_a_value_may_stand_in_a_file_and_white_space_at_its_ends_does_not_count(monkeypatch, tmp_path):
    (tmp_path / "days").write_text(" 30\n")
    monkeypatch.setenv("RANKLOOP_KEEP_RUN_FOLDERS_DAYS_FILE", str(tmp_path / "days"))
    assert environment.integer("RANKLOOP_KEEP_RUN_FOLDERS_DAYS", 14) == 30
    assert environment.text("RANKLOOP_KEEP_RUN_FOLDERS_DAYS") == "30"


@pytest.mark.parametrize("content", [None, b"", b" \n", b"\xff\xfe"])
def test_a_file_that_gives_no_value_stops_the_start_and_is_named(monkeypatch, tmp_path, content):
    path = tmp_path / "secret"
    if content is not None:
        path.write_bytes(content)
    monkeypatch.setenv("RANKLOOP_SECRET_KEY_FILE", str(path))
    with pytest.raises(BadEnvironment, match=r"RANKLOOP_SECRET_KEY_FILE=.*secret"):
        environment.secret_key(tmp_path)


def test_a_value_given_in_two_ways_is_refused(monkeypatch, tmp_path):
    (tmp_path / "key").write_text("k" * 64)
    monkeypatch.setenv("RANKLOOP_SECRET_KEY_FILE", str(tmp_path / "key"))
    assert environment.secret_key(tmp_path / "state") == "k" * 64
    assert not (tmp_path / "state").exists()
    monkeypatch.setenv("RANKLOOP_SECRET_KEY", "x" * 64)
    with pytest.raises(BadEnvironment, match="both set"):
        environment.secret_key(tmp_path)
    monkeypatch.setenv("DATABASE_PASSWORD", "one")
    with pytest.raises(BadEnvironment, match="DATABASE_PASSWORD both hold"):
        environment.database("postgresql://app:two@server/rankloop")


def test_a_folder_holds_the_values_of_the_variables_that_its_files_are_named_like(monkeypatch, tmp_path):
    folder = tmp_path / "secrets"
    monkeypatch.setenv("RANKLOOP_SECRETS", str(folder))
    with pytest.raises(BadEnvironment, match=r"RANKLOOP_SECRETS=.*cannot be read"):
        environment.text("RANKLOOP_EMAIL_URL")
    folder.mkdir()
    assert environment.text("RANKLOOP_EMAIL_URL", "none") == "none"
    (folder / "RANKLOOP_EMAIL_URL").write_text("smtps://me:secret@mail.example.org\n")
    assert environment.text("RANKLOOP_EMAIL_URL") == "smtps://me:secret@mail.example.org"
    monkeypatch.setenv("RANKLOOP_EMAIL_URL", "smtp://mail.example.org")
    with pytest.raises(BadEnvironment, match="RANKLOOP_EMAIL_URL in RANKLOOP_SECRETS are both set"):
        environment.text("RANKLOOP_EMAIL_URL")


def test_an_empty_variable_is_not_given(monkeypatch, tmp_path):
    for name in ("X", "X_FILE", "RANKLOOP_SECRETS", "RANKLOOP_SECRET_KEY"):
        monkeypatch.setenv(name, "")
    assert environment.text("X", "default") == "default"
    assert environment.words("X", "a,b") == ["a", "b"]
    assert environment.flag("X", True) is True
    assert environment.integer("X", 7) == 7
    assert environment.providers("X") == []
    assert environment.email("X") == {}
    assert len(environment.secret_key(tmp_path)) >= 50


def test_a_short_secret_key_in_a_file_is_refused_too(monkeypatch, tmp_path):
    (tmp_path / "key").write_text("short")
    monkeypatch.setenv("RANKLOOP_SECRET_KEY_FILE", str(tmp_path / "key"))
    with pytest.raises(BadEnvironment, match="at least 50"):
        environment.secret_key(tmp_path)


def test_the_servers_passwords_may_stand_in_files(monkeypatch, tmp_path):
    (tmp_path / "password").write_text("p@ss/wörd:1\n")
    for server in ("DATABASE", "REDIS"):
        monkeypatch.setenv(f"{server}_PASSWORD_FILE", str(tmp_path / "password"))
    database = environment.database("postgresql://app@server:5433/rankloop?sslmode=require")
    assert (database["USER"], database["PASSWORD"], database["HOST"], database["PORT"]) == (
        "app", "p@ss/wörd:1", "server", "5433"
    )  # fmt: skip
    assert database["OPTIONS"] == {"sslmode": "require"}
    assert environment.broker("redis://server:6379/2") == "redis://:p%40ss%2Fw%C3%B6rd%3A1@server:6379/2"
    assert environment.broker("rediss://me@server/0") == "rediss://me:p%40ss%2Fw%C3%B6rd%3A1@server/0"


def test_without_any_password_addresses_stay_as_they_are():
    assert environment.broker("redis://server:6379/0") == "redis://server:6379/0"
    assert environment.broker("redis://:secret@server:6379/0") == "redis://:secret@server:6379/0"
    assert environment.database("postgresql:///rankloop?host=/run/postgresql")["PASSWORD"] == ""


# --- receivers of webhooks (providers share the reading: identity/test_settings.py) -----------------

LAB = {"id": "our-lab", "name": "Our lab", "url": "https://hooks.example.org/rankloop?to=us"}


def receivers(monkeypatch, *found, secret="s" * 32):
    monkeypatch.setenv("RANKLOOP_WEBHOOKS", json.dumps(found))
    monkeypatch.setenv("RANKLOOP_WEBHOOK_SECRET_OUR_LAB", secret)
    return environment.receivers("RANKLOOP_WEBHOOKS")


def test_a_receiver_and_its_secret_are_read_also_from_a_file(monkeypatch, tmp_path):
    assert environment.receivers("RANKLOOP_WEBHOOKS") == []
    assert receivers(monkeypatch, LAB) == [{**LAB, "secret": "s" * 32}]
    (tmp_path / "secret").write_text("t" * 40 + "\n")
    monkeypatch.delenv("RANKLOOP_WEBHOOK_SECRET_OUR_LAB")
    monkeypatch.setenv("RANKLOOP_WEBHOOK_SECRET_OUR_LAB_FILE", str(tmp_path / "secret"))
    assert environment.receivers("RANKLOOP_WEBHOOKS") == [{**LAB, "secret": "t" * 40}]


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example.org/",
        "http://localhost.example.org/",
        "http://127.0.0.1@hooks.example.org/",
        "https://user:password@hooks.example.org/",
        "https:///path",
        "https://hooks.example.org:port/",
        "https://hooks.example.org/a b",
        "https://hooks.example.org/\r\nX: y",
        "https://höoks.example.org/",
        "file:///etc/passwd",
        "hooks.example.org",
    ],
)
def test_an_address_that_is_not_safe_to_call_is_refused(monkeypatch, url):
    with pytest.raises(BadEnvironment, match=r"the url of our-lab must begin with https://"):
        receivers(monkeypatch, {**LAB, "url": url})


def test_a_receiver_on_this_machine_may_do_without_tls(monkeypatch):
    for url in ("http://localhost:8080/x", "http://127.0.0.1/", "http://[::1]:9/"):
        assert receivers(monkeypatch, {**LAB, "url": url})[0]["url"] == url


def test_a_secret_that_could_be_guessed_is_refused_and_not_shown(monkeypatch):
    with pytest.raises(BadEnvironment, match="RANKLOOP_WEBHOOK_SECRET_OUR_LAB: at least 32") as refused:
        receivers(monkeypatch, LAB, secret="short")
    assert "short" not in str(refused.value)
    with pytest.raises(BadEnvironment, match="the secret of the receiver our-lab"):
        receivers(monkeypatch, LAB, secret="")
    with pytest.raises(BadEnvironment, match="unknown field 'secret'"):
        receivers(monkeypatch, {**LAB, "secret": "s" * 32})
    with pytest.raises(BadEnvironment, match="two receivers have the same id"):
        receivers(monkeypatch, LAB, LAB)


# --- servers that write completions ---------------------------------------------------------------------

VLLM = {"id": "lab", "name": "Our lab", "url": "https://llm.example.org/v1", "model": "org/large"}


def servers(monkeypatch, *found, key=""):
    monkeypatch.setenv("RANKLOOP_SERVERS", json.dumps(found))
    monkeypatch.setenv("RANKLOOP_SERVER_KEY_LAB", key)
    return environment.servers("RANKLOOP_SERVERS")


def test_servers_are_found_by_their_ids_with_their_keys(monkeypatch):
    assert environment.servers("RANKLOOP_SERVERS") == {}
    priced = {**VLLM, "price_in": 1, "price_out": 2.5, "currency": "EUR", "timeout_seconds": 30}
    assert servers(monkeypatch, priced, key="sk-1") == {"lab": {**priced, "secret": "sk-1"}}


def test_a_server_without_a_key_may_be_asked_in_the_clear_and_one_with_a_key_not(monkeypatch):
    inside = {**VLLM, "url": "http://vllm:8000/v1"}
    assert servers(monkeypatch, inside)["lab"]["secret"] == ""
    with pytest.raises(BadEnvironment, match="the url of lab must begin with https://"):
        servers(monkeypatch, inside, key="sk-1")


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"model": ""}, "a server lacks model"),
        ({"parallel": 0}, "parallel of lab must be at least 1"),
        ({"parallel": True}, "parallel must be a int"),
        ({"price_in": -1}, "price_in of lab must be at least 0"),
        ({"price_in": "1"}, "price_in must be a float"),
        ({"key": "sk-1"}, "unknown field 'key'"),
        ({"url": "https://user:secret@llm.example.org"}, "hold no password"),
        ({"model": "m" * 101}, "longer than 100 characters"),
    ],
)
def test_a_server_that_cannot_be_used_stops_the_start(monkeypatch, wrong, reason):
    with pytest.raises(BadEnvironment, match=reason):
        servers(monkeypatch, {**VLLM, **wrong})


def test_a_key_that_no_header_can_hold_stops_the_start(monkeypatch):
    with pytest.raises(BadEnvironment, match="the key of lab must be printable"):
        servers(monkeypatch, VLLM, key="sk 1")
