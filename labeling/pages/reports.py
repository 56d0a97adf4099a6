"""The report of a reward model as a lead reads it: figures, drawings, and what has to be said in words.

The keys are those of report.json, which training/README.md describes; a report of an earlier version may lack
any of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext as _

from labeling.models import ModelVersion, Project
from labeling.pages.charts import Chart, Named, NamedChart, Point, Series, number
from labeling.pages.facts import Figure, bounds, facts, share

SHOWN = {
    "accuracy", "accuracy_low", "accuracy_high", "pairs", "agreement", "agreement_low", "agreement_high",
    "agreement_pairs", "labelers", "by_use_case", "by_language", "by_flag", "calibration", "ties", "length",
    "centred_on",
}  # fmt: skip
"""Of a report: what is drawn or put into words, so that only the rest is listed."""


@dataclass(frozen=True)
class Report:
    figures: list[Figure]
    notes: list[str]
    charts: list[Chart | NamedChart]
    rest: list[tuple[str, str]]


def reward(model: ModelVersion) -> Report:
    report = model.report
    return Report(
        figures=_figures(report),
        notes=_notes(report),
        charts=[*_calibration(report), *_length(report), *_slices(report, model.project)],
        rest=facts({name: value for name, value in report.items() if name not in SHOWN}),
    )


def _figures(report: Mapping[str, Any]) -> list[Figure]:
    labelers = report.get("labelers", {})
    shares = [
        (_("Accuracy on held-out prompts"), report, "accuracy", "pairs"),
        (_("Labelers' agreement with each other"), report, "agreement", "agreement_pairs"),
        (_("Accuracy for labelers it never saw"), labelers.get("unknown", {}), "accuracy", "pairs"),
        (
            _("The same, on prompts it learned from"),
            labelers.get("unknown_train_prompts", {}),
            "accuracy",
            "pairs",
        ),
    ]
    found = []
    for name, values, key, counted in shares:
        if values.get(key) is not None:
            count = values.get(counted, 0)
            pairs = ngettext("%s pair", "%s pairs", count) % f"{count:,}"
            note = " · ".join(part for part in (bounds(values, key), pairs if count else "") if part)
            found.append(Figure(name, share(values[key]), note))
    error = report.get("calibration", {}).get("error")
    if error is not None:
        found.append(
            Figure(
                _("Calibration error"), share(error), _("how far it is from being right as often as it says")
            )
        )
    ties = report.get("ties", {})
    if ties.get("observed") is not None:
        expected = ties.get("expected")
        note = _("ties are left out of training") if expected is None else _("expected: %s") % share(expected)
        found.append(Figure(_("Ties"), share(ties["observed"]), note))
    correlation = report.get("length", {}).get("correlation")
    if correlation is not None:
        found.append(Figure(_("Correlation of reward and length"), number(correlation), _("within a prompt")))
    return found


def _notes(report: Mapping[str, Any]) -> list[str]:
    notes = []
    if report.get("centred_on") == "demonstrations":
        notes.append(_("Scores are centred on demonstrations, which score 0 on average."))
    elif report.get("centred_on") == "completions":
        notes.append(_("Without demonstrations, scores are centred on the ranked completions."))
    held_out = report.get("labelers", {}).get("held_out")
    if held_out:
        notes.append(_("Their rankings did not train: %s.") % ", ".join(held_out))
    return notes


def _calibration(report: Mapping[str, Any]) -> list[Chart]:
    bins = report.get("calibration", {}).get("bins", [])
    if not bins:
        return []
    return [
        Chart(
            title=_("Is it right as often as it says?"),
            x=_("how sure the model is that a completion wins"),
            series=[
                Series(_("how often it is right"), [Point(each["said"], each["right"]) for each in bins]),
                Series(_("if it were just as sure as it is right"), [Point(0.5, 0.5), Point(1, 1)]),
            ],
            dots=True,
        )
    ]


def _length(report: Mapping[str, Any]) -> list[Chart]:
    length = report.get("length", {})
    bins = length.get("bins", [])
    if not bins:
        return []
    ours, theirs = length.get("model_prefers_longer"), length.get("labelers_prefer_longer")
    note = ""
    if ours is not None and theirs is not None:
        note = _("The model prefers the longer of two in %(model)s, labelers in %(labelers)s.") % {
            "model": share(ours), "labelers": share(theirs),
        }  # fmt: skip
    return [
        Chart(
            title=_("Reward against length"),
            x=_("tokens more than the prompt's other completions"),
            y=_("reward above theirs"),
            series=[Series(_("reward"), [Point(each["tokens"], each["reward"]) for each in bins])],
            dots=True,
            note=note,
        )
    ]


def _slices(report: Mapping[str, Any], project: Project) -> list[NamedChart]:
    charts = []
    names = _flag_names(project) if report.get("by_flag") else {}
    for key, title in (
        ("by_use_case", _("Accuracy by use case")),
        ("by_language", _("Accuracy by language")),
        ("by_flag", _("Accuracy where a completion is flagged")),
    ):
        rows = [
            Named(
                names.get(name, name),
                each["accuracy"],
                each["accuracy_low"],
                each["accuracy_high"],
                each["pairs"],
            )
            for name, each in sorted(report.get(key, {}).items())
            if each["accuracy"] is not None
        ]
        if rows:
            note = _("Lines are 95 % intervals; the dashed one is the labelers' agreement.")
            charts.append(NamedChart(title, _("accuracy"), _("pairs"), rows, report.get("agreement"), note))
    return charts


def _flag_names(project: Project) -> dict[str, str]:
    """The flags' names in the reader's language, by key; the newest rubric's where several have one."""
    language = get_language() or "en"
    return {
        flag["key"]: flag.get(language) or flag["en"]
        for rubric in project.rubrics.order_by("version")
        for flag in rubric.flags
    }
