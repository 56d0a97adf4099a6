"""Signing in through a real OpenID provider: who comes in, who does not, and what is refused on the way."""

from __future__ import annotations

import time
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from cryptography.hazmat.primitives.asymmetric import rsa
from django.test import Client

from labeling.actions import invitations, people
from labeling.identity import oidc
from labeling.models import AuditEvent, Membership, Role, User
from tests import build

pytestmark = pytest.mark.django_db
PASSWORD = "a long enough one"


def leave(client, **form):
    """The provider's address that our page sends the browser to."""
    answer = client.post("/sign-in/with/lab/", form)
    assert answer.status_code == 200, answer.content
    return answer.context["address"]


def come(openid, sub, client=None, **form):
    """Sign in through the provider, from our button until we answer."""
    client = client or Client()
    return client, client.get(openid.approve(leave(client, **form), sub))


def is_in(client):
    return client.get("/").status_code == 200


def message(client):
    return str(next(iter(client.get("/sign-in/").context["messages"])))


@pytest.fixture
def mei():
    return User.objects.create_user("mei", password=PASSWORD)


def test_the_request_carries_state_nonce_and_pkce(openid):
    query = parse_qs(urlsplit(leave(Client())).query)
    assert query["response_type"] == ["code"]
    assert query["code_challenge_method"] == ["S256"]
    assert set(query["scope"][0].split()) == {"openid", "profile", "email"}
    assert all(len(query[name][0]) >= 16 for name in ("state", "nonce", "code_challenge"))


def test_somebody_unknown_is_turned_away(openid):
    sub = openid.person("stranger", email="stranger@example.org", email_verified=True)
    client, answer = come(openid, sub)
    assert answer.status_code == 403
    assert "nobody has invited you" in answer.content.decode()
    assert not is_in(client)
    assert not User.objects.exists()


def test_who_is_linked_comes_in(openid, mei):
    SocialAccount.objects.create(user=mei, provider="lab", uid=openid.person("mei-there"))
    client, answer = come(openid, "mei-there", next="/account/")
    assert answer["Location"] == "/account/"
    assert client.get("/account/").context["user"] == mei


def test_one_links_and_unlinks_ones_own_account(openid, mei):
    client = Client()
    client.post("/sign-in/", {"username": "mei", "password": PASSWORD})
    _client, answer = come(openid, openid.person("mei-two"), client)
    assert answer["Location"] == "/account/"
    assert is_in(come(openid, "mei-two")[0])
    client.post("/account/providers/lab/unlink")
    assert come(openid, "mei-two")[1].status_code == 403
    verbs = AuditEvent.objects.filter(subject=mei.public_id).order_by("pk").values_list("verb", flat=True)
    assert list(verbs) == ["provider.linked", "provider.unlinked"]


def test_a_link_that_is_the_only_way_in_stays(openid, mei):
    mei.set_unusable_password()
    mei.save()
    SocialAccount.objects.create(user=mei, provider="lab", uid=openid.person("mei-only"))
    client, _answer = come(openid, "mei-only")
    client.post("/account/providers/lab/unlink")
    assert SocialAccount.objects.filter(user=mei).exists()


def test_an_address_finds_an_account_only_where_both_sides_have_verified_it_and_the_provider_is_trusted(
    openid, mei
):
    address = EmailAddress.objects.create(user=mei, email="mei@example.org", verified=True, primary=True)
    verified = openid.person("mei-by-mail", email="Mei@example.org", email_verified=True)
    unverified = openid.person("mei-unsure", email="mei@example.org", email_verified=False)
    worded = openid.person("mei-worded", email="mei@example.org", email_verified="true")
    assert come(openid, verified)[1].status_code == 403  # not trusted
    openid.settings["trusted"] = True
    assert come(openid, unverified)[1].status_code == 403
    assert come(openid, worded)[1].status_code == 403
    EmailAddress.objects.update(verified=False)
    assert come(openid, verified)[1].status_code == 403
    address.verified = True
    address.save()
    client, answer = come(openid, verified)
    assert answer.status_code == 302
    assert client.get("/account/").context["user"] == mei
    mei.refresh_from_db()
    assert mei.has_usable_password()
    EmailAddress.objects.all().delete()
    assert is_in(come(openid, verified)[0])  # linked from then on


def test_an_invitation_makes_an_account_by_the_provider(openid):
    project = build.project()
    lead = build.member(project, "lin", Role.LEAD).user
    _made, token = invitations.invite(project, Role.LABELER, by=lead)
    sub = openid.person("ada-there", preferred_username="lin", name="Ada L.", email="ada@example.org")
    client, answer = come(openid, sub, next=f"/join/{token}/")
    assert answer["Location"] == "/"
    ada = Membership.objects.exclude(user=lead).get().user
    assert (ada.username, ada.get_full_name(), ada.has_usable_password()) == ("lin2", "Ada L.", False)
    assert is_in(client)
    assert not EmailAddress.objects.exists()
    assert is_in(come(openid, sub)[0])
    other = openid.person("late", name="Late")
    assert come(openid, other, next=f"/join/{token}/")[1]["Location"] == "/sign-in/"
    assert User.objects.count() == 2


