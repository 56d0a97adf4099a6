"""How much room is left where the files are: a warning in good time, a floor below which no run begins."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.utils.translation import gettext as _

GIGABYTE = 10**9


@dataclass(frozen=True)
class Room:
    """The file system below `place`; bytes."""

    place: Path
    total: int
    free: int

    def __str__(self) -> str:
        return _("The disk is filling up: %(free)s GB of %(total)s GB are free.") % {
            "free": f"{self.free / GIGABYTE:,.1f}",
            "total": f"{self.total / GIGABYTE:,.0f}",
        }

    @property
    def low(self) -> bool:
        return self.free < max(settings.DISK_WARN_SHARE * self.total, settings.DISK_WARN_BYTES)

    @property
    def full(self) -> bool:
        return self.free < settings.DISK_FLOOR_BYTES


def filling_up() -> list[Room]:
    """The places where little room is left, each file system once."""
    return [room for room in _rooms() if room.low]


def no_room() -> str:
    """Why no run can begin on this machine; empty where one can."""
    for room in _rooms():
        if room.full:
            return _(
                "Too little room on the worker's disk: %(free)s GB are free, %(floor)s GB are wanted."
            ) % {
                "free": f"{room.free / GIGABYTE:,.1f}",
                "floor": f"{settings.DISK_FLOOR_BYTES / GIGABYTE:,.1f}",
            }
    return ""


def _rooms() -> list[Room]:
    """Wherever we write, each file system once; a database of somebody else's is theirs to watch.

    The embedded database may have moved out of the state folder (supervisor/postgres.py leaves a link).
    """
    state = Path(settings.STATE)
    found: dict[int, Room] = {}
    for wanted in (state, Path(settings.ARTIFACTS), Path(settings.RUNS), state / "postgres"):
        place = next(path for path in (wanted, *wanted.parents) if path.exists())
        usage = shutil.disk_usage(place)
        found.setdefault(place.stat().st_dev, Room(wanted, usage.total, usage.free))
    return list(found.values())
