"""Coming in by a token: no cookie, no CSRF, and a clear no for one that is not good."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from labeling.actions import tokens
from labeling.models import ApiToken, User
from tests import build
from tests.api.callers import Script

pytestmark = pytest.mark.django_db


@pytest.fixture
def project():
    return build.project()


@pytest.fixture
def script(project):
    return Script(build.member(project, "ann").user)


def test_a_script_works_as_its_owner_without_cookie_or_csrf(project, script):
    build.rank_items(project, 1)
    me = script.get("me").json()
    assert (me["username"], me["token"]) == ("ann", {"name": "a script", "expires_at": None})
    assert script.post(f"projects/{project.public_id}/next", {"kind": "rank"}).json()["assignment"]


@pytest.mark.parametrize("spoil", ["wrong", "revoked", "expired", "closed account"])
def test_a_token_that_is_not_good_is_401_and_says_how_to_come_in(script, spoil):
    if spoil == "wrong":
        script.client.defaults["HTTP_AUTHORIZATION"] = f"Bearer {script.secret[:-1]}"
    elif spoil == "revoked":
        tokens.revoke(script.made)
    elif spoil == "expired":
        ApiToken.objects.update(expires_at="2020-01-01T00:00Z")
    else:
        User.objects.update(is_active=False)
    answer = script.get("me")
    assert answer.status_code == 401
    assert answer["WWW-Authenticate"].startswith("Bearer")
    assert answer.json()["error"]["code"] == "bad_token"


def test_a_bad_token_is_refused_even_beside_a_good_session(script):
    client = Client(headers={"Authorization": "Bearer rl_wrong"})
    client.force_login(script.user)
    assert client.get("/api/me").status_code == 401


def test_a_one_time_password_must_be_replaced_first_and_the_api_says_so_in_json(script):
    User.objects.update(must_change_password=True)
    session = Client()
    session.force_login(script.user)
    for answer in (script.get("me"), session.get("/api/me")):
        assert answer.status_code == 403
        assert answer.json()["error"]["code"] == "password_change_required"


def test_a_token_opens_no_page_and_makes_no_token(script):
    for answer in (
        script.client.get(reverse("tokens")),
        script.client.post(reverse("tokens"), {"name": "another"}),
    ):
        assert answer.status_code in (302, 403)
    assert ApiToken.objects.count() == 1


def signed_in(client, user):
    """By the password, a moment ago."""
    user.set_password("a long enough one")
    user.save()
    client.post("/sign-in/", {"username": user.username, "password": "a long enough one"})


def test_an_old_session_makes_a_token_only_by_who_knows_the_password(client, script):
    signed_in(Client(), script.user)
    client.force_login(script.user)  # a session that does not say when the password was typed
    again = client.post(reverse("tokens"), {"name": "export", "days": "30"})["Location"]
    assert again.startswith("/account/again/?next=")
    assert client.post(again, {"password": "wrong"}).status_code == 200
    assert ApiToken.objects.count() == 1
    assert tokens.find(client.post(again, {"password": "a long enough one"}).context["secret"]) is not None


def test_the_page_shows_a_new_token_once_and_revokes_it(client, script):
    signed_in(client, script.user)
    made = client.post(reverse("tokens"), {"name": "export", "days": "30"})
    secret = made.context["secret"]
    assert secret in made.content.decode()
    assert "no-store" in made["Cache-Control"]
    assert secret not in client.get(reverse("tokens")).content.decode()
    assert tokens.find(secret) is not None
    newest = ApiToken.objects.get(name="export")
    client.post(reverse("revoke-token", args=[newest.public_id]))
    assert tokens.find(secret) is None


def test_a_name_is_wanted_and_the_page_says_so(client, script):
    signed_in(client, script.user)
    answer = client.post(reverse("tokens"), {"name": "\u200b ", "days": "7"})
    assert set(answer.context["form"].errors) == {"days"}
    assert client.post(reverse("tokens"), {"name": " "}).context["form"].errors["name"]
    assert ApiToken.objects.count() == 1
