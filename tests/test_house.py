"""The rules of the house: who may import whom, and settings that are safe to deploy."""

from __future__ import annotations

import os
import re
import secrets
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def command(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if name != "DJANGO_ALLOW_ASYNC_UNSAFE"}
    return subprocess.run(
        arguments, cwd=ROOT, env={**inherited, **environment}, capture_output=True, text=True, check=False
    )


def test_the_import_contracts_hold():
    linted = command(str(Path(sys.executable).with_name("lint-imports")))
    assert linted.returncode == 0, linted.stdout


def test_the_check_for_deployment_is_clean_under_production_settings():
    checked = command(
        sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING",
        RANKLOOP_HTTPS="1", RANKLOOP_HOSTS="rank.example.org", RANKLOOP_SECRET_KEY=secrets.token_urlsafe(64),
    )  # fmt: skip
    assert checked.returncode == 0, checked.stderr


def test_models_and_migrations_agree():
    assert command(sys.executable, "manage.py", "makemigrations", "--check", "--dry-run").returncode == 0


def test_two_installations_have_different_secret_keys(tmp_path):
    keys = set()
    for name in ("one", "two"):
        code = "from django.conf import settings; print(settings.SECRET_KEY)"
        shown = command(sys.executable, "-c", code, RANKLOOP_STATE=str(tmp_path / name))
        assert shown.returncode == 0, shown.stderr
        keys.add(shown.stdout)
    assert len(keys) == 2


@pytest.mark.parametrize(
    ("name", "value"),
    [("RANKLOOP_DEBUG", "maybe"), ("RANKLOOP_SECRET_KEY", "short"), ("DATABASE_URL", "sqlite:///x.db")],
)
def test_a_misspelt_setting_stops_the_start_and_is_named(name, value):
    started = command(sys.executable, "manage.py", "check", **{name: value})
    assert started.returncode != 0
    assert name in started.stderr


def test_the_web_process_loads_neither_torch_nor_transformers():
    code = (
        "import labeling.wsgi, labeling.urls, sys; "
        "assert not {'torch', 'transformers'} & set(sys.modules), sorted(sys.modules)"
    )
    assert command(sys.executable, "-c", code).returncode == 0


LOGIC = [
    "ranking", "insertion", "extremes", "clock", "work_spell", "diff", "unseen", "layout", "comparing",
    "paste", "versions", "shortcuts",
]  # fmt: skip


@pytest.mark.parametrize("name", LOGIC)
def test_the_pure_logic_of_the_pages_imports_nothing_and_knows_no_document(name):
    logic = (ROOT / f"frontend/static/js/{name}.js").read_text(encoding="utf-8")
    assert not re.search(r"^\s*import\b", logic, re.MULTILINE)
    code = re.sub(r"//.*|/\*[\s\S]*?\*/", "", logic)
    assert not re.search(r"\b(document|window|fetch|localStorage)\b", code)


def test_every_folder_says_what_it_is_for():
    rooms = [
        path
        for top in ("labeling", "training", "frontend", "rankloop_client", "tests", "benchmarks", "docker")
        for path in (ROOT / top, *(ROOT / top).iterdir())
        if path.is_dir() and path.name not in ("__pycache__", "migrations", "locale")
    ]
    own = [path for path in rooms if path.parent.name != "tests"]
    assert [str(path.relative_to(ROOT)) for path in own if not (path / "README.md").exists()] == []
