"""The launcher, with real training in real child processes, and real signals."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
from django.conf import settings as installed
from django.db import connection

from labeling import attempts, launcher
from labeling.actions import artifacts, datasets, loop, runs
from labeling.models import Item, ModelVersion, Round, Run, RunMetric
from labeling.supervisor.processes import birth
from tests import build, laws, learn
from training.contracts import BaseModel, GenerateSettings, SftSettings, verify_manifest

pytestmark = [pytest.mark.django_db(transaction=True)]

TINY = BaseModel(hidden_size=16, layers=1, heads=2)
PATIENCE = 120
"""Seconds; a test waits for what happens, not for time to pass."""


@pytest.fixture(autouse=True)
def state(settings, tmp_path):
    """A state folder of the test's own, for this process and those it starts."""
    settings.ARTIFACTS, settings.RUNS = tmp_path / "artifacts", tmp_path / "runs"
    settings.RUN_LEASE_SECONDS, settings.TRAINING_THREADS = 4, 1
    return tmp_path


@pytest.fixture
def project():
    made = learn.project()
    learn.imported(made, 8)
    return made


def sft_run(project, *, steps: int = 3, **more) -> Run:
    chosen = SftSettings(base=TINY, max_steps=steps, batch_size=4, learning_rate=1e-3, **more)
    version = datasets.freeze(project, "sft")
    return runs.create(project, "sft", settings=chosen, seed=1, inputs={"dataset.jsonl": version})


def environment(state: Path) -> dict[str, str]:
    """What a process needs in order to work on this test's database and state folder."""
    query = urlsplit(os.environ["DATABASE_URL"]).query
    url = f"postgresql:///{connection.settings_dict['NAME']}?{query}"
    own = {"RANKLOOP_STATE": str(state), "RANKLOOP_RUN_LEASE": "4", "RANKLOOP_THREADS": "1"}
    kept = {"RANKLOOP_CHECKPOINT_SECONDS": "0", "RANKLOOP_SECRET_KEY": installed.SECRET_KEY}
    return {**os.environ, "DATABASE_URL": url, **own, **kept}


@contextmanager
def worker(run: Run, state: Path):
    """`manage.py execute_run` in a process of its own, once its training has begun to log."""
    process = subprocess.Popen(
        [sys.executable, "manage.py", "execute_run", run.public_id],
        cwd=installed.ROOT,
        env=environment(state),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        wait_for(lambda: run.metrics.exists() or process.poll() is not None)
        assert process.poll() is None, process.stdout.read()
        yield process
    finally:
        process.kill()
        process.wait()


def wait_for(condition) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.1)


def log_of(run: Run, state: Path, attempt: int) -> str:
    return (state / "runs" / run.public_id / f"attempt-{attempt}.log").read_text()


def children_of(pid: int) -> list[int]:
    return [child.pid for child in psutil.Process(pid).children()]


def test_a_run_that_is_not_waiting_is_left_alone(project):
    run = sft_run(project)
    assert runs.claim(run.pk)
    assert launcher.execute(run.pk) is False


def test_settings_that_cannot_be_used_end_the_run_with_the_field_named(project):
    run = sft_run(project)
    Run.objects.filter(pk=run.pk).update(settings={**run.settings, "epochs": "many"})
    assert launcher.execute(run.pk)
    run.refresh_from_db()
    assert (run.state, run.attempt) == ("failed", 1)
    assert run.error.startswith("settings.epochs: ")


def test_an_input_that_was_changed_is_not_trained_on(project):
    run = sft_run(project)
    path = datasets.file(run.inputs.get().dataset)
    path.chmod(0o644)
    path.write_bytes(b"{}\n")
    assert launcher.execute(run.pk)
    run.refresh_from_db()
    assert run.state == "waiting"
    assert "its hash is not the manifest's" in run.error


def test_the_child_knows_no_secret(monkeypatch):
    for name in ("DATABASE_URL", "REDIS_URL", "RANKLOOP_SECRET_KEY", "HF_TOKEN", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "hunter2")
    child = launcher._environment()
    assert "hunter2" not in child.values()
    assert child["PATH"] == os.environ["PATH"]
    assert child["HF_HUB_OFFLINE"] == "1"


