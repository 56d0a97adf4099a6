"""A link takes one person into one project, once, in time, and tells nothing to anybody else."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.core import mail as outbox
from django.db import connection
from django.test import Client
from django.utils import timezone

from labeling.actions import invitations, projects
from labeling.actions.errors import ActionError, BadInput, NotNow
from labeling.identity import mail
from labeling.models import AuditEvent, Invitation, Membership, Role, User
from tests import build
from tests.pages import world

pytestmark = pytest.mark.django_db
FORM = {"username": "Ada", "display_name": "Ada L.", "password": "a long enough one"}
FORM = {**FORM, "password_again": FORM["password"]}


@pytest.fixture
def project():
    return build.project()


@pytest.fixture
def lead(project):
    return build.member(project, "lin", Role.LEAD).user


@pytest.fixture
def link(project, lead):
    _made, token = invitations.invite(project, Role.REVIEWER, by=lead, languages=["en"])
    return f"/join/{token}/"


def verbs():
    return list(AuditEvent.objects.order_by("pk").values_list("verb", flat=True))


def test_a_lead_makes_a_link_that_is_shown_once(project, lead):
    client = world.signed_in(lead)
    address = f"/p/{project.public_id}/people/invite"
    answer = client.post(address, {"role": "labeler", "languages": "en, zh", "days": 3, "note": "Ada"})
    made = Invitation.objects.get()
    link = answer.context["link"]
    assert link.startswith("http://testserver/join/")
    assert answer.headers["Cache-Control"] == "max-age=0, no-cache, no-store, must-revalidate, private"
    assert (made.role, made.languages, made.note, made.created_by) == ("labeler", ["en", "zh"], "Ada", lead)
    assert timedelta(days=2, hours=23) < made.expires_at - timezone.now() <= timedelta(days=3)
    token = link.split("/")[-2]
    assert token not in client.get(f"/p/{project.public_id}/people/").content.decode()
    assert token.encode() not in bytes(made.digest)
    assert verbs() == ["invitation.created"]


def test_somebody_new_makes_an_account_and_is_in(project, link):
    client = Client()
    page = client.get(link)
    assert page.status_code == 200
    assert client.post(link, FORM)["Location"] == "/"
    ada = User.objects.get(username="Ada")
    assert ada.check_password(FORM["password"])
    assert (ada.first_name, ada.must_change_password, ada.is_staff) == ("Ada L.", False, False)
    membership = Membership.objects.get(user=ada)
    assert (membership.project, membership.role, membership.languages) == (project, "reviewer", ["en"])
    assert client.get(f"/p/{project.public_id}/guidelines/").status_code == 200
    assert verbs() == ["invitation.created", "user.created", "member.added", "invitation.accepted"]


def test_who_has_an_account_signs_in_and_joins_with_it(project, link):
    User.objects.create_user("bo", password="a long enough one")
    client = Client()
    assert f"/sign-in/?next={link}" in client.get(link).content.decode()
    answer = client.post("/sign-in/", {"username": "bo", "password": "a long enough one", "next": link})
    assert answer["Location"] == link
    assert "Join as bo" in client.get(link).content.decode()
    assert not Membership.objects.filter(user__username="bo").exists()
    client.post(link)
    assert Membership.objects.get(user__username="bo").role == "reviewer"


def test_looking_at_a_link_does_not_spend_it(link):
    for _ in range(3):
        assert Client().get(link).status_code == 200


def end(link, how):
    made = Invitation.objects.get()
    if how == "used":
        Client().post(link, FORM)
    elif how == "revoked":
        invitations.revoke(made, actor=made.created_by)
    elif how == "expired":
        Invitation.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    elif how == "made by somebody who is no lead any more":
        Membership.objects.filter(user=made.created_by).update(is_active=False)
    elif how == "made by a closed account":
        User.objects.filter(pk=made.created_by_id).update(is_active=False)


@pytest.mark.parametrize(
    "how",
    ["used", "revoked", "expired", "made by somebody who is no lead any more", "made by a closed account"],
)
def test_a_link_that_has_ended_takes_nobody_in_and_reads_like_one_that_never_was(link, how):
    end(link, how)
    before = User.objects.count()
    never = Client().get("/join/never-was/")
    for answer in (Client().get(link), Client().post(link, {**FORM, "username": "second"})):
        assert answer.status_code == never.status_code == 410
        assert answer.context["message"] == never.context["message"]
    assert User.objects.count() == before


def test_a_name_that_is_taken_is_said_at_its_field_and_the_link_stays_open(link):
    User.objects.create_user("ada")
    answer = Client().post(link, FORM)
    assert answer.context["form"].errors == {"username": ["Somebody has this name already."]}
    assert Client().post(link, {**FORM, "username": "ada.l"}).status_code == 302


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"password": "short", "password_again": "short"}, "password"),
        ({"password_again": "another one, also long"}, "password_again"),
        ({"username": "a b"}, "username"),
        ({"username": "mei@example.org"}, "username"),
        ({"username": ""}, "username"),
    ],
)
def test_what_cannot_be_taken_is_said_at_its_field(link, change, field):
    answer = Client().post(link, {**FORM, **change})
    assert list(answer.context["form"].errors) == [field]
    assert Invitation.objects.get().accepted_at is None


def test_who_is_a_member_keeps_role_and_link(project, lead, link):
    token = link.split("/")[-2]
    with pytest.raises(NotNow, match="already"):
        invitations.accept(token, lead)
    former = build.member(project, "former", is_active=False).user
    with pytest.raises(NotNow, match="ended"):
        invitations.accept(token, former)
    assert Invitation.objects.get().accepted_at is None


def test_a_lead_cannot_invite_to_more_than_there_is(project, lead):
    for wrong in (
        {"role": "operator"},
        {"languages": ["???"]},
        {"days": 0},
        {"days": 91},
        {"note": "x" * 121},
    ):
        with pytest.raises(BadInput):
            invitations.invite(project, **{"role": Role.LABELER, "by": lead, **wrong})


def test_labelers_and_leads_elsewhere_cannot_invite_or_revoke(project, link):
    made = Invitation.objects.get()
    labeler = build.member(project, "labeler").user
    stranger = build.member(build.project("other"), "stranger", Role.LEAD).user
    for user, status in ((labeler, 403), (stranger, 404)):
        client = world.signed_in(user)
        assert client.post(f"/p/{project.public_id}/people/invite", {"role": "lead"}).status_code == status
        assert client.post(f"/invitations/{made.public_id}/revoke").status_code == status
    assert made.revoked_at is None


def test_a_lead_ends_memberships_and_starts_them_again_but_not_their_own(project, lead):
    ann = build.member(project, "ann")
    client = world.signed_in(lead)

    def set_active(person, active):
        return client.post(f"/p/{project.public_id}/people/{person}/active", {"active": active})

    set_active(ann.user.public_id, "0")
    assert not Membership.objects.get(pk=ann.pk).is_active
    assert world.signed_in(ann.user).get(f"/p/{project.public_id}/rank/").status_code == 404
    set_active(ann.user.public_id, "1")
    assert Membership.objects.get(pk=ann.pk).is_active
    assert verbs() == ["member.deactivated", "member.reactivated"]
    set_active(lead.public_id, "0")
    assert Membership.objects.get(user=lead).is_active
    stranger = build.member(build.project("other"), "stranger")
    for nobody in (stranger.user.public_id, "nobody"):
        assert set_active(nobody, "0").status_code == 404
    assert Membership.objects.get(pk=stranger.pk).is_active


def test_an_invitation_is_sent_where_e_mail_is_configured(project, lead, settings):
    settings.EMAIL = {"EMAIL_HOST": "mail.example.org"}
    form = {"role": "labeler", "days": 14, "email": "ada@example.org", "note": ""}
    answer = world.signed_in(lead).post(f"/p/{project.public_id}/people/invite", form)
    mail.sender.submit(lambda: None).result()  # after it, the one before it is sent
    assert outbox.outbox[0].to == ["ada@example.org"]
    assert answer.context["link"] in outbox.outbox[0].body


@pytest.mark.django_db(transaction=True)
def test_of_many_with_the_same_link_one_joins(project, lead):
    _made, token = invitations.invite(project, Role.LABELER, by=lead)

    def join(number):
        try:
            invitations.join(token, f"person{number}", None, display_name="")
            return True
        except ActionError:
            return False
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(join, range(24))) == 1
    assert Membership.objects.filter(project=project).count() == 2
    assert User.objects.filter(username__startswith="person").count() == 1


def test_the_last_word_on_membership_is_the_leads(project, lead):
    own = Membership.objects.get(user=lead)
    with pytest.raises(NotNow):
        projects.set_active(own, False, by=own)


def test_an_open_link_is_found_and_revoked_however_many_came_after_it(project, lead, link, monkeypatch):
    from labeling.pages import members

    monkeypatch.setattr(members, "PER_PAGE", 2)
    first = Invitation.objects.get()
    for _ in range(3):
        invitations.revoke(invitations.invite(project, Role.LABELER, by=lead)[0], actor=lead)
    client, address = world.signed_in(lead), f"/p/{project.public_id}/people/"
    page = client.get(address)
    assert page.context["invitations"][0]["invitation"] == first
    assert f'href="{address}?invitations=2"' in page.content.decode()
    assert len(client.get(address, {"invitations": 2}).context["invitations"]) == 2
    client.post(f"/invitations/{first.public_id}/revoke")
    assert Client().get(link).status_code == 410


def test_the_page_of_a_new_link_can_be_reloaded_by_its_address(project, lead):
    answer = world.signed_in(lead).get(f"/p/{project.public_id}/people/invite")
    assert answer["Location"] == f"/p/{project.public_id}/people/"
