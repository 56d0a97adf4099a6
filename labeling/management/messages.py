"""How commands and verbs' refusals read on a terminal."""

from __future__ import annotations

import argparse
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from labeling.actions.errors import ActionError


class Described(BaseCommand):
    """A command whose help keeps its lines as they are written."""

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        return super().create_parser(
            prog_name, subcommand, formatter_class=argparse.RawDescriptionHelpFormatter, **kwargs
        )


def refusal(error: ActionError) -> str:
    """`field: message`, on one line."""
    return f"{error.field}: {error.message}" if error.field else error.message
