"""The form of scale and flags, as a browser without scripts sends it."""

from __future__ import annotations

import pytest
from django.urls import reverse

from labeling.actions import rubrics
from labeling.models import Rubric


@pytest.fixture
def edit(project):
    return reverse("rubric", args=[project.public_id])


def form(page):
    """What the form on this page would send, without a button."""
    draft = page.context["draft"]
    sent = {"base": draft.base, "scale_max": draft.scale_max, "note": draft.note, "count": len(draft.flags)}
    sent |= {f"help.{language}": text for language, text in draft.help.items()}
    for place, flag in enumerate(draft.flags):
        sent[f"flags.{place}.key"] = flag.key
        sent |= {f"flags.{place}.labels.{language}": text for language, text in flag.labels.items()}
        sent |= {f"flags.{place}.help.{language}": text for language, text in flag.help.items()}
        sent |= {f"flags.{place}.use_cases": flag.use_cases} if flag.use_cases else {}
        sent |= {f"flags.{place}.required": "on"} if flag.required else {}
    return sent


def keys(page):
    return [flag.key for flag in page.context["draft"].flags]


def test_flags_are_added_moved_and_removed_and_nothing_is_stored_before_saving(client, edit, project):
    page = client.get(edit)
    assert keys(page) == ["fails_instruction", "hallucination"]
    page = client.post(edit, {**form(page), "do": "add"})
    filled = {**form(page), "flags.2.labels.en": "Makes things up!", "flags.2.required": "on"}
    page = client.post(edit, {**filled, "flags.2.use_cases": ["chat", "other"], "do": "up.2"})
    assert keys(page) == ["fails_instruction", "makes_things_up", "hallucination"]
    page = client.post(edit, {**form(page), "do": "remove.0"})
    page = client.post(edit, {**form(page), "note": "less is more", "do": "preview"})
    said = page.content.decode()
    assert "A flag that is no longer asked" in said
    assert "Makes things up! (makes_things_up)" in said
    assert Rubric.objects.filter(project=project).count() == 1
    saved = client.post(edit, {**form(page), "do": "save"})
    assert saved["Location"] == reverse("rubric-history", args=[project.public_id])
    written = rubrics.latest(project)
    assert [flag["key"] for flag in written.flags] == ["makes_things_up", "hallucination"]
    assert written.flags[0]["required"]
    assert written.flags[0]["use_cases"] == ["chat", "other"]
    assert (written.note, written.version) == ("less is more", 2)
    shown = client.get(saved["Location"], {"version": "2"}).content.decode()
    assert "less is more" in shown
    assert "A flag that is no longer asked" in shown


def test_what_is_wrong_is_said_at_its_flag_and_everything_typed_is_still_there(client, edit, project):
    sent = {**form(client.get(edit)), "flags.1.labels.en": "x" * 81, "flags.0.help.en": "kept", "do": "save"}
    page = client.post(edit, sent)
    said = page.content.decode()
    assert "One line of at most 80 characters, please." in said
    assert "x" * 81 in said
    assert "kept" in said
    assert Rubric.objects.filter(project=project).count() == 1


def test_of_two_leads_the_later_is_told_and_can_save_on_top(client, edit, project):
    sent = {**form(client.get(edit)), "scale_max": "5", "do": "save"}
    rubrics.write(project, [], base=1)
    page = client.post(edit, sent)
    assert "Version 2 has been written meanwhile." in page.content.decode()
    assert client.post(edit, {**form(page), "do": "save"}).status_code == 302
    assert rubrics.latest(project).scale_max == 5


@pytest.mark.parametrize(
    "sent",
    [
        {},
        {"do": "save"},
        {"count": "99999999999", "do": "save"},
        {"count": "3", "do": "up.x"},
        {"count": "²", "base": "1", "scale_max": "²", "do": "remove.9"},
        {"base": "1", "scale_max": "99", "do": "preview"},
    ],
)
def test_a_form_that_no_page_made_changes_nothing(client, edit, project, sent):
    assert client.post(edit, sent).status_code == 200
    assert rubrics.latest(project).version == 1
