"""The demo: two projects and three accounts, made once."""

from __future__ import annotations

import io

import pytest
from django.core.management import call_command
from django.db.models import Count

from labeling.demo import projects
from labeling.models import Demonstration, Item, LoopPolicy, Membership, Prompt, Slot, User

pytestmark = pytest.mark.django_db


def test_everyday_instructions_can_be_ranked_at_once():
    project = projects.create_everyday_project()
    items = Item.objects.filter(project=project, kind="rank")
    assert items.count() == 40
    assert set(items.values_list("k", flat=True)) == {4, 5, 6}
    assert set(items.values_list("probability", flat=True)) == {1.0}
    assert set(Prompt.objects.filter(project=project).values_list("language", flat=True)) == {"en", "zh"}
    assert (
        Item.objects.filter(project=project, kind="demonstrate").values("prompt__use_case").distinct().count()
        == 10
    )
    assert not Prompt.objects.filter(project=project, is_simulated=True).exists()
    assert set(Prompt.objects.filter(project=project).values_list("source", flat=True)) == {"sample"}


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
    call_command("demo", stdout=again)
    for username in ("labeler", "reviewer", "lead"):
        line = next(line for line in first.getvalue().splitlines() if line.split()[:1] == [username])
        assert User.objects.get(username=username).check_password(line.split()[-1])
        assert Membership.objects.filter(user__username=username, role=username).count() == 2
    assert "one-time" not in again.getvalue()
    assert "reset_password" in again.getvalue()
    assert User.objects.count() == 3
