"""A lead fills the ranking queue between rounds: by the project's policy, or a server of the operator's."""

from __future__ import annotations

import dataclasses
import random
import secrets
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from labeling.actions import datasets, fresh, policies, runs
from labeling.actions.errors import BadInput, NotNow
from labeling.actions.rows import Selection
from labeling.models import (
    DatasetKind,
    ModelKind,
    ModelVersion,
    Project,
    Run,
    RunStage,
    Split,
    User,
)
from training.contracts import GenerateSettings

MOST_PROMPTS = 1000
MOST_BEST_OF = 64


def write_completions(
    project: Project,
    *,
    server: str = "",
    best_of: int = 1,
    prompts: Sequence[str] = (),
    count: int = 0,
    actor: User | None = None,
) -> Run:
    """A generate run whose completions become items to rank once it is done; the door tells the workers.

    It writes for the `prompts` of these public ids, or for `count` of those with fewest items. A `server`
    writes where one is named, else the project's policy. Of the policy's samples `best_of` are drawn for each
    completion, and the one that the project's reward model likes best is kept.

    Raises BadInput that names the field, NotNow where there is no policy or reward model yet.
    """
    chosen = _prompts(project, prompts, count)
    stage = policies.stage_settings(project.loop_policy, RunStage.GENERATE)
    assert isinstance(stage, GenerateSettings)
    if not 1 <= best_of <= MOST_BEST_OF:
        raise BadInput(_("From 1 to %(most)d is wanted.") % {"most": MOST_BEST_OF}, field="best_of")
    inputs: dict[str, Any] = {}
    if server:
        asked = policies.server(server)
        _check_name(project, asked.model)
        if best_of > 1:
            raise BadInput(_("Only the project's own policy can be asked for its best."), field="best_of")
        stage = dataclasses.replace(stage, server=asked, best_of=1)
    else:
        if project.policy_model is None:
            raise NotNow(_("There is no policy yet that could write."))
        inputs["policy"] = project.policy_model
        stage = dataclasses.replace(stage, best_of=best_of)
        if best_of > 1:
            judge = runs.newest_reward(project)
            if judge is None:
                raise NotNow(_("There is no reward model yet that could choose."))
            inputs["reward"] = judge
    # No snapshot: one query reads the prompts, so any moment is one moment.
    with transaction.atomic():
        datasets.one_at_a_time()
        inputs["prompts.jsonl"] = datasets.take(
            project, DatasetKind.PROMPTS, among=list(chosen), actor=actor
        )  # fmt: skip
        return runs.create(
            project,
            RunStage.GENERATE,
            settings=stage,
            seed=secrets.randbelow(2**31),
            inputs=inputs,
            actor=actor,
        )


def servers() -> dict[str, str]:
    """The servers that the operator offers: their names for people, by the names that verbs take."""
    return {name: f"{spec['name']} ({spec['model']})" for name, spec in settings.SERVERS.items()}


def _prompts(project: Project, named: Sequence[str], count: int) -> list[int]:
    """Raises BadInput."""
    if bool(named) == bool(count):
        raise BadInput(_("Name prompts, or say how many."), field="prompts")
    if not 0 <= max(len(named), count) <= MOST_PROMPTS or count < 0:
        raise BadInput(_("At most %(most)d prompts at once.") % {"most": MOST_PROMPTS}, field="count")
    if not named:
        chosen = fresh.choose_prompts(project, count, random.Random(secrets.randbits(64)))
        if not chosen:
            raise NotNow(_("There are no prompts yet."))
        return list(chosen)
    learnable = Selection(
        project, project.loop_policy.include_simulated, frozenset({Split.TRAIN, Split.VALID})
    )
    keys = dict(learnable.prompts().filter(public_id__in=named).values_list("public_id", "pk"))
    if missing := [name for name in named if name not in keys]:
        raise BadInput(
            _("%(prompt)s is no prompt that may be ranked here.") % {"prompt": ascii(missing[0])},
            field="prompts",
        )
    return list(keys.values())


def _check_name(project: Project, model: str) -> None:
    """Before anything is paid for: texts of a server stand under the name of its model. Raises BadInput."""
    ours = ModelVersion.objects.filter(project=project, name=model).exclude(kind=ModelKind.OUTSIDE)
    if ours.exists():
        raise BadInput(_("A model of this project that was trained here has this name."), field="server")
