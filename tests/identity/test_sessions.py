"""Sessions begin anew at sign-in and at a new password, and end when their owner says so."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest
from django.conf import settings
from django.test import Client

from labeling.actions import people, tokens
from labeling.models import AuditEvent, User

pytestmark = pytest.mark.django_db
PASSWORD = "a long enough one"


@pytest.fixture
def mei():
    return User.objects.create_user("mei", password=PASSWORD)


def signed_in(client=None, **form):
    client = client or Client()
    answer = client.post("/sign-in/", {"username": "mei", "password": PASSWORD, **form})
    assert answer.status_code == 302, answer.content
    return client


def key(client):
    return client.cookies[settings.SESSION_COOKIE_NAME].value


def is_in(client):
    return client.get("/").status_code == 200


def test_a_session_that_somebody_planted_is_worth_nothing_after_sign_in(mei):
    attacker = Client()
    session = attacker.session
    session["planted"] = True
    session.save()
    victim = Client()
    victim.cookies[settings.SESSION_COOKIE_NAME] = session.session_key
    signed_in(victim)
    assert key(victim) != session.session_key
    attacker.cookies[settings.SESSION_COOKIE_NAME] = session.session_key
    assert is_in(victim)
    assert not is_in(attacker)


def test_a_new_password_renews_this_session_and_ends_the_others(mei):
    here, there = signed_in(), signed_in()
    before = key(here)
    form = {
        "old_password": PASSWORD,
        "new_password1": "quite another one",
        "new_password2": "quite another one",
    }
    assert here.post("/account/password/", form).status_code == 302
    assert key(here) != before
    assert is_in(here)
    assert not is_in(there)


def test_signing_out_everywhere_keeps_the_session_that_asks(mei):
    here, there = signed_in(), signed_in()
    assert here.post("/account/sessions/end").status_code == 302
    assert is_in(here)
    assert not is_in(there)
    assert AuditEvent.objects.filter(verb="user.signed_out_everywhere", subject=mei.public_id).count() == 1


def test_signing_out_everywhere_revokes_the_tokens_too_where_the_box_is_ticked(mei):
    here, (_made, secret) = signed_in(), tokens.create(mei, "a script")
    assert 'name="tokens" checked' in here.get("/account/").content.decode()
    here.post("/account/sessions/end")
    assert tokens.find(secret) is not None
    here.post("/account/sessions/end", {"tokens": "on"})
    assert tokens.find(secret) is None
    assert 'name="tokens"' not in here.get("/account/").content.decode()


def test_a_reset_by_an_operator_ends_every_session_and_token(mei):
    here, (_made, secret) = signed_in(), tokens.create(mei, "a script")
    other = tokens.create(User.objects.create(username="bo"), "theirs")[1]
    people.reset_password(mei)
    assert not is_in(here)
    assert tokens.find(secret) is None
    assert tokens.find(other) is not None


def test_signing_in_leads_on_within_this_site_only(mei):
    client = Client()
    form = {"username": "mei", "password": PASSWORD}
    assert client.post("/sign-in/", {**form, "next": "/account/"})["Location"] == "/account/"
    for elsewhere in ("https://evil.example/", "//evil.example/", "javascript:alert(1)"):
        assert Client().post("/sign-in/", {**form, "next": elsewhere})["Location"] == "/"


def comes_back_to(address, referer=""):
    """Where a form that was posted after the session had ended leads on, through the sign-in page."""
    answer = Client().post(address, headers={"Referer": referer} if referer else {})
    return parse_qs(urlsplit(answer["Location"]).query)["next"][0]


def test_after_a_form_one_comes_back_to_the_page_that_it_stood_on(mei):
    page = "/p/x/people/?page=2"
    assert comes_back_to("/account/sessions/end", f"http://testserver{page}") == page
    assert comes_back_to("/account/sessions/end") == "/"
    for elsewhere in ("https://evil.example/x", "http://testserver.evil.example/", "javascript:alert(1)"):
        assert comes_back_to("/account/sessions/end", elsewhere) == "/"
    client = Client()
    client.post("/account/sessions/end")
    assert signed_in(client, next="/").get("/").status_code == 200


def test_a_closed_account_and_a_wrong_password_read_the_same(mei):
    User.objects.create_user("closed", password=PASSWORD, is_active=False)
    errors = {
        str(Client().post("/sign-in/", {"username": name, "password": word}).context["form"].errors)
        for name, word in (("closed", PASSWORD), ("mei", "wrong"), ("nobody", "wrong"))
    }
    assert len(errors) == 1


def test_nobody_can_sign_up(mei):
    for address in ("/signup/", "/accounts/signup/", "/accounts/login/", "/account/signup/"):
        assert Client().get(address).status_code == 404
