"""What a loop policy asks of each stage: InstructGPT's defaults under the project's own settings."""

from __future__ import annotations

import dataclasses

from django.conf import settings
from django.utils.translation import gettext as _

from labeling.actions.errors import BadInput
from labeling.models import LoopPolicy, RunStage
from training.contracts import SETTINGS, STAGES, BaseModel, ContractError, Settings, SftSettings, from_dict


def stage_settings(policy: LoopPolicy, stage: str) -> Settings:
    """The settings of a stage. Raises BadInput that names the field."""
    given = dict(policy.stage_settings.get(stage, {}))
    if "base" in given:
        # Which models may be loaded is the operator's to say, not a lead's.
        raise BadInput(_("Choose the base model by its name instead."), field=f"stage_settings.{stage}.base")
    if stage == RunStage.GENERATE:
        given.setdefault("completions_per_prompt", policy.completions_per_item)
    try:
        chosen = from_dict(SETTINGS[stage], given, f"stage_settings.{stage}")  # type: ignore[index]
    except ContractError as error:
        field, _colon, reason = str(error).partition(": ")
        raise BadInput(reason, field=field) from error
    if isinstance(chosen, SftSettings):
        return dataclasses.replace(chosen, base=base_model(policy))
    return chosen


def base_model(policy: LoopPolicy) -> BaseModel:
    """The model that SFT starts from. Raises BadInput if the operator has none of that name."""
    try:
        spec = settings.BASE_MODELS[policy.base_model]
    except KeyError:
        names = ", ".join(sorted(settings.BASE_MODELS))
        raise BadInput(_("Choose one of: %(names)s.") % {"names": names}, field="base_model") from None
    return from_dict(BaseModel, spec, f"RANKLOOP_MODELS.{policy.base_model}")


def check(policy: LoopPolicy) -> None:
    """Raises BadInput if a round under this policy could not begin its stages."""
    if unknown := set(policy.stage_settings) - set(STAGES):
        raise BadInput(_("There is no such stage."), field=f"stage_settings.{min(unknown)}")
    for stage in STAGES:
        stage_settings(policy, stage)
