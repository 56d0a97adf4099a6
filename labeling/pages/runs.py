"""Runs, as a lead sees them: what they do, what they read, what they made, and how to stop them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings as conf
from django.core.paginator import Paginator
from django.db import connection
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from labeling import tasks
from labeling.actions import policies, runs, writing
from labeling.doors import entered
from labeling.models import LoopPolicy, ModelKind, Project, Run, RunInput, RunStage
from labeling.pages import evaluations, reports
from labeling.pages.charts import Chart, Point, Series, sparkline
from labeling.pages.facts import clock, elapsed, facts, word
from labeling.pages.moves import IDLE_SECONDS, LIVE_SECONDS, move, render_page, whole

TONES = {
    Run.State.RUNNING: "good badge--live",
    Run.State.COMPLETED: "good",
    Run.State.FAILED: "danger",
    Run.State.STOPPED: "warn",
}
CURVES = {
    RunStage.SFT: ("loss",),
    RunStage.REWARD: ("loss", "accuracy"),
    RunStage.PPO: ("score", "kl"),
    RunStage.DPO: ("loss", "accuracy"),
    RunStage.GENERATE: ("cost",),
}
"""The metrics that a stage is judged by; a table shows the first."""
CLOCKS = ("step", "total", "time")
PER_PAGE = 30
SPARK_POINTS, CHART_POINTS = 40, 240

Curve = list[tuple[float, float]]


@dataclass(frozen=True)
class Row:
    """A run in a table. `share` is its progress from 0 to 100, None while the length is unknown."""

    run: Run
    tone: str
    share: int | None
    duration: str
    curve_name: str
    curve: SafeString
    latest: str


@require_GET
def index(request: HttpRequest, project: str) -> HttpResponse:
    membership = entered(request).membership
    page = Paginator(of_project(membership.project), PER_PAGE).get_page(request.GET.get("page"))
    context = {
        "membership": membership,
        "page": page,
        "runs": rows(page.object_list),
        "servers": writing.servers().items(),
        "can_write": LoopPolicy.objects.filter(project=membership.project).exists(),
        "most_prompts": writing.MOST_PROMPTS,
        "most_best_of": writing.MOST_BEST_OF,
    }
    return render(request, "runs/index.html", context)


@require_POST
def write(request: HttpRequest, project: str) -> HttpResponse:
    """Ask for completions: by `server` or else the policy, for `count` prompts, the best of `best_of`."""
    here = entered(request)
    actor, found = here.person, here.membership.project

    def verb() -> None:
        run = writing.write_completions(
            found,
            server=request.POST.get("server", ""),
            count=whole(request.POST.get("count", ""), "count"),
            best_of=whole(request.POST.get("best_of", "1"), "best_of"),
            actor=actor,
        )
        tasks.tell_workers(run)

    move(request, verb, _("Completions are being written. They come into the queue when the run is done."))
    return redirect("runs", found.public_id)


@require_GET
def show(request: HttpRequest, run: str) -> HttpResponse:
    here = entered(request)
    found, membership = here.the(Run), here.membership
    curves = curves_of([found.pk], metric_names(found.pk), CHART_POINTS).get(found.pk, {})
    model = getattr(found, "model_version", None)
    context = {
        "membership": membership,
        "row": _row(found, curves, timezone.now()),
        "run": found,
        "is_active": found.state in Run.ACTIVE,
        "live_seconds": _live_seconds(found),
        "time_left": _time_left(found, curves),
        "charts": _charts(found, curves),
        "result": facts(found.result),
        "settings": facts(policies.shown(found.settings)),
        "inputs": found.inputs.select_related("dataset", "model__run").order_by("name"),
        "model": model,
        "judged": reports.reward(model) if model and model.kind == ModelKind.REWARD else None,
        "evaluated": evaluations.of(found) if found.stage == RunStage.EVALUATE and found.result else None,
        "cost": _cost(found, curves),
        "report": facts(model.report) if model else [],
        "used_by": RunInput.objects.filter(model=model).select_related("run") if model else [],
    }
    return render_page(request, "runs/run.html", context)


@require_POST
def stop(request: HttpRequest, run: str) -> HttpResponse:
    here = entered(request)
    actor, found = here.person, here.the(Run)
    move(request, lambda: runs.request_stop(found, actor), _("The run is being stopped."))
    return redirect("run", run)


def of_project(project: Project) -> QuerySet[Run]:
    """The project's runs, newest first, with what a table of them shows."""
    return Run.objects.filter(project=project).select_related("round").order_by("-pk")


