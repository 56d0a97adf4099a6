"""The summary of a week: to whom it goes, and that it goes once."""

from __future__ import annotations

import datetime

import pytest
from allauth.account.models import EmailAddress
from django.core import mail as outbox
from django.db import connection

from labeling.actions import care, labelers, queue, rankings
from labeling.identity import mail, weekly
from labeling.models import Kind, Membership
from tests import build

pytestmark = pytest.mark.django_db


@pytest.fixture
def ann(settings):
    """Somebody who ranked an item last week, and wants to be told."""
    settings.EMAIL = {"EMAIL_HOST": "mail.example.org"}
    project = build.project()
    build.rank_items(project, 1)
    member = build.member(project, "ann")
    held = queue.claim(member, Kind.RANK)
    rankings.submit(held, build.answer(held), build.key())
    with connection.cursor() as cursor:
        cursor.execute("UPDATE labeling_ranking SET created_at = created_at - interval '7 days'")
    EmailAddress.objects.create(user=member.user, email="ann@example.org", verified=True, primary=True)
    care.set_wishes(member, opt_outs=[], weekly_summary=True)
    return member


def sent():
    weekly.send_due()
    mail.sender.submit(int).result()  # what was posted before it has gone
    return outbox.outbox


def test_it_tells_of_last_week_once(ann):
    (message,) = sent()
    assert message.to == ["ann@example.org"]
    assert message.subject == "Your week in Stories"
    assert "you gave 1 answers" in message.body
    assert len(sent()) == 1
    ann.refresh_from_db()
    assert ann.summarised_until == labelers.this_monday(ann.user)


def test_the_next_one_comes_after_another_week_with_work_in_it(ann):
    before = labelers.this_monday(ann.user) - datetime.timedelta(days=7)
    Membership.objects.update(summarised_until=before)
    assert len(sent()) == 1
    with connection.cursor() as cursor:
        cursor.execute("UPDATE labeling_ranking SET created_at = created_at - interval '7 days'")
    Membership.objects.update(summarised_until=before)
    assert len(sent()) == 1


def test_it_is_in_the_readers_language(ann):
    ann.user.language = "zh-hans"
    ann.user.save()
    (message,) = sent()
    assert "谢谢" in message.body


@pytest.mark.parametrize("without", ["wish", "address", "membership", "server"])
def test_nobody_else_is_written_to(ann, settings, without):
    if without == "wish":
        care.set_wishes(ann, opt_outs=[], weekly_summary=False)
    elif without == "address":
        EmailAddress.objects.update(verified=False)
    elif without == "membership":
        Membership.objects.update(is_active=False)
    else:
        settings.EMAIL = {}
    assert sent() == []
