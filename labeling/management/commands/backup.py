"""Back up the database and the artifacts, while the system is in use."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from labeling.actions import backup
from labeling.actions.backup import BackupError


class Command(BaseCommand):
    help = (
        "Back up the database, every artifact that it names and the secret key into a new folder, which only"
        " you can read. People may go on working."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("folder", type=Path, help="new or empty; its name is up to you")

    def handle(self, *args: Any, folder: Path, **options: Any) -> None:
        try:
            made = backup.take(folder, self.stdout.write)
        except BackupError as error:
            raise CommandError(str(error)) from None
        self.stdout.write(
            f"Backup finished: {sum(made.rows.values()):,} rows and {len(made.artifacts):,} artifacts in"
            f" {folder}. Its file {backup.KEY} is the secret key: keep it where only operators read."
        )
        if made.damaged:
            raise CommandError(
                f"{len(made.damaged)} artifacts were damaged before this backup and are not in it:"
                " see `damaged` in its backup.json, and an older backup"
            )
