"""The dashboard's figures: each a query or two, whatever the size of the project."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, Exists, OuterRef, Q
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from labeling.actions import quality
from labeling.actions.items import LOOKED_FOR_ALL, Counted, unfillable_slots
from labeling.actions.quality import Agreement, MethodFigures
from labeling.actions.rows import NO_WORK
from labeling.models import (
    Assignment,
    Demonstration,
    DemonstrationSource,
    Item,
    Kind,
    ModelKind,
    ModelVersion,
    Project,
    Prompt,
    Purpose,
    Ranking,
    RankingRevision,
    Return,
    Slot,
    Split,
)
from labeling.pages.charts import Chart, Point, Series, number
from labeling.pages.facts import MODEL_KINDS, Figure, bounds, clock, share, word

PEOPLE_SHOWN = 12
REST = 20
"""Counting takes at most one part in so many of the time."""
PATIENCE = 0.5
"""Seconds that opening the dashboard may wait for exact counts, if counting took no longer the last time."""


@dataclass(frozen=True)
class Counts:
    """How much of everything a project holds. Simulated answers are counted apart from people's."""

    prompts: dict[str, int]
    demonstrations: dict[str, int]
    rankings: dict[str, int]
    all_bad: int
    open: dict[str, int]
    unfillable: Counted
    needs_review: int
    came_back: int
    agreement: Agreement
    methods: list[MethodFigures]

    @property
    def simulated(self) -> int:
        return self.demonstrations["simulated"] + self.rankings["simulated"]


@dataclass(frozen=True)
class AtWork:
    """A labeler with an open task."""

    name: str
    kind: str
    since: datetime | None
    is_simulated: bool


_latest: dict[str, tuple[float, float, Counts]] = {}


def counts(project: Project, *, fresh: bool) -> Counts:
    """The project's counts. A page that keeps itself up to date does with slightly older ones (not `fresh`),
    and where counting takes long, so does every page: it may take a twentieth of the time, so that a large
    project that is looked at is no load."""
    begun = time.monotonic()
    until, took, kept = _latest.get(project.public_id, (0.0, 0.0, None))
    if kept is None or begun > until or (fresh and took < PATIENCE):
        kept = _count(project)
        took = time.monotonic() - begun
        _latest[project.public_id] = (begun + REST * took, took, kept)
    return kept


def _count(project: Project) -> Counts:
    waiting = Slot.objects.filter(project=project, state=Slot.State.OPEN).values_list("kind")
    return Counts(
        prompts=dict(
            Prompt.objects.filter(project=project).values_list("split").annotate(n=Count("pk")).order_by()
        ),
        demonstrations=Demonstration.objects.filter(project=project)
        .exclude(item__purpose__in=NO_WORK)
        .aggregate(
            total=Count("pk"),
            simulated=Count("pk", filter=Q(is_simulated=True)),
            labelers=Count("pk", filter=Q(is_simulated=False, source=DemonstrationSource.LABELER)),
            imported=Count("pk", filter=Q(is_simulated=False, source=DemonstrationSource.IMPORTED)),
        ),
        rankings=Ranking.objects.filter(
            project=project, item__purpose=Purpose.WORK, is_repeat=False
        ).aggregate(
            total=Count("pk"),
            simulated=Count("pk", filter=Q(is_simulated=True)),
            people=Count("pk", filter=Q(is_simulated=False)),
            extras=Count("pk", filter=Q(slot__isnull=True)),
        ),
        all_bad=_all_bad(project),
        open=dict(waiting.annotate(n=Count("pk")).order_by()),
        unfillable=unfillable_slots(project),
        needs_review=Item.objects.filter(project=project, needs_review=True, state=Item.State.OPEN).count(),
        came_back=Return.objects.filter(project=project, state=Return.State.ANSWERED).count(),
        agreement=quality.agreement(project),
        methods=quality.by_method(project),
    )


def _all_bad(project: Project) -> int:
    """Rankings whose newest revision calls every completion bad."""
    later = RankingRevision.objects.filter(ranking=OuterRef("ranking"), number__gt=OuterRef("number"))
    return (
        RankingRevision.objects.filter(
            ranking__project=project, ranking__is_repeat=False, item__purpose=Purpose.WORK, all_bad=True
        )
        .filter(~Exists(later))
        .count()
    )