@pytest.mark.slow
def test_a_model_is_trained_published_and_sampled(project, state):
    run = sft_run(project)
    assert launcher.execute(run.pk)
    run.refresh_from_db()
    assert (run.state, run.error, run.step, run.total_steps) == ("completed", "", 3, 3)
    model = run.model_version
    assert (model.name, model.report["steps"]) == ("sft-1", 3)
    folder = artifacts.verified(model.artifact)
    assert (folder / "model.safetensors").is_file()
    steps = RunMetric.objects.filter(run=run).order_by("line").values_list("values__step", flat=True)
    assert list(steps) == [1, 2, 3]
    assert sorted(path.name for path in (state / "runs" / run.public_id).iterdir()) == ["attempt-1.log"]

    inputs = {"prompts.jsonl": datasets.freeze(project, "prompts"), "policy": model}
    chosen = GenerateSettings(completions_per_prompt=3, max_response_tokens=8)
    generate = runs.create(project, "generate", settings=chosen, seed=2, inputs=inputs)
    assert launcher.execute(generate.pk)
    generate.refresh_from_db()
    assert (generate.state, generate.error) == ("completed", "")
    assert generate.result["completions"] == 24
    assert project.prompts.filter(completions__origins__run=generate).distinct().count() == 8


@pytest.mark.slow
def test_a_run_that_cannot_succeed_fails_with_the_stage_s_own_words(project):
    run = sft_run(project, max_prompt_tokens=0)
    assert launcher.execute(run.pk)
    run.refresh_from_db()
    assert (run.state, run.failures) == ("failed", 1)
    assert "max_prompt_tokens" in run.error
    assert "max_prompt_tokens" in run.log_tail


@pytest.mark.slow
def test_a_run_whose_worker_is_killed_is_taken_up_again_and_published_once(project, state):
    run = sft_run(project, steps=400)
    with worker(run, state) as process:
        (child,) = children_of(process.pid)
        process.kill()
        process.wait()
        wait_for(lambda: birth(child) is None)
    run.refresh_from_db()
    assert (run.state, run.attempt) == ("running", 1)
    wait_for(runs.sweep)
    run.refresh_from_db()
    assert (run.state, run.failures) == ("waiting", 1)
    assert "worker was lost" in run.error
    Run.objects.filter(pk=run.pk).update(not_before=run.created_at)
    assert launcher.execute(run.pk)
    run.refresh_from_db()
    assert (run.state, run.attempt, run.error) == ("completed", 2, "")
    assert "Going on after step " in log_of(run, state, 2)
    assert ModelVersion.objects.filter(run=run).count() == 1
    steps = RunMetric.objects.filter(run=run).order_by("line").values_list("values__step", flat=True)
    assert list(steps) == list(range(1, 401))
    assert verify_manifest(artifacts.path(run.artifact)) == run.artifact
    assert not list((state / "runs").rglob("checkpoints"))


@pytest.mark.slow
def test_a_worker_that_slept_through_its_lease_publishes_nothing(project, state):
    run = sft_run(project, steps=400)
    with worker(run, state) as sleeper:
        (child,) = children_of(sleeper.pid)
        sleeper.send_signal(signal.SIGSTOP)
        wait_for(runs.sweep)
        Run.objects.filter(pk=run.pk).update(not_before=run.created_at)
        assert launcher.execute(run.pk)
        published = Run.objects.get(pk=run.pk)
        assert (published.state, published.attempt) == ("completed", 2)
        sleeper.send_signal(signal.SIGCONT)
        sleeper.wait(PATIENCE)
        wait_for(lambda: birth(child) is None)
    run.refresh_from_db()
    assert (run.artifact, run.attempt) == (published.artifact, 2)
    assert ModelVersion.objects.count() == 1


@pytest.mark.slow
def test_a_worker_told_to_go_gives_the_run_back(project, state):
    run = sft_run(project, steps=100_000)
    with worker(run, state) as process:
        (child,) = children_of(process.pid)
        process.terminate()
        assert process.wait(PATIENCE) == 0
        assert birth(child) is None
    run.refresh_from_db()
    assert (run.state, run.attempt, run.failures, run.owner) == ("waiting", 1, 0, None)


