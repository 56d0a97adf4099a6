"""A typed client of the Rankloop API. README.md shows what it is for."""

from __future__ import annotations

from rankloop_client.batches import ImportReport, Landed
from rankloop_client.client import Client
from rankloop_client.errors import (
    BadRequest,
    BadToken,
    Conflict,
    Damaged,
    KeyReused,
    MaybeDone,
    NotAllowed,
    NotFound,
    RankloopError,
    TookTooLong,
    Unavailable,
    Unexpected,
)
from rankloop_client.records import (
    Completion,
    CompletionRow,
    Dataset,
    Demonstration,
    Item,
    Model,
    Prompt,
    PromptRow,
    Ranking,
    Round,
    Run,
)
from rankloop_client.server import Retries
from rankloop_client.watching import Changed, Measured
from rankloop_client.work import Answer, Assignment, GivenRanking, Me, Project, Submitted

__all__ = [
    "Answer",
    "Assignment",
    "BadRequest",
    "BadToken",
    "Changed",
    "Client",
    "Completion",
    "CompletionRow",
    "Conflict",
    "Damaged",
    "Dataset",
    "Demonstration",
    "GivenRanking",
    "ImportReport",
    "Item",
    "KeyReused",
    "Landed",
    "MaybeDone",
    "Me",
    "Measured",
    "Model",
    "NotAllowed",
    "NotFound",
    "Project",
    "Prompt",
    "PromptRow",
    "Ranking",
    "RankloopError",
    "Retries",
    "Round",
    "Run",
    "Submitted",
    "TookTooLong",
    "Unavailable",
    "Unexpected",
]
