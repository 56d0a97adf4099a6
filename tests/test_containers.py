"""The production form in containers is the same thing: they start what `make run` starts."""

from __future__ import annotations

import json
import os
import re
import runpy
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

import install
from labeling import environment
from labeling.services import ROOT, SERVICES, SHARED
from labeling.supervisor import postgres, valkey

DOCKER = ROOT / "docker"
COMPOSE = yaml.safe_load((DOCKER / "compose.yaml").read_text(encoding="utf-8"))
DOCKERFILE = (DOCKER / "Dockerfile").read_text(encoding="utf-8")
UNITS = DOCKER / "systemd"
OTHERS = {"proxy", "postgres", "redis", "manage"}
"""Containers that are no service of ours; `manage` is for single commands."""
SERVICE_OF = {"worker-cpu": "worker-train", "worker-gpu": "worker-train"}
OWN = {name: SERVICE_OF.get(name, name) for name in COMPOSE["services"] if name not in OTHERS}


def words(action: str, name: str) -> list[str]:
    return ["python", "-m", "labeling.services", action, name]


def env_file(path: Path) -> dict[str, str]:
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line and line[0] != "#"]
    return dict(line.split("=", 1) for line in lines)


def test_every_service_has_a_container_and_each_runs_the_supervisor_s_own_command():
    assert set(OWN.values()) == set(SERVICES)
    for container, service in OWN.items():
        told = COMPOSE["services"][container]
        assert told["command"] == words("run", service), container
        if service != "migrate":  # it ends by itself
            assert told["healthcheck"]["test"] == ["CMD", *words("check", service)], container


def test_every_container_is_told_what_its_service_needs_and_nothing_that_nobody_reads():
    source = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "labeling").rglob("*.py"))
    for container, service in OWN.items():
        told = COMPOSE["services"][container]["environment"]
        for name in (*SHARED, *SERVICES[service].needs):
            assert name in told or f"{name}_FILE" in told, f"{container} is not told {name}"
        for name in told:
            assert f'"{name.removesuffix("_FILE")}"' in source or "_PASSWORD" in name, f"nobody reads {name}"


LEFT_OUT = {
    "compose.yaml": {
        "RANKLOOP_EMAIL_URL": "holds a password: a file in secrets/more",
        "RANKLOOP_OIDC_SECRET_LAB": "holds a secret, and is named by its provider: a file in secrets/more",
        "RANKLOOP_WEBHOOKS": "wants a way out for one worker alone: compose.override.yaml, docker/README.md",
        "RANKLOOP_SERVERS": "wants a way out for a train worker: compose.override.yaml, docker/README.md",
        "RANKLOOP_QUEUES": "differs by train worker: RANKLOOP_CPU_QUEUES and RANKLOOP_GPU_QUEUES",
        "RANKLOOP_ARTIFACTS": "is a volume's place below RANKLOOP_STATE",
    },
    "environment.example": {},
    "both": {
        "RANKLOOP_DEBUG": "is for developers",
        "RANKLOOP_COOKIE": "is for several installations under one name, which the supervisor sees to",
        "RANKLOOP_TICK_SECONDS": "is for tests: nothing waits for a tick but a lost message",
        "RANKLOOP_RUN_LEASE": "is for tests",
    },
}