def at_work(project: Project) -> tuple[list[AtWork], int]:
    """Who holds an open task now, the newest first, and how many more there are than are listed."""
    live = (
        Assignment.objects.filter(project=project, state=Assignment.State.OPEN, lease_until__gt=Now())
        .select_related("labeler")
        .order_by("-opened_at")
    )
    people = list(live[: PEOPLE_SHOWN + 1])
    doing: dict[str, str] = {
        Kind.RANK: _("ranking"),
        Kind.DEMONSTRATE: _("writing a demonstration"),
        Kind.PROMPT: _("writing a prompt"),
    }
    more = live.count() - PEOPLE_SHOWN if len(people) > PEOPLE_SHOWN else 0
    return [
        AtWork(
            each.labeler.shown_name,
            doing.get(each.kind, each.get_kind_display()),
            each.opened_at,
            each.labeler.is_simulated,
        )
        for each in people[:PEOPLE_SHOWN]
    ], more


def written(found: Counts) -> list[Figure]:
    """What people and programs have written so far."""
    prompts, demonstrations, rankings = found.prompts, found.demonstrations, found.rankings
    return [
        Figure(
            _("Prompts"),
            f"{sum(prompts.values()):,}",
            _("%(train)s train · %(valid)s validation · %(test)s test")
            % {split: f"{prompts.get(split, 0):,}" for split in Split.values},
        ),
        Figure(
            _("Demonstrations"),
            f"{demonstrations['total']:,}",
            _parts(
                (demonstrations["labelers"], _("%s by labelers")),
                (demonstrations["imported"], _("%s imported")),
                (demonstrations["simulated"], _("%s simulated")),
            ),
        ),
        Figure(
            _("Rankings"),
            f"{rankings['total']:,}",
            _parts(
                (rankings["people"], _("%s by people")),
                (rankings["simulated"], _("%s simulated")),
                (rankings["extras"], _("%s extra")),
                (found.all_bad, _("%s all bad")),
            ),
        ),
        _agreement(found.agreement),
    ]


def _agreement(found: Agreement) -> Figure:
    if found.strict is None:
        return Figure(_("Agreement"), "–", _("no item was ranked by two people yet"))
    with_ties = "" if found.with_ties is None else share(found.with_ties)
    return Figure(
        _("Agreement"),
        share(found.strict),
        _("%(with_ties)s with ties · %(pairs)s pairs of %(items)s items")
        % {"with_ties": with_ties, "pairs": f"{found.pairs:,}", "items": f"{found.items:,}"},
    )


@dataclass(frozen=True)
class MethodRow:
    """How one ranking method does with items of K answers, as a lead reads it."""

    method: str
    k: int
    answers: str
    time: str
    tied: str
    at_odds: str


def methods(found: Counts) -> list[MethodRow]:
    """Ranking methods side by side; empty until a page has sent an answer."""
    return [
        MethodRow(
            str(each.method.label),
            each.k,
            f"{each.answers:,}",
            clock(each.seconds),
            share(each.tied),
            share(each.at_odds),
        )
        for each in found.methods
    ]


def queued(found: Counts) -> list[Figure]:
    """What waits for an answer, and what waits in vain."""
    stuck = found.unfillable
    return [
        Figure(_("Open to rank"), f"{found.open.get(Kind.RANK, 0):,}", _("answers wanted")),
        Figure(_("Open to demonstrate"), f"{found.open.get(Kind.DEMONSTRATE, 0):,}", _("answers wanted")),
        *_prompts_wanted(found.open.get(Kind.PROMPT, 0)),
        Figure(
            _("Nobody can fill"),
            f"{stuck.number:,}",
            " · ".join(_about_stuck(stuck)),
            "warn" if stuck.number else "",
        ),
        Figure(
            _("To review"),
            f"{found.open.get(Kind.REVIEW, 0):,}",
            _parts(
                (
                    found.needs_review,
                    _("%s that several people passed on"),
                ),
                (found.came_back, _("%s came back from labelers")),
            ),
            "warn" if found.open.get(Kind.REVIEW) or found.came_back else "",
        ),
    ]


def _prompts_wanted(count: int) -> list[Figure]:
    """Only where some are asked for: most projects bring their own."""
    return [Figure(_("Open to write"), f"{count:,}", _("prompts wanted"))] if count else []


def _about_stuck(stuck: Counted) -> list[str]:
    notes = []
    if stuck.number:
        notes.append(_("everyone who may has answered or skipped them: add people or languages"))
    if not stuck.is_all:
        notes.append(_("of the first %(looked)s that are open") % {"looked": f"{LOOKED_FOR_ALL:,}"})
    return notes


def _parts(*parts: tuple[int, str]) -> str:
    return " · ".join(text % f"{number:,}" for number, text in parts if number)


# --- models, and how they get better -------------------------------------------------------------------


