"""Delete what nothing needs, or list it."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from labeling.actions import retention


class Command(BaseCommand):
    help = (
        "Delete folders of runs that ended long ago (RANKLOOP_KEEP_RUN_FOLDERS_DAYS) and artifacts that no"
        " row names. The control worker does it every hour; what is published always stays."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="only list what would be deleted")

    def handle(self, *args: Any, dry_run: bool, **options: Any) -> None:
        sizes = {thing.name: thing.size() for thing in retention.needless()}
        things = retention.needless() if dry_run else retention.sweep()
        for thing in things:
            self.stdout.write(f"{thing.what}  {thing.name}  {sizes.get(thing.name, 0) / 1e6:,.1f} MB")
        done = "would be deleted" if dry_run else "deleted"
        self.stdout.write(f"{len(things)} {done}, {sum(sizes.get(t.name, 0) for t in things) / 1e6:,.1f} MB")
