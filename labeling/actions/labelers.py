"""What a labeler has done, week by week: how much, for how long, and how well it agrees with what is known.

A share says how often pairs of completions are ordered alike (as quality.agreement counts); its interval
counts items and not pairs, since the pairs of one item go together. Nobody is ranked among others.
"""

from __future__ import annotations

import datetime
import math
import zoneinfo
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from django.db import connection

from labeling.models import Membership, Project, User

FEW = 10
"""Of fewer items nothing is said: chance would speak."""
WEEKS = 12

# Every answer of the period, by week: how many and how long, idle time left out (answers.py caps it).
WORK = " UNION ALL ".join(
    f"""
    SELECT answer.labeler_id AS labeler, answer.created_at AS at, '{kind}' AS what,
           1 AS items, latest.active_seconds AS strict, 0 AS same
    FROM labeling_{kind} answer JOIN LATERAL (
        SELECT active_seconds FROM labeling_{kind}revision revision
        WHERE revision.{key}_id = answer.id AND revision.labeler_id = answer.labeler_id
        ORDER BY number DESC LIMIT 1) latest ON true
    WHERE answer.project_id = %(project)s AND answer.created_at >= %(since)s
      AND (%(labeler)s::bigint IS NULL OR answer.labeler_id = %(labeler)s)
    """  # noqa: S608 - constants of our own
    for kind, key in (
        ("ranking", "ranking"),
        ("demonstration", "demonstration"),
        ("writtenprompt", "written_prompt"),
        ("review", "review"),
    )
)

LATEST = """
JOIN LATERAL (SELECT ranks, k FROM labeling_rankingrevision revision
              WHERE revision.ranking_id = {0}.id ORDER BY number DESC LIMIT 1) {0}_latest ON true
"""

COMPARED = f"""
WITH one AS (
    SELECT given.id, given.labeler_id, given.item_id, given.is_repeat, given.created_at, item.purpose
    FROM labeling_ranking given JOIN labeling_item item ON item.id = given.item_id
    WHERE given.project_id = %(project)s AND given.created_at >= %(since)s AND given.slot_id IS NOT NULL
      AND (%(labeler)s::bigint IS NULL OR given.labeler_id = %(labeler)s)
), compared AS (
    SELECT one.labeler_id, one.created_at, 'gold' AS what, one.item_id, one_latest.k,
           one_latest.ranks AS first, gold.ranks AS second
    FROM one {LATEST.format("one")} JOIN labeling_gold gold ON gold.item_id = one.item_id
    WHERE one.purpose = 'gold'
    UNION ALL
    SELECT one.labeler_id, one.created_at, 'repeat', one.item_id, one_latest.k,
           one_latest.ranks, before_latest.ranks
    FROM one {LATEST.format("one")}
    JOIN labeling_ranking before ON before.item_id = one.item_id AND before.labeler_id = one.labeler_id
        AND NOT before.is_repeat {LATEST.format("before")}
    WHERE one.purpose = 'work' AND one.is_repeat
    UNION ALL
    SELECT one.labeler_id, one.created_at, 'others', one.item_id, one_latest.k,
           one_latest.ranks, other_latest.ranks
    FROM one {LATEST.format("one")}
    JOIN labeling_ranking other ON other.item_id = one.item_id AND other.labeler_id <> one.labeler_id
        AND NOT other.is_repeat AND other.slot_id IS NOT NULL {LATEST.format("other")}
    WHERE one.purpose = 'work' AND NOT one.is_repeat
), counted AS (
    SELECT labeler_id AS labeler, created_at AS at, what, item_id, sum(strict) AS strict, sum(same) AS same
    FROM compared CROSS JOIN LATERAL (
        SELECT count(*) AS strict,
               count(*) FILTER (WHERE (first[i] < first[j]) = (second[i] < second[j])) AS same
        FROM generate_series(1, k) AS i, generate_series(i + 1, k) AS j
        WHERE first[i] <> first[j] AND second[i] <> second[j]) AS pairs
    GROUP BY labeler_id, created_at, what, item_id
), every AS (
    SELECT labeler, at, what, 1 AS items, strict, same FROM counted WHERE strict > 0
    UNION ALL {WORK}
)
SELECT labeler, date_trunc('week', at AT TIME ZONE %(zone)s)::date AS week, what,
       sum(items)::int, sum(strict)::int, sum(same)::int
FROM every WHERE labeler IS NOT NULL GROUP BY labeler, week, what ORDER BY labeler, week
"""  # noqa: S608


