"""A run that is killed goes on where it was, and ends as if nothing had happened."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import random
import resource
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn
from transformers import PreTrainedModel

from tests.training import models, runs
from tests.training.runs import LIMITS, STORIES, TINY, make_run, start
from training.checkpoints import tiny_model
from training.contracts import (
    CHECKPOINT_KEY,
    CHECKPOINTS,
    CONFIG,
    EXIT_DISK_FULL,
    METRICS,
    BaseModel,
    RunError,
    Stage,
    Tuning,
    verify_manifest,
)
from training.optimizer import adam
from training.stage import Run, execute
from training.tokens import tiny_tokenizer
from training.tuning import tune

KEY = "5a" * 32
FORK = multiprocessing.get_context("fork")
"""Children that have read torch already: ten of them start in no time."""
KILLS = 10

SFT = {"base": TINY, "max_steps": 40, "batch_size": 8, "learning_rate": 1e-2, "dropout": 0.1, **LIMITS}
REWARD = {"epochs": 5.0, "batch_size": 4, "learning_rate": 1e-2, "bootstrap": 10, "members": 2, **LIMITS}


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CHECKPOINT_KEY, KEY)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_run(
        tmp_path_factory.mktemp("base") / "sft",
        "sft",
        {**SFT, "max_steps": 2},
        {"dataset.jsonl": runs.demonstrations(16)},
    )
    assert start("sft", folder) == 0
    return folder / "outputs"


def sft(folder: Path, base: Path) -> Path:
    return make_run(folder, "sft", SFT, {"dataset.jsonl": runs.demonstrations(40)})


def reward(folder: Path, base: Path) -> Path:
    return make_run(folder, "reward", REWARD, {"dataset.jsonl": runs.comparisons(24), "base": base})


def often(folder: Path) -> Path:
    """A run that keeps where it is after every step."""
    config = json.loads((folder / CONFIG).read_text())
    (folder / CONFIG).write_text(json.dumps({**config, "checkpoint_seconds": 0.0}))
    return folder


def untimed(folder: Path) -> list[dict[str, float]]:
    """The metrics without the clock, which no two runs share."""
    return [{name: value for name, value in line.items() if name != "time"} for line in runs.metrics(folder)]


def digests(folder: Path) -> dict[str, str]:
    files = json.loads((folder / "outputs" / "manifest.json").read_text())["files"]
    return {name: entry["sha256"] for name, entry in files.items()}


def begun(folder: Path) -> int:
    path = folder / METRICS
    return path.read_bytes().count(b"\n") if path.exists() else 0


@pytest.mark.parametrize(("stage", "made"), [("sft", sft), ("reward", reward)])
def test_a_run_killed_ten_times_ends_like_one_that_was_left_alone(
    stage: Stage, made: Callable[[Path, Path], Path], base: Path, tmp_path: Path
) -> None:
    alone = made(tmp_path / "alone", base)
    assert start(stage, alone) == 0
    killed = often(made(tmp_path / "killed", base))
    moments = random.Random(stage)
    for _kill in range(KILLS):
        (killed / METRICS).unlink(missing_ok=True)
        before = max((int(path.name) for path in (killed / CHECKPOINTS).glob("[0-9]*[0-9]")), default=0)
        child = FORK.Process(target=execute, args=(stage, STORIES[stage], killed))
        child.start()
        while begun(killed) <= before and child.is_alive():
            time.sleep(0.001)
        time.sleep(moments.uniform(0, 0.03))
        assert child.is_alive(), "it ended before it could be killed"
        child.kill()
        child.join()
    assert start(stage, killed) == 0
    assert untimed(killed) == untimed(alone)
    assert digests(killed) == digests(alone)
    ends = [json.loads((folder / "result.json").read_text())["metrics"] for folder in (killed, alone)]
    assert ends[0] == ends[1]


def learn(model: PreTrainedModel, optimizer: torch.optim.Optimizer) -> None:
    model(input_ids=torch.arange(6).unsqueeze(0)).logits.square().mean().backward()
    optimizer.step()
    optimizer.zero_grad()


class Kept:
    """A run folder with two checkpoints, after steps 1 and 2, of a model and its optimizer."""

    def __init__(self, folder: Path, base: Path) -> None:
        self.folder = often(sft(folder, base))
        run = Run(self.folder)
        self.model = tiny_model(BaseModel(hidden_size=16, layers=1, heads=2), tiny_tokenizer(), 0.0)
        self.optimizer = adam(self.model.parameters(), 1e-2)
        for step in (1, 2):
            learn(self.model, self.optimizer)
            run.log(step, 9, loss=float(step))
            run.checkpoints.keep(
                step, {"model": self.model, "optimizer": self.optimizer}, note=f"after {step}"
            )
        run.log(3, 9, loss=3.0)

    @property
    def newest(self) -> Path:
        return self.folder / CHECKPOINTS / "00000002"


@pytest.fixture
def kept(tmp_path: Path, base: Path) -> Kept:
    return Kept(tmp_path / "kept", base)


def test_a_run_goes_on_from_the_newest_checkpoint_with_its_metrics_of_that_time(kept: Kept) -> None:
    again = Run(kept.folder)
    assert (again.checkpoints.step, again.checkpoints.values) == (2, {"note": "after 2"})
    assert [line["step"] for line in runs.metrics(kept.folder)] == [1, 2]
    fresh = tiny_model(BaseModel(hidden_size=16, layers=1, heads=2), tiny_tokenizer(), 0.0)
    optimizer = adam(fresh.parameters(), 1e-2)
    again.checkpoints.load({"model": fresh, "optimizer": optimizer})
    learn(kept.model, kept.optimizer)
    learn(fresh, optimizer)
    assert all(map(torch.equal, fresh.state_dict().values(), kept.model.state_dict().values()))


def truncated(newest: Path) -> None:
    path = newest / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1])


def flipped(newest: Path) -> None:
    state = bytearray((newest / "state.pt").read_bytes())
    state[100] ^= 1
    (newest / "state.pt").write_bytes(state)


def unfinished(newest: Path) -> None:
    (newest / "manifest.json").unlink()


def short_of_a_file(newest: Path) -> None:
    (newest / "model.safetensors").unlink()


def added_to(newest: Path) -> None:
    (newest / "more.pt").write_bytes(b"?")


def signed_by_another(newest: Path) -> None:
    manifest = json.loads((newest / "manifest.json").read_text())
    (newest / "manifest.json").write_text(json.dumps({**manifest, "signature": "00" * 32}))


def unsigned(newest: Path) -> None:
    manifest = json.loads((newest / "manifest.json").read_text())
    (newest / "manifest.json").write_text(json.dumps({"files": manifest["files"]}))


def resealed(newest: Path) -> None:
    """Somebody who lacks the key has changed the state and made its hash fit."""
    flipped(newest)
    manifest = json.loads((newest / "manifest.json").read_text())
    digest = hashlib.sha256((newest / "state.pt").read_bytes()).hexdigest()
    manifest["files"]["state.pt"]["sha256"] = digest
    (newest / "manifest.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    "spoil",
    [truncated, flipped, unfinished, short_of_a_file, added_to, signed_by_another, unsigned, resealed],
)
def test_a_checkpoint_that_is_not_whole_is_passed_over_for_the_one_before(
    spoil: Callable[[Path], None],
    kept: Kept,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spoil(kept.newest)
    read = []
    monkeypatch.setattr(torch, "load", lambda path, **_more: read.append(path))
    again = Run(kept.folder)
    assert again.checkpoints.step == 1
    assert "Checkpoint 00000002 is passed over: " in capsys.readouterr().err
    assert [line["step"] for line in runs.metrics(kept.folder)] == [1]
    assert read == [], "nothing of it may be read by torch"


def test_a_checkpoint_of_another_recipe_is_passed_over(kept: Kept) -> None:
    config = json.loads((kept.folder / CONFIG).read_text())
    (kept.folder / CONFIG).write_text(json.dumps({**config, "seed": 99}))
    assert Run(kept.folder).checkpoints.step == 0
    assert not (kept.folder / METRICS).exists()


def test_without_the_key_nothing_is_kept_and_nothing_read(
    kept: Kept, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(CHECKPOINT_KEY)
    assert Run(kept.folder).checkpoints.step == 0
    assert not (Kept(tmp_path / "by hand", base).folder / CHECKPOINTS).exists()


def test_only_the_two_newest_are_kept_and_each_is_whole(kept: Kept) -> None:
    run = Run(kept.folder)
    run.log(3, 9, loss=3.0)
    run.checkpoints.keep(3, {"model": kept.model, "optimizer": kept.optimizer})
    left = sorted(path.name for path in (kept.folder / CHECKPOINTS).iterdir())
    assert left == ["00000002", "00000003"]
    for name in left:
        verify_manifest(kept.folder / CHECKPOINTS / name, bytes.fromhex(KEY))


@pytest.mark.parametrize("rank", [0, 2], ids=["all weights", "adapters"])
@pytest.mark.parametrize("family", models.FAMILIES)
def test_tied_weights_and_adapters_come_back(family: str, rank: int, base: Path, tmp_path: Path) -> None:
    def make(seed: int) -> nn.Module:
        model = models.build(family, seed)
        tune(model, Tuning(lora_rank=rank))
        return model

    before = make(1)
    folder = often(sft(tmp_path / "run", base))
    run = Run(folder)
    run.log(1, 9, loss=1.0)
    run.checkpoints.keep(1, {"model": before})
    after = make(2)
    assert not all(map(torch.equal, before.state_dict().values(), after.state_dict().values()))
    Run(folder).checkpoints.load({"model": after})
    assert all(map(torch.equal, before.state_dict().values(), after.state_dict().values()))


def cramped(stage: Stage, folder: Path, limit: int) -> None:
    """The stage where no file may be larger than `limit` bytes: the system refuses that like a full disk."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    sys.exit(execute(stage, STORIES[stage], folder))


@pytest.mark.parametrize("steps", [1, 40], ids=["publishing", "keeping a checkpoint"])
def test_a_full_disk_is_told_and_leaves_what_was_whole(steps: int, base: Path, tmp_path: Path) -> None:
    folder = make_run(
        tmp_path / "run", "sft", {**SFT, "max_steps": steps}, {"dataset.jsonl": runs.demonstrations(40)}
    )
    if steps > 1:
        often(folder)
    child = FORK.Process(target=cramped, args=("sft", folder, 10_000))
    child.start()
    child.join()
    assert child.exitcode == EXIT_DISK_FULL
    error = RunError.read(folder)
    assert "disk is full" in error.reason
    assert error.retryable
    assert not (folder / "outputs").exists()
    assert list((folder / CHECKPOINTS).glob("*")) == []
    shutil.rmtree(folder / CHECKPOINTS, ignore_errors=True)
    assert start("sft", folder) == 0, "with room again it ends well"
