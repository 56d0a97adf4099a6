"""What starts a round, by whom and when, and what a lead reads of it. Runs are published without training."""

from __future__ import annotations

import datetime

import pytest
from django.utils import translation

from labeling.actions import datasets, loop, outlook
from labeling.actions.errors import BadInput, NotNow
from labeling.models import Round, ScheduledRound
from tests import build, learn
from tests.learn import GOOD, walk

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def store(settings, tmp_path):
    settings.ARTIFACTS = tmp_path / "artifacts"


@pytest.fixture
def project():
    return learn.small_rounds()


def test_settings_that_cannot_be_used_start_nothing_and_name_the_field(project):
    for stage_settings, reason in (
        ({"sft": {"epochs": "many"}}, r"sft\.epochs: float is wanted"),
        ({"ppo": {"speed": 3}}, r"ppo\.speed: unknown field"),
        (
            {"sft": {"base": {"kind": "folder", "name": "/etc"}}},
            r"sft\.base: choose the base model by its name",
        ),
        ({"dance": {}}, "'dance' is no stage"),
        ({"sft": []}, "sft: an object is wanted"),
        ([], "An object of settings by stage"),
    ):
        project.loop_policy.stage_settings = stage_settings
        project.loop_policy.save()
        with pytest.raises(BadInput, match=reason) as refused:
            loop.start_round(project, "manual")
        assert refused.value.field == "stage_settings"
    project.loop_policy.stage_settings = {}
    project.loop_policy.base_model = "unheard-of"
    project.loop_policy.save()
    with pytest.raises(BadInput, match="The operator offers these base models: tiny"):
        loop.start_round(project, "manual")
    assert not Round.objects.exists()


def test_one_round_is_open_at_a_time(project):
    round = loop.start_round(project, "manual")
    with pytest.raises(NotNow, match="Round 1 is not over yet"):
        loop.start_round(project, "manual")
    loop.stop_round(round)
    assert loop.start_round(project, "manual").number == 2


def test_without_demonstrations_nothing_starts():
    empty = learn.project("empty", enabled=True, bootstrap=True)
    loop.tick()
    assert not Round.objects.exists()
    with pytest.raises(NotNow, match="no demonstrations"):
        loop.start_round(empty, "manual")
    assert "demonstrations" in outlook.next_step(empty).sentence


def test_a_freeze_by_hand_takes_nothing_from_the_count(project):
    walk()
    learn.rank(build.member(project, "ann"), 3)
    datasets.freeze(project, "comparisons")
    assert loop.new_rankings(project) == 3


def test_a_revised_ranking_is_new_again(project):
    walk()
    learn.rank_all(project, "ann", "ben")
    walk(GOOD)
    assert loop.new_rankings(project) == 0
    (answer,) = learn.rank(project.memberships.get(user__username="ann"))
    assert loop.new_rankings(project) == 1
    walk(GOOD)
    body = build.answer(answer.assignment, base=1, comment="on second thoughts")
    learn.rankings.revise(answer, body, build.key())
    assert loop.new_rankings(project) == 1


def test_a_schedule_starts_one_round_when_it_is_due_and_none_for_nothing_new(project):
    policy = project.loop_policy
    policy.rankings_per_round, policy.daily_at = None, datetime.time(2, 30)
    policy.save()
    walk()
    due = ScheduledRound.objects.get()
    assert (due.due_at.hour, due.due_at.minute, due.round) == (2, 30, None)

    def comes() -> ScheduledRound:
        """The due time passes; afterwards it lies in a past of its own."""
        pending = ScheduledRound.objects.get(outcome="")
        for days in (2, 7 * pending.pk):
            earlier = pending.due_at - datetime.timedelta(days=days)
            ScheduledRound.objects.filter(pk=pending.pk).update(due_at=earlier)
            loop.tick()
        pending.refresh_from_db()
        return pending

    assert comes().outcome == "There are no new rankings."
    assert Round.objects.count() == 1
    learn.rank(build.member(project, "ann"), 1)
    started = comes()
    assert (started.outcome, started.round) == ("started", Round.objects.get(number=2))
    assert comes().outcome == "Round 2 is not over yet."
    assert Round.objects.count() == 2


def test_the_next_due_time_is_in_the_future_by_utc():
    now = datetime.datetime(2026, 3, 1, 1, 0, tzinfo=datetime.timezone(datetime.timedelta(hours=8)))
    assert loop.next_due(now, datetime.time(2, 30)).isoformat() == "2026-03-01T02:30:00+00:00"
    assert loop.next_due(now, datetime.time(17, 0)).isoformat() == "2026-03-01T17:00:00+00:00"
    assert loop.next_due(now, datetime.time(16, 59)).isoformat() == "2026-03-01T16:59:00+00:00"


def test_a_lead_reads_what_comes_next(project):
    assert (
        outlook.next_step(project).sentence == "The first model is about to be trained on the demonstrations."
    )
    loop.tick()
    assert outlook.next_step(project).sentence == "Round 1 is running: SFT (step 2 of 5)."
    walk()
    learn.rank(build.member(project, "ann"), 2)
    project.loop_policy.rankings_per_round = 1000
    project.loop_policy.save()
    with translation.override("en"):
        following = outlook.next_step(project)
    assert following.sentence == "2 of 1,000 new rankings; the round starts at 1,000."
    assert (following.state, following.have, following.wanted) == ("rankings", 2, 1000)
    project.loop_policy.enabled = False
    project.loop_policy.save()
    assert outlook.next_step(project).state == "manual"


def test_one_project_s_trouble_is_not_another_s(project):
    broken = learn.project("broken", enabled=True, bootstrap=True, base_model="gone")
    learn.imported(broken, 2)
    loop.tick()
    assert [round.project for round in Round.objects.all()] == [project]
    said = outlook.next_step(broken).sentence
    assert "base_model: The operator offers these base models: tiny, tiny-t5." in said
