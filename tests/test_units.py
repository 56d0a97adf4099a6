"""The production form in systemd units is the same thing: they start what `make run` starts."""

from __future__ import annotations

import configparser
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest

from labeling.services import HEALTH, ROOT, SERVICES, SHARED
from labeling.supervisor import postgres
from tests.test_containers import UNITS, env_file, words


def unit(name: str) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read(UNITS / name, encoding="utf-8")
    return parser


def test_every_service_has_a_unit_that_starts_the_same_command():
    assert {path.name for path in UNITS.glob("*.service")} == {
        f"rankloop-{name}.service" for name in SERVICES
    }
    wanted = unit("rankloop.target")["Unit"]["Wants"].split()
    assert set(wanted) == {f"rankloop-{name}.service" for name in SERVICES}
    for name in SERVICES:
        service = unit(f"rankloop-{name}.service")["Service"]
        assert service["ExecStart"].split() == ["/opt/rankloop/.venv/bin/python", *words("run", name)[1:]]
        assert service["EnvironmentFile"] == "/etc/rankloop/environment"
        assert service["User"] == "rankloop"
        assert service["NoNewPrivileges"] == "yes"
        assert service["ProtectSystem"] == "strict"
        assert service["ReadWritePaths"] == "/var/lib/rankloop"
    told = env_file(UNITS / "environment.example")
    for name in {*SHARED, *(need for service in SERVICES.values() for need in service.needs)}:
        assert name in told or f"{name}_FILE" in told


def test_systemd_finds_the_units_valid(tmp_path):
    if shutil.which("systemd-analyze") is None:
        pytest.skip("no systemd-analyze here: that systemd itself accepts the units is not checked")
    for path in (*UNITS.glob("*.service"), *UNITS.glob("*.target")):
        text = path.read_text(encoding="utf-8").replace("/opt/rankloop/.venv/bin/python", sys.executable)
        (tmp_path / path.name).write_text(text, encoding="utf-8")
    files = sorted(map(str, tmp_path.iterdir()))
    checked = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *files], capture_output=True, text=True, check=False
    )
    assert (checked.returncode, checked.stderr) == (0, "")


@pytest.fixture
def installed(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The units' environment file, filled in for a database and a state folder of the test's own."""
    server = os.environ["DATABASE_URL"]
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS units WITH (FORCE)")
        connection.execute("CREATE DATABASE units")
    (tmp_path / "key").write_text("k" * 64 + "\n", encoding="ascii")
    (tmp_path / "state").mkdir()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    filled = {
        "DATABASE_URL": f"postgresql:///units?{urlsplit(server).query}",
        "REDIS_URL": f"{os.environ['REDIS_URL'].partition('?')[0]}?db=7",
        "RANKLOOP_SECRET_KEY_FILE": str(tmp_path / "key"),
        "RANKLOOP_STATE": str(tmp_path / "state"),
        "GRANIAN_PORT": str(port),
    }
    system = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    yield {**system, **env_file(UNITS / "environment.example"), **filled}
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute("DROP DATABASE units WITH (FORCE)")


def command_of(name: str) -> list[str]:
    """The unit's ExecStart, by the Python of the tests."""
    return [sys.executable, *unit(f"rankloop-{name}.service")["Service"]["ExecStart"].split()[1:]]


@contextmanager
def started(names: list[str], variables: dict[str, str], logs: Path) -> Iterator[Callable[[str], str]]:
    """The units' processes, as systemd would start them; gives what each has written."""
    running: list[subprocess.Popen[Any]] = []
    try:
        for name in names:
            with (logs / name).open("wb") as log:
                running.append(
                    subprocess.Popen(
                        command_of(name), cwd=ROOT, env=variables, stdout=log, stderr=subprocess.STDOUT
                    )
                )
        yield lambda name: (logs / name).read_text(encoding="utf-8")
        assert [process.poll() for process in running] == [None] * len(running)
    finally:
        for process in running:
            process.terminate()
        for process in running:
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.2)


def status(url: str, **headers: str) -> int:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as refused:
        return refused.code
    except OSError:
        return 0


@pytest.mark.slow
def test_the_units_commands_and_environment_bring_everything_up(installed, tmp_path):
    migrated = subprocess.run(command_of("migrate"), cwd=ROOT, env=installed, check=False)
    assert migrated.returncode == 0
    assert (tmp_path / "state" / "static" / "staticfiles.json").is_file()
    services = [name for name in SERVICES if name != "migrate"]

    def well(name: str) -> bool:
        checked = [sys.executable, "-m", "labeling.services", "check", name]
        return (
            subprocess.run(checked, cwd=ROOT, env=installed, check=False, capture_output=True).returncode == 0
        )

    assert not well("web")
    with started(services, installed, tmp_path) as said:
        own = {"Host": installed["RANKLOOP_HOSTS"], "X-Forwarded-Proto": "https"}
        url = f"http://127.0.0.1:{installed['GRANIAN_PORT']}"
        wait_for(lambda: status(url + HEALTH, **own) == 200)
        assert status(f"{url}/sign-in/", **own) == 200
        assert status(f"{url}/sign-in/") == 400  # not under a name of ours
        for name in services:
            wait_for(lambda name=name: well(name))
        pinged = [sys.executable, "-m", "celery", "-A", "labeling", "inspect", "ping"]
        answered = subprocess.run(
            pinged, cwd=ROOT, env=installed, capture_output=True, text=True, check=False
        )
        assert "control@" in answered.stdout
        assert "train@" in answered.stdout
        # Beat sends a tick, and the control worker takes it up.
        wait_for(lambda: "Task labeling.tasks.tick" in said("worker-control"))
    assert {path.name for path in (tmp_path / "state").iterdir()} <= {"artifacts", "runs", "static"}


PREPARE = "from labeling.supervisor import prepare; prepare.PATIENCE = {}; prepare.main(['migrate'])"


@pytest.mark.slow
def test_a_database_that_comes_up_late_is_waited_for(tmp_path):
    """At boot, say: the unit that migrates is started once, and all others want it."""
    late = postgres.Postgres(tmp_path, dict(os.environ), durable=False)
    late.create()
    waiting = subprocess.Popen(
        [sys.executable, *SERVICES["migrate"].arguments], cwd=ROOT, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "DATABASE_URL": late.url, "RANKLOOP_STATE": str(tmp_path)},
    )  # fmt: skip
    try:
        assert waiting.stderr is not None
        lines = iter(waiting.stderr.readline, "")
        assert next(line for line in lines if "Waiting up to 60 s for the database" in line)
        late.start()
        late.create_database()
        assert waiting.wait(180) == 0
        with psycopg.connect(late.url) as connection:
            assert connection.execute("SELECT count(*) FROM labeling_user").fetchone() == (0,)
    finally:
        waiting.kill()
        waiting.wait()
        late.process.stop()
        late.forget_sockets()


def test_a_database_that_never_comes_up_is_named(tmp_path):
    given = {"DATABASE_URL": f"postgresql:///none?host={tmp_path}", "RANKLOOP_STATE": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", PREPARE.format(0.1)],
        cwd=ROOT, env={**os.environ, **given}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "The database cannot be used: " in done.stderr
    assert str(tmp_path) in done.stderr


@pytest.mark.django_db(transaction=True)
def test_without_its_database_the_web_says_that_it_is_not_well(client, monkeypatch):
    from django.db import connection

    assert client.get(HEALTH).status_code == 200
    connection.close()
    monkeypatch.setitem(connection.settings_dict, "HOST", "/nowhere")
    assert client.get(HEALTH).status_code == 503