def test_a_name_that_somebody_takes_at_that_very_moment_is_passed_over(openid, monkeypatch):
    openid.settings["open"] = True
    User.objects.create(username="LATE")
    find, found_before = people.free_name, ["late"]
    monkeypatch.setattr(
        people, "free_name", lambda wanted: found_before.pop() if found_before else find(wanted)
    )
    client, _answer = come(openid, openid.person("late-there", preferred_username="late"))
    assert client.get("/account/").context["user"].username == "late2"


def test_an_open_provider_lets_everybody_in_but_into_no_project(openid):
    openid.settings["open"] = True
    client, answer = come(openid, openid.person("anybody", preferred_username="anybody"))
    assert answer["Location"] == "/"
    assert is_in(client)
    assert not Membership.objects.exists()


def test_a_closed_account_stays_closed(openid, mei):
    SocialAccount.objects.create(user=mei, provider="lab", uid=openid.person("mei-closed"))
    User.objects.update(is_active=False)
    client, answer = come(openid, "mei-closed")
    assert answer["Location"] == "/sign-in/"
    assert not is_in(client)


def test_a_second_factor_is_asked_for_here_too(openid, mei):
    from tests.identity.test_second_factor import now, set_up, sign_in_as

    secret, _codes = set_up(sign_in_as()[0])
    SocialAccount.objects.create(user=mei, provider="lab", uid=openid.person("mei-factor"))
    client, answer = come(openid, "mei-factor")
    assert answer["Location"] == "/sign-in/code/"
    assert not is_in(client)
    client.post("/sign-in/code/", {"code": now(secret)})
    assert is_in(client)


# --- tampering -----------------------------------------------------------------------------------------


@pytest.fixture
def linked(openid, mei):
    SocialAccount.objects.create(user=mei, provider="lab", uid=openid.person("mei-linked"))
    return "mei-linked"


def refused(client, address):
    answer = client.get(address)
    assert answer["Location"] == "/sign-in/"
    assert "did not work" in message(client)
    assert not is_in(client)


def test_a_state_of_nobodys_or_of_another_browser_is_refused(openid, linked):
    client, other = Client(), Client()
    back = openid.approve(leave(client), linked)
    refused(other, back)
    refused(client, back.replace("state=", "state=x"))
    refused(client, back.partition("&state=")[0] if "&state=" in back else back.partition("?")[0])


def test_an_answer_is_good_for_once(openid, linked):
    client = Client()
    back = openid.approve(leave(client), linked)
    assert client.get(back).status_code == 302
    assert is_in(client)
    client.post("/sign-out/")
    refused(client, back)


def test_another_nonce_is_refused(openid, linked):
    client = Client()
    address = leave(client)
    nonce = parse_qs(urlsplit(address).query)["nonce"][0]
    refused(client, openid.approve(address.replace(nonce, "0" * len(nonce)), linked))


def test_a_code_of_another_sign_in_is_refused(openid, linked):
    """Somebody slips their own code into a victim's browser: the nonce tells the two apart."""
    attacker, victim = Client(), Client()
    theirs = openid.approve(leave(attacker), linked)
    mine = openid.approve(leave(victim), linked)
    code = parse_qs(urlsplit(theirs).query)["code"][0]
    state = parse_qs(urlsplit(mine).query)["state"][0]
    refused(victim, f"/sign-in/with/lab/back/?code={code}&state={state}")


@pytest.mark.parametrize("forgery", ["another key", "our own secret", "no signature"])
def test_a_forged_id_token_is_refused(openid, rf, forgery):
    key, algorithm = rsa.generate_private_key(public_exponent=65537, key_size=2048), "RS256"
    now = int(time.time())
    claims = {"iss": openid.url, "sub": "x", "aud": openid.settings["client_id"], "iat": now, "exp": now + 60}
    if forgery == "our own secret":
        key, algorithm = openid.settings["secret"] * 3, "HS256"
    elif forgery == "no signature":
        key, algorithm = None, "none"
    adapter = oidc.Adapter(rf.get("/"), "lab")
    adapter.verifier = "verifier"
    app = adapter.get_provider().app
    token = jwt.encode({**claims, "nonce": oidc.nonce_of("verifier")}, key, algorithm)
    with pytest.raises(OAuth2Error, match="ID token"):
        adapter._claims(app, token)


def test_a_refusal_there_leads_back_to_the_door(openid, linked):
    client = Client()
    refused(client, openid.deny(leave(client)))


def test_a_provider_that_does_not_answer_is_said_so(openid):
    openid.settings["server_url"] = "http://localhost:9"
    client = Client()
    assert client.post("/sign-in/with/lab/")["Location"] == "/sign-in/"
    assert "does not answer" in message(client)


def test_there_is_no_provider_that_was_not_configured(openid):
    assert Client().post("/sign-in/with/elsewhere/").status_code == 404
    assert Client().get("/sign-in/with/elsewhere/back/").status_code == 404


def test_the_way_out_is_a_post_from_our_own_page(openid):
    assert Client().get("/sign-in/with/lab/").status_code == 405
    assert Client(enforce_csrf_checks=True).post("/sign-in/with/lab/").status_code == 403
