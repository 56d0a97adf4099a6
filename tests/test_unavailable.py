"""Without a database nothing is broken: 503 and when to come back, whoever asks and by what."""

from __future__ import annotations

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client

from tests import build
from tests.api.callers import Script

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def ann():
    return build.member(build.project(), "ann").user


@pytest.fixture
def session(ann):
    client = Client(raise_request_exception=False)
    client.force_login(ann)
    return client


@pytest.fixture
def lost(ann, session, monkeypatch):
    """From here on the database's host cannot be reached."""

    def lose():
        connection.close()
        monkeypatch.setitem(connection.settings_dict, "HOST", "127.0.0.1")
        monkeypatch.setitem(connection.settings_dict, "PORT", "1")

    yield lose
    connection.close()
    monkeypatch.undo()


def unavailable(answer):
    assert (answer.status_code, answer["Retry-After"]) == (503, "2")
    return answer


def test_the_api_says_so_to_a_session_and_to_a_token(lost, session, ann):
    script = Script(ann)
    script.client.raise_request_exception = False
    lost()
    for answer in (session.get("/api/me"), script.get("me"), session.get("/api/projects")):
        assert unavailable(answer).json()["error"]["code"] == "unavailable"


def test_a_page_says_so_in_words_in_the_readers_language(lost, session):
    lost()
    english = unavailable(session.get("/")).content.decode()
    assert "One moment, please" in english
    session.cookies["language"] = "zh-hans"
    chinese = unavailable(session.get("/"))
    assert "请稍候" in chinese.content.decode()
    assert 'lang="zh-Hans"' in chinese.content.decode()


def test_so_does_the_sign_in_page_to_who_has_no_session_yet(lost):
    client = Client(raise_request_exception=False)
    lost()
    unavailable(client.post("/sign-in/", {"username": "ann", "password": "x"}))


def test_another_fault_of_ours_is_still_500(session, monkeypatch):
    monkeypatch.setattr("labeling.access.projects", lambda user: 1 / 0)
    assert session.get("/").status_code == 500


def test_a_session_is_as_good_as_before_once_the_database_is_back(lost, session, monkeypatch):
    lost()
    unavailable(session.get("/"))
    connection.close()
    monkeypatch.undo()
    assert session.get("/").status_code == 200
    assert settings.SESSION_COOKIE_NAME in session.cookies
