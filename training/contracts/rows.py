"""The rows of a run's JSONL files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

TRAINED_ON = "trained_on.json"


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
    """The run's; of a server the one that it was sent."""
    tokens: int | None
    """None where a server did not say."""
    finish: Literal["eos", "length", "other"]
    """"other": a server ended it for a reason of its own, a content filter say."""
    logprob: float | None
    """Sum over the response's tokens under the sampled policy, nats; None of a server."""
    reward: float | None = None
    """Its centred and scaled score, where the run was given a reward model."""
    evaluation_reward: float | None = None
    """The same by the other reward model that evaluate was given."""


@dataclass(frozen=True)
class PretrainingRow:
    """A line of pretraining.jsonl."""

    text: str


@dataclass(frozen=True)
class TaskRow:
    """A line of tasks.jsonl: a question with a yardstick of its own, for what training has cost elsewhere."""

    task: str
    """The set that it belongs to, "truthfulness" say; figures are by set."""
    id: str
    messages: tuple[Message, ...]
    metric: Literal["exact", "contains", "choice", "avoids"]
    """Of a greedy response, but for case and outer space: it is one of the references; it contains one; it
    contains none (words that are not wanted; "art" is not in "start"). "choice": the first reference is
    likelier, per token, than any other."""
    references: tuple[str, ...]


@dataclass(frozen=True)
class TrainedOn:
    """TRAINED_ON in a reward model's folder: whose judgement it has, and of which prompts."""

    prompts: tuple[str, ...]
    """Public ids."""
    labelers: tuple[str, ...]
    """Pseudonyms."""
