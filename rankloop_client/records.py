"""What a project holds, as reviewers and leads read it and add to it. See work.py for how shapes are made."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Required, TypedDict

from rankloop_client.work import Person, Text, Turn

# --- prompts, completions and the queue --------------------------------------------------------------


class SentTurn(TypedDict):
    role: str
    content: str


class SentCompletion(TypedDict):
    model: str
    text: str


class PromptRow(TypedDict, total=False):
    """A prompt to import; everything but `prompt` may be left out."""

    prompt: Required[str | list[SentTurn]]
    completions: list[SentCompletion]
    demonstrations: str | list[str]
    id: str
    use_case: str
    language: str
    group: str
    licence: str
    source: str
    split: str


class CompletionRow(TypedDict):
    """What an outside model wrote for a prompt of the project, which `prompt` names by its public id."""

    prompt: str
    model: str
    text: str


@dataclass(frozen=True)
class Refusal:
    code: str
    message: str
    field: str


@dataclass(frozen=True)
class LandedRow:
    row: int
    outcome: str
    error: Refusal | None


@dataclass(frozen=True)
class LandedPrompt(LandedRow):
    prompt: str | None


@dataclass(frozen=True)
class LandedPrompts:
    dry_run: bool
    items: int
    results: tuple[LandedPrompt, ...]


@dataclass(frozen=True)
class LandedCompletions:
    dry_run: bool
    items: int
    results: tuple[LandedRow, ...]


@dataclass(frozen=True)
class Prompt:
    """`id` is what its source calls it."""

    prompt: str
    messages: tuple[Turn, ...]
    split: str
    use_case: str
    language: str
    group: str
    licence: str
    source: str
    id: str
    simulated: bool
    created_at: datetime


@dataclass(frozen=True)
class Origin:
    model: str
    name: str
    run: str | None
    sampling: dict[str, Any]


@dataclass(frozen=True)
class Completion:
    completion: str
    prompt: str
    shown: Text
    origins: tuple[Origin, ...]
    created_at: datetime


@dataclass(frozen=True)
class Item:
    """`prompt` is None where one is to be written."""

    item: str
    kind: str
    purpose: str
    prompt: str | None
    k: int
    state: str
    overlap: int
    filled: int
    origin: str
    model: str | None
    round: str | None
    skips: int
    needs_review: bool
    created_at: datetime


# --- what people wrote -------------------------------------------------------------------------------


@dataclass(frozen=True)
class DemonstrationRevision:
    number: int
    base: int
    shown: Text
    active_seconds: int
    created_at: datetime


@dataclass(frozen=True)
class Demonstration:
    demonstration: str
    prompt: str
    item: str | None
    source: str
    labeler: str | None
    simulated: bool
    extra: bool
    created_at: datetime
    latest: DemonstrationRevision


@dataclass(frozen=True)
class DemonstrationWhole(Demonstration):
    messages: tuple[Turn, ...]
    history: tuple[DemonstrationRevision, ...]


@dataclass(frozen=True)
class Place:
    """What a ranking says of one completion; `rank` 1 is best, equal ranks are ties. `denied`: flagged no."""

    completion: str
    score: int
    rank: int | None
    flags: tuple[str, ...]
    denied: tuple[str, ...]
    moved: bool


@dataclass(frozen=True)
class RankingRevision:
    number: int
    base: int
    rubric: int
    completions: tuple[Place, ...]
    all_bad: bool
    comment: str
    mode: str
    method: str
    conflicts: int
    active_seconds: int
    created_at: datetime


@dataclass(frozen=True)
class Ranking:
    ranking: str
    item: str
    prompt: str
    labeler: str | None
    simulated: bool
    extra: bool
    created_at: datetime
    latest: RankingRevision


@dataclass(frozen=True)
class RankedText:
    completion: str
    shown: Text


@dataclass(frozen=True)
class RankingWhole(Ranking):
    messages: tuple[Turn, ...]
    texts: tuple[RankedText, ...]
    history: tuple[RankingRevision, ...]


# --- datasets, runs, models, rounds ------------------------------------------------------------------


@dataclass(frozen=True)
class Dataset:
    dataset: str
    kind: str
    number: int
    state: str
    digest: str
    counts: dict[str, Any]
    recipe: dict[str, Any]
    created_by: Person | None
    created_at: datetime
    completed_at: datetime | None


@dataclass(frozen=True)
class Freezing:
    """A freeze that was asked for; `newest` is the newest version before it."""

    kind: str
    newest: str | None


@dataclass(frozen=True)
class Run:
    run: str
    stage: str
    is_judge: bool
    state: str
    round: str | None
    step: int
    total_steps: int
    attempt: int
    failures: int
    stop_requested: bool
    result: dict[str, Any]
    error: str
    model: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None

    @property
    def is_over(self) -> bool:
        return self.finished_at is not None


@dataclass(frozen=True)
class Input:
    name: str
    dataset: str | None
    model: str | None


@dataclass(frozen=True)
class RunWhole(Run):
    settings: dict[str, Any]
    seed: int
    inputs: tuple[Input, ...]
    log_tail: str


@dataclass(frozen=True)
class Metric:
    line: int
    values: dict[str, Any]


@dataclass(frozen=True)
class Metrics:
    attempt: int
    results: tuple[Metric, ...]
    next: int | None


@dataclass(frozen=True)
class Model:
    model: str
    kind: str
    name: str
    run: str | None
    report: dict[str, Any]
    promoted_at: datetime | None
    created_at: datetime


@dataclass(frozen=True)
class ModelRef:
    model: str
    kind: str
    name: str


@dataclass(frozen=True)
class DatasetRef:
    dataset: str
    kind: str
    number: int
    digest: str


@dataclass(frozen=True)
class RunRef:
    run: str
    stage: str


@dataclass(frozen=True)
class Lineage:
    run: RunRef | None
    datasets: tuple[DatasetRef, ...]
    parents: tuple[ModelRef, ...]
    children: tuple[ModelRef, ...]


@dataclass(frozen=True)
class ModelWhole(Model):
    lineage: Lineage


@dataclass(frozen=True)
class Step:
    name: str
    state: str
    run: str | None
    reused: bool
    detail: dict[str, Any]
    started_at: datetime | None
    finished_at: datetime | None


@dataclass(frozen=True)
class Round:
    round: str
    number: int
    state: str
    trigger: str
    reason: str
    steps: tuple[Step, ...]
    started_by: Person | None
    overridden_by: Person | None
    override_reason: str
    started_at: datetime
    finished_at: datetime | None
