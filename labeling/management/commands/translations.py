"""`manage.py translations --update | --check`: the catalogues of every language."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from labeling import translations


class Command(BaseCommand):
    help = "Collect the strings of the project into its catalogues, or check that none is missing."

    def add_arguments(self, parser: ArgumentParser) -> None:
        what = parser.add_mutually_exclusive_group(required=True)
        what.add_argument(
            "--update", action="store_true", help="merge new strings, drop unused ones, compile"
        )
        what.add_argument("--check", action="store_true", help="fail where a string is not translated")

    def handle(self, *args: Any, **options: Any) -> None:
        failed = 0
        for locale in translations.languages():
            if options["update"]:
                translations.update(locale)
            found = translations.problems(locale)
            failed += len(found)
            for line in found:
                self.stdout.write(f"{locale}: {line}")
        if failed and options["check"]:
            raise CommandError(f"{failed} problems; see `manage.py translations --update`")
