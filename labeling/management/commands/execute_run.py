"""Execute one waiting run in the foreground, as a train worker would."""

from __future__ import annotations

import signal
import threading
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from labeling import launcher
from labeling.models import Run


class Command(BaseCommand):
    help = "Execute one waiting run in the foreground. Ctrl-C gives it back."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("run", help="the run's id")

    def handle(self, *args: Any, run: str, **options: Any) -> None:
        found = Run.objects.filter(public_id=run).first()
        if found is None:
            raise CommandError(f"There is no run {run}.")
        stopping = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stopping.set())
        if not launcher.execute(found.pk, stopping):
            found.refresh_from_db()
            raise CommandError(f"The run is {found.state} and cannot be executed now.")
        found.refresh_from_db()
        self.stdout.write(f"{found.stage} {found.public_id}: {found.state} {found.error}".rstrip())
