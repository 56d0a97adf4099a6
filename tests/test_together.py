"""Workers of labelled hosts, and runs of several processes: real Celery, real torchrun, real signals."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import psutil
import pytest
from django.conf import settings as installed

from labeling import tasks
from labeling.actions import datasets, runs
from labeling.environment import RESOURCES
from labeling.models import Run
from labeling.services import SERVICES
from tests import learn
from tests.test_launcher import TINY, environment, wait_for, worker
from tests.test_launcher import state as state
from training.contracts import SftSettings

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

OFFERED = {"pair": {"queue": "gpu", "processes": 2}}


@pytest.fixture(autouse=True)
def offered(settings, monkeypatch):
    monkeypatch.setenv("RANKLOOP_RESOURCES", json.dumps(OFFERED))
    settings.RESOURCES = {"pair": {**RESOURCES, **OFFERED["pair"]}}


def sft_run(*, resources: str, steps: int) -> Run:
    project = learn.project(f"strings-{resources or 'any'}")
    learn.imported(project, 8)
    chosen = SftSettings(base=TINY, max_steps=steps, batch_size=4, learning_rate=1e-3)
    inputs = {"dataset.jsonl": datasets.freeze(project, "sft")}
    return runs.create(project, "sft", settings=chosen, seed=1, inputs=inputs, resources=resources)


def processes_of(run: Run) -> list[psutil.Process]:
    """Those that have this run's folder for an argument."""
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if any(f"/{run.public_id}/attempt-" in word for word in process.info["cmdline"] or [])
    ]


def test_a_worker_takes_what_its_host_is_labelled_for_and_trains_it_by_two_processes(state):
    elsewhere, here = sft_run(resources="", steps=2), sft_run(resources="pair", steps=2)
    process = subprocess.Popen(
        [sys.executable, *SERVICES["worker-train"].arguments],
        cwd=installed.ROOT,
        env={**environment(state), "RANKLOOP_QUEUES": "gpu"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        for run in (elsewhere, here):
            tasks.hint(run.pk)
        wait_for(lambda: Run.objects.get(pk=here.pk).state in ("completed", "failed"))
    finally:
        process.terminate()
        process.wait()
    here.refresh_from_db()
    elsewhere.refresh_from_db()
    assert (here.state, here.error) == ("completed", "")
    assert here.metrics.count() == 2
    assert (elsewhere.state, elsewhere.attempt) == ("waiting", 0)


def test_every_process_of_a_run_ends_with_its_worker(state):
    run = sft_run(resources="pair", steps=100_000)
    with worker(run, state) as process:
        training = processes_of(run)
        # torchrun and its two.
        assert len(training) == 3
        process.kill()
        psutil.wait_procs(training, timeout=60)
        assert [one for one in training if one.is_running()] == []


def test_a_process_that_dies_ends_the_others_and_the_attempt_with_a_reason(state):
    run = sft_run(resources="pair", steps=100_000)
    with worker(run, state):
        launched = max(processes_of(run), key=lambda one: one.create_time())
        launched.kill()
        wait_for(lambda: Run.objects.get(pk=run.pk).failures == 1)
        assert psutil.wait_procs(processes_of(run), timeout=60)[1] == []
    run.refresh_from_db()
    assert run.state == "waiting"
    # The survivor's words, if it noticed before torchrun ended it too; else torchrun's own.
    assert re.search(r"Error|SIGKILL", run.error), run.error
