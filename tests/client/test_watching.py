"""A run is told as it goes, from waiting to its end, whatever becomes of its attempts."""

from __future__ import annotations

import pytest

from labeling.actions import artifacts, datasets, publishing, runs
from labeling.models import Run
from rankloop_client import Changed, Measured
from tests import learn
from tests.pages import world
from training.contracts import RunResult, write_manifest


@pytest.fixture
def run(project):
    learn.imported(project, 2)
    return world.waiting("sft", {"dataset.jsonl": datasets.freeze(project, "sft")})


def lines(*steps):
    return [{"step": step, "loss": 1 / step} for step in steps]


def told(event):
    if isinstance(event, Changed):
        return event.run.state, event.run.attempt
    assert isinstance(event, Measured)
    return event.attempt, event.line, event.values["step"]


def test_a_run_is_followed_over_two_attempts_to_its_model(lead, run, tmp_path):
    events = lead.watch(run.public_id, every=0.01)
    assert told(next(events)) == ("waiting", 0)
    first = world.running(run, lines(1, 2))
    assert [told(next(events)) for _ in range(3)] == [("running", 1), (1, 0, 1), (1, 1, 2)]
    runs.record_metrics(first, 2, lines(3))
    assert told(next(events)) == (1, 2, 3)
    runs.give_back(first)
    assert told(next(events)) == ("waiting", 1)
    second = world.running(run, lines(1, 2, 3, 4))
    assert [told(next(events)) for _ in range(5)] == [
        ("running", 2), (2, 0, 1), (2, 1, 2), (2, 2, 3), (2, 3, 4),
    ]  # fmt: skip
    runs.record_metrics(second, 4, lines(5))
    output = tmp_path / "output"
    output.mkdir()
    (output / "model.safetensors").write_bytes(b"weights")
    done = RunResult("sft", {"loss": 0.2}, write_manifest(output))
    publishing.publish(second, done, artifacts.keep(output))
    assert told(next(events)) == (2, 4, 5)
    end = next(events)
    assert told(end) == ("completed", 2)
    assert next(events, None) is None
    (model,) = lead.models(run.project.public_id, kind="sft")
    assert (end.run.model, end.run.result) == (model.model, {"loss": 0.2})
    assert lead.model(model.model).lineage.datasets[0].kind == "sft"


def test_more_lines_than_an_answer_holds_come_all(lead, run):
    claim = world.running(run, lines(*range(1, 2502)))
    runs.stopped(claim)
    events = list(lead.watch(run.public_id))
    assert [event.line for event in events[:-1]] == list(range(2501))
    assert told(events[-1]) == ("stopped", 1)


def test_a_run_that_is_stopped_says_so(lead, run):
    events = lead.watch(run.public_id, every=0.01)
    assert told(next(events)) == ("waiting", 0)
    assert lead.stop_run(run.public_id).state == Run.State.STOPPED
    assert [told(event) for event in events] == [("stopped", 0)]


def test_the_lines_of_a_run_are_read_on_from_one(lead, run):
    world.running(run, lines(1, 2, 3))
    page = lead.run_metrics(run.public_id, after=0)
    assert ([line.line for line in page.results], page.next) == ([1, 2], None)
