"""Asking an OpenAI-compatible server, and what may go wrong with it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from email.utils import formatdate
from typing import Any

import pytest

from tests.training.chat_servers import (
    ChatServer,
    Fault,
    chat_completion,
    cuts,
    drips,
    hangs,
    says,
    serving,
    status,
)
from tests.training.runs import prompts
from training import servers
from training.contracts import ContractError, Server
from training.servers import Choice, Client, Usage, ask_all
from training.stage import Unavailable

KEY = "sk-tests-only-123"


@pytest.fixture
def server() -> Iterator[ChatServer]:
    with serving(ChatServer()) as one:
        yield one


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servers, "FIRST_WAIT", 0.001)


def client(server: ChatServer, **changes: Any) -> Client:
    return Client(replace(Server(**server.settings), **changes), KEY)


def complete(asking: Client, n: int = 1) -> tuple[list[Choice], Usage]:
    [prompt] = prompts(1)
    return asking.complete(prompt, n=n, seed=5, temperature=0.5, top_p=0.9, limit=8)


def test_a_request_says_all_that_settles_the_answer(server: ChatServer) -> None:
    choices, usage = complete(client(server), n=2)
    assert server.asked == [{
        "model": "tiny-1", "messages": [{"role": "user", "content": "say 0"}], "n": 2, "seed": 5,
        "temperature": 0.5, "top_p": 0.9, "max_tokens": 8,
    }]  # fmt: skip
    # Fourteen tokens of two choices: nobody says how many are whose.
    assert choices == [Choice("5-0", "eos", None), Choice("5-1", "eos", None)]
    assert usage == Usage(prompt_tokens=5, completion_tokens=14)
    assert complete(client(server))[0] == [Choice("5-0", "eos", 7)]


def test_the_reason_of_an_end_is_kept(server: ChatServer) -> None:
    reasons = ["stop", "length", "content_filter"]
    server.faults.append(says(chat_completion([("a", reason) for reason in reasons], 1, 3)))
    choices, _ = complete(client(server), n=3)
    assert [choice.finish for choice in choices] == ["eos", "length", "other"]


def test_no_text_and_half_a_character_are_texts_that_can_be_stored(server: ChatServer) -> None:
    server.faults.append(says(chat_completion([(None, "stop"), ("a\ud800", "stop")], 1, 3)))  # type: ignore[list-item]
    choices, _ = complete(client(server), n=2)
    assert [choice.text for choice in choices] == ["", "a?"]


def test_an_answer_without_usage_is_counted_as_such(server: ChatServer) -> None:
    server.faults.append(says({**chat_completion([("a", "stop")], 1, 1), "usage": None}))
    choices, usage = complete(client(server))
    assert choices == [Choice("a", "eos", None)]
    assert usage == Usage(without_usage=1)


def test_tokens_cost_what_the_operator_says() -> None:
    server = Server("tiny", price_in=2.0, price_out=10.0)
    used = Usage(1_000_000, 500_000).plus(Usage(500_000, 0, 1))
    assert used.cost(server) == 3.0 + 5.0


@pytest.mark.parametrize(
    "fault",
    [
        status(429),
        status(429, Retry_After="nonsense"),
        status(500),
        status(503, Retry_After="0"),
        cuts,
        says(b"<html>"),
        says([]),
        says({"choices": []}),
        says({"choices": [{"message": {"content": 3}}]}),
        says(b"[" * 100_000),
        lambda handler: handler.connection.close(),
    ],
)
def test_what_may_pass_is_asked_again(server: ChatServer, fault: Fault) -> None:
    server.faults += [fault, fault]
    choices, _ = complete(client(server))
    assert choices[0].text == "5-0"
    assert len(server.asked) == 3


@pytest.mark.parametrize("fault", [hangs, drips], ids=["hangs", "drips"])
def test_a_server_that_does_not_finish_in_time_is_asked_again(server: ChatServer, fault: Fault) -> None:
    server.faults.append(fault)
    assert complete(client(server, timeout_seconds=0.4))[0]
    assert len(server.asked) == 2


def test_a_server_is_left_in_peace_for_as_long_as_it_asks(
    server: ChatServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Left to ourselves we would wait for longer than a test may last.
    monkeypatch.setattr(servers, "FIRST_WAIT", 200.0)
    server.faults += [status(429, Retry_After="0"), status(503, Retry_After=formatdate(0, usegmt=True))]
    assert complete(client(server))[0]


@pytest.mark.parametrize("fault", [status(500), says(b"x" * 5000), hangs], ids=["500", "long", "hangs"])
def test_patience_ends(server: ChatServer, monkeypatch: pytest.MonkeyPatch, fault: Fault) -> None:
    monkeypatch.setattr(servers, "ATTEMPTS", 2)
    monkeypatch.setattr(servers, "MAX_BYTES", 4000)
    server.faults += [fault] * 9
    with pytest.raises(Unavailable, match="server tiny: "):
        complete(client(server, timeout_seconds=0.2))
    assert len(server.asked) == 2


def test_a_server_that_wants_an_hour_is_away(server: ChatServer) -> None:
    server.faults.append(status(429, Retry_After="3600"))
    with pytest.raises(Unavailable, match="429"):
        complete(client(server))
    assert len(server.asked) == 1


def test_nobody_there_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servers, "ATTEMPTS", 2)
    with serving(ChatServer()) as gone:
        pass
    with pytest.raises(Unavailable, match="ConnectionRefusedError"):
        complete(client(gone))


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (status(400), r"refuses the request \(400\): status 400 \(prompt p0\)"),
        (status(404), "no model tiny-1"),
        (status(422), "422"),
        (status(307, Location="http://127.0.0.1:1/v1/chat/completions"), "redirect"),
        (status(403), r"refuses the key \(403\)"),
    ],
)
def test_a_refusal_is_said_at_once(server: ChatServer, fault: Fault, said: str) -> None:
    server.faults.append(fault)
    with pytest.raises(ContractError, match=said):
        complete(client(server))
    assert len(server.asked) == 1


def test_the_key_is_sent_and_never_said(server: ChatServer) -> None:
    server.key = KEY
    assert complete(client(server))[0]
    # A wrong key is repeated by this server, as some do; other refusals are quoted, but for the key.
    server.key = "another"
    with pytest.raises(ContractError) as refused:
        complete(client(server))
    assert KEY not in str(refused.value)
    server.faults.append(says({"error": {"message": f"not for {KEY}"}}, 400))
    with pytest.raises(ContractError, match="not for …"):
        complete(client(server))
    # Nor is half of it left where a long refusal is cut short.
    server.faults.append(says({"error": {"message": "x" * 295 + KEY}}, 400))
    with pytest.raises(ContractError, match="x…") as refused:
        complete(client(server))
    assert KEY[:4] not in str(refused.value)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"url": "ftp://host/v1"}, "settings.server.url"),
        ({"url": "host:8000"}, "settings.server.url"),
        ({"url": "http://host:port/v1"}, "settings.server.url"),
        ({"url": "http://me:secret@host/v1"}, "settings.server.url"),
        ({"model": ""}, "settings.server.model"),
    ],
)
def test_a_server_that_cannot_be_meant_is_refused(change: dict[str, str], reason: str) -> None:
    with pytest.raises(ContractError, match=reason) as refused:
        Client(replace(Server("tiny", "http://host/v1", "tiny-1"), **change), "")
    assert "secret" not in str(refused.value)


def test_a_key_that_would_break_the_header_is_refused_unsaid() -> None:
    with pytest.raises(ContractError, match="server tiny: its key") as refused:
        Client(Server("tiny", "http://host/v1", "tiny-1"), "sk\r\nHost: elsewhere")
    assert "sk" not in str(refused.value)


def test_several_are_asked_at_once_and_no_more(server: ChatServer) -> None:
    asking = client(server)
    together = threading.Barrier(3)

    def ask(number: int) -> tuple[int, list[int]]:
        together.wait(10)  # breaks unless three are here at once
        return number, []

    assert sorted(ask_all(asking, range(9), ask)) == list(range(9))


def test_after_an_error_what_was_under_way_is_still_given(server: ChatServer) -> None:
    asking = client(server)
    failed = threading.Event()
    begun = []

    def ask(number: int) -> tuple[int, list[int]]:
        begun.append(number)
        if number == 0:
            failed.set()
            raise ContractError("no")
        failed.wait(10)
        return number, []

    given: list[int] = []
    with pytest.raises(ContractError, match="no"):
        given.extend(ask_all(asking, range(100), ask))
    assert sorted(given) == [1, 2]
    assert sorted(begun) == [0, 1, 2]
