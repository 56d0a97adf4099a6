"""The nouns. One file for each; every law that the database can hold stands in their constraints."""

from labeling.models.audit import AuditEvent, AuditSeal
from labeling.models.completions import Completion, CompletionOrigin, ModelKind, ModelVersion
from labeling.models.datasets import FROZEN, DatasetKind, DatasetRow, DatasetVersion
from labeling.models.demonstrations import Demonstration, DemonstrationRevision, DemonstrationSource
from labeling.models.invitations import Invitation
from labeling.models.people import User
from labeling.models.projects import LoopPolicy, Membership, Project, Role, Trainer
from labeling.models.prompts import Prompt, Split, UseCase
from labeling.models.queue import Assignment, Draft, Item, ItemCompletion, Kind, Origin, QueueCursor, Slot
from labeling.models.rankings import InputMode, Ranking, RankingRevision
from labeling.models.rounds import Round, RoundStep, ScheduledRound, StepName, Trigger
from labeling.models.rubrics import Rubric
from labeling.models.runs import Run, RunInput, RunMetric, RunStage
from labeling.models.sign_in import SignInAttempt
from labeling.models.tokens import ApiToken
from labeling.models.webhooks import Delivery, Webhook, WebhookEvent

__all__ = [
    "FROZEN", "ApiToken", "Assignment", "AuditEvent", "AuditSeal", "Completion", "CompletionOrigin",
    "DatasetKind", "DatasetRow", "DatasetVersion", "Delivery", "Demonstration", "DemonstrationRevision",
    "DemonstrationSource", "Draft", "InputMode", "Invitation", "Item", "ItemCompletion", "Kind", "LoopPolicy",
    "Membership", "ModelKind", "ModelVersion", "Origin", "Project", "Prompt", "QueueCursor", "Ranking",
    "RankingRevision", "Role", "Round", "RoundStep", "Rubric", "Run", "RunInput", "RunMetric", "RunStage",
    "ScheduledRound", "SignInAttempt", "Slot", "Split", "StepName", "Trainer", "Trigger", "UseCase", "User",
    "Webhook", "WebhookEvent",
]  # fmt: skip
