"""What labelers go by, as leads write it: guidelines, scale, flags. See work.py for how shapes are made."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Required, TypedDict

from rankloop_client.work import Person, Text


@dataclass(frozen=True)
class GuidelinesVersion:
    version: int
    text: Text
    binding: bool
    note: str
    written_by: Person | None
    created_at: datetime
    accepted_by: int


class SentFlag(TypedDict, total=False):
    """A flag to ask: labels and help by language, of which `en` must have a label."""

    key: Required[str]
    labels: Required[dict[str, str]]
    help: dict[str, str]
    required: bool
    use_cases: list[str]


@dataclass(frozen=True)
class WrittenFlag:
    """Labels and help by language; without `use_cases` it is asked everywhere."""

    key: str
    labels: dict[str, str]
    help: dict[str, str]
    required: bool
    use_cases: tuple[str, ...]


@dataclass(frozen=True)
class RubricVersion:
    version: int
    scale_min: int
    scale_max: int
    help: dict[str, str]
    flags: tuple[WrittenFlag, ...]
    note: str
    written_by: Person | None
    created_at: datetime
