"""Who one is, one's projects, and a labeler's work, under the names of the API's description (/api/docs).

What comes back is a frozen dataclass; a field that the server adds is passed over, one that is missing is an
error (reading.py). States, kinds and stages are plain texts, so that a new one breaks nobody. What is sent is
a dictionary. HTML of texts is for pages, and left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Required, TypedDict

# --- people and projects -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Token:
    name: str
    expires_at: datetime | None


@dataclass(frozen=True)
class Me:
    user: str
    username: str
    name: str
    language: str
    time_zone: str
    is_simulated: bool
    is_operator: bool
    token: Token | None


@dataclass(frozen=True)
class Person:
    user: str
    name: str


@dataclass(frozen=True)
class Text:
    text: str


@dataclass(frozen=True)
class Turn:
    role: str
    content: str


@dataclass(frozen=True)
class Open:
    """How much there is to do for oneself."""

    demonstrate: int
    rank: int


@dataclass(frozen=True)
class Project:
    project: str
    slug: str
    name: str
    role: str
    languages: tuple[str, ...]
    open: Open


@dataclass(frozen=True)
class ProjectWhole(Project):
    description: str
    guidelines: Text


@dataclass(frozen=True)
class Guidelines:
    """Those in force; 0 where there are none. Who `must_accept` them is given no work before."""

    version: int
    text: Text
    accepted: int | None
    must_accept: bool


# --- a labeler's work --------------------------------------------------------------------------------


@dataclass(frozen=True)
class AskedPrompt:
    messages: tuple[Turn, ...]
    language: str
    use_case: str
    sensitive: tuple[str, ...]


@dataclass(frozen=True)
class LetteredCompletion:
    letter: str
    text: str


@dataclass(frozen=True)
class Flag:
    """A `required` one wants a yes (`flags`) or a no (`denied`) for each completion."""

    key: str
    label: str
    help: str
    required: bool


@dataclass(frozen=True)
class Rubric:
    version: int
    scale_min: int
    scale_max: int
    help: str
    flags: tuple[Flag, ...]


@dataclass(frozen=True)
class Draft:
    sequence: int
    body: dict[str, Any]


@dataclass(frozen=True)
class Assignment:
    """An item that one holds, by its `token`. Completions are known by letters."""

    token: str
    kind: str
    state: str
    method: str
    lease_until: datetime
    lease_seconds: int
    project: str
    prompt: AskedPrompt
    completions: tuple[LetteredCompletion, ...]
    rubric: Rubric
    draft: Draft | None


@dataclass(frozen=True)
class Next:
    assignment: Assignment | None
    reason: str


@dataclass(frozen=True)
class Lease:
    lease_until: datetime


@dataclass(frozen=True)
class Saved:
    """A draft that was kept; `lease_until` is None where the lease is over."""

    sequence: int
    lease_until: datetime | None


class GivenRanking(TypedDict, total=False):
    """A ranking by letters. Completions that share a tier must stand in `tied`."""

    scores: Required[dict[str, int]]
    tiers: list[list[str]] | None
    tied: list[str]
    flags: dict[str, list[str]]
    denied: dict[str, list[str]]
    moved: list[str]
    all_bad: bool
    comment: str


@dataclass(frozen=True)
class Submitted:
    """A stored answer; `answer` is its id for later revisions. `extra`: it came late and fills no slot."""

    answer: str
    revision: int
    extra: bool
    conflicts: int


@dataclass(frozen=True)
class Answer:
    """One's own answer. `given` is what a revision takes: a GivenRanking, or {"text": …}."""

    answer: str
    kind: str
    revision: int
    extra: bool
    created_at: datetime
    revised_at: datetime
    given: dict[str, Any]
    assignment: Assignment