def variables_read(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Every variable that the settings ask for, those of a provider and a mail server included."""
    asked = set()
    given = environment._given

    def noted(name: str) -> str | None:
        asked.add(name)
        return given(name)

    provider = {"id": "lab", "name": "Lab", "server_url": "https://id.example.org", "client_id": "us"}
    monkeypatch.setenv("RANKLOOP_OIDC", json.dumps([provider]))
    monkeypatch.setenv("RANKLOOP_OIDC_SECRET_LAB", "secret")
    monkeypatch.setenv("RANKLOOP_EMAIL_URL", "smtp://mail.example.org")
    monkeypatch.setenv("RANKLOOP_EMAIL_FROM", "rankloop@example.org")
    monkeypatch.setenv("REDIS_URL", "redis://server/0")
    monkeypatch.setattr(environment, "_given", noted)
    runpy.run_path(str(ROOT / "labeling" / "settings.py"))
    return asked


def test_every_variable_that_is_read_reaches_the_containers_and_stands_in_the_units_example(monkeypatch):
    example = (UNITS / "environment.example").read_text(encoding="utf-8")
    told = {
        "compose.yaml": set(COMPOSE["services"]["worker-control"]["environment"]),
        "environment.example": set(re.findall(r"^#?([A-Z_]+)=", example, re.MULTILINE)),
    }
    read = variables_read(monkeypatch)
    for where, names in told.items():
        left_out = {**LEFT_OUT[where], **LEFT_OUT["both"]}
        plain = {name.removesuffix("_FILE") for name in names}
        assert read - plain == set(left_out), where


def test_what_the_compose_file_asks_for_stands_in_the_example_beside_it_and_an_empty_value_will_do():
    text = (DOCKER / "compose.yaml").read_text(encoding="utf-8")
    asked = set(re.findall(r"\$\{(\w+)", text))
    filled = env_file(DOCKER / ".env.example")
    assert asked == set(filled)
    with_default = set(re.findall(r"\$\{(\w+):-", text))
    assert asked - with_default == {"RANKLOOP_HOST", "RANKLOOP_TLS"}


def test_all_containers_of_ours_see_the_folder_of_more_secrets():
    for container in (*OWN, "manage"):
        told = COMPOSE["services"][container]
        place = told["environment"]["RANKLOOP_SECRETS"]
        assert f"./secrets/more:{place}:ro" in told["volumes"], container


def test_the_web_s_port_is_one_number_everywhere_and_only_the_proxy_is_open_to_the_world():
    port = SERVICES["web"].defaults["GRANIAN_PORT"]
    assert COMPOSE["services"]["web"]["environment"]["GRANIAN_PORT"] == port
    assert f"EXPOSE {port}\n" in DOCKERFILE
    assert f"GRANIAN_PORT={port}" in DOCKERFILE
    assert f"web:{port}" in (DOCKER / "Caddyfile").read_text(encoding="utf-8")
    assert env_file(UNITS / "environment.example")["GRANIAN_PORT"] == port
    assert [name for name, told in COMPOSE["services"].items() if "ports" in told] == ["proxy"]
    assert COMPOSE["networks"]["inside"] == {"internal": True}
    assert [n for n, told in COMPOSE["services"].items() if "outside" in told["networks"]] == ["proxy", "web"]


def test_containers_write_nowhere_but_in_their_volumes_have_no_privilege_and_are_nobody_s_root():
    for container, told in COMPOSE["services"].items():
        assert told["read_only"] is True, container
        assert told["cap_drop"] == ["ALL"], container
        assert told.get("cap_add", []) == (["NET_BIND_SERVICE"] if container == "proxy" else []), container
        assert told["security_opt"] == ["no-new-privileges:true"], container
    assert re.search(r"^USER rankloop$", DOCKERFILE, re.MULTILINE)
    for container in OTHERS - {"manage"}:  # their images would begin as root
        assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", COMPOSE["services"][container]["user"]), container
    mounted = {
        volume.split(":")[0] for told in COMPOSE["services"].values() for volume in told.get("volumes", ())
    }
    assert {name for name in mounted if not name.startswith(".")} == set(COMPOSE["volumes"])


def test_no_container_s_log_grows_for_ever():
    for container, told in COMPOSE["services"].items():
        assert {"max-size", "max-file"} <= set(told["logging"]["options"]), container


def test_secrets_come_from_files_that_a_script_makes_and_no_password_is_written_down(tmp_path):
    made = tmp_path / "docker"
    made.mkdir()
    shutil.copy(DOCKER / "make-secrets.sh", made)

    def secrets() -> dict[str, str]:
        files = (path for path in (made / "secrets").iterdir() if path.is_file())
        return {path.name: path.read_text().strip() for path in files}

    for _ in range(2):
        subprocess.run(["sh", made / "make-secrets.sh"], check=True, capture_output=True)
        found = secrets()
        assert {name: f"./secrets/{name}" for name in found} == {
            name: told["file"] for name, told in COMPOSE["secrets"].items()
        }
        assert all(len(secret) == 64 for secret in found.values())
    assert (made / "secrets").stat().st_mode & 0o777 == 0o700
    assert secrets() == found
    # The containers' user is a stranger in the folder for more: it must be able to look into it.
    assert (made / "secrets" / "more").stat().st_mode & 0o777 == 0o755
    text = (DOCKER / "compose.yaml").read_text(encoding="utf-8")
    assert not re.search(r"PASSWORD: |SECRET_KEY: |://[^@\s]*:[^@\s]*@", text)
    filled = env_file(DOCKER / ".env.example")
    assert filled["RANKLOOP_HOST"] == filled["RANKLOOP_TLS"] == ""


def test_the_servers_are_set_up_as_the_supervisor_sets_up_its_own(tmp_path):
    database, broker = COMPOSE["services"]["postgres"], COMPOSE["services"]["redis"]
    assert database["image"] == f"postgres:{postgres.VERSION}"
    given = shlex.split(database["environment"]["POSTGRES_INITDB_ARGS"])
    assert given == postgres.INITDB[postgres.INITDB.index("-E") :]
    own = valkey.Valkey(tmp_path, {}).process.command
    for option in ("--appendonly", "--save", "--maxmemory-policy"):
        value = own[own.index(option) + 1]
        assert f"{option} {shlex.quote(value)}" in broker["command"][-1]


def stages() -> dict[str, str]:
    parts = re.split(r"^FROM \S+ AS (\S+)$", DOCKERFILE, flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def test_each_image_runs_its_service_and_the_web_s_holds_no_torch():
    for image, service in (("web", "web"), ("worker", "worker-train")):
        commands = re.findall(r"^\s*CMD (\[.*\])$", stages()[image], re.MULTILINE)
        assert [yaml.safe_load(command) for command in commands] == [
            words("check", service), words("run", service)
        ]  # fmt: skip
    assert "--from=build-web" in stages()["web"]
    assert "--without-training" in stages()["build-web"]
    everything = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    web = install.without("training", install.without("tests", everything))
    assert re.search(r"^Django~=", web, re.MULTILINE)
    assert not re.search(r"^(torch|transformers|accelerate|peft|pytest)\b", web, re.MULTILINE)


def test_what_an_installation_runs_is_compiled_when_it_is_installed():
    """The images' root is read-only, and under systemd /opt is: nothing could be compiled later."""
    compiled = "python -m compileall -q labeling training"
    assert "--compile-bytecode" in (ROOT / "install.py").read_text(encoding="utf-8")
    assert f"\nRUN {compiled}\n" in stages()["base"]
    assert f".venv/bin/{compiled}" in (DOCKER / "README.md").read_text(encoding="utf-8")


def test_what_the_images_are_made_of_gets_past_the_ignore_file():
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE)
    ignored = (DOCKER / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    for name in {name for names in copied for name in names.split()}:
        assert f"!{name}" in ignored
        assert (ROOT / name).exists()


def test_the_readme_s_way_to_name_receivers_tells_who_shows_and_who_sends(monkeypatch, tmp_path):
    (tmp_path / "webhook_lab").write_text("f" * 64)
    services = told_by_the_readme("RANKLOOP_WEBHOOKS", monkeypatch, tmp_path)
    assert set(services) == {"web", "worker-control"}
    assert set(services["worker-control"]["networks"]) <= set(COMPOSE["networks"])
    (receiver,) = environment.receivers("RANKLOOP_WEBHOOKS")
    assert (receiver["id"], receiver["secret"]) == ("lab", "f" * 64)


def test_the_readme_s_way_to_name_servers_tells_who_asks_them_and_lets_that_one_out(monkeypatch, tmp_path):
    (tmp_path / "server_lab").write_text("sk-secret")
    services = told_by_the_readme("RANKLOOP_SERVERS", monkeypatch, tmp_path)
    assert set(services) == {"web", "worker-control", "worker-cpu"}
    assert set(services["worker-cpu"]["networks"]) == set(COMPOSE["networks"])
    assert environment.servers("RANKLOOP_SERVERS")["lab"]["secret"] == "sk-secret"


def told_by_the_readme(variable: str, monkeypatch: pytest.MonkeyPatch, secrets: Path) -> dict[str, Any]:
    """The services of the README's override that sets the variable, whose environment is set as it says."""
    readme = (DOCKER / "README.md").read_text(encoding="utf-8")
    blocks = map(yaml.safe_load, re.findall(r"^    services:\n(?:    .*\n)+", readme, re.MULTILINE))
    (override,) = (each for each in blocks if variable in each["services"]["web"]["environment"])
    for told in override["services"].values():
        assert told["secrets"] == list(override["secrets"])
        for name, value in told["environment"].items():
            monkeypatch.setenv(name, value.replace("/run/secrets", str(secrets)))
    services: dict[str, Any] = override["services"]
    return services


def compose_program() -> list[str] | None:
    """Compose 2; the one before knew neither profiles nor half of what the file says."""
    for command in (["docker", "compose"], ["docker-compose"]):
        if shutil.which(command[0]):
            asked = [*command, "version", "--short"]
            said = subprocess.run(asked, capture_output=True, text=True, check=False).stdout
            if re.match(r"v?[2-9]", said):
                return command
    return None


def test_docker_compose_itself_finds_the_file_valid_and_wants_a_host():
    program = compose_program()
    if program is None:
        pytest.skip("no `docker compose` here: that Compose itself accepts the file is not checked")
    command = [*program, "--project-directory", DOCKER, "-f", DOCKER / "compose.yaml"]
    command += ["--profile", "gpu", "--profile", "manage"]

    def config(**variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*command, "config", "--quiet"],
            env={**os.environ, **variables}, capture_output=True, text=True, check=False,
        )  # fmt: skip

    valid = config(RANKLOOP_HOST="rank.example.org", RANKLOOP_TLS="internal")
    assert valid.returncode == 0, valid.stderr
    assert "set RANKLOOP_HOST" in config(RANKLOOP_HOST="", RANKLOOP_TLS="internal").stderr
