"""The report of an evaluate run as a lead reads it: who wins by which judge, tasks, samples.

The keys are those of report.json, which training/README.md describes; any of them may be missing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from labeling.actions import artifacts
from labeling.models import Prompt, Run
from labeling.pages.charts import Named, NamedChart, number
from labeling.pages.facts import Figure, bounds, share
from training.contracts import ContractError, read_json

JUDGES = ("reward", "evaluation_reward")
SAMPLES = 20


@dataclass(frozen=True)
class Temperature:
    name: str
    figures: list[Figure]
    charts: list[NamedChart]


@dataclass(frozen=True)
class Task:
    name: str
    questions: str
    before: str
    after: str
    difference: str
    tone: str


@dataclass(frozen=True)
class Answer:
    writer: str
    text: str
    figures: Sequence[str]


@dataclass(frozen=True)
class Sample:
    messages: list[dict[str, str]]
    answers: list[Answer]


@dataclass(frozen=True)
class Evaluation:
    notes: list[str]
    temperatures: list[Temperature]
    tasks: list[Task]
    samples: list[Sample]


def of(run: Run) -> Evaluation:
    report = run.result
    return Evaluation(
        notes=_notes(report.get("judges", {})),
        temperatures=[
            Temperature(_temperature(key), _figures(values), _slices(values))
            for key, values in sorted(report.get("temperatures", {}).items(), reverse=True)
        ],
        tasks=[_task(name, values) for name, values in sorted(report.get("tasks", {}).items())],
        samples=_samples(run),
    )


def _judge(name: str) -> str:
    return _("reward model") if name == "reward" else _("evaluation reward model")


def _temperature(key: str) -> str:
    return _("Greedy") if float(key) == 0 else _("Temperature %s") % number(float(key))


def _figures(values: Mapping[str, Any]) -> list[Figure]:
    found = []
    rates = values.get("win_rate", {})
    for name in JUDGES:
        if name in rates:
            rate = rates[name]
            count = ngettext("%s comparison", "%s comparisons", rate["comparisons"]) % rate["comparisons"]
            note = f"{bounds(rate, 'win_rate')} · {count}"
            found.append(Figure(_("Wins by the %s") % _judge(name), share(rate["win_rate"]), note))
    if "gap" in rates:
        gap = rates["gap"]
        what = _("what the policy has learned of its own reward model alone")
        note = f"{_points(gap['low'])} – {_points(gap['high'])} · {what}"
        found.append(Figure(_("Gap, points"), _points(gap["value"]), note, "warn" if gap["low"] > 0 else ""))
    reference = values.get("reference", {})
    for name in JUDGES:
        if name in values:
            before = _("before: %s") % number(reference[name]) if name in reference else ""
            found.append(Figure(_("Score by the %s") % _judge(name), number(values[name]), before))
    if values.get("kl") is not None:
        error = values.get("kl_error")
        note = "" if error is None else f"± {number(1.96 * error)}"
        found.append(Figure(_("Distance from the reference, nats"), number(values["kl"]), note))
    if values.get("mean_tokens") is not None:
        before = _("before: %s") % number(reference["mean_tokens"]) if "mean_tokens" in reference else ""
        found.append(Figure(_("Tokens a response"), number(values["mean_tokens"]), before))
    if values.get("cut_off") is not None:
        before = _("before: %s") % share(reference["cut_off"]) if "cut_off" in reference else ""
        found.append(Figure(_("Cut off before their end"), share(values["cut_off"]), before))
    return found


def _slices(values: Mapping[str, Any]) -> list[NamedChart]:
    charts = []
    for key, by in (("by_use_case", _("by use case")), ("by_language", _("by language"))):
        for judge in JUDGES:
            rows = [
                Named(
                    name or "–",
                    rate["win_rate"],
                    rate["win_rate_low"],
                    rate["win_rate_high"],
                    rate["comparisons"],
                )
                for name, slice in sorted(values.get(key, {}).items())
                if (rate := slice.get("win_rate", {}).get(judge))
            ]
            if len(rows) > 1:
                title = _("Wins by the %(judge)s, %(by)s") % {"judge": _judge(judge), "by": by}
                note = _("Lines are 95 % intervals; the dashed one is no difference.")
                charts.append(NamedChart(title, _("win rate"), _("comparisons"), rows, 0.5, note))
    return charts


def _notes(judges: Mapping[str, Any]) -> list[str]:
    """How far the two reward models can be believed to be different judges."""
    if not judges:
        return []
    if judges.get("independent"):
        return [_("The two reward models were trained on different prompts and by different labelers.")]
    prompts, labelers = judges.get("shared_prompts"), judges.get("shared_labelers")
    if prompts is None or labelers is None:
        return [_("It is not known what the two reward models have in common.")]
    return [
        _("The two reward models share %(prompts)s prompts and %(labelers)s labelers: the gap may be larger.")
        % {"prompts": prompts, "labelers": labelers}
    ]


def _task(name: str, values: Mapping[str, Any]) -> Task:
    before, after, difference = (values.get(key) for key in ("reference", "policy", "difference"))
    low, high = (difference["low"], difference["high"]) if difference else (0.0, 0.0)
    return Task(
        name=name,
        questions=number(values["questions"]),
        before=_scored(before),
        after=_scored(after),
        difference=f"{_points(difference['value'])} ({_points(low)} – {_points(high)})"
        if difference
        else "–",
        tone="danger" if high < 0 else "good" if low > 0 else "",
    )


def _scored(score: Mapping[str, Any] | None) -> str:
    return f"{share(score['score'])} ({bounds(score, 'score')})" if score else "–"


def _points(value: float) -> str:
    """A difference of shares in percentage points, with its sign."""
    return f"{100 * value:+.1f}"


def _samples(run: Run) -> list[Sample]:
    """Out of the run's files, which the database does not repeat; none where those are not to be had."""
    try:
        given = read_json(artifacts.path(run.artifact) / "report.json").get("samples", [])[:SAMPLES]
    except (ContractError, OSError, ValueError):
        return []
    names = {sample["prompt"] for sample in given}
    prompts = {
        prompt.public_id: prompt
        for prompt in Prompt.objects.filter(project=run.project_id, public_id__in=names)
    }
    return [
        Sample(
            prompts[sample["prompt"]].messages,
            [_answer(_("Before"), sample["reference"]), _answer(_("After"), sample["policy"])],
        )
        for sample in given
        if sample["prompt"] in prompts
    ]


def _answer(writer: str, given: Mapping[str, Any]) -> Answer:
    scores = [f"{_judge(name)} {number(given[name])}" for name in JUDGES if given.get(name) is not None]
    tokens = ngettext("%s token", "%s tokens", given["tokens"]) % given["tokens"]
    return Answer(writer, given["text"], [*scores, tokens])
