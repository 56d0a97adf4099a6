"""The package stands alone, and its README tells no tales."""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

from celery.contrib.testing.worker import start_worker

from labeling.actions import tokens
from labeling.celery import app
from labeling.models import Completion, ModelVersion, Prompt, Ranking
from tests import build, learn
from tests.pages import world

PACKAGE = Path(__file__).resolve().parents[2] / "rankloop_client"
README = (PACKAGE / "README.md").read_text(encoding="utf-8")


def test_it_runs_in_a_bare_interpreter_with_requests_alone(tmp_path):
    shutil.copytree(PACKAGE, tmp_path / "rankloop_client", ignore=shutil.ignore_patterns("__pycache__"))
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "import rankloop_client\n"
        f"assert rankloop_client.__file__.startswith({str(tmp_path)!r})\n"
        "rankloop_client.Client('https://rank.example.org', 'rl_any').close()\n"
        "print(*{name.partition('.')[0] for name in sys.modules})"
    )
    ran = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    loaded = set(ran.stdout.split())
    assert "requests" in loaded
    assert not loaded & {"django", "rest_framework", "celery", "labeling", "training", "torch", "psycopg"}


def test_what_it_imports_is_what_it_says_it_needs():
    told = tomllib.loads((PACKAGE / "pyproject.toml").read_text(encoding="utf-8"))
    needed = {re.split(r"\W", each)[0] for each in told["project"]["dependencies"]}
    imported: set[str] = set()
    for path in PACKAGE.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {name.name.partition(".")[0] for name in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add(str(node.module).partition(".")[0])
    assert imported - set(sys.stdlib_module_names) - {"rankloop_client"} == needed | {"urllib3"}


def test_the_examples_of_the_readme_run(project, lin, live_server, tmp_path, monkeypatch):
    project.slug = "support"
    project.save()
    build.rank_items(project, 1)
    learn.imported(project, 2)
    done = world.sft_model(project, tmp_path)
    learn.imported(project, 1)  # since the version that it was trained on
    (tmp_path / "prompts.jsonl").write_text(json.dumps({"prompt": "Where is my parcel?", "id": "7"}) + "\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RANKLOOP_ADDRESS", live_server.url)
    monkeypatch.setenv("RANKLOOP_TOKEN", tokens.create(lin.user, "a script")[1])
    names: dict[str, object] = {"answer_to": lambda prompt: f"An answer to {prompt.prompt}"}
    with start_worker(app, pool="solo", perform_ping_check=False):
        for block in re.findall(r"```python\n(.*?)```", README, re.DOTALL):
            exec(block, names)
    assert Prompt.objects.filter(external_id="7").count() == 1
    assert ModelVersion.objects.get(name="outside-1").kind == "outside"
    assert Completion.objects.filter(text__startswith="An answer to").exists()
    assert (tmp_path / "sft.jsonl").read_bytes().count(b"\n") == names["version"].counts["rows"]
    assert names["run"].run == done.run.public_id
    assert Ranking.objects.filter(labeler=lin.user).count() == 1
