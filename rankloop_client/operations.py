"""Every operation of the API that the client calls: its address, what it gives, and if it may be repeated.

A name here is the operation's name in the API's description; tests/client/test_schema.py holds them together.
An operation is repeatable where the server does nothing more when the same request comes again: reads, all
that an assignment is asked, batches (what is there already is left alone), and answers under one key.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import NoneType
from typing import Generic, TypeVar

from rankloop_client import guidance, records, work

Given = TypeVar("Given")


@dataclass(frozen=True)
class Operation(Generic[Given]):
    """`keyed`: it wants an Idempotency-Key, one for each answer however often it is sent."""

    method: str
    path: str
    gives: type[Given]
    repeatable: bool = True
    keyed: bool = False


@dataclass(frozen=True)
class Listing(Generic[Given]):
    """A list of what it gives, page by page."""

    path: str
    gives: type[Given]


ME = Operation("GET", "me", work.Me)
PROJECTS = Listing("projects", work.Project)
PROJECT = Operation("GET", "projects/{project}", work.ProjectWhole)

GUIDELINES = Operation("GET", "projects/{project}/guidelines", work.Guidelines)
ACCEPT_GUIDELINES = Operation("POST", "projects/{project}/guidelines/accept", work.Guidelines)

# --- a labeler's work: all of it is the same when done twice ---

NEXT = Operation("POST", "projects/{project}/next", work.Next)
ANSWERS = Listing("projects/{project}/answers", work.Answer)
SHOW = Operation("POST", "assignments/{assignment}/show", work.Assignment)
RENEW = Operation("POST", "assignments/{assignment}/renew", work.Lease)
DRAFT = Operation("PUT", "assignments/{assignment}/draft", work.Saved)
RELEASE = Operation("POST", "assignments/{assignment}/release", NoneType)
SKIP = Operation("POST", "assignments/{assignment}/skip", NoneType)
SUBMIT_RANKING = Operation("POST", "assignments/{assignment}/ranking", work.Submitted, keyed=True)
SUBMIT_DEMONSTRATION = Operation("POST", "assignments/{assignment}/demonstration", work.Submitted, keyed=True)
REVISE_RANKING = Operation("POST", "rankings/{ranking}/revisions", work.Submitted, keyed=True)
REVISE_DEMONSTRATION = Operation(
    "POST", "demonstrations/{demonstration}/revisions", work.Submitted, keyed=True
)

# --- what reviewers and leads read ---

DEMONSTRATIONS = Listing("projects/{project}/demonstrations", records.Demonstration)
DEMONSTRATION = Operation("GET", "demonstrations/{demonstration}", records.DemonstrationWhole)
RANKINGS = Listing("projects/{project}/rankings", records.Ranking)
RANKING = Operation("GET", "rankings/{ranking}", records.RankingWhole)
PROMPTS = Listing("projects/{project}/prompts", records.Prompt)
PROMPT = Operation("GET", "prompts/{prompt}", records.Prompt)
COMPLETIONS = Listing("projects/{project}/completions", records.Completion)
ITEMS = Listing("projects/{project}/items", records.Item)
DATASETS = Listing("projects/{project}/datasets", records.Dataset)
DATASET = Operation("GET", "datasets/{dataset}", records.Dataset)
DATASET_ROWS = Operation("GET", "datasets/{dataset}/rows", str)
RUNS = Listing("projects/{project}/runs", records.Run)
WRITE_COMPLETIONS = Operation("POST", "projects/{project}/completions/write", records.Run, repeatable=False)
RUN = Operation("GET", "runs/{run}", records.RunWhole)
RUN_METRICS = Operation("GET", "runs/{run}/metrics", records.Metrics)
MODELS = Listing("projects/{project}/models", records.Model)
MODEL = Operation("GET", "models/{model}", records.ModelWhole)
ROUNDS = Listing("projects/{project}/rounds", records.Round)
ROUND = Operation("GET", "rounds/{round}", records.Round)
GUIDELINES_VERSIONS = Listing("projects/{project}/guidelines/versions", guidance.GuidelinesVersion)
RUBRICS = Listing("projects/{project}/rubrics", guidance.RubricVersion)

# --- what leads write ---

IMPORT_PROMPTS = Operation("POST", "projects/{project}/prompts", records.LandedPrompts)
# Written again on the same base, it is refused because of the first.
WRITE_GUIDELINES = Operation(
    "POST", "projects/{project}/guidelines/versions", guidance.GuidelinesVersion, repeatable=False
)
WRITE_RUBRIC = Operation("POST", "projects/{project}/rubrics", guidance.RubricVersion, repeatable=False)
IMPORT_COMPLETIONS = Operation("POST", "projects/{project}/completions", records.LandedCompletions)
# After a second freeze the `newest` of its answer may be what the first one made; a second stop, override or
# start is refused because of the first. Who lost such an answer must look, and decide.
FREEZE_DATASET = Operation("POST", "projects/{project}/datasets", records.Freezing, repeatable=False)
STOP_RUN = Operation("POST", "runs/{run}/stop", records.Run, repeatable=False)
START_ROUND = Operation("POST", "projects/{project}/rounds", records.Round, repeatable=False)
STOP_ROUND = Operation("POST", "rounds/{round}/stop", records.Round, repeatable=False)
OVERRIDE_GATE = Operation("POST", "rounds/{round}/override", records.Round, repeatable=False)
