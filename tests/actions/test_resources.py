"""Resources: what the operator names, the lead chooses for a stage, and the workers of a host serve."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from labeling import environment, launcher, tasks
from labeling.actions import loop, policies, resources, runs
from labeling.actions.errors import BadInput
from labeling.celery import app
from labeling.environment import BadEnvironment
from labeling.models import Run
from tests import learn

OFFERED = {
    "two-gpus": {"queue": "gpu", "processes": 2, "strategy": "fsdp"},
    "two-hosts": {
        "queue": "slurm", "processes": 8, "hosts": 2,
        "launch": ["srun", "--ntasks-per-node=1"], "rendezvous": "node-1:29400",
    },
    "cpu": {"queue": "cpu"},
}  # fmt: skip


def named(monkeypatch, offered) -> dict[str, dict[str, object]]:
    monkeypatch.setenv("X", offered if isinstance(offered, str) else json.dumps(offered))
    return environment.resources("X")


@pytest.fixture
def offered(settings, monkeypatch):
    settings.RESOURCES = named(monkeypatch, OFFERED)


def test_what_the_operator_does_not_say_is_one_process_on_the_usual_queue(monkeypatch):
    assert named(monkeypatch, "") == {}
    assert named(monkeypatch, {"own": {}})["own"] == {
        "queue": "train", "processes": 1, "hosts": 1, "strategy": "ddp", "launch": [], "rendezvous": "",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("value", "named_in_the_error"),
    [
        ("{", "X: this is no JSON"),
        ("[]", "X: expected an object of objects"),
        ({"a": 1}, "X: expected an object of objects"),
        ({"Two GPUs": {}}, "X.Two GPUs: a name is small letters"),
        ({"a": {"gpus": 2}}, "X.a: unknown field 'gpus'"),
        ({"a": {"processes": "2"}}, "X.a.processes must be a int"),
        ({"a": {"processes": True}}, "X.a.processes must be a int"),
        ({"a": {"processes": 0}}, "X.a: at least one process"),
        ({"a": {"strategy": "zero"}}, "X.a.strategy: 'zero' is none of ddp, fsdp"),
        ({"a": {"queue": "control"}}, "X.a.queue: "),
        ({"a": {"queue": "GPU 1"}}, "X.a.queue: "),
        ({"a": {"hosts": 2}}, "X.a: several hosts want launch and rendezvous"),
        ({"a": {"hosts": 2, "rendezvous": "n:1", "launch": [1]}}, "X.a.launch: a list of words"),
    ],
)
def test_resources_that_are_misspelt_stop_the_start(monkeypatch, value, named_in_the_error):
    with pytest.raises(BadEnvironment) as refused:
        named(monkeypatch, value)
    assert str(refused.value).startswith(named_in_the_error)


def test_one_process_is_the_stage_itself_and_several_are_torchrun(offered):
    folder = Path("/runs/abc/attempt-1")
    stage = ["-m", "training.sft", "/runs/abc/attempt-1"]
    torchrun = [sys.executable, "-m", "torch.distributed.run"]
    assert launcher.command(resources.offer(""), "sft", folder) == [sys.executable, *stage]
    assert launcher.command(resources.offer("cpu"), "sft", folder) == [sys.executable, *stage]
    assert launcher.command(resources.offer("two-gpus"), "sft", folder) == [
        *torchrun, "--standalone", "--nproc-per-node=2", *stage,
    ]  # fmt: skip
    assert launcher.command(resources.offer("two-hosts"), "sft", folder) == [
        "srun", "--ntasks-per-node=1", *torchrun, "--nnodes=2", "--rdzv-backend=c10d",
        "--rdzv-endpoint=node-1:29400", "--rdzv-id=abc-attempt-1", "--nproc-per-node=8", *stage,
    ]  # fmt: skip


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("chosen", "reason"),
    [
        (["two-gpus"], "An object of names by stage"),
        ({"dance": "cpu"}, "'dance' is no stage"),
        ({"sft": 2}, "'sft' is no stage"),
        ({"sft": "three-gpus"}, "The operator offers no resources 'three-gpus'; there are: cpu, two-gpus"),
        ({"ppo": "two-gpus"}, "ppo cannot be spread over several processes by fsdp"),
        ({"generate": "two-hosts"}, "generate cannot be spread over several processes by ddp"),
    ],
)
def test_a_lead_chooses_among_what_is_offered_and_what_a_stage_can_use(offered, chosen, reason):
    project = learn.project(resources=chosen)
    with pytest.raises(BadInput) as refused:
        policies.check(project.loop_policy)
    assert refused.value.field == "resources"
    assert reason in refused.value.message


@pytest.mark.django_db(transaction=True)
def test_a_stages_resources_reach_its_run_and_are_no_part_of_its_recipe(offered, settings, tmp_path):
    settings.ARTIFACTS, settings.RUNS = tmp_path / "artifacts", tmp_path / "runs"
    project = learn.project(bootstrap=True, enabled=True, resources={"sft": "two-gpus", "generate": "cpu"})
    learn.imported(project, 8)
    loop.tick()
    run = Run.objects.get()
    assert run.resources == "two-gpus"
    inputs = {"dataset.jsonl": run.inputs.get().dataset}
    chosen = policies.stage_settings(project.loop_policy, "sft")
    again = runs.create(project, "sft", settings=chosen, seed=run.seed, inputs=inputs)
    assert (again.resources, again.recipe_digest) == ("", run.recipe_digest)


@pytest.fixture
def waiting(offered, settings, tmp_path):
    settings.ARTIFACTS, settings.RUNS = tmp_path / "artifacts", tmp_path / "runs"
    project = learn.project()

    def make(name: str) -> Run:
        return Run.objects.create(project=project, stage="sft", recipe_digest=name, resources=name)

    return make


@pytest.mark.django_db
def test_a_tick_announces_a_run_to_the_workers_of_its_label(waiting):
    made = {name: waiting(name) for name in ("", "cpu", "two-gpus", "two-hosts", "gone")}
    expected = {"": "train", "cpu": "cpu", "two-gpus": "gpu", "two-hosts": "slurm", "gone": "train"}
    assert {name: resources.queue_of(run.pk) for name, run in made.items()} == expected
    with app.connection_for_read() as broker:
        channel = broker.default_channel
        for queue in set(expected.values()):
            app.amqp.queues[queue].bind(channel).declare()
            channel._purge(queue)
        tasks.tick()
        found = {queue: channel._size(queue) for queue in expected.values()}
        for queue in found:
            channel._purge(queue)
    assert found == {"train": 2, "cpu": 1, "gpu": 1, "slurm": 1}


@pytest.mark.django_db
def test_a_worker_leaves_alone_what_is_not_for_its_host(waiting, settings):
    run = waiting("two-gpus")
    settings.TRAIN_QUEUES = ["train"]
    tasks.execute_run(run_id=run.pk)
    run.refresh_from_db()
    assert (run.state, run.attempt) == ("waiting", 0)


@pytest.mark.django_db(transaction=True)
def test_what_nobody_offers_any_more_ends_the_run_and_says_so(waiting):
    run = waiting("gone")
    assert launcher.execute(run.pk)
    run.refresh_from_db()
    assert run.state == "failed"
    assert run.error == "The operator offers no resources 'gone'; there are: cpu, two-gpus, two-hosts."
