"""Make a project."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from labeling.actions import projects
from labeling.actions.errors import ActionError
from labeling.management.messages import refusal


class Command(BaseCommand):
    help = "Make a project, with the default rubric and a loop policy that starts nothing by itself."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug", help="its short name: letters, digits, hyphens")
        parser.add_argument("name", help="its name as people read it")
        parser.add_argument("--description", default="")

    def handle(self, **options: Any) -> None:
        try:
            project = projects.create_project(
                options["slug"], options["name"], description=options["description"]
            )
        except ActionError as error:
            raise CommandError(refusal(error)) from None
        self.stdout.write(f"Project {project.slug} is made.")
