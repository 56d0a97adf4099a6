"""Give an account a new one-time password."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from labeling.actions import people
from labeling.actions.errors import ActionError
from labeling.management.messages import refusal


class Command(BaseCommand):
    help = "Give an account a new one-time password, printed once. Whoever is signed in to it is signed out."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username")

    def handle(self, **options: Any) -> None:
        try:
            password = people.reset_password(people.by_name(options["username"]))
        except ActionError as error:
            raise CommandError(refusal(error)) from None
        self.stdout.write(f"{options['username']}  one-time password: {password}")
