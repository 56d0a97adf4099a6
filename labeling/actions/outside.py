"""Completions that outside models wrote for prompts that are already there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from labeling.actions import audit
from labeling.actions.answers import check_fields
from labeling.actions.completions import Outcome, Written, outside_model, store_texts
from labeling.actions.errors import BadInput
from labeling.actions.import_items import queue_imported
from labeling.actions.import_rows import MODEL_NAME_LENGTH
from labeling.actions.text import check_text
from labeling.models import ModelVersion, Project, Prompt, User
from labeling.models.ids import is_public_id

FIELDS = frozenset({"prompt", "model", "text"})


@dataclass(frozen=True)
class Taken:
    """What became of each row, in order, and how many items were queued."""

    outcomes: list[Outcome | BadInput]
    items: int


@transaction.atomic
def take(
    project: Project,
    rows: Sequence[Any],
    *,
    queue: bool,
    k: int,
    seed: int,
    dry_run: bool = False,
    actor: User | None = None,
) -> Taken:
    """Store rows {"prompt": public id, "model": name, "text"}; sending them again changes nothing.

    A row that cannot be taken does not hold up the others. With `queue`, each prompt that then has two
    distinct completions, and no imported item yet, gets one to rank, as an import gives it (import_items.py).
    `dry_run` does all of this and takes it back.
    """
    # As imports do: writers into one project follow each other, so that no prompt is queued twice.
    Project.objects.select_for_update(no_key=True).get(pk=project.pk)
    prompts = _prompts(project, rows)
    models: dict[str, ModelVersion] = {}
    outcomes: list[Any] = []
    written: list[Written] = []
    for row in rows:
        try:
            written.append(_check(project, row, prompts, models))
            outcomes.append(None)
        except BadInput as error:
            outcomes.append(error)
    stored = iter(store_texts(written))
    outcomes = [next(stored) if outcome is None else outcome for outcome in outcomes]
    items = 0
    if queue:
        answered = {text.prompt.pk: text.prompt for text in written}
        queued = queue_imported(project, answered, set(answered), k=k, seed=seed, demonstrate=False)
        items = queued.rank_items.total()
    new = sum(outcome in (Outcome.STORED, Outcome.MERGED) for outcome in outcomes)
    if new or items:
        audit.record("completions.imported", project=project, actor=actor, completions=new, items=items)
    if dry_run:
        transaction.set_rollback(True)
    return Taken(outcomes, items)


def _prompts(project: Project, rows: Sequence[Any]) -> dict[str, Prompt]:
    """The project's prompts that these rows name."""
    given = {row.get("prompt") for row in rows if isinstance(row, dict) and is_public_id(row.get("prompt"))}
    return {
        prompt.public_id: prompt for prompt in Prompt.objects.filter(project=project, public_id__in=given)
    }


def _check(
    project: Project, row: Any, prompts: dict[str, Prompt], models: dict[str, ModelVersion]
) -> Written:
    """Raises BadInput that names the field."""
    check_fields(row, FIELDS)
    prompt = prompts.get(check_text(row.get("prompt"), "prompt"))
    if prompt is None:
        raise BadInput("is no prompt of this project", field="prompt")
    name = check_text(row.get("model"), "model")
    if len(name) > MODEL_NAME_LENGTH:
        raise BadInput(f"is longer than {MODEL_NAME_LENGTH} characters", field="model")
    text = check_text(row.get("text"), "text", required=False)
    if name not in models:
        models[name] = outside_model(project, name)
    return Written(prompt, text, models[name])
