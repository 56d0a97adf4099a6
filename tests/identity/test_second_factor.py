"""A code from an app, once; recovery codes; and who must have them."""

from __future__ import annotations

import base64
import time

import pytest
from allauth.mfa.models import Authenticator
from django.test import Client

from labeling.actions import limits, sign_in
from labeling.models import AuditEvent, Role, User
from tests import build

pytestmark = pytest.mark.django_db
PASSWORD = "a long enough one"
SECRET = base64.b32encode(b"12345678901234567890").decode()


@pytest.mark.parametrize(
    ("seconds", "code"),
    # RFC 6238, appendix B (SHA-1), the last six of its eight digits.
    [(59, "287082"), (1111111109, "081804"), (1234567890, "005924"), (20000000000, "353130")],
)
def test_codes_are_those_of_the_standard(seconds, code):
    assert sign_in.app_code(SECRET, seconds // 30) == code


@pytest.fixture
def mei():
    return User.objects.create_user("mei", password=PASSWORD)


def sign_in_as(name="mei"):
    client = Client()
    return client, client.post("/sign-in/", {"username": name, "password": PASSWORD})


def now(secret):
    return sign_in.app_code(secret, int(time.time()) // 30)


def set_up(client):
    """Turn the second factor on; its secret and recovery codes."""
    page = client.get("/account/second-factor/")
    secret = page.context["secret"].replace(" ", "")
    assert secret in page.context["totp_url"]
    answer = client.post("/account/second-factor/", {"code": now(secret)}, follow=True)
    assert answer.redirect_chain[-1][0] == "/account/recovery-codes/", answer.content
    return secret, answer.context["unused_codes"]


@pytest.mark.django_db(transaction=True)
def test_it_is_set_up_used_and_turned_off(mei):
    client, _answer = sign_in_as()
    secret, codes = set_up(client)
    assert len(codes) == 10

    client, answer = sign_in_as()
    assert answer["Location"] == "/sign-in/code/"
    assert client.get("/").status_code == 302  # the password alone opens nothing
    assert client.post("/sign-in/code/", {"code": "000000"}).status_code == 200
    code = now(secret)
    assert client.post("/sign-in/code/", {"code": code})["Location"] == "/"
    assert client.get("/").status_code == 200

    other, _answer = sign_in_as()
    assert other.post("/sign-in/code/", {"code": code}).status_code == 200  # a code is good for once
    assert other.post("/sign-in/code/", {"code": codes[0]})["Location"] == "/"
    another, _answer = sign_in_as()
    assert another.post("/sign-in/code/", {"code": codes[0]}).status_code == 200

    assert other.post("/account/second-factor/off/").status_code == 302
    assert not Authenticator.objects.exists()
    assert sign_in_as()[1]["Location"] == "/"
    verbs = ["second_factor.added", "second_factor.removed"]
    assert (
        list(AuditEvent.objects.filter(verb__in=verbs).order_by("pk").values_list("verb", flat=True)) == verbs
    )


def test_its_secret_is_not_stored_in_clear(mei):
    client, _answer = sign_in_as()
    secret, _codes = set_up(client)
    assert secret not in str(Authenticator.objects.get(type="totp").data)


def test_a_secret_of_another_installation_lets_nobody_in_and_breaks_nothing(mei, settings):
    client, _answer = sign_in_as()
    secret, codes = set_up(client)
    settings.SECRET_KEY = "x" * 60
    client, _answer = sign_in_as()
    for code in (now(secret), codes[0]):
        assert client.post("/sign-in/code/", {"code": code}).status_code == 200


def test_codes_cannot_be_guessed(mei):
    client, _answer = sign_in_as()
    secret, codes = set_up(client)
    client, _answer = sign_in_as()
    for number in range(6):
        client.post("/sign-in/code/", {"code": f"{number:06}"})
    refused = client.post("/sign-in/code/", {"code": codes[0]})
    assert "Too many attempts" in str(refused.context["form"].errors)
    with pytest.raises(limits.TooMany):
        sign_in.check_code(mei, now(secret))


def test_an_old_session_must_show_who_it_is_before_it_changes_anything(mei):
    client = Client()
    client.force_login(mei)
    for address in ("/account/second-factor/", "/account/recovery-codes/new/"):
        assert client.get(address)["Location"].startswith("/account/again/?next="), address
    assert client.post("/account/again/", {"password": "wrong"}).status_code == 200
    answer = client.post("/account/again/?next=/account/second-factor/", {"password": PASSWORD})
    assert answer["Location"] == "/account/second-factor/"
    assert client.get("/account/second-factor/").status_code == 200


def test_leads_and_operators_can_be_required_to_have_one(mei, settings):
    settings.REQUIRE_SECOND_FACTOR = ["lead", "operator"]
    project = build.project()
    build.member(project, "mei", Role.LEAD)
    User.objects.filter(pk=mei.pk).update(is_staff=True)
    pages = (f"/p/{project.public_id}/", "/admin/", f"/p/{project.public_id}/people/")
    client, _answer = sign_in_as()
    assert client.get("/").status_code == 200
    assert client.get(f"/p/{project.public_id}/guidelines/").status_code == 200
    for page in pages:
        assert client.get(page)["Location"] == "/account/second-factor/"
    set_up(client)
    for page in pages[1:]:
        assert client.get(page).status_code == 200


def test_who_may_not_enter_anyway_is_not_asked_for_one(mei, settings):
    settings.REQUIRE_SECOND_FACTOR = ["lead", "operator"]
    project = build.project()
    client, _answer = sign_in_as()
    addresses = [f"/p/{project.public_id}/", f"/api/projects/{project.public_id}/prompts"]
    assert [client.get(address).status_code for address in addresses] == [404, 404]
    member = build.member(project, "mei")
    assert [client.get(address).status_code for address in addresses] == [403, 403]
    member.role = Role.LEAD
    member.save()
    assert client.get(addresses[0])["Location"] == "/account/second-factor/"
    assert client.get(addresses[1]).json()["error"]["code"] == "second_factor_required"


def test_labelers_are_not_required_to(mei, settings):
    settings.REQUIRE_SECOND_FACTOR = ["lead"]
    project = build.project()
    build.member(project, "mei")
    client, _answer = sign_in_as()
    assert client.get(f"/p/{project.public_id}/rank/").status_code == 200


def test_who_lost_it_is_helped_by_an_operator(mei):
    from django.core.management import call_command

    client, _answer = sign_in_as()
    set_up(client)
    call_command("reset_password", "mei", "--second-factor")
    assert not Authenticator.objects.exists()
