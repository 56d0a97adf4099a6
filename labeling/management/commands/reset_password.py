"""Give an account a new one-time password."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from labeling.actions import people, sign_in
from labeling.actions.errors import ActionError
from labeling.management.messages import refusal


class Command(BaseCommand):
    help = (
        "Give an account a new one-time password, printed once. Whoever is signed in to it is signed out,"
        " and its API tokens are revoked."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username")
        parser.add_argument(
            "--second-factor", action="store_true", help="also remove the second factor, if it is lost"
        )

    def handle(self, **options: Any) -> None:
        try:
            user = people.by_name(options["username"])
            password = people.reset_password(user)
            if options["second_factor"]:
                sign_in.remove_second_factor(user)
        except ActionError as error:
            raise CommandError(refusal(error)) from None
        self.stdout.write(f"{options['username']}  one-time password: {password}")
