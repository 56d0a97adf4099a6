"""The page of a labeler's last answers: what it lists, in short, and what of it can still be changed."""

from __future__ import annotations

import datetime

import pytest

from labeling.actions import demonstrations, items, queue, rankings, written_prompts
from labeling.models import Assignment, Item, Kind, Purpose, Ranking
from tests import build
from tests.pages import world

pytestmark = pytest.mark.django_db


@pytest.fixture
def project():
    return build.project()


@pytest.fixture
def mei(project):
    made = build.member(project, "mei")
    made.user.language, made.user.time_zone = "en", "Asia/Shanghai"
    made.user.save()
    return made


def page(member):
    address = f"/p/{member.project.public_id}/last-answers/"
    return world.signed_in(member.user).get(address).content.decode()


def test_who_has_given_nothing_is_told_so(mei):
    assert "No answers yet" in page(mei)


def test_each_kind_says_in_short_what_was_answered_when_and_where_it_is_changed(project, mei):
    build.rank_items(project, 1, k=3)
    body = {"scores": {"A": 7, "B": 5, "C": 5}, "tiers": [["A"], ["B", "C"]], "tied": ["B", "C"]}
    ranking = rankings.submit(queue.claim(mei, Kind.RANK), body, build.key()).answer
    rankings.revise(ranking, {**body, "scores": {"A": 6, "B": 5, "C": 5}, "base": 1}, build.key())
    noon = datetime.datetime(2026, 3, 1, 12, tzinfo=datetime.UTC)
    Ranking.objects.update(created_at=noon)
    build.demonstrate_items(project, 1)
    text = "<b>It</b>\n\n\nis."
    written = demonstrations.submit(queue.claim(mei, Kind.DEMONSTRATE), {"text": text}, build.key())
    shown = page(mei)
    assert "A &gt; B = C" in shown
    assert "A 6 · B 5 · C 5" in shown
    assert "changed once" in shown
    assert "2026-03-01 20:00" in shown
    assert "prompt 0" in shown
    assert f"/rank/?change={ranking.public_id}" in shown
    assert "&lt;b&gt;It&lt;/b&gt; is." in shown
    assert f"/demonstrate/?change={written.answer.public_id}" in shown


def test_a_prompt_that_has_become_the_projects_says_why_it_stays(project, mei):
    items.ask_for_prompts(project, count=2, kind="plain")
    kept = written_prompts.submit(queue.claim(mei, Kind.PROMPT), build.PROMPT, build.key()).answer
    messages = [{"role": "user", "content": "Why is it dark at night?"}]
    own = written_prompts.submit(
        queue.claim(mei, Kind.PROMPT), {**build.PROMPT, "messages": messages}, build.key()
    ).answer
    written_prompts.adopt(kept)
    shown = page(mei)
    assert "Why is the sky blue?" in shown
    assert shown.count("others work with it now") == 1
    assert f"?change={kept.public_id}" not in shown
    assert f"/write/?change={own.public_id}" in shown


def test_twenty_of_ones_own_are_listed_and_nothing_of_the_test_or_of_others(project, mei):
    """A hidden repeat is more than twenty back: nobody reads here what they said of it the first time."""
    build.rank_items(project, 23, k=2)
    for member, count in ((build.member(project, "other"), 1), (mei, 22)):
        for _ in range(count):
            held = queue.claim(member, Kind.RANK)
            rankings.submit(held, build.answer(held), build.key())
    last = Assignment.objects.filter(labeler=mei.user).latest("pk").item
    Item.objects.filter(pk=last.pk).update(purpose=Purpose.TEST)
    shown = page(mei)
    assert shown.count("?change=") == 20
    assert f"{last.asked.messages[0]['content']}<" not in shown
    other = Ranking.objects.get(labeler__username="other")
    assert other.public_id not in shown
