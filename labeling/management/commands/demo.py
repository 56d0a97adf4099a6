"""The demo projects and accounts, once."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand

from labeling.actions.prompts import ImportReport
from labeling.demo import everyday, projects


class Command(BaseCommand):
    help = "Make the two demo projects and the accounts in them. Run again, it makes only what is missing."

    def handle(self, **options: Any) -> None:
        requests = projects.find(everyday.SLUG) or everyday.create_everyday_project()
        strings = projects.find(projects.STRINGS) or projects.create_string_project(on_progress=_show)
        passwords = projects.create_accounts(requests, strings)
        # Plain lines on standard output: the passwords are shown once, and must survive a pipe.
        lines = [
            f"  {username:<10} one-time password  {password}" for username, password in passwords.items()
        ]
        if lines:
            self.stdout.write("\n".join(["", "Demo accounts, shown this once:", *lines]))
        if kept := [name for name in projects.ACCOUNTS if name not in passwords]:
            self.stdout.write(
                f"Demo accounts from before: {', '.join(kept)}. "
                "Forgotten a password: python manage.py reset_password NAME"
            )
        self.stdout.flush()


def _show(report: ImportReport) -> None:
    if report.lines % 5000 == 0:
        print(f"  string instructions: {report.lines:,} prompts imported", file=sys.stderr, flush=True)
