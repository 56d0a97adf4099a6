"""Small real worlds for tests of freezing, training and the loop, on top of build.py."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from labeling.actions import demonstrations, items, queue, rankings
from labeling.actions.text import body_digest, text_digest
from labeling.models import (
    Demonstration,
    DemonstrationRevision,
    Kind,
    LoopPolicy,
    Membership,
    Project,
    Prompt,
    User,
)
from tests import build


def project(slug: str = "strings", **policy: Any) -> Project:
    made = build.project(slug)
    LoopPolicy.objects.create(project=made, **policy)
    return made


def simulated(of: Project, name: str) -> Membership:
    User.objects.create(username=name, is_simulated=True)
    return build.member(of, name)


def imported(of: Project, count: int, *, split: str = "train", is_simulated: bool = False) -> None:
    """`count` prompts, each with an imported demonstration."""
    before = Prompt.objects.filter(project=of).count()
    prompts = []
    for number in range(before, before + count):
        messages = [{"role": "user", "content": f"echo: {number}"}]
        prompts.append(Prompt(project=of, digest=body_digest(messages), messages=messages, split=split))
    Prompt.objects.bulk_create(prompts)
    texts = [str(number) for number in range(before, before + count)]
    answers = Demonstration.objects.bulk_create(
        Demonstration(
            project=of,
            prompt=prompt,
            source="imported",
            import_digest=text_digest(text),
            is_simulated=is_simulated,
        )
        for prompt, text in zip(prompts, texts, strict=True)
    )
    DemonstrationRevision.objects.bulk_create(
        DemonstrationRevision(demonstration=answer, number=1, text=text, body_digest=text_digest(text))
        for answer, text in zip(answers, texts, strict=True)
    )


def rank(by: Membership, count: int = 1, **more: Any) -> list[Any]:
    """This labeler ranks the next `count` items: A best, then B, and so on."""
    done = []
    for _ in range(count):
        held = queue.claim(by, Kind.RANK)
        assert held is not None, "nothing left to rank"
        done.append(rankings.submit(held, build.answer(held, **more), build.key()).answer)
    return done


def demonstrate(by: Membership, text: str) -> Any:
    """This labeler writes a demonstration for a new prompt."""
    asked = build.prompt(by.project, f"write about {text}")
    items.create_items(by.project, [items.NewItem(asked, Kind.DEMONSTRATE, band=0)])
    held = queue.claim(by, Kind.DEMONSTRATE)
    assert held is not None
    return demonstrations.submit(held, {"text": text}, build.key()).answer


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]
