"""Rounds on the pages: starting, stopping and overriding, each on record."""

from __future__ import annotations

import pytest
from django.urls import reverse

from labeling.actions import loop, steps
from labeling.models import Round, RoundStep, Run, Trigger
from tests import build, learn
from tests.pages import world

REASON = "A control: PPO is to run on shuffled labels."


def post(client, name, target, **body):
    return client.post(reverse(name, args=[target.public_id]), body, follow=True).content.decode()


@pytest.fixture
def held(project, tmp_path):
    """A round whose gate knows of no agreement; its SFT and reward runs are done."""
    learn.imported(project, 3)
    build.rank_items(project, 2)
    learn.rank(project.memberships.get(user__username="ann"), 2)
    round = loop.start_round(project, Trigger.MANUAL)
    for figures in (
        {"loss": 0.6},
        {"accuracy": 0.7, "accuracy_low": 0.66, "accuracy_high": 0.73, "agreement": None},
    ):
        while steps.move(round.pk):
            pass
        world.completed(Run.objects.get(round=round, state="waiting"), tmp_path, **figures)
    while steps.move(round.pk):
        pass
    round.refresh_from_db()
    assert round.state == Round.State.HELD
    return round


def test_a_lead_starts_a_round(client, lead, project):
    learn.imported(project, 2)
    assert "A round has begun." in post(client, "start-round", project)
    round = Round.objects.get()
    assert (round.trigger, round.started_by) == ("manual", lead.user)


def test_a_second_round_is_refused_with_the_reason(client, project):
    learn.imported(project, 2)
    loop.start_round(project, Trigger.MANUAL)
    assert "Round 1 is not over yet." in post(client, "start-round", project)
    assert Round.objects.count() == 1


def test_a_round_without_demonstrations_is_refused_with_the_reason(client, project):
    assert "There are no demonstrations to train on yet." in post(client, "start-round", project)


def test_the_dashboard_offers_what_can_be_done_now(client, project):
    learn.imported(project, 2)
    address = reverse("dashboard", args=[project.public_id])
    assert "Start a round" in client.get(address).content.decode()
    loop.start_round(project, Trigger.MANUAL)
    shown = client.get(address).content.decode()
    assert "Start a round" not in shown
    assert "Stop the round" in shown


def test_a_lead_stops_a_round(client, project):
    learn.imported(project, 2)
    round = loop.start_round(project, Trigger.MANUAL)
    while steps.move(round.pk):
        pass
    assert "The round is stopped." in post(client, "stop-round", round)
    round.refresh_from_db()
    assert round.state == Round.State.STOPPED
    assert Run.objects.get().state == Run.State.STOPPED
    assert "The round is over." in post(client, "stop-round", round)


def test_a_held_round_says_what_its_gate_wants(client, held):
    shown = client.get(reverse("round", args=[held.public_id])).content.decode()
    assert "Nothing is known of the labelers&#x27; agreement" in shown
    assert "Override the gate" in shown


def test_overriding_a_gate_needs_a_reason(client, held):
    assert "reason: is empty" in post(client, "override-gate", held, reason="  ")
    held.refresh_from_db()
    assert held.state == Round.State.HELD


def test_an_override_stands_with_name_and_reason(client, lead, held):
    shown = post(client, "override-gate", held, reason=REASON)
    assert "The gate is overridden." in shown
    assert REASON in shown
    held.refresh_from_db()
    assert (held.state, held.overridden_by, held.override_reason) == ("running", lead.user, REASON)
    dashboard = client.get(reverse("dashboard", args=[held.project.public_id])).content.decode()
    assert "gate overridden" in dashboard


def test_overriding_what_is_not_held_is_refused_with_the_reason(client, project):
    learn.imported(project, 2)
    round = loop.start_round(project, Trigger.MANUAL)
    assert "The round is not held by a gate." in post(client, "override-gate", round, reason=REASON)


def test_the_page_of_a_round_names_what_it_froze_and_ran(client, held):
    answer = client.get(reverse("round", args=[held.public_id]))
    freeze = answer.context["walk"].steps[0]
    assert sorted(version.kind for version in freeze.datasets) == ["comparisons", "prompts", "prompts", "sft"]
    assert [row.run.stage for row in answer.context["runs"]] == ["reward", "sft"]
    assert dict(answer.context["walk"].steps[3].facts)["accuracy"] == "0.7"


def test_the_chances_of_a_rounds_prompts_are_not_spelt_out(client, held):
    generate = RoundStep.objects.get(round=held, name="generate")
    assert generate.detail["chances"]
    steps_shown = client.get(reverse("round", args=[held.public_id])).context["walk"].steps
    assert [step.facts for step in steps_shown if step.name == "generate"] == [[]]


def test_a_step_that_was_never_reached_is_not_called_waiting(client, project):
    learn.imported(project, 2)
    round = loop.start_round(project, Trigger.MANUAL)
    loop.stop_round(round)
    walk = client.get(reverse("round", args=[round.public_id])).context["walk"]
    assert {step.state for step in walk.steps} == {"stopped"}
    assert {step.state_name for step in walk.steps} == {"not reached"}
