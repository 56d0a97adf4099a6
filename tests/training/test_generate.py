"""Writing completions: by the policy or a server, the best of several, going on where a run was killed."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.training import models, runs
from tests.training.chat_servers import ChatServer, serving, status
from tests.training.runs import LIMITS, make_run, start
from training import servers
from training.contracts import (
    EXIT_BAD_INPUT,
    SERVER_KEY,
    GeneratedRow,
    Message,
    PromptRow,
    RunError,
    RunResult,
    read_rows,
)
from training.generate import best_of_kl_bound, favourites, request_seed

KEY = "sk-tests-only-123"
ANSWERS = "checkpoints/answers.jsonl"


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return models.folder("llama", tmp_path_factory.mktemp("models") / "policy")


@pytest.fixture(scope="module")
def reward(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return models.judge("gpt2", tmp_path_factory.mktemp("models"))


@pytest.fixture
def server(policy: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ChatServer]:
    monkeypatch.setattr(servers, "FIRST_WAIT", 0.001)
    monkeypatch.setenv(SERVER_KEY, KEY)
    with serving(ChatServer(policy, KEY)) as one:
        yield one


def prompts(count: int) -> list[PromptRow]:
    """Of several lengths, the longest neither first nor last."""
    return [PromptRow(f"p{n}", "train", (Message("user", "x" * (n * 7 % 11)),)) for n in range(count)]


def make(folder: Path, inputs: dict[str, Any], count: int = 7, **settings: Any) -> Path:
    given = {"prompts.jsonl": prompts(count), **inputs}
    chosen = {"completions_per_prompt": 2, "batch_size": 4, **LIMITS, **settings}
    return make_run(folder, "generate", chosen, given)


def rows(folder: Path) -> list[GeneratedRow]:
    return list(read_rows(folder / "outputs/completions.jsonl", GeneratedRow))


def ran(folder: Path) -> dict[str, Any]:
    assert start("generate", folder) == 0, RunError.read(folder).reason
    return RunResult.read(folder).metrics


def refused(folder: Path) -> str:
    assert start("generate", folder) == EXIT_BAD_INPUT
    return RunError.read(folder).reason


# --- going on -----------------------------------------------------------------------------------------


def test_a_run_that_was_killed_ends_with_the_bytes_of_one_that_was_not(policy: Path, tmp_path: Path) -> None:
    whole = make(tmp_path / "whole", {"policy": policy})
    figures = ran(whole)
    lines = (whole / ANSWERS).read_bytes().splitlines(keepends=True)
    assert len(lines) == 1 + 4

    killed = make(tmp_path / "killed", {"policy": policy})
    (killed / "checkpoints").mkdir()
    # After two batches and in the middle of the third's line. The second is marked, to see it used.
    marked = lines[2].replace(b'"temperature":1.0', b'"temperature":9.0')
    (killed / ANSWERS).write_bytes(b"".join([*lines[:2], marked, lines[3][:40]]))
    assert ran(killed) == figures
    assert [row.temperature for row in rows(killed)].count(9.0) == 4
    bytes_of = [(folder / "outputs/completions.jsonl").read_bytes() for folder in (whole, killed)]
    assert bytes_of[1].replace(b'"temperature":9.0', b'"temperature":1.0') == bytes_of[0]
    assert (killed / ANSWERS).read_bytes().replace(b":9.0", b":1.0") == (whole / ANSWERS).read_bytes()
    assert [line["step"] for line in runs.metrics(killed)] == [4, 6, 7]


def test_what_was_drawn_by_another_recipe_is_not_used(policy: Path, tmp_path: Path) -> None:
    folder = make(tmp_path / "run", {"policy": policy}, count=3)
    ran(folder)
    cold = make(tmp_path / "cold", {"policy": policy}, count=3, temperature=0.5)
    (cold / "checkpoints").mkdir()
    (cold / ANSWERS).write_bytes((folder / ANSWERS).read_bytes())
    ran(cold)
    assert {row.temperature for row in rows(cold)} == {0.5}


def test_a_line_that_was_damaged_is_drawn_again_with_those_after_it(policy: Path, tmp_path: Path) -> None:
    folder = make(tmp_path / "run", {"policy": policy})
    ran(folder)
    before = (folder / "outputs/completions.jsonl").read_bytes()
    lines = (folder / ANSWERS).read_bytes().splitlines(keepends=True)
    (folder / ANSWERS).write_bytes(b"".join([lines[0], lines[1], b"{}\n", lines[3], lines[4]]))
    ran(folder)
    assert (folder / "outputs/completions.jsonl").read_bytes() == before
    assert (folder / ANSWERS).read_bytes().splitlines(keepends=True) == lines


# --- a server -----------------------------------------------------------------------------------------


def test_a_server_writes_what_the_policy_would_have(server: ChatServer, tmp_path: Path) -> None:
    prices = {"price_in": 1.0, "price_out": 2.0}
    folder = make(tmp_path / "run", {}, server={**server.settings, **prices}, temperature=0.0)
    figures = ran(folder)
    alone = make(tmp_path / "alone", {"policy": server.policy}, temperature=0.0)
    ran(alone)
    assert [(row.prompt, row.sample, row.text, row.finish) for row in rows(folder)] == [
        (row.prompt, row.sample, row.text, row.finish) for row in rows(alone)
    ]
    assert all(row.logprob is None and row.tokens is None for row in rows(folder))
    assert {row.seed for row in rows(folder)} == {request_seed(1, f"p{n}", 0) for n in range(7)}
    # A prompt is a token a letter and two roles, read once for both.
    read = sum(n * 7 % 11 + 2 for n in range(7))
    assert figures["prompt_tokens"] == read
    written = figures["completion_tokens"]
    assert written == sum(row.tokens or 0 for row in rows(alone))
    assert figures["cost"] == pytest.approx((read + 2 * written) / 1e6)
    assert figures["server"] == "tiny"
    assert runs.metrics(folder)[-1]["cost"] == figures["cost"]


def test_a_server_that_writes_one_at_a_time_is_asked_for_each(server: ChatServer, tmp_path: Path) -> None:
    server.most_choices = 1
    folder = make(tmp_path / "run", {}, count=3, server=server.settings)
    figures = ran(folder)
    assert len(server.asked) == 6
    assert [(row.prompt, row.sample) for row in rows(folder)] == [
        (f"p{n}", k) for n in range(3) for k in (0, 1)
    ]
    assert all(row.tokens for row in rows(folder))
    assert len({row.seed for row in rows(folder)}) == 6
    assert figures["mean_tokens"] == figures["completion_tokens"] / 6


def test_an_answer_that_was_paid_is_not_asked_for_again(
    server: ChatServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(servers, "ATTEMPTS", 2)
    server.most_choices = 1
    server.faults += [None, None, None, status(503), status(503)]
    folder = make(tmp_path / "run", {}, server={**server.settings, "parallel": 1})
    assert start("generate", folder) == 1
    error = RunError.read(folder)
    assert error.retryable
    assert error.reason == "server tiny: status 503"
    server.asked.clear()
    figures = ran(folder)
    assert len(server.asked) == 14 - 3
    assert len(rows(folder)) == 14
    # A prompt is a token a letter and two roles; each was read twice, by either attempt.
    assert figures["prompt_tokens"] == 2 * sum(n * 7 % 11 + 2 for n in range(7))


def test_the_key_is_in_no_file_of_the_run(server: ChatServer, tmp_path: Path, capfd: Any) -> None:
    folder = make(tmp_path / "run", {}, count=2, server=server.settings)
    ran(folder)
    server.key = "another"
    wrong = make(tmp_path / "wrong", {}, count=2, server=server.settings)
    assert "refuses the key (401)" in refused(wrong)
    assert not any(KEY.encode() in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert KEY not in "".join(capfd.readouterr())


def test_without_a_server_a_policy_is_wanted(tmp_path: Path) -> None:
    assert "settings.server names no server" in refused(make(tmp_path / "run", {}))


# --- the best of several ------------------------------------------------------------------------------


@pytest.mark.parametrize("by_server", [False, True], ids=["policy", "server"])
def test_the_reward_models_favourites_are_kept(
    by_server: bool, server: ChatServer, policy: Path, reward: Path, tmp_path: Path
) -> None:
    inputs = {"reward": reward} if by_server else {"reward": reward, "policy": policy}
    writer = {"server": server.settings} if by_server else {}
    every = make(tmp_path / "every", inputs, count=3, completions_per_prompt=6, **writer)
    ran(every)
    best = make(tmp_path / "best", inputs, count=3, best_of=3, **writer)
    figures = ran(best)
    assert figures["best_of_kl_bound"] == pytest.approx(math.log(3) - 2 / 3)
    all_of = rows(every)
    assert all(row.reward is not None for row in all_of)
    groups = [all_of[start : start + 3] for start in range(0, 18, 3)]
    wanted = [max(group, key=lambda row: row.reward or 0) for group in groups]
    assert [(row.text, row.reward) for row in rows(best)] == [
        (row.text, pytest.approx(row.reward, abs=1e-5)) for row in wanted
    ]
    assert [(row.prompt, row.sample) for row in rows(best)] == [
        (f"p{n}", k) for n in range(3) for k in (0, 1)
    ]
    assert figures["reward"] == pytest.approx(sum(row.reward or 0 for row in wanted) / 6, abs=1e-5)
    assert figures["completions"] == 6
    assert [line["step"] for line in runs.metrics(best)][-1] == 6


def test_of_equals_the_first_is_the_favourite() -> None:
    def row(sample: int, reward: float) -> GeneratedRow:
        return GeneratedRow("p", sample, f"{sample}", 1.0, 1.0, 1, 1, "eos", -1.0, reward)

    kept = favourites([row(0, 1.0), row(1, 2.0), row(2, 2.0), row(3, -1.0), row(4, -2.0), row(5, -1.0)], 3)
    assert [(one.sample, one.text) for one in kept] == [(0, "1"), (1, "3")]


def test_the_bound_on_the_kl_is_that_of_the_paper() -> None:
    assert best_of_kl_bound(1) == 0
    assert best_of_kl_bound(2) == pytest.approx(0.193147)
    assert best_of_kl_bound(16) == pytest.approx(1.835089)


def test_the_best_of_several_wants_a_reward_model(policy: Path, tmp_path: Path) -> None:
    assert "inputs/reward: missing" in refused(make(tmp_path / "run", {"policy": policy}, best_of=2))


def test_a_prompt_that_is_there_twice_is_refused(policy: Path, tmp_path: Path) -> None:
    twice = make(tmp_path / "run", {"policy": policy, "prompts.jsonl": [*prompts(2), *prompts(1)]})
    assert refused(twice) == "prompts.jsonl: p0 is there 2 times"


def test_the_rows_are_those_of_the_prompts_in_their_order(policy: Path, tmp_path: Path) -> None:
    folder = make(tmp_path / "run", {"policy": policy}, batch_size=3, completions_per_prompt=4)
    ran(folder)
    assert [(row.prompt, row.sample) for row in rows(folder)] == [
        (f"p{n}", k) for n in range(7) for k in range(4)
    ]
    assert json.loads((folder / ANSWERS).read_bytes().splitlines()[1])["rows"][0]["prompt"] == "p3"
