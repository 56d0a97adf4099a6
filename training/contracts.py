"""The run folder: everything a training stage reads and writes.

A stage is started as `python -m training.<stage> RUN_DIR`. Its whole world is that folder:

    RUN_DIR/
      config.json       RunConfig, written before the stage starts
      inputs/           datasets and model folders, read-only (often links)
      metrics.jsonl     one JSON object a step: {"step": 3, "total": 400, "time": 12.5, ...}
      checkpoints/      the stage's own
      outputs/          what is published: a model folder, completions.jsonl or report.json,
                        with manifest.json written last
      result.json       RunResult, written after everything else
      error.json        RunError, if the stage could explain why it failed

This module is the only bridge between `labeling` and `training`; it uses the standard library only.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

CONTRACT = 1

Stage = Literal["sft", "reward", "ppo", "generate", "evaluate"]
STAGES: tuple[Stage, ...] = ("sft", "reward", "ppo", "generate", "evaluate")

CONFIG = "config.json"
METRICS = "metrics.jsonl"
RESULT = "result.json"
ERROR = "error.json"
OUTPUTS = "outputs"
INPUTS = "inputs"
MANIFEST = "manifest.json"

EXIT_BAD_INPUT = 3
"""The stage's inputs or settings are wrong: trying again cannot help."""
EXIT_OUT_OF_MEMORY = 4


class ContractError(ValueError):
    """A file of the run folder is not what this module promises."""


# --- settings of each stage ----------------------------------------------------------------------
# Defaults are InstructGPT's (arXiv 2203.02155, appendix C) where it states a number; a project's loop
# policy overrides them by name. Lengths are tokens.


@dataclass(frozen=True)
class BaseModel:
    """Where a stage's initial weights come from.

    kind "tiny": the project's own byte-level model of a family and size, random weights, made on the spot.
    kind "folder": a local model folder, linked at inputs/base. kind "hub": a model hub name.
    """

    kind: Literal["tiny", "folder", "hub"] = "tiny"
    name: str = ""
    family: Literal["llama", "t5"] = "llama"
    """Of kind "tiny" alone; a folder or hub model says itself what it is."""
    hidden_size: int = 128
    layers: int = 4
    """Of a T5: in its encoder and again in its decoder."""
    heads: int = 4


@dataclass(frozen=True)
class Tuning:
    """How a stage moves weights, whatever it learns."""

    lora_rank: int = 0
    """Of LoRA's adapters on every linear layer; 0 trains all weights. What is published is merged, always."""
    lora_alpha: int = 0
    """Adapters are scaled by alpha / rank; 0: twice the rank."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Of matrix products; weights stay in float32. auto: bfloat16 on a GPU that has it, float32 elsewhere."""
    gradient_checkpointing: bool = False
    """Compute activations again in the backward pass: about a third slower, far less memory."""


@dataclass(frozen=True)
class SftSettings(Tuning):
    """Supervised fine-tuning (C.1): cosine to 10 % of the learning rate, loss on the response only."""

    base: BaseModel = field(default_factory=BaseModel)
    epochs: float = 16.0
    max_steps: int = 0
    """0: as many as `epochs` gives."""
    batch_size: int = 32
    learning_rate: float = 9.65e-6
    warmup_steps: int = 0
    weight_decay: float = 0.0
    dropout: float = 0.0
    max_prompt_tokens: int = 1024
    max_response_tokens: int = 1024
    evaluate_every: int = 100
    max_valid_rows: int = 512


