"""Runs: one worker at a time, fenced writes, and publication exactly once."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models import DateTimeField, ExpressionWrapper, F

from labeling.actions import artifacts, datasets, publishing, runs
from labeling.actions.errors import BadInput, NotNow
from labeling.models import ModelVersion, Run, RunMetric
from tests import learn
from training.contracts import (
    GeneratedRow,
    GenerateSettings,
    RunResult,
    SftSettings,
    row_bytes,
    write_manifest,
)

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def store(settings, tmp_path):
    settings.ARTIFACTS = tmp_path / "artifacts"


@pytest.fixture
def project():
    made = learn.project()
    learn.imported(made, 3)
    return made


@pytest.fixture
def run(project):
    version = datasets.freeze(project, "sft")
    return runs.create(project, "sft", settings=SftSettings(), seed=1, inputs={"dataset.jsonl": version})


def files(folder, **contents: bytes) -> str:
    """An artifact in the store; its address."""
    folder.mkdir()
    for name, content in contents.items():
        (folder / name.replace("_", ".")).write_bytes(content)
    write_manifest(folder)
    return artifacts.keep(folder)


def time_passes(run: Run, **span: float) -> None:
    """The run's lease and pause are so much nearer to their end."""
    for field in ("lease_until", "not_before", "hinted_at"):
        earlier = ExpressionWrapper(F(field) - timedelta(**span), output_field=DateTimeField())
        Run.objects.filter(pk=run.pk, **{f"{field}__isnull": False}).update(**{field: earlier})


def state(run: Run) -> str:
    run.refresh_from_db()
    return run.state


def test_of_ten_workers_one_claims_a_run(run):
    barrier, claims = threading.Barrier(10), []

    def worker() -> None:
        try:
            barrier.wait()
            claims.append(runs.claim(run.pk))
        finally:
            connection.close()

    workers = [threading.Thread(target=worker) for _ in range(10)]
    for thread in workers:
        thread.start()
    for thread in workers:
        thread.join()
    held = [claim for claim in claims if claim]
    assert [claim.attempt for claim in held] == [1]
    assert len(claims) == 10


def test_a_worker_whose_lease_was_taken_can_write_nothing(run, tmp_path):
    zombie = runs.claim(run.pk)
    time_passes(run, hours=1)
    assert runs.sweep() == 1
    for attempt in (lambda: None, lambda: runs.claim(run.pk)):
        time_passes(run, hours=1)
        attempt()
        digest = files(tmp_path / f"out{Run.objects.get().attempt}", weights=b"zombie")
        for write in (
            lambda: runs.heartbeat(zombie, 1, 2),
            lambda: runs.record_metrics(zombie, 0, [{"step": 1, "total": 2}]),
            lambda digest=digest: publishing.publish(zombie, RunResult("sft", {}, digest), digest),
            lambda: runs.fail(zombie, "no", retryable=True),
            lambda: runs.give_back(zombie),
            lambda: runs.stopped(zombie),
        ):
            with pytest.raises(runs.Fenced):
                write()
    run.refresh_from_db()
    assert (run.state, run.attempt, run.failures) == ("running", 2, 1)
    assert not ModelVersion.objects.exists()
    assert not RunMetric.objects.exists()


def test_a_worker_that_comes_back_before_anyone_noticed_goes_on(run):
    claim = runs.claim(run.pk)
    time_passes(run, hours=1)
    assert runs.heartbeat(claim, 3, 9).stop is False
    assert runs.sweep() == 0
    run.refresh_from_db()
    assert (run.step, run.total_steps) == (3, 9)


def test_publishing_makes_the_model_once_and_numbers_it(project, run, tmp_path):
    claim = runs.claim(run.pk)
    digest = files(tmp_path / "out", weights=b"abc")
    assert not publishing.is_published(claim, digest)
    publishing.publish(claim, RunResult("sft", {"loss": 0.5}, digest), digest)
    assert publishing.is_published(claim, digest)
    with pytest.raises(runs.Fenced):
        publishing.publish(claim, RunResult("sft", {"loss": 0.5}, digest), digest)
    model = ModelVersion.objects.get()
    assert (model.name, model.kind, model.artifact, model.report) == ("sft-1", "sft", digest, {"loss": 0.5})
    assert state(run) == "completed"
    version = datasets.freeze(project, "sft")
    second = runs.create(project, "sft", settings=SftSettings(), seed=2, inputs={"dataset.jsonl": version})
    publishing.publish(runs.claim(second.pk), RunResult("sft", {}, digest), digest)
    assert second.model_version.name == "sft-2"


def test_a_completed_run_stays_completed(run, tmp_path):
    digest = files(tmp_path / "out", weights=b"abc")
    publishing.publish(runs.claim(run.pk), RunResult("sft", {}, digest), digest)
    for change in ({"state": "waiting"}, {"artifact": "0" * 64}, {"attempt": 0}):
        with pytest.raises(IntegrityError), transaction.atomic():
            Run.objects.filter(pk=run.pk).update(**change)
    with pytest.raises(NotNow):
        runs.request_stop(run)


