"""The demo: two projects and four accounts, made once."""

from __future__ import annotations

import io
from datetime import timedelta

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db.models import Count

from labeling.actions import disputes, guidelines, onboarding, queue, rankings
from labeling.actions.errors import NotNow
from labeling.demo import everyday, projects
from labeling.models import (
    Assignment,
    Demonstration,
    Gold,
    Item,
    Kind,
    LoopPolicy,
    Membership,
    Prompt,
    QualityPolicy,
    Ranking,
    Slot,
    User,
)
from tests import build, laws

pytestmark = pytest.mark.django_db


@pytest.fixture
def demo():
    """Both projects with their accounts, as a first `make run` leaves them."""
    requests = everyday.create_everyday_project()
    strings = projects.create_string_project(demonstrations=50)
    projects.create_accounts(requests, strings)
    return requests


def member(of, name):
    return Membership.objects.get(project=of, user__username=name)


def right(held):
    """What is right at a check, in the letters that its labeler sees."""
    gold = held.item.gold
    letters = {position: "ABC"[place] for place, position in enumerate(held.shown_order)}
    best_first = sorted(range(held.item.k), key=lambda position: gold.ranks[position])
    return {
        "scores": {letters[position]: 7 - gold.ranks[position] for position in best_first},
        "tiers": [[letters[position]] for position in best_first],
        "flags": {
            letters[position]: gold.rubric.keys(mask) for position, mask in enumerate(gold.flags) if mask
        },
    }


def test_everyday_instructions_ask_for_every_kind_of_work():
    project = everyday.create_everyday_project()
    work = Item.objects.filter(project=project, purpose="work")
    ranked = work.filter(kind="rank")
    assert ranked.count() == 40
    assert set(ranked.values_list("k", flat=True)) == {4, 5, 6}
    assert set(ranked.values_list("probability", flat=True)) == {1.0}
    assert set(Prompt.objects.filter(project=project).values_list("language", flat=True)) == {"en", "zh"}
    assert work.filter(kind="demonstrate").values("prompt__use_case").distinct().count() == 10
    kinds = set(work.filter(kind="prompt").values_list("brief__kind", flat=True))
    assert kinds == {"plain", "few_shot", "user_based"}
    assert not Prompt.objects.filter(project=project, is_simulated=True).exists()
    assert set(Prompt.objects.filter(project=project).values_list("source", flat=True)) == {"sample"}
    assert laws.broken() == {}


def test_the_first_queue_is_one_accepted_guideline_away(demo):
    labeler = member(demo, "labeler")
    with pytest.raises(NotNow, match="guidelines"):
        queue.claim(labeler, Kind.RANK)
    assert guidelines.latest(demo).note == "How to write answers and prompts is new."
    guidelines.accept(labeler, 2)
    for kind in (Kind.RANK, Kind.DEMONSTRATE, Kind.PROMPT):
        assert queue.claim(labeler, kind).kind == kind


def test_the_newcomer_is_led_through_tutorial_and_test_to_a_reviewer(demo):
    newcomer = member(demo, "newcomer")
    guidelines.accept(newcomer, 2)
    stages = []
    while (held := onboarding.claim(newcomer)) is not None and held.kind == Kind.RANK:
        stages.append(newcomer.onboarding)
        assert held.item.prompt.language == "en"
        assert bool(held.item.gold.explanation) == (newcomer.onboarding == "tutorial")
        rankings.submit(held, right(held), build.key())
    assert stages == ["tutorial"] * 2 + ["test"] * 2
    assert held.item.prompt.external_id == "check-06"
    found = onboarding.result(newcomer)
    assert found.rankings.share == found.flags.share == 1.0


def test_a_reviewer_finds_a_dispute_a_report_and_a_text(demo):
    disputes.find(settled=timedelta())
    reasons = set(Item.objects.filter(project=demo, kind="review").values_list("reason", flat=True))
    assert reasons == {"disagreement", "all_bad", "reported", "demonstration"}
    guidelines.accept(member(demo, "reviewer"), 2)
    assert queue.claim(member(demo, "reviewer"), Kind.REVIEW)


def test_made_up_people_gave_what_is_written_down_and_in_whatever_order_they_were_shown_it(demo):
    mei = Ranking.objects.get(labeler__username="sample-mei", item__prompt__external_id="everyday-004")
    names = dict(mei.item.item_completions.values_list("position", "completion__origins__model__name"))
    stored = mei.revisions.get()
    by_rank = [names[place] for place in sorted(names, key=lambda place: stored.ranks[place])]
    assert by_rank == ["sample-2", "sample-6", "sample-5", "sample-4", "sample-3"]
    assert [stored.scores[place] for place in sorted(names, key=names.get)] == [7, 1, 2, 3, 6]
    assert Assignment.objects.filter(skip_reason="report").count() == 1


def test_checks_are_few_and_the_project_of_the_loop_has_none(demo):
    strings = projects.find(projects.STRINGS)
    assert not Gold.objects.filter(item__project=strings).exists()
    policy = QualityPolicy.objects.get(project=strings)
    assert (policy.onboarding, policy.gold_rate, policy.repeat_rate) == (False, 0.0, 0.0)
    assert not guidelines.latest(strings).binding
    policy = QualityPolicy.objects.get(project=demo)
    assert 0 < policy.gold_rate + policy.repeat_rate <= 0.1


def test_string_instructions_begin_with_simulated_demonstrations():
    project = projects.create_string_project(seed=3, demonstrations=500, test_prompts=50)
    assert Demonstration.objects.filter(project=project, is_simulated=True, source="imported").count() == 500
    assert not Demonstration.objects.filter(project=project, is_simulated=False).exists()
    splits = dict(Prompt.objects.filter(project=project).values_list("split").annotate(Count("pk")))
    assert splits["test"] == 50
    assert splits["valid"] == pytest.approx(500 / 9, rel=0.5)
    assert not Demonstration.objects.filter(prompt__split="test").exists()
    waiting = Slot.objects.filter(project=project, kind="demonstrate", state="open")
    assert waiting.count() == projects.TO_DEMONSTRATE
    policy = LoopPolicy.objects.get(project=project)
    assert policy.bootstrap
    assert policy.include_simulated


def test_the_same_seed_makes_the_same_demonstrations():
    made = []
    for seed in (1, 1, 2):
        project = projects.create_string_project(seed=seed, demonstrations=50)
        made.append(
            set(Demonstration.objects.filter(project=project).values_list("import_digest", "prompt__digest"))
        )
        project.slug = f"before-{len(made)}"
        project.save()
    assert made[0] == made[1] != made[2]


def test_the_demo_is_made_once_and_shows_its_passwords_once():
    projects.create_string_project(demonstrations=50)
    first, again = io.StringIO(), io.StringIO()
    call_command("demo", stdout=first)
    before = everything()
    call_command("demo", stdout=again)
    assert everything() == before
    for username, role in projects.ACCOUNTS.items():
        line = next(line for line in first.getvalue().splitlines() if line.split()[:1] == [username])
        assert User.objects.get(username=username).check_password(line.split()[-1])
        joined = Membership.objects.filter(user__username=username, role=role)
        assert joined.count() == (1 if username == "newcomer" else 2)
    assert "one-time" not in again.getvalue()
    assert "reset_password" in again.getvalue()


def everything() -> dict[str, int]:
    """How many rows there are of each kind."""
    return {
        model.__name__: model._default_manager.count()
        for model in apps.get_app_config("labeling").get_models()
    }