@dataclass(frozen=True)
class RewardSettings(Tuning):
    """Reward model (C.2): one epoch, a batch element is an item with all K completions."""

    epochs: float = 1.0
    batch_size: int = 64
    """Items, not pairs."""
    micro_batch_size: int = 0
    """Items in one forward; the gradients of a batch are added up. 0: the whole batch at once."""
    learning_rate: float = 9e-6
    warmup_steps: int = 0
    weight_decay: float = 0.0
    max_prompt_tokens: int = 1024
    max_response_tokens: int = 1024
    ties: Literal["rao_kupper", "drop"] = "rao_kupper"
    """"drop" is the paper's."""
    tie_learning_rate: float = 1e-2
    """Of ρ, the one number behind θ: it moves by about this much a step."""
    margin_from_scores: float = 0.0
    """By how much a winner must lead for each point that the labeler scored it higher (Llama 2). 0: off."""
    shared_prefix: Literal["auto", "off"] = "auto"
    """"auto": a prompt is read once for all its completions, if that scores alike for this model."""
    max_row_tokens: int = 4096
    """An item whose prompt and completions are longer than this together is read apart."""
    members: int = 1
    """More than one: an ensemble, each member with a head, an order of the data and weights of its own."""
    ensemble_lambda: float = 0.5
    """An ensemble's reward is the mean of its members' less this times their variance (Coste et al. 2023)."""
    held_out_labelers: tuple[str, ...] = ()
    """Pseudonyms whose rankings never train and are measured apart."""
    held_out_labeler_share: float = 0.0
    """Of the labelers, where none are named: at least one and never all, settled by the seed."""
    max_demonstrations: int = 512
    """How many demonstrations (or SFT samples) the bias and scale are measured on."""
    bootstrap: int = 1000
    """Resamples, by prompt, behind each interval of the report."""


@dataclass(frozen=True)
class PpoSettings(Tuning):
    """PPO (C.4) with a per-token KL penalty to the policy it started from."""

    episodes: int = 256_000
    batch_size: int = 512
    """Episodes in one iteration."""
    minibatch_size: int = 64
    inner_epochs: int = 1
    policy_learning_rate: float = 9.65e-6
    value_learning_rate: float = 9e-6
    warmup_iterations: int = 10
    """Linear from a tenth."""
    kl_coefficient: float = 0.02
    """Fixed, or where `kl_target` starts from."""
    kl_target: float = 0.0
    """Nats a response that an adaptive coefficient steers to; 0: the coefficient is fixed."""
    gamma: float = 1.0
    gae_lambda: float = 0.95
    clip: float = 0.2
    value_clip: float = 0.2
    value_coefficient: float = 0.1
    whiten_advantages: bool = True
    temperature: float = 1.0
    max_prompt_tokens: int = 1024
    max_response_tokens: int = 1024
    eos_penalty: float = 1.0
    """Taken from the score of a response that was cut off before its end."""
    ema_decay: float = 0.992
    max_gradient_norm: float = 1.0


@dataclass(frozen=True)
class GenerateSettings:
    """Sample K completions for each prompt."""

    completions_per_prompt: int = 4
    temperature: float = 1.0
    top_p: float = 1.0
    max_prompt_tokens: int = 1024
    max_response_tokens: int = 1024
    batch_size: int = 64
    """Sequences sampled at once."""


@dataclass(frozen=True)
class EvaluateSettings:
    """Sample a policy on held-out prompts at several temperatures (0 is greedy) and measure its KL."""

    temperatures: tuple[float, ...] = (1.0, 0.0)
    completions_per_prompt: int = 1
    max_prompts: int = 0
    """0: all."""
    max_prompt_tokens: int = 1024
    max_response_tokens: int = 1024
    batch_size: int = 64


Settings = SftSettings | RewardSettings | PpoSettings | GenerateSettings | EvaluateSettings

SETTINGS: dict[Stage, type[Settings]] = {
    "sft": SftSettings,
    "reward": RewardSettings,
    "ppo": PpoSettings,
    "generate": GenerateSettings,
    "evaluate": EvaluateSettings,
}

