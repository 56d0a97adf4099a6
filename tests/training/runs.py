"""Run folders for the tests: tiny data, tiny models, the real stages as child processes."""

from __future__ import annotations

import faulthandler
import json
import multiprocessing
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from training.contracts import (
    ComparisonRow,
    CompletionText,
    DemonstrationRow,
    Message,
    PromptRow,
    RankingRow,
    Split,
    Stage,
    row_bytes,
)
from training.dpo import prefer
from training.evaluate import evaluate
from training.generate import generate
from training.ppo import improve
from training.reward import train_reward
from training.sft import fine_tune
from training.stage import Run, execute

STORIES: dict[Stage, Callable[[Run], dict[str, Any]]] = {
    "sft": fine_tune,
    "reward": train_reward,
    "ppo": improve,
    "dpo": prefer,
    "generate": generate,
    "evaluate": evaluate,
}
ROOT = Path(__file__).parents[2]
PATIENCE = 300
"""Seconds for a run by several processes, which takes a few."""
LIMITS = {"max_prompt_tokens": 32, "max_response_tokens": 8}
COMPLETIONS = ("b", "ab", "aab", "aaab")
TINY = {"kind": "tiny", "hidden_size": 16, "layers": 1, "heads": 2}


def split_of(number: int) -> Split:
    return "valid" if number % 4 == 0 else "train"


def user(text: str) -> tuple[Message, ...]:
    return (Message("user", text),)


def prompts(count: int) -> list[PromptRow]:
    return [PromptRow(f"p{n}", split_of(n), user(f"say {n}")) for n in range(count)]


def demonstrations(count: int) -> list[DemonstrationRow]:
    return [
        DemonstrationRow(f"d{n}", f"p{n}", split_of(n), user(f"say {n}"), "ab" * (n % 3))
        for n in range(count)
    ]


def ranking(number: int, labeler: str, ranks: tuple[int, ...] | None) -> RankingRow:
    places = len(ranks or COMPLETIONS)
    return RankingRow(f"r{number}{labeler}", 1, labeler, ranks, (4,) * places, ranks is None, ((),) * places)


def comparisons(count: int) -> list[ComparisonRow]:
    """Two labelers an item who agree that more of "a" is better; one in eight also has an all-bad answer."""
    rows = []
    for n in range(count):
        answers = [ranking(n, "ann", (4, 3, 2, 1)), ranking(n, "bob", (3, 3, 2, 1))]
        if n % 8 == 0:
            answers.append(ranking(n, "eve", None))
        completions = tuple(CompletionText(f"c{n}-{i}", text) for i, text in enumerate(COMPLETIONS))
        rows.append(
            ComparisonRow(f"i{n}", f"p{n}", split_of(n), user(f"say {n}"), completions, tuple(answers))
        )
    return rows


def make_run(
    folder: Path,
    stage: str,
    settings: Mapping[str, Any],
    inputs: Mapping[str, Sequence[Any] | Path],
    **config: Any,
) -> Path:
    """A run folder: inputs are rows, or the path of a model folder to link."""
    (folder / "inputs").mkdir(parents=True)
    usual = {"stage": stage, "settings": settings, "seed": 1, "threads": 1, "device": "cpu", "contract": 1}
    (folder / "config.json").write_text(json.dumps(usual | config))
    for name, value in inputs.items():
        if isinstance(value, Path):
            (folder / "inputs" / name).symlink_to(value)
        else:
            (folder / "inputs" / name).write_bytes(b"".join(row_bytes(row) for row in value))
    return folder


def start(stage: Stage, folder: Path) -> int:
    """The stage's exit code. In this process: reading torch anew for every test would take minutes."""
    return execute(stage, STORIES[stage], folder)


def start_together(stage: Stage, folder: Path, processes: int, **environment: str) -> list[int | None]:
    """The exit codes of several processes of a stage, told what torchrun would tell them.

    They are forks of one that has read torch already, else every test would read it several times more.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    with socket.socket() as chosen:
        chosen.bind(("127.0.0.1", 0))
        place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(chosen.getsockname()[1])}
    told = {**environment, **place, "WORLD_SIZE": str(processes), "OMP_NUM_THREADS": "1"}
    children = [
        context.Process(target=_one_of_several, args=(stage, folder, {**told, "RANK": str(rank)}))
        for rank in range(processes)
    ]
    for child in children:
        child.start()
    for child in children:
        child.join(PATIENCE)
        child.kill()  # one that hangs must not hang the tests
        child.join()
    return [child.exitcode for child in children]


def _one_of_several(stage: Stage, folder: Path, environment: dict[str, str]) -> None:
    os.environ.update(environment)
    faulthandler.enable()  # a crash below Python says where it was
    sys.exit(execute(stage, STORIES[stage], folder))


def start_child(stage: Stage, folder: Path) -> subprocess.Popen[str]:
    """The stage as the launcher starts it."""
    return subprocess.Popen([sys.executable, "-m", f"training.{stage}", str(folder)], cwd=ROOT, text=True)


def metrics(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
