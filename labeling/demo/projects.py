"""The two demo projects and the accounts in them. Each is made whole or not at all, and once."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from django.db import transaction

from labeling.actions import people, projects
from labeling.actions.errors import BadInput
from labeling.actions.items import NewItem, create_items
from labeling.actions.prompts import ImportReport, import_lines
from labeling.demo import recipe
from labeling.demo import string_instructions as task
from labeling.models import Kind, Project, Prompt, Role, User
from labeling.models.queue import MAX_K

FOLDER = Path(__file__).parent
STRINGS, EVERYDAY = "string-instructions", "everyday-instructions"
ACCOUNTS = {"labeler": Role.LABELER, "reviewer": Role.REVIEWER, "lead": Role.LEAD}
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
    base_model: str = "tiny",
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
        policy={**recipe.STRINGS, "base_model": base_model},
    )
    _import(project, task.demonstrations(demonstrations, seed), on_progress=on_progress)
    _import(project, _bare_prompts("train", TO_DEMONSTRATE, seed), demonstrate=True, on_progress=on_progress)
    _import(project, _bare_prompts("test", test_prompts, seed), on_progress=on_progress)
    return project


@transaction.atomic
def create_everyday_project(*, on_progress: Progress = _quiet) -> Project:
    """Forty everyday prompts with ready-made answers, all of which are ranked; some wait for a demonstration.

    Raises BadInput if the project exists.
    """
    project = projects.create_project(
        EVERYDAY,
        "Everyday instructions",
        description=(
            "Everyday requests in English and Chinese across ten use cases, with sample answers of different "
            "quality, to see what labeling is like. Nothing is trained here until a lead says so."
        ),
        guidelines=(FOLDER / "guidelines_everyday.md").read_text(encoding="utf-8"),
        policy=recipe.EVERYDAY,
    )
    with (FOLDER / "everyday.jsonl").open("rb") as lines:
        _checked(import_lines, project, lines, k=MAX_K, on_progress=on_progress)
    undemonstrated = Prompt.objects.filter(project=project, demonstrations=None).order_by("use_case", "pk")
    first_of_each = [
        next(prompts)
        for _case, prompts in itertools.groupby(undemonstrated, key=lambda prompt: prompt.use_case)
    ]
    create_items(project, [NewItem(prompt, Kind.DEMONSTRATE) for prompt in first_of_each])
    return project


def find(slug: str) -> Project | None:
    """The demo project of this short name, if it has been made."""
    return Project.objects.filter(slug=slug).first()


@transaction.atomic
def create_accounts(members_of: Iterable[Project]) -> dict[str, str]:
    """The demo accounts that are missing, as members of the projects; one-time passwords by user name."""
    wanted = list(members_of)
    missing = set(ACCOUNTS) - set(
        User.objects.filter(username__in=ACCOUNTS).values_list("username", flat=True)
    )
    passwords = {}
    for username, role in ACCOUNTS.items():
        if username not in missing:
            continue
        user, passwords[username] = people.create_user(username, display_name=f"Demo {role.value}")
        for project in wanted:
            projects.add_member(project, user, role)
    return passwords


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


def _import(project: Project, rows: Iterable[dict[str, object]], **options: Any) -> None:
    _checked(import_lines, project, (json.dumps(row).encode() for row in rows), **options)


def _checked(verb: Callable[..., ImportReport], *arguments: Any, **options: Any) -> None:
    """Import rows of our own: a bad one is a fault of this folder, not something to report and pass over."""

    def refuse(number: int, error: BadInput) -> None:
        raise error

    verb(*arguments, on_bad_line=refuse, **options)
