"""A labeler's work through the client: claiming, keeping, answering, changing one's mind."""

from __future__ import annotations

import pytest

from labeling.actions import people
from labeling.models import Demonstration, Ranking
from rankloop_client import BadToken, Client, Conflict, KeyReused, NotAllowed, NotFound
from tests import build


def test_an_item_is_ranked_and_the_ranking_is_changed(project, labeler):
    build.rank_items(project, 1, k=3)
    given = labeler.next(project.public_id, "rank")
    assert [part.letter for part in given.completions] == ["A", "B", "C"]
    assert given.draft is None
    done = labeler.submit_ranking(given.token, build.ranking_of(given), active_seconds=3.5)
    assert (done.revision, done.extra, done.conflicts) == (1, False, 0)
    assert labeler.next(project.public_id, "rank") is None
    (answer,) = labeler.answers(project.public_id, "rank")
    assert (answer.answer, answer.given["tiers"]) == (done.answer, [["A"], ["B"], ["C"]])
    changed = {**answer.given, "comment": "On second thoughts."}
    assert labeler.revise_ranking(answer.answer, answer.revision, changed).revision == 2
    ranking = Ranking.objects.get(public_id=done.answer)
    assert [revision.comment for revision in ranking.revisions.order_by("number")] == [
        "",
        "On second thoughts.",
    ]
    assert {revision.mode for revision in ranking.revisions.all()} == {"api"}


def test_a_change_of_what_was_changed_meanwhile_brings_both(project, labeler):
    build.demonstrate_items(project, 1)
    given = labeler.next(project.public_id, "demonstrate")
    assert given.prompt.messages[-1].content == "write 0"
    done = labeler.submit_demonstration(given.token, "once")
    assert labeler.revise_demonstration(done.answer, 1, "twice").revision == 2
    with pytest.raises(Conflict) as caught:
        labeler.revise_demonstration(done.answer, 1, "thrice")
    assert caught.value.more["stored"] == {"text": "twice", "revision": 2}
    assert Demonstration.objects.get().revisions.count() == 2


def test_a_key_stands_for_one_answer(project, labeler):
    build.demonstrate_items(project, 1)
    given = labeler.next(project.public_id, "demonstrate")
    for _ in range(2):
        assert labeler.submit_demonstration(given.token, "so", key="my-own-key").revision == 1
    with pytest.raises(KeyReused):
        labeler.submit_demonstration(given.token, "not so", key="my-own-key")


def test_a_draft_is_kept_and_an_older_one_refused(project, labeler):
    build.rank_items(project, 1)
    given = labeler.next(project.public_id, "rank")
    saved = labeler.draft(given.token, 2, {"scores": {"A": 7}})
    assert saved.lease_until >= given.lease_until
    with pytest.raises(Conflict) as caught:
        labeler.draft(given.token, 1, {})
    assert caught.value.more["draft"] == {"sequence": 2, "body": {"scores": {"A": 7}}}
    assert labeler.next(project.public_id, "rank").draft.body == {"scores": {"A": 7}}


def test_the_next_item_is_loaded_ahead_shown_renewed_and_given_back(project, labeler):
    build.rank_items(project, 3)
    first = labeler.next(project.public_id, "rank")
    ahead = labeler.next(project.public_id, "rank", ahead=True)
    assert ahead.state == "reserved"
    with pytest.raises(Conflict) as caught:
        labeler.show(ahead.token)
    assert caught.value.code == "another_open"
    labeler.skip(first.token, "unclear", "What is meant?")
    assert labeler.show(ahead.token).state == "open"
    assert labeler.renew(ahead.token) > ahead.lease_until
    labeler.release(ahead.token)
    with pytest.raises(Conflict) as caught:
        labeler.renew(ahead.token)
    assert caught.value.code == "lease_lost"


def test_nobody_answers_for_another(project, labeler, client_of):
    build.rank_items(project, 1)
    given = labeler.next(project.public_id, "rank")
    ben = client_of(build.member(project, "ben").user)
    with pytest.raises(NotFound):
        ben.submit_ranking(given.token, build.ranking_of(given))


# --- coming in like a browser ------------------------------------------------------------------------


def test_one_comes_in_with_a_password_and_works(project, relay):
    user, password = people.create_user("mei", one_time_password=False)
    project.memberships.create(user=user, role="labeler")
    build.rank_items(project, 1)
    with Client.signed_in(relay.url, "mei", password) as mei:
        assert (mei.me().username, mei.me().token) == ("mei", None)
        given = mei.next(project.public_id, "rank")
        relay.spoil("lost")
        assert mei.submit_ranking(given.token, build.ranking_of(given)).revision == 1


def test_a_wrong_password_is_refused_and_tried_once(project, relay):
    people.create_user("mei", one_time_password=False)
    with pytest.raises(BadToken, match="mei"):
        Client.signed_in(relay.url, "mei", "wrong")
    assert [seen.method for seen in relay.seen] == ["GET", "POST"]


def test_a_one_time_password_must_be_replaced_on_the_pages_first(project, relay):
    _user, password = people.create_user("mei", one_time_password=True)
    with pytest.raises(NotAllowed) as caught:
        Client.signed_in(relay.url, "mei", password)
    assert caught.value.code == "password_change_required"
