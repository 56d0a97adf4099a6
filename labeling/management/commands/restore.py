"""Restore a backup into an empty database."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from labeling.actions import restore
from labeling.actions.backup import BackupError


class Command(BaseCommand):
    help = (
        "Restore a backup: the database, which must be empty, the artifacts and the secret key; all verified."
    )
    requires_migrations_checks = False
    requires_system_checks = []  # the database has no tables yet

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("folder", type=Path, help="what `manage.py backup` has made")

    def handle(self, *args: Any, folder: Path, **options: Any) -> None:
        try:
            restored, notes = restore.restore(folder, self.stdout.write)
        except BackupError as error:
            raise CommandError(str(error)) from None
        self.stdout.write(
            f"Restored the backup of {restored.created_at}: {sum(restored.rows.values()):,} rows and"
            f" {len(restored.artifacts):,} artifacts, all verified. The next start brings tables up to date."
        )
        for note in notes:
            self.stderr.write(f"Note: {note}")
