"""Storing the texts that models wrote. Equal texts of a prompt are one completion with several origins."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from labeling.actions.errors import BadInput
from labeling.actions.text import check_text, text_digest
from labeling.models import Completion, CompletionOrigin, ModelKind, ModelVersion, Project, Prompt, Run
from training.contracts import GeneratedRow

PROMPTS_AT_ONCE = 1000


class Outcome(StrEnum):
    """What became of a text."""

    STORED = "stored"
    MERGED = "merged"
    """Equal, but for white space at its ends, to a text of the same prompt by another model."""
    ALREADY_THERE = "already there"
    """The same model's same text was stored before."""
    EMPTY = "empty"
    """White space only: not stored."""


@dataclass(frozen=True)
class Written:
    """A text that a model wrote for a prompt."""

    prompt: Prompt
    text: str
    model: ModelVersion
    sampling: dict[str, Any] = field(default_factory=dict)


def outside_model(project: Project, name: str) -> ModelVersion:
    """The outside model of this name, made if it is new. Raises BadInput if a run wrote one of that name."""
    model, _made = ModelVersion.objects.get_or_create(
        project=project, name=name, defaults={"kind": ModelKind.OUTSIDE}
    )
    if model.kind != ModelKind.OUTSIDE:
        raise BadInput(_("A model of this project that was trained here has this name."), field="model")
    return model


@transaction.atomic
def store_texts(texts: Sequence[Written], *, run: Run | None = None) -> list[Outcome]:
    """Store each text or find its equal; what became of each, in order.

    The first of equal texts is kept as it was given. Texts must have been checked (actions/text.py).
    """
    prompts = {written.prompt.pk for written in texts}
    # Two writers of one prompt's completions follow each other: the second finds what the first stored.
    list(Prompt.objects.select_for_update(no_key=True).filter(pk__in=prompts).order_by("pk").values("pk"))
    stored = {
        (completion.prompt_id, bytes(completion.digest)): completion
        for completion in Completion.objects.filter(prompt__in=prompts).defer("text")
    }
    origins = set(
        CompletionOrigin.objects.filter(completion__prompt__in=prompts, run=run).values_list(
            "completion__prompt_id", "completion__digest", "model_id"
        )
    )
    known_origins = {(prompt, bytes(digest), model) for prompt, digest, model in origins}
    new: list[Completion] = []
    new_origins: list[CompletionOrigin] = []
    outcomes = []
    for written in texts:
        if not written.text.strip():
            outcomes.append(Outcome.EMPTY)
            continue
        identity = (written.prompt.pk, text_digest(written.text))
        completion = stored.get(identity)
        outcome = Outcome.MERGED
        if completion is None:
            completion = Completion(prompt=written.prompt, text=written.text, digest=identity[1])
            stored[identity] = completion
            new.append(completion)
            outcome = Outcome.STORED
        if (*identity, written.model.pk) in known_origins:
            outcome = Outcome.ALREADY_THERE
        else:
            known_origins.add((*identity, written.model.pk))
            new_origins.append(
                CompletionOrigin(
                    completion=completion, model=written.model, run=run, sampling=written.sampling
                )
            )
        outcomes.append(outcome)
    Completion.objects.bulk_create(new, batch_size=2000)
    CompletionOrigin.objects.bulk_create(new_origins, batch_size=5000)
    return outcomes


@transaction.atomic
def store_generated(run: Run, rows: Iterable[GeneratedRow], model: ModelVersion) -> Counter[Outcome]:
    """Store what a generate run sampled from `model`; how many texts were stored, merged, empty.

    The samples of a prompt that have one text become one completion whose origin lists them all. Raises
    BadInput if a row names no prompt of the run's project, or holds text that cannot be stored.
    """
    by_prompt: dict[str, list[GeneratedRow]] = {}
    for row in rows:
        check_text(row.text, "text", required=False)
        by_prompt.setdefault(row.prompt, []).append(row)
    how = _how(run.settings)
    counts: Counter[Outcome] = Counter()
    ids = sorted(by_prompt)
    for start in range(0, len(ids), PROMPTS_AT_ONCE):
        chunk = ids[start : start + PROMPTS_AT_ONCE]
        prompts = {
            prompt.public_id: prompt
            for prompt in Prompt.objects.filter(project_id=run.project_id, public_id__in=chunk)
        }
        if missing := [public_id for public_id in chunk if public_id not in prompts]:
            raise BadInput(f"{missing[0]} is no prompt of this project", field="prompt")
        texts = [
            written
            for public_id in chunk
            for written in _distinct(prompts[public_id], by_prompt[public_id], model, how)
        ]
        counts.update(store_texts(texts, run=run))
        counts[Outcome.MERGED] += sum(len(by_prompt[public_id]) for public_id in chunk) - len(texts)
    return counts


def _how(settings: dict[str, Any]) -> dict[str, Any]:
    """What holds of every text of a run: of how many samples it is the favourite, which server sent it."""
    best_of, server = settings.get("best_of", 1), settings.get("server", {}).get("name")
    return {**({"best_of": best_of} if best_of > 1 else {}), **({"server": server} if server else {})}


def _distinct(
    prompt: Prompt, rows: list[GeneratedRow], model: ModelVersion, how: dict[str, Any]
) -> list[Written]:
    """One text for each group of equal samples, with the sampling of the first; each empty one for itself."""
    found: dict[bytes, Written] = {}
    empty = []
    for row in sorted(rows, key=lambda row: row.sample):
        if not row.text.strip():
            empty.append(Written(prompt, row.text, model))
            continue
        digest = text_digest(row.text)
        if digest not in found:
            sampling: dict[str, Any] = {
                "temperature": row.temperature,
                "top_p": row.top_p,
                "seed": row.seed,
                "tokens": row.tokens,
                "finish": row.finish,
                "logprob": row.logprob,
                "samples": [],
                **({"reward": row.reward} if row.reward is not None else {}),
                **how,
            }
            if row.reward is not None:
                sampling["reward"] = row.reward
            found[digest] = Written(prompt, row.text, model, sampling)
        found[digest].sampling["samples"].append(row.sample)
    return [*found.values(), *empty]
