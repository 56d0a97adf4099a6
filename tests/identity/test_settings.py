"""Settings of signing in: strictly read, and refused with the variable's name."""

from __future__ import annotations

import json

import pytest

from labeling import environment

LAB = {"id": "our-lab", "name": "Our lab", "server_url": "https://id.example.org", "client_id": "us"}


def providers(monkeypatch, *found, secret="s"):
    monkeypatch.setenv("RANKLOOP_OIDC", json.dumps(found))
    if secret:
        monkeypatch.setenv("RANKLOOP_OIDC_SECRET_OUR_LAB", secret)
    return environment.providers("RANKLOOP_OIDC")


def test_a_provider_and_its_secret_are_read(monkeypatch):
    assert providers(monkeypatch, {**LAB, "trusted": True}) == [{**LAB, "trusted": True, "secret": "s"}]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"trusted": "yes"}, "trusted"),
        ({"secret": "x"}, "secret"),
        ({"server_url": "http://id.example.org"}, "https"),
        ({"server_url": "id.example.org"}, "https"),
        ({"id": "Our Lab"}, "id"),
        ({"client_id": ""}, "client_id"),
        ({"name": 3}, "name"),
    ],
)
def test_a_provider_that_cannot_be_used_is_refused(monkeypatch, change, named):
    with pytest.raises(environment.BadEnvironment, match=named):
        providers(monkeypatch, {**LAB, **change})


def test_a_provider_without_its_secret_and_two_of_one_id_are_refused(monkeypatch):
    with pytest.raises(environment.BadEnvironment, match="RANKLOOP_OIDC_SECRET_OUR_LAB"):
        providers(monkeypatch, LAB, secret="")
    with pytest.raises(environment.BadEnvironment, match="same id"):
        providers(monkeypatch, LAB, LAB)


@pytest.mark.parametrize("value", ["{", "{}", "[1]"])
def test_what_is_no_list_of_providers_is_refused(monkeypatch, value):
    monkeypatch.setenv("RANKLOOP_OIDC", value)
    with pytest.raises(environment.BadEnvironment, match="RANKLOOP_OIDC"):
        environment.providers("RANKLOOP_OIDC")


def test_a_mail_server_is_read(monkeypatch):
    monkeypatch.setenv("RANKLOOP_EMAIL_URL", "smtp+starttls://me:a%40b@mail.example.org")
    monkeypatch.setenv("RANKLOOP_EMAIL_FROM", "Rankloop <r@example.org>")
    read = environment.email("RANKLOOP_EMAIL_URL")
    assert (read["EMAIL_HOST"], read["EMAIL_PORT"]) == ("mail.example.org", 587)
    assert (read["EMAIL_HOST_USER"], read["EMAIL_HOST_PASSWORD"]) == ("me", "a@b")
    assert (read["EMAIL_USE_TLS"], read["EMAIL_USE_SSL"]) == (True, False)


@pytest.mark.parametrize("url", ["mail.example.org", "smtp://", "smtps://h:x", "smtps://h/path", "http://h"])
def test_what_is_no_mail_server_is_refused(monkeypatch, url):
    monkeypatch.setenv("RANKLOOP_EMAIL_URL", url)
    monkeypatch.setenv("RANKLOOP_EMAIL_FROM", "r@example.org")
    with pytest.raises(environment.BadEnvironment, match="RANKLOOP_EMAIL_URL"):
        environment.email("RANKLOOP_EMAIL_URL")


def test_a_mail_server_needs_a_sender(monkeypatch):
    monkeypatch.setenv("RANKLOOP_EMAIL_URL", "smtps://mail.example.org")
    with pytest.raises(environment.BadEnvironment, match="RANKLOOP_EMAIL_FROM"):
        environment.email("RANKLOOP_EMAIL_URL")


def test_proxies_and_choices_are_checked(monkeypatch):
    monkeypatch.setenv("RANKLOOP_PROXIES", "10.0.0.0/8, ::1")
    assert [str(one) for one in environment.networks("RANKLOOP_PROXIES")] == ["10.0.0.0/8", "::1/128"]
    monkeypatch.setenv("RANKLOOP_PROXIES", "10.0.0.1/8")
    with pytest.raises(environment.BadEnvironment, match="RANKLOOP_PROXIES"):
        environment.networks("RANKLOOP_PROXIES")
    monkeypatch.setenv("RANKLOOP_REQUIRE_MFA", "lead,boss")
    with pytest.raises(environment.BadEnvironment, match="boss"):
        environment.choices("RANKLOOP_REQUIRE_MFA", ("lead", "operator"))
