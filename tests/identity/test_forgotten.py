"""A forgotten password: one answer for every address, and a link that is good for once."""

from __future__ import annotations

import re

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.core import mail as outbox
from django.test import Client

from labeling.actions import tokens
from labeling.identity import mail
from labeling.models import AuditEvent, User

pytestmark = pytest.mark.django_db
PASSWORD, NEW = "a long enough one", "quite another one"


@pytest.fixture
def sends(settings):
    settings.EMAIL = {"EMAIL_HOST": "mail.example.org"}


@pytest.fixture
def mei(sends):
    user = User.objects.create_user("mei", password="one-time-one", must_change_password=True)
    EmailAddress.objects.create(user=user, email="mei@example.org", verified=True, primary=True)
    return user


def ask(email, client=None):
    return (client or Client()).post("/password/forgotten/", {"email": email}, follow=True)


def letters():
    mail.sender.submit(lambda: None).result()
    return outbox.outbox


def link(letter):
    return re.search(r"http://testserver(/\S+)", letter.body).group(1)


def test_a_link_makes_a_new_password_once(mei):
    ask("Mei@example.org")
    (letter,) = letters()
    assert letter.to == ["mei@example.org"]
    address = link(letter)
    client = Client()
    page = client.get(address, follow=True)
    hidden = page.redirect_chain[-1][0]
    assert "set-password" in hidden  # the key leaves the address before anything else is loaded
    assert client.post(hidden, {"password1": "short", "password2": "short"}).status_code == 200
    assert client.post(hidden, {"password1": NEW, "password2": NEW})["Location"] == "/sign-in/"
    mei.refresh_from_db()
    assert mei.check_password(NEW)
    assert not mei.must_change_password
    assert AuditEvent.objects.filter(verb="password.changed", subject=mei.public_id).count() == 1
    assert Client().get(address, follow=True).context["token_fail"]


def test_a_new_password_by_a_link_revokes_the_tokens(mei):
    _made, secret = tokens.create(mei, "a script")
    ask("mei@example.org")
    client = Client()
    hidden = client.get(link(letters()[0]), follow=True).redirect_chain[-1][0]
    client.post(hidden, {"password1": NEW, "password2": NEW})
    assert tokens.find(secret) is None
    assert AuditEvent.objects.get(verb="token.revoked").actor == mei


def test_the_answer_does_not_tell_who_has_an_account(mei):
    known, unknown = ask("mei@example.org"), ask("nobody@example.org")
    assert known.redirect_chain == unknown.redirect_chain
    token = re.compile(rb'name="csrfmiddlewaretoken" value="\w+"|nonce="[^"]+"')
    assert token.sub(b"", known.content) == token.sub(b"", unknown.content)
    assert len(letters()) == 1


def test_an_address_that_was_not_confirmed_gets_nothing(mei):
    EmailAddress.objects.update(verified=False)
    User.objects.update(email="mei@example.org")
    ask("mei@example.org")
    assert letters() == []


def test_a_closed_account_gets_nothing(mei):
    User.objects.update(is_active=False)
    ask("mei@example.org")
    assert letters() == []


def test_one_address_is_written_to_five_times_an_hour(mei):
    for _ in range(5):
        ask("mei@example.org")
    assert "Too many attempts" in str(ask("mei@example.org").context["form"].errors)
    assert len(letters()) == 5


def test_a_new_password_does_not_take_the_second_factor_away(mei):
    Authenticator.objects.create(user=mei, type="totp", data={"secret": "x"})
    ask("mei@example.org")
    client = Client()
    hidden = client.get(link(letters()[0]), follow=True).redirect_chain[-1][0]
    client.post(hidden, {"password1": NEW, "password2": NEW})
    answer = Client().post("/sign-in/", {"username": "mei", "password": NEW})
    assert answer["Location"] == "/sign-in/code/"


def test_without_e_mail_the_page_says_whom_to_ask(db):
    page = Client().get("/password/forgotten/")
    assert "one-time password" in page.content.decode()
    Client().post("/password/forgotten/", {"email": "mei@example.org"})
    assert letters() == []


def test_an_address_is_added_and_confirmed_by_its_owner(sends, db):
    bo = User.objects.create_user("bo", password=PASSWORD)
    client = Client()
    client.post("/sign-in/", {"username": "bo", "password": PASSWORD})
    client.post("/account/email/", {"action_add": "1", "email": "Bo@example.org"})
    address = EmailAddress.objects.get(user=bo)
    assert (address.email, address.verified) == ("bo@example.org", False)
    confirm = link(letters()[0])
    assert Client().get(confirm).status_code == 200
    address.refresh_from_db()
    assert not address.verified  # looking at a link confirms nothing
    client.post(confirm)
    address.refresh_from_db()
    assert address.verified
    assert Client().post("/sign-in/", {"username": "bo@example.org", "password": PASSWORD}).status_code == 302
