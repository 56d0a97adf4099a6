"""What every stage does around its story: read the run folder, log steps, end as the contract says."""

from __future__ import annotations

import dataclasses
import errno
import json
import math
import random
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors import SafetensorError

from training.contracts import (
    ERROR,
    EXIT_BAD_INPUT,
    EXIT_DISK_FULL,
    EXIT_OUT_OF_MEMORY,
    INPUTS,
    METRICS,
    OUTPUTS,
    RESULT,
    STAGE_INPUTS,
    ContractError,
    RunConfig,
    RunError,
    RunResult,
    Stage,
    write_manifest,
)
from training.devices import Done, Group, die_with_torchrun, leads
from training.resume import Checkpoints

# Settings that mean nothing at 0; no number may be negative.
POSITIVE = {
    "beta", "pack_tokens", "responses_per_prompt", "best_of", "parallel", "timeout_seconds",
    "pretraining_per_episode", "max_pretraining_tokens",
    "batch_size", "minibatch_size", "completions_per_prompt", "episodes", "inner_epochs", "evaluate_every",
    "learning_rate", "policy_learning_rate", "value_learning_rate", "max_prompt_tokens",
    "max_response_tokens", "max_gradient_norm", "hidden_size", "layers", "heads", "bootstrap", "clip",
    "value_clip", "top_p", "members", "tie_learning_rate",
}  # fmt: skip

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
DISK_FULL = "The disk is full: make room where the run folders are; what was published before is whole."


class Unavailable(Exception):
    """What a run needs from outside is not there now: another attempt, later, may find it."""


class Run:
    """A run in progress: its folder, configuration and device, and the processes that share it."""

    def __init__(self, directory: Path) -> None:
        """Raises ContractError if the configuration or an input is not what the contract asks for."""
        self.directory = directory
        self.config = RunConfig.read(directory)
        check_numbers(self.config.settings, "settings")
        for name, required in STAGE_INPUTS[self.config.stage]:
            if required and not self.input(name).exists():
                raise ContractError(f"{INPUTS}/{name}: missing")
        self.group = Group(self.config.resources, self.config.device)
        self.device = self.group.device
        self.outputs = directory / OUTPUTS
        if self.group.leads:
            # What an earlier attempt published is no part of this one; what it kept in checkpoints is.
            shutil.rmtree(self.outputs, ignore_errors=True)
            self.outputs.mkdir()
        self.metrics = directory / METRICS
        self._start = time.monotonic()
        self.checkpoints = Checkpoints(self)

    def input(self, name: str) -> Path:
        return self.directory / INPUTS / name

    def has(self, name: str) -> bool:
        return self.input(name).exists()

    def begin_metrics(self, kept: Path | None = None, elapsed: float = 0.0) -> None:
        """Begin metrics.jsonl, or go on from what was kept of it, which took the run `elapsed` seconds."""
        if self.group.leads:
            self.metrics.unlink(missing_ok=True)
            if kept is not None:
                # Whoever reads along sees all of it or nothing.
                beside = self.metrics.with_suffix(".tmp")
                shutil.copyfile(kept, beside)
                beside.rename(self.metrics)
        self._start = time.monotonic() - elapsed

    def elapsed(self) -> float:
        """Seconds since the run began, those of earlier attempts included up to where this one goes on."""
        return time.monotonic() - self._start

    def log(self, step: int, total: int, **values: float) -> None:
        """Append one line to metrics.jsonl; `time` is seconds since the run began.

        Every process must call it, with the same values; the first writes.
        Raises ContractError if a value is not finite: such a run cannot recover.
        """
        for name, value in values.items():
            if not math.isfinite(value):
                raise ContractError(f"{name} is not finite at step {step}: lower the learning rate")
        if not self.group.leads:
            return
        line = {"step": step, "total": total, "time": round(self.elapsed(), 3), **values}
        with self.metrics.open("a", encoding="utf-8") as metrics:
            metrics.write(json.dumps(line) + "\n")