@dataclass(frozen=True)
class ModelRow:
    """A model version with what it came from and the figures it is judged by."""

    model: ModelVersion
    kind: str
    made_from: Sequence[Any]
    figures: Sequence[Figure]
    is_policy: bool


def models_of(project: Project) -> list[ModelVersion]:
    """Every trained model, newest first, with its run and what that run read."""
    return list(
        ModelVersion.objects.filter(project=project)
        .exclude(kind=ModelKind.OUTSIDE)
        .select_related("run__round")
        .prefetch_related("run__inputs__dataset", "run__inputs__model__run")
        .order_by("-pk")
    )


def model_row(project: Project, model: ModelVersion) -> ModelRow:
    return ModelRow(
        model=model,
        kind=_("evaluation reward model") if _is_judge(model) else str(MODEL_KINDS[ModelKind(model.kind)]),
        made_from=sorted(model.run.inputs.all(), key=lambda each: each.name) if model.run else [],
        figures=_model_figures(model),
        is_policy=model.pk == project.policy_model_id,
    )


def _model_figures(model: ModelVersion) -> list[Figure]:
    report = report_of(model)
    if model.kind == ModelKind.REWARD and report.get("accuracy") is not None:
        found = [Figure(_("accuracy"), share(report["accuracy"]), bounds(report, "accuracy"))]
        if report.get("agreement") is not None:
            found.append(Figure(_("agreement"), share(report["agreement"]), bounds(report, "agreement")))
        return found
    wanted = {ModelKind.SFT: ("loss", "valid_loss"), ModelKind.POLICY: ("score", "kl")}
    return [
        Figure(word(name), number(report[name]))
        for name in wanted.get(ModelKind(model.kind), ())
        if isinstance(report.get(name), int | float)
    ]


def report_of(model: ModelVersion) -> dict[str, Any]:
    """What was measured of a model: its report, or the figures of its run."""
    return {**(model.run.result if model.run else {}), **model.report}


def progress(models: Sequence[ModelVersion]) -> list[Chart]:
    """Does more labeling help? The reward model's accuracy, and the policy's score and KL, against the
    number of rankings behind them. Empty until there is a reward model."""
    rewards = [model for model in reversed(models) if model.kind == ModelKind.REWARD and not _is_judge(model)]
    rankings = {model.pk: _rankings_behind(model) for model in rewards}
    measured = [(rankings[model.pk], report_of(model)) for model in rewards if rankings[model.pk]]
    charts = []
    if any(report.get("accuracy") is not None for _n, report in measured):
        charts.append(
            Chart(
                title=_("The reward model's accuracy on held-out rankings"),
                x=_("rankings"),
                series=[
                    Series(_("accuracy"), _points(measured, "accuracy")),
                    Series(_("labelers' agreement"), _points(measured, "agreement", interval=False)),
                ],
                dots=True,
                note=_("Bars are 95 % intervals. Agreement is how often two labelers order a pair alike."),
            )
        )
    policies = [model for model in reversed(models) if model.kind == ModelKind.POLICY]
    scored = [(_rankings_of_policy(model, rankings), report_of(model)) for model in policies]
    scored = [(behind, report) for behind, report in scored if behind]
    for name, title in (
        ("score", _("The policy's score by its reward model")),
        ("kl", _("The policy's distance from where it started")),
    ):
        points = _points(scored, name)
        if points:
            series = [Series(word(name), points)]
            charts.append(Chart(title=title, x=_("rankings"), y=word(name), series=series, dots=True))
    return charts


def _points(
    measured: Sequence[tuple[int, dict[str, Any]]], name: str, *, interval: bool = True
) -> list[Point]:
    points = []
    for behind, report in measured:
        value = report.get(name)
        if not isinstance(value, int | float):
            continue
        low, high = report.get(f"{name}_low"), report.get(f"{name}_high")
        error = report.get(f"{name}_error")
        if error is not None:
            low, high = value - 1.96 * error, value + 1.96 * error
        points.append(Point(behind, value, low, high) if interval else Point(behind, value))
    return points


def _is_judge(model: ModelVersion) -> bool:
    return model.run is not None and model.run.is_judge


def _rankings_behind(model: ModelVersion) -> int:
    """The rankings in the dataset version that a reward model was trained on; 0 where that is unknown."""
    inputs = model.run.inputs.all() if model.run else []
    return max((int(each.dataset.counts.get("rankings", 0)) for each in inputs if each.dataset), default=0)


def _rankings_of_policy(model: ModelVersion, rankings: dict[int, int]) -> int:
    inputs = model.run.inputs.all() if model.run else []
    return max((rankings.get(each.model_id or 0, 0) for each in inputs), default=0)
