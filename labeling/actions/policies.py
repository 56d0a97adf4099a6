"""What a loop policy asks of each stage: InstructGPT's defaults under the project's own settings.

What a run may load or call is the operator's to say: leads name a base model or a server, never its place.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from labeling.actions import corpora, resources
from labeling.actions.errors import BadInput
from labeling.models import DatasetKind, LoopPolicy, RunStage
from training.contracts import (
    SETTINGS,
    STAGES,
    BaseModel,
    ContractError,
    PpoSettings,
    Server,
    Settings,
    SftSettings,
    from_dict,
)

FOR_OPERATORS = {
    "base": gettext_lazy("%(stage)s.base: choose the base model by its name instead."),
    "server": gettext_lazy("%(stage)s.server: a round's completions are its policy's."),
}


def stage_settings(policy: LoopPolicy, stage: str) -> Settings:
    """The settings of a stage. Raises BadInput whose message names the setting."""
    given = policy.stage_settings.get(stage, {})
    if isinstance(given, dict):
        if named := FOR_OPERATORS.keys() & given.keys():
            raise _bad(str(FOR_OPERATORS[min(named)]), stage=stage)
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


def server(name: str) -> Server:
    """A server that writes completions. Raises BadInput if the operator has none of that name."""
    try:
        spec = settings.SERVERS[name]
    except KeyError:
        names = ", ".join(sorted(settings.SERVERS)) or "–"
        raise BadInput(
            _("The operator offers these servers: %(names)s.") % {"names": names}, field="server"
        ) from None
    fields = {field: spec[field] for field in asdict(Server()) if field in spec}
    return Server(**{**fields, "name": name})


def shown(stage_settings: dict[str, Any]) -> dict[str, Any]:
    """A run's settings as leads read them: base model and server by the operator's names for them alone."""
    kept = dict(stage_settings)
    if base := kept.get("base"):
        usual = asdict(BaseModel())
        names = (name for name, spec in settings.BASE_MODELS.items() if usual | spec == base)
        kept["base"] = {**base, "name": next(names, "")}
    if given := kept.pop("server", None):
        kept |= {"server": {"name": given["name"], "model": given["model"]}} if given["name"] else {}
    return kept


def mixes_pretraining_in(chosen: Settings) -> bool:
    return (isinstance(chosen, SftSettings) and chosen.pretraining_share > 0) or (
        isinstance(chosen, PpoSettings) and chosen.pretraining_coefficient > 0
    )


def check(policy: LoopPolicy) -> None:
    """Raises BadInput, naming the policy's field, if a round under it could not begin its stages."""
    if not isinstance(policy.stage_settings, dict):
        raise _bad(_("An object of settings by stage is wanted."))
    if unknown := policy.stage_settings.keys() - set(STAGES):
        sentence = _("%(stage)s is no stage; there are %(stages)s.")
        raise _bad(sentence, stage=ascii(min(unknown)), stages=", ".join(STAGES))
    for stage in STAGES:
        if mixes_pretraining_in(stage_settings(policy, stage)) and not corpora.newest(
            policy.project, DatasetKind.PRETRAINING
        ):
            name = "pretraining_share" if stage == "sft" else "pretraining_coefficient"
            sentence = _(
                "%(stage)s.%(name)s: the project has no pretraining corpus; an operator imports one."
            )
            raise _bad(sentence, stage=stage, name=name)
    resources.check(policy)


def _bad(sentence: str, **values: str) -> BadInput:
    return BadInput(sentence % values if values else sentence, field="stage_settings")