def main(stage: Stage, story: Callable[[Run], dict[str, Any]]) -> None:
    """`python -m training.<stage> RUN_DIR`: run the story and exit with the contract's code."""
    # A parent that ignores the signal would hand that down, and the launcher must be able to stop a run.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    die_with_torchrun()
    if len(sys.argv) != 2 or not Path(sys.argv[1]).is_dir():
        sys.exit(f"usage: python -m training.{stage} RUN_DIR")
    sys.exit(execute(stage, story, Path(sys.argv[1])))


def execute(stage: Stage, story: Callable[[Run], dict[str, Any]], directory: Path) -> int:
    """Run the story in its folder; returns the exit code.

    The story returns the figures of the whole run; result.json is written after everything else. What
    cannot be explained to the person who started the run is raised.
    """
    for name in (RESULT, ERROR) if leads() else ():
        (directory / name).unlink(missing_ok=True)
    config: RunConfig | None = None
    try:
        run = Run(directory)
        config = run.config
        if config.stage != stage:
            raise ContractError(f"config.stage: {config.stage!r}, but this is training.{stage}")
        _prepare(config)
        metrics = story(run)
        run.group.end()
        RunResult(stage, metrics, write_manifest(run.outputs)).write(directory)
    except Done:
        return 0
    except ContractError as error:
        return _fail(directory, str(error), EXIT_BAD_INPUT)
    except Unavailable as error:
        return _fail(directory, str(error), 1, retryable=True)
    except Exception as error:
        if _is_disk_full(error):
            # What was half published goes, so that there is room for the reason.
            shutil.rmtree(directory / OUTPUTS, ignore_errors=True)
            return _fail(directory, DISK_FULL, EXIT_DISK_FULL, retryable=True)
        if config is None or not _is_out_of_memory(error):
            _tell_the_launcher(directory, config, error)
            raise
        return _fail(directory, _memory_advice(config), EXIT_OUT_OF_MEMORY)
    return 0


def check_numbers(settings: Any, where: str) -> None:
    """Raises ContractError, naming the field, at a number outside its range."""
    for spec in dataclasses.fields(settings):
        value, name = getattr(settings, spec.name), f"{where}.{spec.name}"
        if dataclasses.is_dataclass(value):
            check_numbers(value, name)
        for number in value if isinstance(value, tuple) else (value,):
            if not isinstance(number, int | float):
                continue
            if not math.isfinite(number) or number < 0 or (number == 0 and spec.name in POSITIVE):
                raise ContractError(f"{name}: {number} is out of range")


def _prepare(config: RunConfig) -> None:
    if config.threads:
        torch.set_num_threads(config.threads)
    random.seed(config.seed)
    torch.manual_seed(config.seed)
    torch.set_float32_matmul_precision("high")
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()


def _is_out_of_memory(error: BaseException) -> bool:
    # The CPU allocator raises a bare RuntimeError.
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def _is_disk_full(error: BaseException | None) -> bool:
    """Whether it came from a write for which there was no room: on the disk, in a quota or in a file."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in NO_ROOM:
            return True
        # Rust's way of telling the same.
        if isinstance(error, SafetensorError) and any(f"os error {code}" in str(error) for code in NO_ROOM):
            return True
        error = error.__cause__ or error.__context__
    return False


def _memory_advice(config: RunConfig) -> str:
    name = "micro_batch_size" if config.stage in ("reward", "ppo", "dpo") else "batch_size"
    # A micro-batch of 0 is the whole batch, or of PPO the whole minibatch.
    whole = "minibatch_size" if config.stage == "ppo" else "batch_size"
    value = getattr(config.settings, name) or getattr(config.settings, whole, 1)
    if value > 1:
        return f"Out of memory: lower settings.{name} (now {value})."
    return "Out of memory at one sequence at a time: lower settings.max_response_tokens."


def _tell_the_launcher(directory: Path, config: RunConfig | None, error: Exception) -> None:
    """Of several processes one fails and the others lose touch with it: the first to say why is right.

    torchrun's own last words name none of it.
    """
    several = config is not None and config.resources.processes * config.resources.hosts > 1
    if several and not (directory / ERROR).exists():
        RunError(f"{type(error).__name__}: {error}".strip().split("\n", 1)[0]).write(directory)


def _fail(directory: Path, reason: str, code: int, *, retryable: bool = False) -> int:
    RunError(reason, retryable).write(directory)
    print(reason, file=sys.stderr)
    return code
