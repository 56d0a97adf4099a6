"""The nouns. One file for each; every law that the database can hold stands in their constraints."""

from labeling.models.audit import AuditEvent, AuditSeal
from labeling.models.checks import Gold, QualityPolicy
from labeling.models.completions import Completion, CompletionOrigin, ModelKind, ModelVersion
from labeling.models.datasets import FROZEN, DatasetKind, DatasetRow, DatasetVersion
from labeling.models.demonstrations import Demonstration, DemonstrationRevision, DemonstrationSource, Verdict
from labeling.models.guidelines import Acceptance, Guidelines
from labeling.models.invitations import Invitation
from labeling.models.people import User
from labeling.models.projects import LoopPolicy, Membership, Onboarding, Project, RankingMethod, Role, Trainer
from labeling.models.prompts import Prompt, Sensitive, Split, UseCase
from labeling.models.queue import (
    Assignment,
    Draft,
    Item,
    ItemCompletion,
    Kind,
    Origin,
    Purpose,
    QueueCursor,
    ReviewReason,
    Slot,
)
from labeling.models.rankings import InputMode, Ranking, RankingRevision
from labeling.models.reviews import Return, Review, ReviewRevision
from labeling.models.rounds import Round, RoundStep, ScheduledRound, StepName, Trigger
from labeling.models.rubrics import Rubric
from labeling.models.runs import Run, RunInput, RunMetric, RunStage
from labeling.models.sign_in import SignInAttempt
from labeling.models.tokens import ApiToken
from labeling.models.webhooks import Delivery, Webhook, WebhookEvent
from labeling.models.written_prompts import PromptFlag, PromptKind, WrittenPrompt, WrittenPromptRevision

__all__ = [
    "FROZEN", "Acceptance", "ApiToken", "Assignment", "AuditEvent", "AuditSeal", "Completion",
    "CompletionOrigin", "DatasetKind", "DatasetRow", "DatasetVersion", "Delivery", "Demonstration",
    "DemonstrationRevision", "DemonstrationSource", "Draft", "Gold", "Guidelines", "InputMode",
    "Invitation", "Item", "ItemCompletion", "Kind", "LoopPolicy", "Membership", "ModelKind",
    "ModelVersion", "Onboarding", "Origin", "Project", "Prompt", "PromptFlag", "PromptKind", "Purpose",
    "QualityPolicy", "QueueCursor", "Ranking", "RankingMethod", "RankingRevision", "Return", "Review",
    "ReviewReason", "ReviewRevision", "Role", "Round", "RoundStep", "Rubric", "Run", "RunInput",
    "RunMetric", "RunStage", "ScheduledRound", "Sensitive", "SignInAttempt", "Slot", "Split",
    "StepName", "Trainer", "Trigger", "UseCase", "User", "Verdict", "Webhook", "WebhookEvent",
    "WrittenPrompt", "WrittenPromptRevision",
]  # fmt: skip
