"""Write a dataset version as JSONL, byte for byte what was frozen."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from labeling.actions import datasets
from labeling.models import DatasetKind, DatasetVersion
from training.contracts import ContractError


class Command(BaseCommand):
    help = "Write a dataset version as JSONL: export VERSION, or export PROJECT KIND for its newest one."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("what", metavar="VERSION|PROJECT", help="a version's id, or a project's slug")
        parser.add_argument("kind", nargs="?", choices=DatasetKind.values)
        parser.add_argument("--output", metavar="FILE", type=Path, help="instead of standard output")

    def handle(self, *args: Any, what: str, kind: str | None, output: Path | None, **options: Any) -> None:
        version = _find(what, kind)
        try:
            if output is None:
                datasets.export(version, sys.stdout.buffer)
                sys.stdout.buffer.flush()
            else:
                with output.open("wb") as stream:
                    datasets.export(version, stream)
        except (ContractError, OSError) as error:
            raise CommandError(str(error)) from error
        self.stderr.write(f"{version}: {version.counts['rows']:,} rows, SHA-256 {version.digest}")


def _find(what: str, kind: str | None) -> DatasetVersion:
    """Raises CommandError."""
    complete = DatasetVersion.objects.filter(state=DatasetVersion.State.COMPLETE)
    if kind is None:
        found = complete.filter(public_id=what).first()
    else:
        found = complete.filter(project__slug=what, kind=kind).order_by("-number").first()
    if found is None:
        wanted = f"no complete version {what}" if kind is None else f"{what} has no complete {kind} version"
        raise CommandError(f"{wanted}; with a project's slug, give the kind too")
    return found