STAGE_INPUTS: dict[Stage, tuple[tuple[str, bool], ...]] = {
    # (name below inputs/, required). Datasets are JSONL files, the rest are model folders.
    "sft": (("dataset.jsonl", True), ("base", False)),
    "reward": (("dataset.jsonl", True), ("demonstrations.jsonl", False), ("base", True)),
    "ppo": (("prompts.jsonl", True), ("policy", True), ("reward", True)),
    "generate": (("prompts.jsonl", True), ("policy", True)),
    "evaluate": (("prompts.jsonl", True), ("policy", True), ("reference", False), ("reward", False)),
}


# --- the files of a run ---------------------------------------------------------------------------


@dataclass(frozen=True)
class RunConfig:
    stage: Stage
    settings: Settings
    seed: int = 0
    threads: int = 0
    """CPU threads; 0 leaves it to torch."""
    device: str = "auto"
    contract: int = CONTRACT

    def write(self, run_dir: Path) -> None:
        write_json(run_dir / CONFIG, dataclasses.asdict(self))

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
        return from_dict(cls, values, "config")


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


# --- rows of the datasets -------------------------------------------------------------------------


@dataclass(frozen=True)
class Message:
    role: Literal["system", "user", "assistant"]
    content: str


Split = Literal["train", "valid", "test"]


@dataclass(frozen=True)
class PromptRow:
    """A line of prompts.jsonl."""

    prompt: str
    """Public id."""
    split: Split
    messages: tuple[Message, ...]
    use_case: str = ""
    language: str = ""


@dataclass(frozen=True)
class DemonstrationRow:
    """A line of an sft dataset."""

    demonstration: str
    prompt: str
    split: Split
    messages: tuple[Message, ...]
    response: str
    labeler: str = ""
    """Pseudonym; empty for an imported demonstration."""
    source: str = "labeler"
    simulated: bool = False


@dataclass(frozen=True)
class RankingRow:
    """One labeler's answer to an item; arrays are over the item's positions."""

    ranking: str
    revision: int
    labeler: str
    ranks: tuple[int, ...] | None
    """1 is best; equal numbers are ties; None where an all-bad answer gives no order (no pairs)."""
    scores: tuple[int, ...]
    all_bad: bool
    flags: tuple[tuple[str, ...], ...]
    simulated: bool = False


@dataclass(frozen=True)
class CompletionText:
    completion: str
    text: str
    models: tuple[str, ...] = ()


@dataclass(frozen=True)
class ComparisonRow:
    """A line of a comparisons dataset: one item with every ranking that was taken."""

    item: str
    prompt: str
    split: Split
    messages: tuple[Message, ...]
    completions: tuple[CompletionText, ...]
    rankings: tuple[RankingRow, ...]
    use_case: str = ""
    language: str = ""


@dataclass(frozen=True)
class GeneratedRow:
    """A line of outputs/completions.jsonl of generate and evaluate."""

    prompt: str
    sample: int
    text: str
    temperature: float
    top_p: float
    seed: int
    tokens: int
    finish: Literal["eos", "length"]
    logprob: float
    """Sum over the response's tokens under the sampled policy, nats."""
    reward: float | None = None
    """Its centred and scaled score, where evaluate was given a reward model."""


Row = TypeVar("Row")


def read_rows(path: Path, row_type: type[Row]) -> Iterator[Row]:
    """Yield the rows of a JSONL file; raises ContractError with the line number."""
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            try:
                data = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise ContractError(f"{path.name}:{number}: not JSON ({error})") from error
            yield from_dict(row_type, data, f"{path.name}:{number}")


def row_bytes(row: Any) -> bytes:
    """The canonical line of a row: the same row always gives the same bytes."""
    text = json.dumps(dataclasses.asdict(row), ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return text.encode("utf-8") + b"\n"


# --- manifests ------------------------------------------------------------------------------------


def write_manifest(folder: Path) -> str:
    """Hash every file of `folder`, fsync, write manifest.json last; returns the manifest's SHA-256."""
    files: dict[str, dict[str, Any]] = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and p != folder / MANIFEST):
        with path.open("rb") as handle:
            digest = hashlib.file_digest(handle, "sha256").hexdigest()
            os.fsync(handle.fileno())
        files[path.relative_to(folder).as_posix()] = {"sha256": digest, "bytes": path.stat().st_size}
    write_json(folder / MANIFEST, {"files": files})
    return hashlib.sha256((folder / MANIFEST).read_bytes()).hexdigest()


