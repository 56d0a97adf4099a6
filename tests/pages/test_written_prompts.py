"""A lead's page about prompts by labelers, and the labelers' way to them."""

from __future__ import annotations

import pytest

from labeling.actions import items, queue, written_prompts
from labeling.models import Item, Kind, Role, Slot
from tests import build
from tests.pages import world

pytestmark = pytest.mark.django_db


@pytest.fixture
def project():
    return build.project()


@pytest.fixture
def lead(project):
    return world.signed_in(build.member(project, "lin", Role.LEAD).user)


def test_a_lead_asks_sees_what_came_and_withdraws_the_rest(project, lead):
    page = f"/p/{project.public_id}/prompts/"
    form = {
        "count": "3",
        "kind": "user_based",
        "note": "<b>A bakery</b>",
        "language": " en ",
        "demonstrate": "on",
    }
    told = lead.post(f"{page}ask", form, follow=True).content.decode()
    assert "Labelers are asked for them now." in told
    assert "&lt;b&gt;A bakery&lt;/b&gt;" in told
    assert Item.objects.filter(brief__demonstrate="yes", brief__language="en").count() == 3
    held = queue.claim(build.member(project, "mei"), Kind.PROMPT)
    body = {**build.PROMPT, "flags": ["advice"]}
    written_prompts.submit(held, body, build.key())
    shown = lead.get(page).content.decode()
    assert "1 of 3" in shown
    assert "Why is the sky blue?" in shown
    assert "Asks for advice" in shown
    assert "may still change" in shown
    lead.post(f"/items/{Item.objects.order_by('-pk')[0].public_id}/withdraw")
    assert Slot.objects.filter(state="open").count() == 0
    assert "Withdraw" not in lead.get(page).content.decode()


def test_a_wrong_request_is_told_and_asks_for_nothing(project, lead):
    page = f"/p/{project.public_id}/prompts/"
    for form in ({"count": "many", "kind": "plain"}, {"count": "2", "kind": "user_based"}, {}):
        assert "notice--error" in lead.post(f"{page}ask", form, follow=True).content.decode()
    assert not Item.objects.exists()


def test_the_pages_cost_the_same_with_many_prompts(project, lead, django_assert_max_num_queries):
    people = [build.member(project, f"labeler-{number}") for number in range(5)]
    items.ask_for_prompts(project, 20, kind="plain")
    for person in people:
        for _ in range(4):
            body = {**build.PROMPT, "messages": [{"role": "user", "content": build.key()}]}
            written_prompts.submit(queue.claim(person, Kind.PROMPT), body, build.key())
    with django_assert_max_num_queries(14):
        lead.get(f"/p/{project.public_id}/prompts/")


def test_home_leads_to_prompts_where_some_are_asked_for(project):
    mei = build.member(project, "mei")
    client = world.signed_in(mei.user)
    assert "prompts to write" not in client.get("/").content.decode()
    items.ask_for_prompts(project, 2, kind="plain", note="Anything.")
    assert "Write a prompt" in client.get("/").content.decode()
    assert "Anything." in client.get(f"/p/{project.public_id}/write/").content.decode()
    assert "Continue your prompt" in client.get("/").content.decode()
