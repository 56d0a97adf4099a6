"""The page of one member: what a lead may change there, and what not."""

from __future__ import annotations

import pytest
from django.urls import reverse

from labeling.models import AuditEvent, Membership, Role
from tests import build
from tests.pages import world


@pytest.fixture
def ann(project):
    return Membership.objects.get(user__username="ann")


def page(of):
    return reverse("member", args=[of.project.public_id, of.user.public_id])


def test_a_lead_changes_role_and_languages(client, lead, ann):
    people = reverse("people", args=[ann.project.public_id])
    assert page(ann) in client.get(people).content.decode()
    assert client.get(page(ann)).context["form"].initial == {"role": "labeler", "languages": ""}
    answer = client.post(page(ann), {"role": "reviewer", "languages": "en，zh"})
    assert answer["Location"] == people
    ann.refresh_from_db()
    assert (ann.role, ann.languages) == (Role.REVIEWER, ["en", "zh"])
    assert AuditEvent.objects.get(verb="member.changed").actor == lead.user


def test_what_is_refused_is_said_at_its_field_or_above_the_form(client, lead, ann):
    assert "role" in client.post(page(ann), {"role": "king"}).context["form"].errors
    assert "languages" in client.post(page(ann), {"role": "labeler", "languages": "?"}).context["form"].errors
    own = client.post(page(lead), {"role": "labeler"})
    assert "You cannot end or lower your own membership." in own.content.decode()
    assert Membership.objects.get(pk=lead.pk).role == Role.LEAD


def test_others_find_no_such_page(client, lead, ann):
    assert world.signed_in(ann.user).get(page(ann)).status_code == 403
    stranger = build.member(build.project("other"), "stranger")
    assert (
        client.get(reverse("member", args=[ann.project.public_id, stranger.user.public_id])).status_code
        == 404
    )
