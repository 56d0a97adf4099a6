"""What a loop policy asks of each stage: InstructGPT's defaults under the project's own settings."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

from labeling.actions import resources
from labeling.actions.errors import BadInput
from labeling.models import LoopPolicy, RunStage
from training.contracts import SETTINGS, STAGES, BaseModel, ContractError, Settings, SftSettings, from_dict


def stage_settings(policy: LoopPolicy, stage: str) -> Settings:
    """The settings of a stage. Raises BadInput whose message names the setting."""
    given = policy.stage_settings.get(stage, {})
    if isinstance(given, dict):
        if "base" in given:
            # Which models may be loaded is the operator's to say, not a lead's.
            raise _bad(_("%(stage)s.base: choose the base model by its name instead."), stage=stage)
        if stage == RunStage.GENERATE:
            given = {"completions_per_prompt": policy.completions_per_item, **given}
    try:
        chosen = from_dict(SETTINGS[stage], given, stage)  # type: ignore[index]
    except ContractError as error:
        raise _bad(str(error)) from error
    if isinstance(chosen, SftSettings):
        return replace(chosen, base=base_model(policy))
    return chosen


def base_model(policy: LoopPolicy) -> BaseModel:
    """The model that SFT starts from. Raises BadInput if the operator has none of that name."""
    try:
        spec = settings.BASE_MODELS[policy.base_model]
    except KeyError:
        names = ", ".join(sorted(settings.BASE_MODELS))
        raise BadInput(
            _("The operator offers these base models: %(names)s.") % {"names": names}, field="base_model"
        ) from None
    return from_dict(BaseModel, spec, f"RANKLOOP_MODELS.{policy.base_model}")


def shown(stage_settings: dict[str, Any]) -> dict[str, Any]:
    """A run's settings as leads read them: a base model by the operator's name for it, not where it lies."""
    base, usual = stage_settings.get("base"), asdict(BaseModel())
    if base is None:
        return stage_settings
    names = (name for name, spec in settings.BASE_MODELS.items() if usual | spec == base)
    return {**stage_settings, "base": {**base, "name": next(names, "")}}


def check(policy: LoopPolicy) -> None:
    """Raises BadInput, naming the policy's field, if a round under it could not begin its stages."""
    if not isinstance(policy.stage_settings, dict):
        raise _bad(_("An object of settings by stage is wanted."))
    if unknown := policy.stage_settings.keys() - set(STAGES):
        sentence = _("%(stage)s is no stage; there are %(stages)s.")
        raise _bad(sentence, stage=ascii(min(unknown)), stages=", ".join(STAGES))
    for stage in STAGES:
        stage_settings(policy, stage)
    resources.check(policy)


def _bad(sentence: str, **values: str) -> BadInput:
    return BadInput(sentence % values if values else sentence, field="stage_settings")
