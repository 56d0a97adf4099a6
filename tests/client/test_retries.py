"""Over a bad connection everything lands once, and what must not be repeated is not."""

from __future__ import annotations

import socket
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from labeling.models import Prompt, RankingRevision, Round
from rankloop_client import Client, MaybeDone, Retries, Unavailable, Unexpected
from tests import build, learn
from tests.client.relay import standing_before


def keys(relay):
    return [seen.headers["Idempotency-Key"] for seen in relay.seen if "Idempotency-Key" in seen.headers]


@pytest.mark.parametrize("fault", ["lost", "unheard", "cut", "503", "429"])
def test_an_answer_lands_once_whatever_happens_to_its_first_tries(project, labeler, relay, fault):
    build.rank_items(project, 1)
    given = labeler.next(project.public_id, "rank")
    relay.spoil(fault, fault)
    done = labeler.submit_ranking(given.token, build.ranking_of(given))
    assert done.revision == 1
    assert RankingRevision.objects.count() == 1
    assert len(keys(relay)) == 3
    assert len(set(keys(relay))) == 1


def test_two_answers_have_two_keys_and_one_may_be_chosen(project, labeler, relay):
    build.rank_items(project, 2)
    for key in (None, "a key of my own"):
        given = labeler.next(project.public_id, "rank")
        labeler.submit_ranking(given.token, build.ranking_of(given), key=key)
    first, second = keys(relay)
    assert first != second == "a key of my own"


def test_everything_that_an_assignment_is_asked_may_be_asked_twice(project, labeler, relay):
    build.rank_items(project, 3)

    def twice():
        relay.spoil("lost")

    twice()
    given = labeler.next(project.public_id, "rank")
    twice()
    ahead = labeler.next(project.public_id, "rank", ahead=True)
    twice()
    assert labeler.draft(given.token, 1, {"scores": {"A": 1}}).sequence == 1
    twice()
    labeler.renew(given.token)
    twice()
    labeler.release(given.token)
    twice()
    assert labeler.show(ahead.token).state == "open"
    twice()
    labeler.skip(ahead.token, "other")
    assert len(relay.seen) == 14
    assert labeler.next(project.public_id, "rank").token not in (given.token, ahead.token)


def test_a_busy_server_is_asked_again_no_sooner_than_it_says(labeler, relay):
    relay.retry_after = "1"
    relay.spoil("503")
    assert labeler.me().username == "ann"
    assert len(relay.seen) == 2
    assert relay.early == 0


def test_a_server_that_is_busy_for_longer_than_the_client_has_is_not_asked_again(labeler, relay):
    relay.spoil("503", "503")
    for told in ("3600", format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)):
        relay.retry_after = told
        with pytest.raises(Unavailable) as caught:
            labeler.me()
        assert caught.value.status == 503
    assert len(relay.seen) == 2


def test_trying_ends_when_time_is_up(client_of, ann, relay):
    labeler = client_of(ann.user, retries=Retries(total=0.3, first=0.1))
    relay.spoil(*["lost"] * 100)
    with pytest.raises(Unavailable) as caught:
        labeler.me()
    assert not isinstance(caught.value, MaybeDone)
    assert 2 <= len(relay.seen) <= 7


@pytest.mark.parametrize("fault", ["lost", "503"])
def test_a_round_whose_start_was_lost_is_not_started_again(project, lead, relay, fault):
    learn.imported(project, 2)
    relay.spoil(fault)
    with pytest.raises(MaybeDone):
        lead.start_round(project.public_id)
    assert len(relay.seen) == 1
    assert Round.objects.count() == (fault == "lost")


@pytest.mark.parametrize(
    "ask",
    [
        lambda lead, project: lead.freeze_dataset(project, "sft"),
        lambda lead, project: lead.stop_run("anyrun"),
        lambda lead, project: lead.stop_round("anyround"),
        lambda lead, project: lead.override_gate("anyround", "because"),
    ],
)
def test_what_must_not_be_asked_twice_is_asked_once(project, lead, relay, ask):
    relay.spoil("unheard")
    with pytest.raises(MaybeDone):
        ask(lead, project.public_id)
    assert len(relay.seen) == 1


def test_what_the_server_has_not_begun_is_asked_again_in_any_case(project, lead, relay):
    learn.imported(project, 2)
    relay.spoil("429")
    assert lead.start_round(project.public_id).state == "running"


def test_where_nobody_listens_nothing_was_done():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    client = Client(f"http://127.0.0.1:{port}", "rl_any", retries=Retries(total=0.1, first=0.05))
    with pytest.raises(Unavailable) as caught:
        client.start_round("anything")
    assert not isinstance(caught.value, MaybeDone)


def test_an_import_whose_answer_was_lost_stores_each_row_once(project, lead, relay):
    relay.spoil("lost")
    report = lead.import_prompts(project.public_id, [{"prompt": "why?"}, {"prompt": "how?"}])
    assert report.outcomes == {"already_there": 2}
    assert sorted(row.prompt for row in report.rows) == sorted(
        Prompt.objects.values_list("public_id", flat=True)
    )


# --- where a token goes ------------------------------------------------------------------------------


def test_a_redirect_is_not_followed(labeler, relay, live_server):
    with standing_before(live_server.url) as other:
        relay.elsewhere = f"{other.url}/api/me"
        relay.spoil("elsewhere")
        with pytest.raises(Unexpected, match=other.url):
            labeler.me()
        assert other.seen == []


@pytest.mark.parametrize(
    "address", ["http://rank.example.org", "http://10.0.0.7:8000", "rank.example.org", "ftp://x", "https://"]
)
def test_a_token_does_not_travel_in_the_clear(address):
    with pytest.raises(ValueError, match=r"address|clear"):
        Client(address, "rl_any")


def test_plain_http_is_spoken_to_this_machine_and_where_it_is_asked_for():
    for address in ("http://localhost:1", "http://127.0.0.1:1", "http://[::1]:1", "https://rank.example.org"):
        Client(address, "rl_any")
    Client("http://web:8000", "rl_any", insecure=True)


def test_a_password_in_netrc_does_not_take_the_token_s_place(labeler, relay, tmp_path, monkeypatch):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login ann password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    assert labeler.me().username == "ann"
    assert relay.seen[-1].headers["Authorization"].startswith("Bearer rl_")


@pytest.mark.parametrize("name", ["", "..", "../me", "a/b", "a?b", "%2e%2e"])
def test_what_is_no_id_leads_nowhere(labeler, relay, name):
    with pytest.raises(ValueError, match="is no id"):
        labeler.run(name)
    assert relay.seen == []
