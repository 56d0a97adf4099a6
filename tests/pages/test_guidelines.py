"""Guidelines on the pages: a lead writes versions, a labeler reads what changed and accepts."""

from __future__ import annotations

import pytest
from django.urls import reverse

from labeling.actions import guidelines
from labeling.models import Guidelines, Membership
from tests import build
from tests.pages import world


@pytest.fixture
def ann(project):
    return Membership.objects.get(user__username="ann", project=project)


def page(name, project):
    return reverse(name, args=[project.public_id])


def test_a_lead_previews_and_publishes_and_the_history_says_what_changed(client, project, lead):
    edit, history = page("edit-guidelines", project), page("guidelines-history", project)
    assert client.get(edit).context["form"].initial == {"base": 0}
    first = {"base": "0", "text": "# Read\r\n\nBe kind to whoever asked.", "note": "begun"}
    shown = client.post(edit, {**first, "do": "preview"})
    assert "<h2>Read</h2>" in shown.content.decode()
    assert shown.context["form"]["note"].value() == "begun"
    assert not Guidelines.objects.exists()
    assert client.post(edit, {**first, "do": "publish"})["Location"] == history
    second = {
        "base": "1",
        "text": "# Read\n\nBe honest to whoever asked.",
        "note": "honesty",
        "binding": "on",
        "do": "publish",
    }
    client.post(edit, second)
    written = Guidelines.objects.get(version=2)
    assert (written.text, written.binding, written.created_by) == (
        "# Read\n\nBe honest to whoever asked.",
        True,
        lead.user,
    )
    said = client.get(history, {"version": "2"}).content.decode()
    assert "kind </del>" in said
    assert "honest </ins>" in said
    assert "honesty" in said


def test_of_two_leads_the_later_keeps_the_text_and_sees_the_others(client, project):
    edit = page("edit-guidelines", project)
    guidelines.write(project, "one", base=0)
    guidelines.write(project, "two by another", base=1)
    mine = {"base": "1", "text": "two by me", "do": "publish"}
    answer = client.post(edit, mine)
    said = answer.content.decode()
    assert "two by me" in said
    assert "Version 2 has been written meanwhile." in said
    assert 'name="base" value="2"' in said
    assert "another" in said
    client.post(edit, {**mine, "base": "2"})
    assert Guidelines.objects.get(version=3).text == "two by me"


def test_what_is_refused_is_said_at_its_field(client, project):
    edit = page("edit-guidelines", project)
    answer = client.post(edit, {"base": "0", "text": "x" * 70_000, "note": "n" * 201, "do": "publish"})
    assert "text" in answer.context["form"].errors
    assert client.post(edit, {"base": "no", "do": "publish"}).status_code == 200
    assert client.get(page("guidelines-history", project), {"version": "²"}).status_code == 200
    assert not Guidelines.objects.exists()


def test_a_labeler_is_sent_to_the_guidelines_and_goes_on_after_accepting(project, ann):
    build.rank_items(project, 1)
    guidelines.write(project, "# Read\n\nBe kind to whoever asked.", base=0, binding=True)
    client, rank = world.signed_in(ann.user), page("rank", project)
    sent = client.get(rank)
    assert sent["Location"].startswith(page("guidelines", project))
    read = client.get(sent["Location"])
    assert read.context["must_accept"]
    accept = {"version": "1", "next": read.context["next"]}
    assert client.post(page("accept-guidelines", project), accept)["Location"] == rank
    assert client.get(rank).status_code == 200
    guidelines.write(
        project, "# Read\n\nBe honest to whoever asked.", base=1, binding=True, note="honesty first"
    )
    again = client.get(client.get(rank)["Location"]).content.decode()
    assert "kind </del>" in again
    assert "honesty first" in again


def test_an_older_version_cannot_be_accepted_and_nobody_is_sent_elsewhere(project, ann):
    guidelines.write(project, "one", base=0, binding=True)
    guidelines.write(project, "two", base=1, binding=True)
    client, accept = world.signed_in(ann.user), page("accept-guidelines", project)
    answer = client.post(accept, {"version": "1", "next": "https://evil.example/"}, follow=True)
    assert "have just been changed" in answer.content.decode()
    assert guidelines.must_accept(ann)
    gone = client.post(accept, {"version": "2", "next": "//evil.example/"})
    assert gone["Location"] == page("guidelines", project)
    assert client.post(accept, {"version": "two"}).status_code == 302


def test_the_way_of_ranking_is_set_on_the_page_of_labeling(client, project):
    labeling, method = page("labeling", project), page("set-ranking-method", project)
    assert "Two at a time" in client.get(labeling).content.decode()
    assert client.post(method, {"method": "two_up"})["Location"] == labeling
    project.refresh_from_db()
    assert project.ranking_method == "two_up"
    refused = client.post(method, {"method": "guess"}, follow=True)
    assert "Choose one of" in refused.content.decode()
    project.refresh_from_db()
    assert project.ranking_method == "two_up"
