"""The string project, and the accounts in both demo projects. Each is made whole or not at all, and once."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from django.db import transaction

from labeling.actions import onboarding, people, projects
from labeling.actions.errors import BadInput
from labeling.actions.prompts import ImportReport, import_lines
from labeling.demo import recipe
from labeling.demo import string_instructions as task
from labeling.models import Membership, Onboarding, Project, Role, User

FOLDER = Path(__file__).parent
STRINGS = "string-instructions"
NEWCOMER = "newcomer"
ACCOUNTS = {"lead": Role.LEAD, "labeler": Role.LABELER, "reviewer": Role.REVIEWER, NEWCOMER: Role.LABELER}
DEMONSTRATIONS = 20_000
TO_DEMONSTRATE = 300
"""Prompts that wait for a labeler's own demonstration."""

Progress = Callable[[ImportReport], None]


def _quiet(report: ImportReport) -> None:
    pass


@transaction.atomic
def create_string_project(
    seed: int = 0,
    demonstrations: int = DEMONSTRATIONS,
    *,
    test_prompts: int = 0,
    policy: Mapping[str, Any] = recipe.STRINGS,
    on_progress: Progress = _quiet,
) -> Project:
    """Six letters to reverse, sort or rotate: noisy demonstrations, imported and marked as simulated.

    In one transaction: a first SFT model must not be trained on half of them. `test_prompts` are held out
    for an evaluation. Raises BadInput if the project exists.
    """
    project = projects.create_project(
        STRINGS,
        "String instructions",
        description=(
            "Six letters to reverse, sort or rotate: small enough for a tiny model to learn from rankings "
            "within minutes. Simulated demonstrations and rankings are included in training."
        ),
        guidelines=(FOLDER / "guidelines_strings.md").read_text(encoding="utf-8"),
        policy=policy,
    )
    import_rows(project, task.demonstrations(demonstrations, seed), on_progress=on_progress)
    waiting = _bare_prompts("train", TO_DEMONSTRATE, seed)
    import_rows(project, waiting, demonstrate=True, on_progress=on_progress)
    import_rows(project, _bare_prompts("test", test_prompts, seed), on_progress=on_progress)
    return project


def import_rows(project: Project, rows: Iterable[dict[str, object]], **options: Any) -> None:
    """Import rows of our own: a bad one is a fault of this folder, not something to report and pass over."""

    def refuse(number: int, error: BadInput) -> None:
        raise error

    import_lines(project, (json.dumps(row).encode() for row in rows), on_bad_line=refuse, **options)


def find(slug: str) -> Project | None:
    """The demo project of this short name, if it has been made."""
    return Project.objects.filter(slug=slug).first()


@transaction.atomic
def create_accounts(everyday: Project, strings: Project) -> dict[str, str]:
    """The demo accounts that are missing, as members of the projects; one-time passwords by user name.

    The newcomer is in the everyday project alone, and begins with its tutorial; to the others work is open.
    """
    passwords = {}
    for username, role in ACCOUNTS.items():
        if User.objects.filter(username=username).exists():
            continue
        user, passwords[username] = people.create_user(username, display_name=f"Demo {username}")
        if username == NEWCOMER:
            projects.add_member(everyday, user, role, languages=["en"])
        else:
            for project in (everyday, strings):
                _let_in(projects.add_member(project, user, role))
    return passwords


def _let_in(member: Membership) -> None:
    if member.onboarding == Onboarding.TUTORIAL:
        lead = Membership.objects.get(project=member.project, user__username="lead")
        onboarding.waive(member, by=lead)


def _bare_prompts(split: task.Split, count: int, seed: int) -> Iterable[dict[str, object]]:
    for number, prompt in enumerate(task.prompts(split, count, seed), 1):
        yield {
            "id": f"string-{split}-{seed}-{number:06d}",
            "prompt": prompt,
            "use_case": "other",
            "language": "en",
            "licence": "CC0-1.0",
            "source": "simulated",
            "split": split,
        }