def rows(found: Iterable[Run]) -> list[Row]:
    """The runs with their curves, in one query whatever their number."""
    listed = list(found)
    names = sorted({names[0] for names in CURVES.values()})
    curves = curves_of([run.pk for run in listed], names, SPARK_POINTS)
    now = timezone.now()
    return [_row(run, curves.get(run.pk, {}), now) for run in listed]


def metric_names(run: int) -> list[str]:
    """The names of all that a run has measured so far, and of its clock."""
    with connection.cursor() as cursor:
        cursor.execute(
            'SELECT DISTINCT jsonb_object_keys("values") FROM labeling_runmetric WHERE run_id = %s', [run]
        )
        return sorted({name for (name,) in cursor.fetchall()} - {"step", "total"})


def curves_of(run_ids: Sequence[int], names: Sequence[str], points: int) -> dict[int, dict[str, Curve]]:
    """Curves of (step, value) by run and name, each thinned to about `points`; the ends are always there.

    Thinned by the database and for each name by itself: a figure that is measured seldom keeps its points,
    and a run of a million steps costs the page no more than one of a hundred.
    """
    curves: dict[int, dict[str, Curve]] = {}
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT run_id, name, step, value FROM (
                SELECT m.run_id, key.name,
                       (m."values"->>'step')::float AS step, (m."values"->>key.name)::float AS value,
                       row_number() OVER (PARTITION BY m.run_id, key.name ORDER BY m.line) AS nth,
                       count(*) OVER (PARTITION BY m.run_id, key.name) AS lines
                FROM labeling_runmetric AS m CROSS JOIN unnest(%s::text[]) AS key(name)
                WHERE m.run_id = ANY(%s) AND jsonb_typeof(m."values"->key.name) = 'number'
                  AND jsonb_typeof(m."values"->'step') = 'number'
            ) AS measured
            WHERE nth = 1 OR nth = lines OR nth %% greatest(1, lines / %s) = 0
            ORDER BY run_id, name, nth
            """,
            [list(names), list(run_ids), points],
        )
        for run, name, step, value in cursor.fetchall():
            curves.setdefault(run, {}).setdefault(name, []).append((step, value))
    return curves


def _row(run: Run, curves: dict[str, Curve], now: datetime) -> Row:
    name = CURVES.get(RunStage(run.stage), ("",))[0]
    curve = curves.get(name, [])
    end = run.finished_at or (now if run.state == Run.State.RUNNING else None)
    return Row(
        run=run,
        tone=TONES.get(Run.State(run.state), ""),
        share=min(100, 100 * run.step // run.total_steps) if run.total_steps else None,
        duration=elapsed(run.started_at, end),
        curve_name=word(name) if name else "",
        curve=sparkline(curve),
        latest=f"{curve[-1][1]:.3g}" if curve else "",
    )


def _cost(run: Run, curves: dict[str, Curve]) -> str:
    """What a server's answers have cost so far, in the operator's currency; empty for what runs here."""
    server = run.settings.get("server", {}).get("name")
    if not server:
        return ""
    lines = curves.get("cost", [])
    cost = run.result.get("cost", lines[-1][1] if lines else 0.0)
    currency = conf.SERVERS.get(server, {}).get("currency", "")
    return f"{cost:,.4f} {currency}".strip()


def _live_seconds(run: Run) -> int:
    if run.state == Run.State.RUNNING:
        return LIVE_SECONDS
    return IDLE_SECONDS if run.state == Run.State.WAITING else 0


def _time_left(run: Run, curves: dict[str, Curve]) -> str:
    """By the pace so far; empty where there is none yet."""
    times = curves.get("time", [])
    if run.state != Run.State.RUNNING or not times or not times[-1][0] or run.total_steps <= run.step:
        return ""
    step, seconds = times[-1]
    return clock(seconds / step * (run.total_steps - run.step))


def _charts(run: Run, curves: dict[str, Curve]) -> list[Chart]:
    """A chart for each metric; one on the validation split joins the same one on the training split."""
    first = CURVES.get(RunStage(run.stage), ())
    names = [name for name in curves if name not in CLOCKS]
    twins = {f"valid_{name}" for name in names}
    rest = sorted(set(names) - twins - set(first), key=lambda name: (name == "learning_rate", name))
    charts = []
    for name in [*(name for name in first if name in names), *rest]:
        shown = [name, f"valid_{name}"] if f"valid_{name}" in curves else [name]
        series = [Series(word(key), [Point(x, y) for x, y in curves[key]]) for key in shown]
        charts.append(Chart(title=word(name), x=_("step"), series=series))
    return charts
