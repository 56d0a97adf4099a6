"""The everyday project: all that labelers and reviewers do, to be looked at on the first day.

Its queue asks to rank, to demonstrate and to write prompts of all three kinds. Its guidelines are in their
second version, which has to be accepted. New labelers begin with a tutorial and a test; a few hidden checks
are among the work. What two made-up people said of some items stands in a file, and waits for a reviewer.
"""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

from django.db import transaction

from labeling.actions import (
    care,
    demonstrations,
    golds,
    guidelines,
    leases,
    people,
    projects,
    queue,
    rankings,
)
from labeling.actions.completions import Written, outside_model, store_texts
from labeling.actions.items import NewItem, ask_for_prompts, create_items
from labeling.actions.rankings import LETTERS
from labeling.demo import recipe
from labeling.demo.projects import import_rows
from labeling.models import Assignment, Completion, Kind, Membership, Project, Prompt, PromptKind, Role
from labeling.models.queue import MAX_K

FOLDER = Path(__file__).parent
SLUG = "everyday-instructions"
PHARMACY = (
    "A pharmacy wants an assistant on its website. Write what one of its customers would type there.\n\n"
    "一家药店想在网站上放一个助手。请写一句它的顾客会输入的话。"
)
SAMPLE_MODEL = "sample-1"


@transaction.atomic
def create_everyday_project() -> Project:
    """Forty everyday prompts with ready-made answers to rank, and whatever else a visitor may want to try.

    Raises BadInput if the project exists.
    """
    project = projects.create_project(
        SLUG,
        "Everyday instructions",
        description=(
            "Everyday requests in English and Chinese across ten use cases, with sample answers of different "
            "quality, to see what labeling is like; two made-up people have begun. Nothing is trained here "
            "until a lead says so."
        ),
        guidelines=_text("guidelines_everyday.md"),
        policy=recipe.EVERYDAY,
    )
    care.set_policy(project, {"review_demonstrations": 1.0})
    _let_samples_answer(project)
    import_rows(project, _lines("everyday.jsonl"), k=MAX_K)
    _ask_to_write(project)
    _make_checks(project)
    care.set_policy(project, recipe.EVERYDAY_QUALITY)
    guidelines.write(
        project,
        f"{_text('guidelines_everyday.md')}\n{_text('guidelines_writing.md')}",
        base=1,
        binding=True,
        note="How to write answers and prompts is new.",
    )
    return project


def _ask_to_write(project: Project) -> None:
    """A demonstration in each use case, and prompts of each kind."""
    undemonstrated = Prompt.objects.filter(project=project, demonstrations=None)
    by_case = itertools.groupby(
        undemonstrated.order_by("use_case", "external_id"), key=lambda prompt: prompt.use_case
    )
    first_of_each = [next(prompts) for _case, prompts in by_case]
    create_items(project, [NewItem(prompt, Kind.DEMONSTRATE) for prompt in first_of_each])
    ask_for_prompts(project, 4, kind=PromptKind.PLAIN, demonstrate=True)
    ask_for_prompts(project, 3, kind=PromptKind.FEW_SHOT)
    ask_for_prompts(project, 3, kind=PromptKind.USER_BASED, note=PHARMACY)


# --- checks -------------------------------------------------------------------------------------------


def _make_checks(project: Project) -> None:
    """The tutorial, the test and the hidden golds. Their prompts are checks and nothing else."""
    model = outside_model(project, SAMPLE_MODEL)
    for line in _lines("everyday_checks.jsonl"):
        asked = {name: line.pop(name, None) for name in ("purpose", "answers", "checked", "explanation")}
        import_rows(project, [line])
        prompt = Prompt.objects.get(project=project, external_id=line["id"])
        answers = asked["answers"]
        if answers is None:
            golds.ask_to_write(prompt)
            continue
        store_texts([Written(prompt, answer["text"], model) for answer in answers])
        stored = {completion.text: completion for completion in Completion.objects.filter(prompt=prompt)}
        right = golds.Right(
            ranks=[answer["rank"] for answer in answers],
            flags=[answer.get("flags", []) for answer in answers],
            checked=asked["checked"],
            explanation=asked["explanation"],
        )
        golds.make(project, prompt, [stored[answer["text"]] for answer in answers], asked["purpose"], right)


# --- what made-up people said ---------------------------------------------------------------------------


def _let_samples_answer(project: Project) -> None:
    """Queue what the file has answers to, and nothing else yet: so these are the items that are given out."""
    said = json.loads(_text("everyday_answers.json"))
    about = {line["id"]: line for line in _lines("everyday.jsonl")}
    ranked = {(one["by"], one["prompt"]): one for one in (*said["rankings"], *said["reports"])}
    written = {(one["by"], one["prompt"]): one["text"] for one in said["demonstrations"]}
    import_rows(project, [about[prompt] for prompt in {prompt for _by, prompt in ranked}], k=MAX_K)
    for _by, prompt in written:
        import_rows(project, [{**about[prompt], "completions": []}], demonstrate=True)
    for username, name in said["people"].items():
        # Nobody knows their passwords: they are there to have answered.
        user, _password = people.create_user(username, display_name=name)
        member = projects.add_member(project, user, Role.LABELER)
        for _ in range(sum(by == username for by, _prompt in ranked)):
            held = _next(member, Kind.RANK)
            given = ranked[username, held.item.asked.external_id]
            if "scores" in given:
                rankings.submit(held, _in_letters(held, given), f"sample {held.token}")
            else:
                leases.skip(held, leases.REPORT, given["comment"])
        for _ in range(sum(by == username for by, _prompt in written)):
            held = _next(member, Kind.DEMONSTRATE)
            text = written[username, held.item.asked.external_id]
            demonstrations.submit(held, {"text": text}, f"sample {held.token}")


def _next(member: Membership, kind: str) -> Assignment:
    held = queue.claim(member, kind)
    assert held is not None
    return held


def _in_letters(held: Assignment, said: dict[str, Any]) -> dict[str, Any]:
    """An answer of the file, which goes by the models' names, as a labeler gives it who is shown letters."""
    models = dict(held.item.item_completions.values_list("position", "completion__origins__model__name"))
    letters = {models[position]: letter for letter, position in zip(LETTERS, held.shown_order, strict=False)}
    by_letter: dict[str, Any] = {
        name: {letters[model]: value for model, value in said.get(name, {}).items()}
        for name in ("scores", "flags")
    }
    if tiers := said.get("tiers"):
        by_letter["tiers"] = [[letters[model] for model in tier] for tier in tiers]
        by_letter["tied"] = [letters[model] for model in said.get("tied", ())]
    return {**by_letter, "all_bad": said.get("all_bad", False), "comment": said.get("comment", "")}


# --- files ----------------------------------------------------------------------------------------------


def _text(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


def _lines(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in _text(name).splitlines()]