@pytest.mark.slow
def test_a_checkpoint_that_this_installation_did_not_sign_is_not_gone_on_from(project, state, settings):
    run = sft_run(project, steps=60)
    with worker(run, state) as process:
        wait_for(lambda: list((state / "runs" / run.public_id / "attempt-1" / "checkpoints").glob("*[0-9]")))
        process.terminate()
        process.wait(PATIENCE)
    settings.SECRET_KEY = "that of somebody else"
    assert launcher.execute(run.pk)
    run.refresh_from_db()
    assert (run.state, run.attempt) == ("completed", 2)
    log = log_of(run, state, 2)
    assert "is passed over: manifest.json: not signed by this installation" in log
    assert "Going on" not in log


def test_a_child_of_the_last_attempt_can_spoil_nothing_of_the_next(tmp_path):
    old, new = tmp_path / "attempt-1", tmp_path / "attempt-2"
    kept = old / "checkpoints" / "00000007"
    kept.mkdir(parents=True)
    (kept / "state.pt").write_bytes(b"state")
    (old / "checkpoints" / "00000008.tmp").mkdir()
    new.mkdir()
    attempts.take_over(tmp_path, new)
    shutil.rmtree(kept)
    kept.mkdir()
    (kept / "state.pt").write_bytes(b"other")
    assert [path.name for path in (new / "checkpoints").iterdir()] == ["00000007"]
    assert (new / "checkpoints" / "00000007" / "state.pt").read_bytes() == b"state"


@pytest.mark.slow
def test_a_run_that_a_lead_stops_ends(project, state):
    run = sft_run(project, steps=100_000)
    with worker(run, state) as process:
        (child,) = children_of(process.pid)
        runs.request_stop(run)
        assert process.wait(PATIENCE) == 0
        assert birth(child) is None
    run.refresh_from_db()
    assert (run.state, run.failures) == ("stopped", 0)


@pytest.mark.slow
def test_a_celery_worker_gives_its_run_back_when_it_is_stopped(project, state):
    from labeling import tasks

    run = sft_run(project, steps=100_000)
    command = [sys.executable, "-m", "celery", "-A", "labeling", "worker", "-Q", "train", "--pool", "solo"]
    celery = subprocess.Popen(
        [*command, "--without-gossip", "--without-mingle"],
        cwd=installed.ROOT,
        env=environment(state),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        assert runs.waiting_ids() == [run.pk]
        tasks.hint(run.pk)
        wait_for(run.metrics.exists)
        celery.terminate()
        celery.wait(PATIENCE)
    finally:
        celery.kill()
    run.refresh_from_db()
    assert (run.state, run.attempt, run.failures) == ("waiting", 1, 0)


@pytest.mark.slow
def test_a_whole_round_is_trained_by_the_launcher(settings):
    """From demonstrations to fresh items of a policy that PPO trained, every stage for real."""
    settings.BASE_MODELS = {"tiny": {"kind": "tiny", "hidden_size": 16, "layers": 1, "heads": 2}}
    limits = {"max_prompt_tokens": 32, "max_response_tokens": 6}
    project = learn.project(
        enabled=True,
        bootstrap=True,
        rankings_per_round=10,
        items_per_round=12,
        valid_share=0.25,
        completions_per_item=3,
        reward_gate=False,
        stage_settings={
            "sft": {"max_steps": 4, "batch_size": 8, **limits},
            "reward": {"batch_size": 4, "bootstrap": 20, **limits},
            "ppo": {"episodes": 16, "batch_size": 8, "minibatch_size": 4, **limits},
            "generate": limits,
        },
    )
    learn.imported(project, 12)
    learn.imported(project, 4, split="valid")

    def walk() -> None:
        loop.tick()
        while due := Run.objects.filter(state="waiting").first():
            assert launcher.execute(due.pk)
            due.refresh_from_db()
            assert (due.state, due.error) == ("completed", "")
            loop.tick()

    walk()
    for name in ("ann", "ben"):
        person = build.member(project, name)
        while learn.queue.claim(person, "rank"):
            learn.rank(person)
    walk()
    first, second = Round.objects.order_by("number")
    assert (first.state, second.state, second.reason) == ("completed", "completed", "")
    project.refresh_from_db()
    assert project.policy_model.name == "policy-1"
    assert "kl" in project.policy_model.report
    fresh = Item.objects.filter(project=project, state="open")
    assert {(item.round, item.model) for item in fresh} == {(second, project.policy_model)}
    assert second.steps.get(name="sft").reused
    assert laws.broken() == {}