def verify_manifest(folder: Path) -> str:
    """Check every hash; returns the manifest's SHA-256. Raises ContractError naming the first bad file."""
    manifest = read_json(folder / MANIFEST)
    listed = manifest.get("files", {})
    present = {
        p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file() and p.name != MANIFEST
    }
    if unlisted := present - set(listed):
        raise ContractError(f"{sorted(unlisted)[0]}: not in the manifest")
    for name, entry in listed.items():
        path = folder / name
        if not path.is_file() or path.is_symlink() or not path.resolve().is_relative_to(folder.resolve()):
            raise ContractError(f"{name}: missing")
        with path.open("rb") as handle:
            if hashlib.file_digest(handle, "sha256").hexdigest() != entry["sha256"]:
                raise ContractError(f"{name}: its hash is not the manifest's")
    return hashlib.sha256((folder / MANIFEST).read_bytes()).hexdigest()


# --- strict JSON to dataclass ---------------------------------------------------------------------


def write_json(path: Path, data: Any) -> None:
    """Write whole or not at all: temporary file, fsync, rename."""
    temporary = path.with_name(path.name + ".tmp")
    with temporary.open("w", encoding="utf-8") as handle:
        json.dump(data, handle, ensure_ascii=False, sort_keys=True, indent=1)
        handle.write("\n")
        handle.flush()
        os.fsync(handle.fileno())
    temporary.replace(path)


def read_json(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ContractError(f"{path.name}: missing") from error
    except ValueError as error:
        raise ContractError(f"{path.name}: not JSON ({error})") from error
    if not isinstance(data, dict):
        raise ContractError(f"{path.name}: not an object")
    return data


def from_dict(kind: type[Row], data: Any, where: str) -> Row:
    """Build a dataclass from JSON, refusing unknown fields, missing fields and wrong types by name."""
    if not isinstance(data, Mapping):
        raise ContractError(f"{where}: an object is wanted")
    hints = typing.get_type_hints(kind)
    fields = {f.name: f for f in dataclasses.fields(kind)}  # type: ignore[arg-type]
    if unknown := set(data) - set(fields):
        raise ContractError(f"{where}.{sorted(unknown)[0]}: unknown field")
    values = {}
    for name, spec in fields.items():
        if name in data:
            values[name] = _convert(hints[name], data[name], f"{where}.{name}")
        elif spec.default is dataclasses.MISSING and spec.default_factory is dataclasses.MISSING:
            raise ContractError(f"{where}.{name}: missing")
    return kind(**values)


def _convert(hint: Any, value: Any, where: str) -> Any:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return value
    if dataclasses.is_dataclass(hint):
        return from_dict(typing.cast(type[Any], hint), value, where)
    if origin is Literal:
        if value not in arguments:
            raise ContractError(f"{where}: {value!r} is none of {', '.join(map(repr, arguments))}")
        return value
    if origin is tuple:
        if not isinstance(value, list | tuple):
            raise ContractError(f"{where}: a list is wanted")
        return tuple(_convert(arguments[0], entry, f"{where}[{index}]") for index, entry in enumerate(value))
    if origin is not None and type(None) in arguments:
        inner = next(a for a in arguments if a is not type(None))
        return None if value is None else _convert(inner, value, where)
    if origin is dict or hint is Any:
        return value
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(hint, type) and (
        not isinstance(value, hint) or (isinstance(value, bool) and hint is not bool)
    ):
        raise ContractError(f"{where}: {hint.__name__} is wanted, not {type(value).__name__}")
    return value