def test_a_generate_run_publishes_its_completions_with_where_they_came_from(project, run, tmp_path):
    model_files = files(tmp_path / "model", weights=b"abc")
    publishing.publish(runs.claim(run.pk), RunResult("sft", {}, model_files), model_files)
    prompt = project.prompts.first()
    inputs = {"prompts.jsonl": datasets.freeze(project, "prompts"), "policy": run.model_version}
    generate = runs.create(project, "generate", settings=GenerateSettings(), seed=3, inputs=inputs)
    rows = [
        GeneratedRow(prompt.public_id, number, text, 1.0, 1.0, 3, 2, "eos", -1.5)
        for number, text in enumerate(["one", "two", "one", "nu\x00l"])
    ]
    digest = files(tmp_path / "out", completions_jsonl=b"".join(map(row_bytes, rows)))
    publishing.publish(runs.claim(generate.pk), RunResult("generate", {}, digest), digest)
    assert sorted(prompt.completions.values_list("text", flat=True)) == ["one", "two"]
    origin = prompt.completions.get(text="one").origins.get()
    assert (origin.model, origin.run) == (run.model_version, generate)
    assert ModelVersion.objects.count() == 1


def test_a_failure_is_tried_again_after_a_pause_that_grows_and_not_for_ever(run):
    pauses = []
    for _ in range(run.max_attempts):
        claim = runs.claim(run.pk)
        runs.fail(claim, "it broke", retryable=True, log_tail="line\x00")
        run.refresh_from_db()
        if run.state == "waiting":
            assert runs.claim(run.pk) is None
            with connection.cursor() as cursor:
                cursor.execute("SELECT clock_timestamp()")
                pauses.append(round((run.not_before - cursor.fetchone()[0]).total_seconds() / 10))
            time_passes(run, hours=1)
    assert pauses == [1, 2, 4, 8]
    assert (run.state, run.failures, run.error, run.log_tail) == ("failed", 5, "it broke", "line�")


def test_a_hopeless_failure_is_not_tried_again(run):
    runs.fail(runs.claim(run.pk), "settings.base: wrong", retryable=False)
    assert state(run) == "failed"


def test_given_back_is_no_failure_and_can_be_claimed_at_once(run):
    for attempt in range(1, 8):
        claim = runs.claim(run.pk)
        assert claim.attempt == attempt
        runs.give_back(claim)
    run.refresh_from_db()
    assert (run.state, run.attempt, run.failures) == ("waiting", 7, 0)


def test_a_stop_ends_a_waiting_run_at_once_and_a_running_one_by_its_worker(project, run):
    claim = runs.claim(run.pk)
    runs.request_stop(run)
    assert state(run) == "running"
    assert runs.heartbeat(claim, 1, 2).stop is True
    runs.stopped(claim, log_tail="the end")
    assert state(run) == "stopped"
    version = datasets.freeze(project, "sft")
    waiting = runs.create(project, "sft", settings=SftSettings(), seed=2, inputs={"dataset.jsonl": version})
    runs.request_stop(waiting)
    assert state(waiting) == "stopped"
    assert runs.claim(waiting.pk) is None


def test_a_stopped_run_whose_worker_died_is_stopped(run):
    runs.claim(run.pk)
    runs.request_stop(run)
    time_passes(run, hours=1)
    runs.sweep()
    assert state(run) == "stopped"


def test_metric_lines_are_copied_once_and_a_new_attempt_starts_over(run):
    claim = runs.claim(run.pk)
    lines = [{"step": step, "total": 3, "loss": 1 / step} for step in (1, 2, 3)]
    runs.record_metrics(claim, 0, lines[:2])
    runs.record_metrics(claim, 0, lines)
    stored = RunMetric.objects.filter(run=run).order_by("line")
    assert [metric.values["step"] for metric in stored] == [1, 2, 3]
    runs.give_back(claim)
    runs.claim(run.pk)
    assert not stored.all().exists()


def test_a_waiting_run_is_announced_once_in_a_while(run):
    assert runs.waiting_ids() == [run.pk]
    assert runs.waiting_ids() == []
    time_passes(run, minutes=1)
    assert runs.waiting_ids() == [run.pk]
    runs.claim(run.pk)
    time_passes(run, minutes=1)
    assert runs.waiting_ids() == []


def test_equal_recipes_have_equal_digests(project, run):
    version = datasets.freeze(project, "sft")
    inputs = {"dataset.jsonl": version}
    assert runs.recipe_digest("sft", SftSettings(), 1, inputs) == run.recipe_digest
    assert runs.recipe_digest("sft", SftSettings(), 2, inputs) != run.recipe_digest
    assert runs.recipe_digest("sft", SftSettings(epochs=1), 1, inputs) != run.recipe_digest
    learn.imported(project, 1)
    other = {"dataset.jsonl": datasets.freeze(project, "sft")}
    assert runs.recipe_digest("sft", SftSettings(), 1, other) != run.recipe_digest


def test_inputs_are_checked_by_name(project):
    version = datasets.freeze(project, "sft")
    stranger = learn.project("other")
    for of, inputs, field in (
        (project, {}, "inputs.dataset.jsonl"),
        (project, {"dataset.jsonl": version, "more": version}, "inputs.more"),
        (stranger, {"dataset.jsonl": version}, "inputs.dataset.jsonl"),
    ):
        with pytest.raises(BadInput) as refused:
            runs.create(of, "sft", settings=SftSettings(), seed=1, inputs=inputs)
        assert refused.value.field == field
