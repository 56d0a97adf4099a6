"""Shares of pairs, with their intervals or that it is too early to say, as one reads them."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from labeling.actions.labelers import FEW, Tally, Week
from labeling.pages.facts import Figure, share


@dataclass(frozen=True)
class Cell:
    """A share in a table: its value, its interval, and of how many items it is."""

    value: str
    interval: str
    note: str


def cell(tally: Tally) -> Cell:
    found, bounds = tally.share, tally.interval
    items = ngettext("%(n)d item", "%(n)d items", tally.items) % {"n": tally.items}
    if not tally.items:
        return Cell("–", "", "")
    if tally.is_few or found is None or bounds is None:
        return Cell(_("too few to say"), "", items)
    return Cell(share(found), f"{share(bounds[0])} – {share(bounds[1])}", items)


def figure(name: str, tally: Tally) -> Figure:
    shown = cell(tally)
    note = " · ".join(part for part in (shown.interval, shown.note) if part) or _(
        "nothing yet; from %(few)d items on it is shown"
    ) % {"few": FEW}
    return Figure(name, shown.value, note)


def hours(seconds: int) -> str:
    """Active time: 3 h 05 min."""
    whole, minutes = divmod(round(seconds / 60), 60)
    if whole:
        return _("%(hours)d h %(minutes)02d min") % {"hours": whole, "minutes": minutes}
    return _("%(minutes)d min") % {"minutes": minutes}


def amounts(week: Week) -> list[str]:
    """How many answers of each kind, in words."""
    named = {
        "ranking": ngettext("%(n)d ranking", "%(n)d rankings", week.items.get("ranking", 0)),
        "demonstration": ngettext(
            "%(n)d demonstration", "%(n)d demonstrations", week.items.get("demonstration", 0)
        ),
        "writtenprompt": ngettext("%(n)d prompt", "%(n)d prompts", week.items.get("writtenprompt", 0)),
        "review": ngettext("%(n)d review", "%(n)d reviews", week.items.get("review", 0)),
    }
    return [text % {"n": week.items[kind]} for kind, text in named.items() if week.items.get(kind)]