@dataclass(frozen=True)
class Tally:
    """Pairs that two orders of so many items both put one before the other, and those that they put alike."""

    items: int = 0
    pairs: int = 0
    same: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(self.items + other.items, self.pairs + other.pairs, self.same + other.same)

    @property
    def is_few(self) -> bool:
        return self.items < FEW

    @property
    def share(self) -> float | None:
        return self.same / self.pairs if self.pairs else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """Wilson's 95 % interval of the share, of as many observations as there are items."""
        return None if self.share is None else wilson(self.share, self.items)


@dataclass
class Week:
    """A week that began on `monday`, in the labeler's time zone. `seconds` are active ones."""

    monday: datetime.date
    items: dict[str, int] = field(default_factory=dict)
    seconds: int = 0
    golds: Tally = Tally()
    repeats: Tally = Tally()
    others: Tally = Tally()

    @property
    def total(self) -> int:
        return sum(self.items.values())

    @property
    def end(self) -> datetime.date:
        return self.monday + datetime.timedelta(days=7)


def wilson(share: float, count: int) -> tuple[float, float]:
    """Bounds of a share that was seen in so many independent cases, at 95 %."""
    z = 1.96
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count)) / (1 + z * z / count)
    return max(0.0, middle - half), min(1.0, middle + half)


def this_monday(user: User) -> datetime.date:
    """The day on which the person's present week began, where they live."""
    today = datetime.datetime.now(_zone(user)).date()
    return today - datetime.timedelta(days=today.weekday())


def weeks_of(membership: Membership, count: int = WEEKS) -> list[Week]:
    """A labeler's last weeks in a project, this one first; those without work are left out."""
    since = this_monday(membership.user) - datetime.timedelta(weeks=count - 1)
    found = _weeks(membership.project, since, membership.user, labeler=membership.user_id)
    return found.get(membership.user_id, [])


def of_project(project: Project, reader: User, count: int = WEEKS) -> dict[int, Week]:
    """By labeler, what they did in the last weeks, all together, for the lead."""
    since = this_monday(reader) - datetime.timedelta(weeks=count - 1)
    return {person: together(weeks) for person, weeks in _weeks(project, since, reader).items()}


def together(weeks: Iterable[Week]) -> Week:
    """Several weeks as one, which began with the first of them."""
    whole = Week(datetime.date.max)
    for week in weeks:
        whole.monday = min(whole.monday, week.monday)
        whole.seconds += week.seconds
        whole.golds, whole.repeats = whole.golds + week.golds, whole.repeats + week.repeats
        whole.others += week.others
        for kind, number in week.items.items():
            whole.items[kind] = whole.items.get(kind, 0) + number
    return whole


def _weeks(
    project: Project, since: datetime.date, reader: User, labeler: int | None = None
) -> dict[int, list[Week]]:
    zone = _zone(reader)
    values: dict[str, Any] = {
        "project": project.pk,
        "since": datetime.datetime.combine(since, datetime.time(), tzinfo=zone),
        "zone": str(zone),
        "labeler": labeler,
    }
    found: dict[int, dict[datetime.date, Week]] = defaultdict(dict)
    with connection.cursor() as database:
        database.execute(COMPARED, values)
        for person, monday, what, items, pairs, same in database.fetchall():
            week = found[person].setdefault(monday, Week(monday))
            if what == "gold":
                week.golds = Tally(items, pairs, same)
            elif what == "repeat":
                week.repeats = Tally(items, pairs, same)
            elif what == "others":
                week.others = Tally(items, pairs, same)
            else:
                week.items[what] = items
                week.seconds += pairs
    return {
        person: [weeks[monday] for monday in sorted(weeks, reverse=True)] for person, weeks in found.items()
    }


def _zone(user: User) -> zoneinfo.ZoneInfo:
    return zoneinfo.ZoneInfo(user.time_zone or "UTC")
