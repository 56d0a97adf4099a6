"""Small real worlds for tests: a project, people, prompts with completions, items."""

from __future__ import annotations

import uuid
from typing import Any

from labeling.actions.golds import Right, make
from labeling.actions.items import NewItem, create_items
from labeling.actions.text import body_digest, text_digest
from labeling.models import (
    Assignment,
    Completion,
    Gold,
    Item,
    Kind,
    Membership,
    Project,
    Prompt,
    Purpose,
    QualityPolicy,
    Role,
    Rubric,
    User,
)

FLAGS = [
    {"key": "fails_instruction", "en": "Fails the instruction", "zh-hans": "未遵循指令"},
    {"key": "hallucination", "en": "Hallucination", "zh-hans": "幻觉"},
]


def project(slug: str = "stories") -> Project:
    made = Project.objects.create(slug=slug, name=slug.title())
    Rubric.objects.create(project=made, version=1, flags=FLAGS)
    return made


def member(of: Project, name: str, role: str = Role.LABELER, **more: Any) -> Membership:
    user, _ = User.objects.get_or_create(username=name)
    return Membership.objects.create(project=of, user=user, role=role, **more)


def prompt(of: Project, text: str, **more: Any) -> Prompt:
    messages = [{"role": "user", "content": text}]
    return Prompt.objects.create(
        project=of, digest=body_digest(messages), messages=messages, **{"split": "train", **more}
    )


def completion(of: Prompt, text: str, author: User | None = None) -> Completion:
    return Completion.objects.create(prompt=of, text=text, digest=text_digest(text), author=author)


def rank_items(of: Project, count: int, *, k: int = 4, overlap: int = 1, **more: Any) -> list[Item]:
    """`count` items to rank, each of a prompt of its own with K completions."""
    before = Item.objects.filter(project=of).count()
    news = []
    for number in range(before, before + count):
        asked = prompt(of, f"prompt {number}", language=more.get("language", ""))
        texts = [completion(asked, f"answer {place} to {number}") for place in range(k)]
        news.append(NewItem(asked, Kind.RANK, texts, overlap=overlap))
    create_items(of, news)
    return list(Item.objects.filter(project=of).order_by("pk")[before:])


def golds(of: Project, count: int, purpose: str = Purpose.GOLD, *, k: int = 4) -> list[Gold]:
    """Checks whose first completion is best, then the second, and so on; the last one hallucinates."""
    right = Right(
        ranks=list(range(1, k + 1)),
        flags=[[]] * (k - 1) + [["hallucination"]],
        checked=["hallucination"],
        explanation={"en": "The first one **answers**."},
    )
    made = []
    for _ in range(count):
        number = Item.objects.filter(project=of).count()
        asked = prompt(of, f"{purpose} {number}")
        texts = [completion(asked, f"answer {place} to {purpose} {number}") for place in range(k)]
        made.append(make(of, asked, texts, purpose, right))
    return made


def right_answer(to: Assignment, **more: Any) -> dict[str, Any]:
    """What the checks of `golds` want, in the letters of this assignment."""
    letters = [chr(ord("A") + place) for place in range(len(to.shown_order))]
    by_place = sorted(zip(to.shown_order, letters, strict=True))
    return {
        "scores": {letter: max(1, 7 - place) for place, letter in by_place},
        "tiers": [[letter] for _place, letter in by_place],
        "flags": {by_place[-1][1]: ["hallucination"]},
        **more,
    }


def wrong_answer(to: Assignment) -> dict[str, Any]:
    """The other way round, and without the flag."""
    whole = right_answer(to)
    scores = {letter: 8 - score for letter, score in whole["scores"].items()}
    return {"scores": scores, "tiers": whole["tiers"][::-1]}


def policy(of: Project, **values: Any) -> QualityPolicy:
    return QualityPolicy.objects.update_or_create(project=of, defaults=values)[0]


def demonstrate_items(of: Project, count: int, *, overlap: int = 1) -> list[Item]:
    create_items(
        of, [NewItem(prompt(of, f"write {n}"), Kind.DEMONSTRATE, overlap=overlap) for n in range(count)]
    )
    return list(Item.objects.filter(project=of, kind=Kind.DEMONSTRATE).order_by("pk"))


PROMPT: dict[str, Any] = {
    "messages": [{"role": "user", "content": "Why is the sky blue?"}],
    "use_case": "open_qa",
    "language": "en",
}
"""What a plain prompt is given as."""


def key() -> str:
    return uuid.uuid4().hex


def answer(to: Assignment, **more: Any) -> dict[str, Any]:
    """A whole ranking in letters: A best, then B, and so on."""
    letters = [chr(ord("A") + place) for place in range(len(to.shown_order))]
    return {
        "scores": {letter: max(1, 7 - place) for place, letter in enumerate(letters)},
        "tiers": [[letter] for letter in letters],
        **more,
    }


def ranking_of(given: Any) -> Any:
    """The same, of what a client was given."""
    letters = [part.letter for part in given.completions]
    scores = {letter: max(1, 7 - place) for place, letter in enumerate(letters)}
    return {"scores": scores, "tiers": [[letter] for letter in letters]}


def overdue(of: Project) -> None:
    """Every lease of the project has run out by the database's clock."""
    from datetime import timedelta

    from django.db.models import DateTimeField, ExpressionWrapper, F

    Assignment.objects.filter(project=of, state__in=Assignment.LIVE).update(
        lease_until=ExpressionWrapper(F("lease_until") - timedelta(hours=3), output_field=DateTimeField())
    )
