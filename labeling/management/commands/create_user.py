"""Make an account, and take it into a project."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from labeling.actions import people, projects
from labeling.actions.errors import ActionError
from labeling.management.messages import refusal
from labeling.models import Role, User


class Command(BaseCommand):
    help = "Make an account with a one-time password, which is printed once, and take it into projects."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username")
        parser.add_argument("--name", default="", help="the name that others see")
        parser.add_argument("--project", action="append", default=[], help="a project to take them into")
        parser.add_argument("--role", choices=Role.values, default=Role.LABELER, help="their role there")
        parser.add_argument(
            "--languages", default="", help="languages they read, such as en,zh (default: all)"
        )
        parser.add_argument("--operator", action="store_true", help="let them into the admin pages")

    def handle(self, **options: Any) -> None:
        try:
            _user, password = self._make(options)
        except ActionError as error:
            raise CommandError(refusal(error)) from None
        self.stdout.write(f"{options['username']}  one-time password: {password}")

    @transaction.atomic
    def _make(self, options: dict[str, Any]) -> tuple[User, str]:
        user, password = people.create_user(
            options["username"], display_name=options["name"], is_staff=options["operator"]
        )
        languages = [language.strip() for language in options["languages"].split(",") if language.strip()]
        for slug in options["project"]:
            projects.add_member(projects.by_slug(slug), user, options["role"], languages=languages)
        return user, password
