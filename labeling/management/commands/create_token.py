"""Make a token for a person's programs."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from labeling.actions import people, tokens
from labeling.actions.errors import ActionError
from labeling.management.messages import refusal


class Command(BaseCommand):
    help = "Make a token for the API, which is printed once: create_token USER NAME."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username")
        parser.add_argument("name", help="what it is for, so that its owner knows which one to revoke")
        parser.add_argument("--expires", type=int, metavar="DAYS", help="after so many days (default: never)")

    def handle(self, **options: Any) -> None:
        try:
            user = people.by_name(options["username"])
            _token, secret = tokens.create(user, options["name"], days=options["expires"])
        except ActionError as error:
            raise CommandError(refusal(error)) from None
        self.stdout.write(secret)
