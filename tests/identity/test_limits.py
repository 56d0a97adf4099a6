"""Passwords cannot be guessed faster than the limits allow, and guessing shuts out no owner."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import requests
from django.db import connection
from django.db.models import F
from django.test import Client

from labeling.actions import limits, sign_in
from labeling.models import SignInAttempt, User

PASSWORD = "a long enough one"
HERE, THERE = "203.0.113.7", "198.51.100.9"


@pytest.fixture
def mei(db):
    return User.objects.create_user("mei", password=PASSWORD)


def guess(times, address=HERE, name="mei"):
    for number in range(times):
        assert sign_in.check_password(name, f"guess {number}", address) is None


def later(**time):
    """Every count is so much older."""
    SignInAttempt.objects.update(since=F("since") - timedelta(**time))


def too_many(name="mei", address=HERE, password=PASSWORD):
    with pytest.raises(limits.TooMany) as caught:
        sign_in.check_password(name, password, address)
    return caught.value


def test_after_eight_wrong_passwords_from_one_address_even_the_right_one_must_wait(mei):
    guess(8)
    refusal = too_many()
    assert 590 <= refusal.data["seconds"] <= 600
    assert refusal.message == "Too many attempts. Try again in 10 minutes."
    later(seconds=601)
    assert sign_in.check_password("mei", PASSWORD, HERE) == mei


def test_ten_tries_in_all_from_addresses_that_are_new_to_the_account(mei):
    for number in range(10):
        guess(1, f"192.0.2.{number}")
    too_many(address=THERE)


def test_where_the_owner_signs_in_they_are_not_shut_out_by_guessing_elsewhere(mei):
    assert sign_in.check_password("mei", PASSWORD, HERE) == mei
    for number in range(10):
        guess(1, f"192.0.2.{number}")
    too_many(address=THERE)
    assert sign_in.check_password("mei", PASSWORD, HERE) == mei


def test_the_right_password_takes_back_the_mistakes_before_it(mei):
    for _ in range(5):
        guess(7)
        assert sign_in.check_password("mei", PASSWORD, HERE) == mei


def test_an_account_is_the_same_under_each_of_its_names(mei):
    from allauth.account.models import EmailAddress

    EmailAddress.objects.create(user=mei, email="mei@example.org", verified=True, primary=True)
    assert sign_in.check_password("Mei@Example.org", PASSWORD, HERE) == mei
    assert sign_in.check_password("MEI", PASSWORD, HERE) == mei
    guess(4, name="mei@example.org")
    guess(4, name="mei")
    too_many()


def test_an_address_that_was_not_confirmed_signs_nobody_in(mei):
    from allauth.account.models import EmailAddress

    EmailAddress.objects.create(user=mei, email="mei@example.org", verified=False, primary=True)
    assert sign_in.check_password("mei@example.org", PASSWORD, HERE) is None


def test_a_name_that_nobody_has_is_limited_alike(mei):
    guess(8, name="nobody")
    assert too_many("nobody").message == "Too many attempts. Try again in 10 minutes."


def test_one_address_cannot_try_many_names(mei):
    for number in range(100):
        guess(1, name=f"name {number}")
    too_many()
    assert sign_in.check_password("mei", PASSWORD, THERE) == mei


def test_nothing_that_was_typed_is_stored(mei):
    guess(1, name="my password by mistake")
    assert all(len(row.key) == 64 and row.key.isalnum() for row in SignInAttempt.objects.all())


def test_old_counts_are_forgotten_and_known_addresses_kept_for_a_month(mei, monkeypatch):
    monkeypatch.setattr(limits, "FORGET_ONCE_IN", 1)
    guess(1, THERE)
    sign_in.check_password("mei", PASSWORD, HERE)
    later(days=2)
    assert SignInAttempt.objects.count() == 5
    guess(1, "192.0.2.1", name="somebody else")
    assert SignInAttempt.objects.filter(since__lt=F("succeeded_at")).count() == 1
    SignInAttempt.objects.update(succeeded_at=F("succeeded_at") - timedelta(days=31))
    guess(1, "192.0.2.2", name="somebody else")
    assert not SignInAttempt.objects.filter(succeeded_at__isnull=False).exists()


# --- at the door ---------------------------------------------------------------------------------------


@pytest.fixture
def checked(monkeypatch):
    """How many passwords of accounts were really verified."""
    seen = []
    verify = User.check_password

    def counting(user, password):
        seen.append(password)
        return verify(user, password)

    monkeypatch.setattr(User, "check_password", counting)
    return seen


def test_the_sign_in_page_says_when_to_come_back(mei, client):
    for _ in range(8):
        assert client.post("/sign-in/", {"username": "mei", "password": "wrong"}).status_code == 200
    answer = client.post("/sign-in/", {"username": "mei", "password": PASSWORD})
    assert answer.status_code == 429
    assert 590 <= int(answer["Retry-After"]) <= 600
    assert "Try again in 10 minutes." in answer.content.decode()


def test_the_old_password_cannot_be_guessed_where_it_is_changed(mei, client, checked):
    client.force_login(mei)
    new = {"new_password1": "quite another one", "new_password2": "quite another one"}
    answers = [
        client.post("/account/password/", {"old_password": f"guess {number}", **new}) for number in range(40)
    ]
    assert [answer.status_code for answer in answers] == [200] * 8 + [429] * 32
    assert len(checked) == 8
    assert int(answers[-1]["Retry-After"]) > 500
    assert client.post("/account/password/", {"old_password": PASSWORD, **new}).status_code == 429
    later(seconds=601)
    assert client.post("/account/password/", {"old_password": PASSWORD, **new})["Location"] == "/account/"


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("addresses", [1, 1000])
def test_of_a_thousand_guesses_at_once_ten_at_most_are_verified(live_server, checked, settings, addresses):
    import ipaddress

    settings.TRUSTED_PROXIES = [ipaddress.ip_network("127.0.0.1")]
    User.objects.create_user("mei", password=PASSWORD)
    checked.clear()
    form = Client().get("/sign-in/")  # one CSRF cookie and token serve all of them
    cookie = form.cookies[settings.CSRF_COOKIE_NAME].value
    cookies = {settings.CSRF_COOKIE_NAME: cookie}

    def try_one(number):
        place = number % addresses
        answer = requests.post(
            f"{live_server.url}/sign-in/",
            data={"username": "mei", "password": f"guess {number}", "csrfmiddlewaretoken": cookie},
            headers={"X-Forwarded-For": f"10.9.{place // 250}.{place % 250}"},
            cookies=cookies,
            allow_redirects=False,
            timeout=60,
        )
        assert answer.status_code == (429 if "Retry-After" in answer.headers else 200)
        return answer.status_code, "Too many attempts" in answer.text

    with ThreadPoolExecutor(40) as pool:
        answers = list(pool.map(try_one, range(1000)))
    assert all(status == (429 if limited else 200) for status, limited in answers)
    assert 1 <= len(checked) <= 10
    assert sum(limited for _status, limited in answers) == 1000 - len(checked)


@pytest.mark.django_db(transaction=True)
def test_the_limit_holds_between_connections_that_count_at_the_same_moment(db):
    limit = limits.Limit("test", most=7, seconds=60)

    def one(_number):
        try:
            limits.take(limit, "x")
            return True
        except limits.TooMany:
            return False
        finally:
            connection.close()

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(one, range(200))) == 7


@pytest.mark.parametrize(
    ("remote", "forwarded", "client"),
    [
        ("203.0.113.7", "10.0.0.1", "203.0.113.7"),  # no proxy of ours: what it says is ignored
        ("127.0.0.1", "", "127.0.0.1"),
        ("127.0.0.1", "203.0.113.7", "203.0.113.7"),
        ("127.0.0.1", "1.2.3.4, 203.0.113.7", "203.0.113.7"),  # what the client wrote itself is not believed
        ("127.0.0.1", "1.2.3.4, 203.0.113.7, 10.0.0.2", "203.0.113.7"),
        ("127.0.0.1", "1.2.3.4, nonsense", "127.0.0.1"),
        ("127.0.0.1", "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("::ffff:127.0.0.1", "203.0.113.7", "203.0.113.7"),
        ("", "203.0.113.7", "-"),
    ],
)
def test_the_address_of_the_client(rf, settings, remote, forwarded, client):
    import ipaddress

    from labeling.address import client_address

    settings.TRUSTED_PROXIES = [ipaddress.ip_network("127.0.0.1"), ipaddress.ip_network("10.0.0.0/8")]
    request = rf.get("/", REMOTE_ADDR=remote, HTTP_X_FORWARDED_FOR=forwarded)
    assert client_address(request) == client
