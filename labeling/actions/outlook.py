"""What the loop does next in a project, and why, in words for its lead."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Literal

from django.utils.formats import date_format, number_format
from django.utils.translation import gettext as _

from labeling.actions import gates, loop, policies
from labeling.actions.errors import BadInput
from labeling.models import LoopPolicy, Project, Round, RoundStep, ScheduledRound


@dataclass(frozen=True)
class NextStep:
    """`state` names the sentence. `have` and `wanted` are new rankings, where a number of them starts it."""

    state: Literal["running", "held", "paused", "first", "rankings", "schedule", "manual"]
    sentence: str
    have: int | None = None
    wanted: int | None = None
    due_at: datetime.datetime | None = None


def next_step(project: Project) -> NextStep:
    """What happens next, in the reader's language."""
    policy, last = project.loop_policy, loop.last_round(project)
    if last is not None and last.state in Round.OPEN:
        return _open(last)
    if last is not None and last.state != Round.State.COMPLETED:
        return NextStep("paused", _paused(last))
    try:
        policies.check(policy)
    except BadInput as refusal:
        sentence = _("No round can start, since the loop policy cannot be used: %(field)s: %(reason)s")
        return NextStep("paused", sentence % {"field": refusal.field, "reason": refusal.message})
    if not loop.has_demonstrations(project):
        return NextStep("paused", _("A round needs demonstrations, and there are none to train on yet."))
    if policy.bootstrap and project.policy_model_id is None and last is None:
        return NextStep("first", _("The first model is about to be trained on the demonstrations."))
    have = loop.new_rankings(project)
    if policy.enabled:
        return _waiting(project, policy, have)
    sentence = _("A lead starts the next round; it has %(count)s new rankings to learn from.")
    return NextStep("manual", sentence % {"count": _number(have)})


def _open(round: Round) -> NextStep:
    step = round.steps.exclude(state=RoundStep.State.DONE).order_by("ordinal").first()
    if round.state == Round.State.HELD and step is not None:
        why = gates.sentence(step.detail["why"], step.detail)
        sentence = _("Round %(number)d is held. %(why)s A lead can stop it, or let it go on by name.")
        return NextStep("held", sentence % {"number": round.number, "why": why})
    if step is None:
        return NextStep("running", _("Round %(number)d is done.") % {"number": round.number})
    sentence = _("Round %(number)d is running: %(step)s (step %(place)d of %(count)d).") % {
        "number": round.number,
        "step": step.get_name_display(),
        "place": step.ordinal + 1,
        "count": round.steps.count(),
    }
    return NextStep("running", sentence)


def _paused(last: Round) -> str:
    if last.state == Round.State.STOPPED:
        return _("Round %(number)d was stopped. A lead starts the next one.") % {"number": last.number}
    return _("Round %(number)d failed: %(reason)s A lead starts the next one.") % {
        "number": last.number,
        "reason": last.reason,
    }


def _waiting(project: Project, policy: LoopPolicy, have: int) -> NextStep:
    wanted = policy.rankings_per_round
    pending = ScheduledRound.objects.filter(project=project, round=None, outcome="").first()
    due = pending.due_at if pending else None
    at = _at(due) if due else ""
    if wanted is not None:
        sentence = _("%(have)s of %(wanted)s new rankings; the round starts at %(wanted)s.") % {
            "have": _number(have),
            "wanted": _number(wanted),
        }
        if due:
            sentence = _("%(sentence)s Or else on %(at)s.") % {"sentence": sentence, "at": at}
        return NextStep("rankings", sentence, have, wanted, due)
    if due:
        sentence = _("The next round starts on %(at)s; it has %(count)s new rankings to learn from.")
        return NextStep("schedule", sentence % {"at": at, "count": _number(have)}, due_at=due)
    return NextStep("manual", _("Nothing is set that would start a round."))


def _at(due: datetime.datetime) -> str:
    utc = due.astimezone(datetime.UTC)
    return _("%(date)s, %(time)s UTC") % {"date": date_format(utc), "time": f"{utc:%H:%M}"}


def _number(value: int) -> str:
    return str(number_format(value, force_grouping=True))
