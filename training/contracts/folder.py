"""The files of a run folder that are not data: its configuration, its result and its error."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from training.contracts.settings import SETTINGS, STAGES, Settings, Stage
from training.contracts.strict import ContractError, from_dict, read_json, write_json

CONTRACT = 1

CONFIG = "config.json"
METRICS = "metrics.jsonl"
RESULT = "result.json"
ERROR = "error.json"
OUTPUTS = "outputs"
INPUTS = "inputs"
CHECKPOINTS = "checkpoints"

CHECKPOINT_KEY = "RANKLOOP_CHECKPOINT_KEY"
"""The environment variable with the key that signs checkpoints; without it a run keeps none."""

SERVER_KEY = "RANKLOOP_SERVER_KEY"
"""The environment variable with the key of a generate run's server; in no file, log or error."""

EXIT_BAD_INPUT = 3
"""The stage's inputs or settings are wrong: trying again cannot help."""
EXIT_OUT_OF_MEMORY = 4
EXIT_DISK_FULL = 5

STAGE_INPUTS: dict[Stage, tuple[tuple[str, bool], ...]] = {
    # (name below inputs/, required). Datasets are JSONL files, the rest are model folders.
    "sft": (("dataset.jsonl", True), ("base", False), ("pretraining.jsonl", False), ("reward", False)),
    "reward": (("dataset.jsonl", True), ("demonstrations.jsonl", False), ("base", True)),
    "ppo": (("prompts.jsonl", True), ("policy", True), ("reward", True), ("pretraining.jsonl", False)),
    "dpo": (("dataset.jsonl", True), ("policy", True)),
    "generate": (("prompts.jsonl", True), ("policy", False), ("reward", False)),
    "evaluate": (
        ("prompts.jsonl", True),
        ("policy", True),
        ("reference", False),
        ("reward", False),
        ("evaluation_reward", False),
        ("tasks.jsonl", False),
    ),
}


STRATEGIES: dict[Stage, tuple[str, ...]] = {
    "sft": ("ddp", "fsdp"),
    "reward": ("ddp", "fsdp"),
    "ppo": ("ddp",),
}
"""How the stages that can be trained by several processes may be."""


@dataclass(frozen=True)
class Resources:
    """The processes that train a run together (training/devices.py); no part of what the run comes to."""

    processes: int = 1
    """On each host, one a device."""
    hosts: int = 1
    strategy: Literal["ddp", "fsdp"] = "ddp"
    """"ddp": each has the whole model. "fsdp": weights, gradients and optimizer are cut up among them."""

    def check(self, stage: Stage) -> None:
        """Raises ContractError if the stage cannot be trained so."""
        if self.processes < 1 or self.hosts < 1:
            raise ContractError("resources: at least one process on one host is wanted")
        if self.processes * self.hosts > 1 and self.strategy not in STRATEGIES.get(stage, ()):
            can = ", ".join(f"{name} ({' or '.join(ways)})" for name, ways in STRATEGIES.items())
            raise ContractError(
                f"resources: {stage} cannot be spread over several processes by {self.strategy}; "
                f"what can be: {can}"
            )


@dataclass(frozen=True)
class RunConfig:
    stage: Stage
    settings: Settings
    seed: int = 0
    threads: int = 0
    """CPU threads; 0 leaves it to torch."""
    device: str = "auto"
    checkpoint_seconds: float = 300.0
    """How often a run keeps where it is; 0: after every step."""
    resources: Resources = field(default_factory=Resources)
    contract: int = CONTRACT

    def write(self, run_dir: Path) -> None:
        write_json(run_dir / CONFIG, dataclasses.asdict(self))

    def recipe(self) -> str:
        """SHA-256 of what the run computes, its inputs apart. How fast, on what, and how often it keeps where
        it is may change between two attempts."""
        recipe = [self.stage, self.seed, dataclasses.asdict(self.settings)]
        return hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()

    @classmethod
    def read(cls, run_dir: Path) -> RunConfig:
        """Raises ContractError, naming the field, if the file is not a valid configuration."""
        data = read_json(run_dir / CONFIG)
        stage = data.get("stage")
        if stage not in STAGES:
            raise ContractError(f"stage: {stage!r} is none of {', '.join(STAGES)}")
        if data.get("contract") != CONTRACT:
            raise ContractError(f"contract: this version reads {CONTRACT}, not {data.get('contract')!r}")
        values = dict(data)
        values["settings"] = from_dict(SETTINGS[stage], data.get("settings", {}), "settings")
        config = from_dict(cls, values, "config")
        config.resources.check(config.stage)
        return config


@dataclass(frozen=True)
class RunResult:
    stage: Stage
    metrics: dict[str, Any]
    """Figures of the whole run, JSON values."""
    outputs_digest: str
    """SHA-256 of outputs/manifest.json: the address of the artifact."""
    contract: int = CONTRACT

    def write(self, run_dir: Path) -> None:
        write_json(run_dir / RESULT, dataclasses.asdict(self))

    @classmethod
    def read(cls, run_dir: Path) -> RunResult:
        return from_dict(cls, read_json(run_dir / RESULT), "result")


@dataclass(frozen=True)
class RunError:
    reason: str
    """A sentence for the person who has to mend it, with the setting to change where there is one."""
    retryable: bool = True

    def write(self, run_dir: Path) -> None:
        write_json(run_dir / ERROR, dataclasses.asdict(self))

    @classmethod
    def read(cls, run_dir: Path) -> RunError:
        return from_dict(cls, read_json(run_dir / ERROR), "error")
