"""Members and invitations over the API: what the People page does."""

from __future__ import annotations

import pytest
from django.test import Client

from labeling.models import Invitation, Membership, Role
from tests import build
from tests.api.callers import Script

pytestmark = pytest.mark.django_db


@pytest.fixture
def members(project):
    return f"projects/{project.public_id}/members"


def put(script, path, body):
    return script.client.put(f"/api/{path}", body, "application/json")


def test_a_lead_reads_the_members_and_changes_one(project, lead, members):
    ann = build.member(project, "ann", languages=["en"]).user
    build.member(project, "former", is_active=False)
    assert [each["username"] for each in lead.all(members, limit=1)] == ["former", "ann", "lin"]
    assert [each["username"] for each in lead.all(members, is_active=False)] == ["former"]
    address = f"{members}/{ann.public_id}"
    one = lead.get(address).json()
    assert one == {
        "user": ann.public_id, "username": "ann", "name": "ann", "role": "labeler", "languages": ["en"],
        "is_active": True, "is_simulated": False,
    }  # fmt: skip
    changed = {**one, "role": "reviewer", "languages": []}
    assert put(lead, address, {"role": "reviewer", "languages": []}).json() == changed
    assert lead.post(f"{address}/active", {"is_active": False}).json() == {**changed, "is_active": False}
    assert lead.post(f"{address}/active", {"is_active": True}).json() == changed


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"role": "labeler", "languages": []}, 409, ""),
        ({"role": "king", "languages": []}, 400, "role"),
        ({"role": "lead", "languages": ["???"]}, 400, "languages"),
        ({"role": "lead", "languages": "en"}, 400, "languages"),
        ({"role": "lead"}, 400, "languages"),
        ({"role": "lead", "languages": [], "is_active": False}, 400, "is_active"),
    ],
)
def test_what_cannot_be_done_to_oneself_is_said(lead, members, body, status, field):
    answer = put(lead, f"{members}/{lead.user.public_id}", body)
    assert (answer.status_code, answer.json()["error"]["field"].partition(".")[0]) == (status, field)
    assert Membership.objects.get(user=lead.user).role == Role.LEAD


def test_who_is_no_member_is_not_found_and_labelers_change_nobody(project, lead, members):
    stranger = build.member(build.project("other"), "stranger").user
    assert lead.get(f"{members}/{stranger.public_id}").status_code == 404
    ann = Script(build.member(project, "ann").user)
    assert put(ann, f"{members}/{ann.user.public_id}", {"role": "lead", "languages": []}).status_code == 403


def test_a_link_is_made_shown_once_and_revoked(project, lead):
    address = f"projects/{project.public_id}/invitations"
    made = lead.post(address, {"role": "reviewer", "languages": ["en"], "note": "Ada"})
    assert made.status_code == 201
    link = made.json()["link"]
    assert link.startswith("http://testserver/join/")
    assert Client().get(link).status_code == 200
    (listed,) = lead.all(address)
    assert listed == {name: value for name, value in made.json().items() if name != "link"}
    assert (listed["state"], listed["role"], listed["note"]) == ("open", "reviewer", "Ada")
    revoke = f"invitations/{listed['invitation']}/revoke"
    assert lead.post(revoke).json()["state"] == "revoked"
    assert lead.post(revoke).status_code == 409
    assert Client().get(link).status_code == 410


def test_an_invitation_is_sent_only_where_e_mail_is_configured(project, lead, settings, mailoutbox):
    from labeling.identity import mail

    address, body = (
        f"projects/{project.public_id}/invitations",
        {"role": "labeler", "email": "ada@example.org"},
    )
    refused = lead.post(address, body)
    assert (refused.status_code, refused.json()["error"]["field"]) == (400, "email")
    settings.EMAIL = {"EMAIL_HOST": "mail.example.org"}
    link = lead.post(address, body).json()["link"]
    mail.sender.submit(lambda: None).result()
    assert link in mailoutbox[0].body
    assert Invitation.objects.count() == 1


def test_too_many_letters_are_429_with_the_time_to_wait(project, lead, settings, monkeypatch):
    from labeling.actions import limits
    from labeling.identity import inviting

    settings.EMAIL = {"EMAIL_HOST": "mail.example.org"}
    monkeypatch.setattr(inviting, "SENT", limits.Limit("test", most=1, seconds=60))
    body = {"role": "labeler", "email": "ada@example.org"}
    answers = [lead.post(f"projects/{project.public_id}/invitations", body) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 429]
    assert 55 <= int(answers[1]["Retry-After"]) <= 60
