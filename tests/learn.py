"""Small real worlds for tests of freezing, training and the loop, on top of build.py."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from labeling.actions import (
    artifacts,
    datasets,
    demonstrations,
    items,
    loop,
    publishing,
    queue,
    rankings,
    runs,
)
from labeling.actions.text import body_digest, text_digest
from labeling.models import (
    Demonstration,
    DemonstrationRevision,
    Kind,
    LoopPolicy,
    Membership,
    Project,
    Prompt,
    Run,
    User,
)
from tests import build
from training.contracts import GeneratedRow, PromptRow, RunResult, read_rows, row_bytes, write_manifest

GOOD = {"accuracy": 0.75, "accuracy_low": 0.70, "agreement": 0.72, "pairs": 60, "agreement_pairs": 30}
"""What a reward run reports where its gate is to let it pass."""


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


def rank_all(of: Project, *names: str) -> None:
    """These labelers rank whatever they are given until nothing is left for them."""
    for name in names:
        person = of.memberships.filter(user__username=name).first() or build.member(of, name)
        while queue.claim(person, Kind.RANK):
            rank(person)


def demonstrate(by: Membership, text: str) -> Any:
    """This labeler writes a demonstration for a new prompt."""
    asked = build.prompt(by.project, f"write about {text}")
    items.create_items(by.project, [items.NewItem(asked, Kind.DEMONSTRATE, band=0)])
    held = queue.claim(by, Kind.DEMONSTRATE)
    assert held is not None
    return demonstrations.submit(held, {"text": text}, build.key()).answer


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def publish(run: Run, figures: dict[str, Any] | None = None) -> None:
    """A worker executes the run: its outputs are a small file, or texts for each prompt."""
    claim = runs.claim(run.pk)
    assert claim is not None
    with artifacts.staging() as folder:
        content = folder / "outputs"
        content.mkdir()
        (content / "weights").write_bytes(run.public_id.encode())
        if run.stage == "generate":
            (content / "completions.jsonl").write_bytes(b"".join(map(row_bytes, samples(run))))
        write_manifest(content)
        digest = artifacts.keep(content)
    publishing.publish(claim, RunResult(run.stage, figures or {}, digest), digest)


def samples(run: Run) -> Iterator[GeneratedRow]:
    """Three texts for each prompt but the first, whose three are one."""
    prompts = list(read_rows(datasets.file(run.inputs.get(name="prompts.jsonl").dataset), PromptRow))
    for place, prompt in enumerate(prompts):
        for number in range(3):
            text = f"{run.seed} says {number if place else 0}"
            yield GeneratedRow(prompt.prompt, number, text, 1.0, 1.0, run.seed, 3, "eos", -1.0)


def walk(report: dict[str, Any] | None = None) -> None:
    """Tick and execute until nothing waits any more."""
    loop.tick()
    while run := Run.objects.filter(state="waiting").order_by("pk").first():
        publish(run, report if run.stage == "reward" else None)
        loop.tick()


def small_rounds() -> Project:
    """Ten prompts to train on and five held out, each demonstrated; a policy of small rounds."""
    made = project(
        enabled=True,
        bootstrap=True,
        rankings_per_round=4,
        items_per_round=8,
        valid_share=0.25,
        completions_per_item=3,
    )
    imported(made, 10)
    imported(made, 5, split="valid")
    return made


def after_two_rounds(labeler: str = "ann") -> Project:
    """A project with two rounds behind it: what was ranked and revised between them, and fresh items."""
    made = small_rounds()
    walk()
    person = build.member(made, labeler)
    ranking = rank(person, 4)[0]
    rankings.revise(ranking, {**build.answer(ranking.assignment), "base": 1}, build.key())
    for text in ("the sea", "the land"):
        demonstrate(person, text)
    walk(GOOD)
    return made
