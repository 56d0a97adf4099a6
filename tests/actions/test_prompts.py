"""Importing: what is stored, merged, split and queued, and what a second import leaves alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from labeling.actions.completions import Outcome
from labeling.actions.errors import BadInput
from labeling.actions.import_rows import FieldMap
from labeling.actions.prompts import import_lines
from labeling.models import (
    AuditEvent,
    Completion,
    CompletionOrigin,
    Demonstration,
    DemonstrationRevision,
    Item,
    ModelVersion,
    Prompt,
    Slot,
)
from tests import build

pytestmark = pytest.mark.django_db

REAL_FILE = Path(__file__).resolve().parents[2].parent / "shared/data/self_instruct_human_eval.jsonl"


def row(prompt, *texts, **fields):
    """A line whose texts were written by models m0, m1 and so on."""
    completions = [{"model": f"m{number}", "text": text} for number, text in enumerate(texts)]
    return json.dumps({"prompt": prompt, "completions": completions, **fields}).encode()


def counts():
    return [
        model.objects.count()
        for model in (Prompt, Demonstration, DemonstrationRevision, Completion, CompletionOrigin, Item, Slot)
    ]


def test_a_prompt_lands_with_all_that_belongs_to_it():
    project = build.project()
    fields = {
        "id": "17", "use_case": "open_qa", "language": "en", "group": "Ada", "licence": "CC0-1.0",
        "source": "letters", "split": "valid", "demonstrations": ["\n\nBecause of scattering."],
    }  # fmt: skip
    import_lines(project, [row("Why?", "a", "b", **fields)])
    prompt = Prompt.objects.get()
    assert prompt.messages == [{"role": "user", "content": "Why?"}]
    assert (prompt.external_id, prompt.use_case, prompt.language, prompt.group) == (
        "17", "open_qa", "en", "Ada",
    )  # fmt: skip
    assert (prompt.licence, prompt.source, prompt.split) == ("CC0-1.0", "letters", "valid")
    demonstration = Demonstration.objects.get()
    assert (demonstration.source, demonstration.labeler, demonstration.is_simulated) == (
        "imported", None, False,
    )  # fmt: skip
    assert demonstration.revisions.get().text == "\n\nBecause of scattering."
    assert set(ModelVersion.objects.values_list("name", "kind")) == {("m0", "outside"), ("m1", "outside")}


def test_a_simulated_source_marks_the_prompt_and_its_demonstrations():
    import_lines(build.project(), [row("Why?", demonstrations="So.", source="simulated")])
    assert Prompt.objects.get().is_simulated
    assert Demonstration.objects.get().is_simulated


def test_texts_that_differ_by_white_space_at_their_ends_are_one_completion_of_several_models():
    report = import_lines(build.project(), [row("Why?", "\n\nSo.", "So.", "So. ", "No.", " \n")])
    assert report.answers == {Outcome.STORED: 2, Outcome.MERGED: 2, Outcome.EMPTY: 1}
    merged = Completion.objects.get(text="\n\nSo.")
    assert sorted(origin.model.name for origin in merged.origins.all()) == ["m0", "m1", "m2"]


def test_a_second_import_changes_nothing_and_says_so():
    project = build.project()
    lines = [row(f"{n}?", "a", "b", "a ", " ", demonstrations=["c", ""]) for n in range(20)]
    import_lines(project, lines, demonstrate=True)
    before = counts()
    again = import_lines(project, lines, demonstrate=True)
    assert counts() == before
    assert again.prompts == {Outcome.ALREADY_THERE: 20}
    assert again.demonstrations == {Outcome.ALREADY_THERE: 20, Outcome.EMPTY: 20}
    assert again.answers == {Outcome.ALREADY_THERE: 60, Outcome.EMPTY: 20}
    assert not any(again.written().values())
    assert AuditEvent.objects.filter(verb="prompts.imported").count() == 1


def test_a_prompt_that_comes_again_gains_only_what_is_new_and_no_second_item():
    project = build.project()
    import_lines(project, [row("Why?", "a", "b")])
    report = import_lines(project, [row(" Why? ", "a", "c", demonstrations="d")])
    assert (Prompt.objects.count(), Completion.objects.count(), Item.objects.count()) == (1, 3, 1)
    assert report.demonstrations == {Outcome.STORED: 1}


def test_a_bad_line_is_named_and_the_rest_is_imported():
    bad = []
    report = import_lines(
        build.project(),
        [row("one?"), b"{", row("two?"), b"", row("\x00", "a", "b"), row("three?")],
        on_bad_line=lambda number, error: bad.append((number, error.field)),
    )
    assert bad == [(2, "line"), (5, "prompt")]
    assert (report.lines, report.bad, Prompt.objects.count()) == (6, 2, 3)


def test_nothing_of_a_refused_line_is_kept():
    import_lines(build.project(), [row("Why?", "a", "b", "c\x00", demonstrations="d")])
    assert counts() == [0] * 7
    assert ModelVersion.objects.count() == 0


def test_a_group_is_never_divided_over_splits():
    project = build.project()
    import_lines(project, [row(f"{n}?", group=f"author {n % 40}") for n in range(400)])
    for group in {f"author {n}" for n in range(40)}:
        assert Prompt.objects.filter(group=group).values("split").distinct().count() == 1
    assert set(Prompt.objects.values_list("split", flat=True)) == {"train", "valid", "test"}


def test_a_stated_split_wins_and_takes_its_group_along():
    project, bad = build.project(), []
    import_lines(project, [row("1?", group="Ada", split="test"), row("2?", group="Ada")])
    import_lines(
        project,
        [row("3?", group="Ada"), row("4?", group="Ada", split="train")],
        on_bad_line=lambda number, error: bad.append((number, error.field)),
    )
    assert list(Prompt.objects.order_by("pk").values_list("split", flat=True)) == ["test"] * 3
    assert bad == [(2, "split")]


def test_prompts_without_a_group_are_split_by_themselves_the_same_way_every_time():
    for slug in ("one", "two"):
        import_lines(build.project(slug), [row(f"{n}?") for n in range(100)])
    splits = [
        list(Prompt.objects.filter(project__slug=slug).order_by("digest").values_list("split", flat=True))
        for slug in ("one", "two")
    ]
    assert splits[0] == splits[1]
    assert len(set(splits[0])) > 1


# --- items -------------------------------------------------------------------------------------------


def test_an_item_ranks_k_distinct_answers_drawn_with_a_recorded_probability():
    report = import_lines(build.project(), [row("Why?", *"abcdef")], k=4)
    item = Item.objects.get()
    drawn = {part.completion.text for part in item.item_completions.all()}
    assert (item.kind, item.k, len(drawn), item.arm, item.origin) == ("rank", 4, 4, "uniform", "imported")
    assert item.probability == pytest.approx(1 / 15)
    assert report.rank_items == {4: 1}


def test_fewer_answers_make_a_smaller_item_and_one_makes_none():
    report = import_lines(build.project(), [row("1?", *"abc"), row("2?", "a", "a "), row("3?")], k=4)
    assert report.rank_items == {3: 1}
    assert report.too_few_to_rank == 1
    assert Item.objects.get().probability == 1.0


def test_the_draw_follows_the_seed_and_not_the_order_of_the_file():
    drawn = []
    for slug, turn, seed in (("one", 1, 0), ("two", -1, 0), ("three", 1, 1)):
        lines = [row(f"{n}?", *[f"{n}{letter}" for letter in "abcdefgh"[::turn]]) for n in range(30)][::turn]
        import_lines(build.project(slug), lines, k=3, seed=seed)
        chosen = Completion.objects.filter(item_completions__item__project__slug=slug)
        drawn.append(set(chosen.values_list("text", flat=True)))
    assert drawn[0] == drawn[1] != drawn[2]


@pytest.mark.parametrize("k", [1, 10])
def test_k_beyond_two_to_nine_is_refused_by_name(k):
    with pytest.raises(BadInput) as caught:
        import_lines(build.project(), [row("Why?", *"abc")], k=k)
    assert caught.value.field == "k"
    assert counts() == [0] * 7


def test_prompts_without_a_demonstration_can_be_queued_for_one():
    project = build.project()
    report = import_lines(project, [row("1?"), row("2?", demonstrations="So.")], demonstrate=True)
    assert report.demonstrate_items == 1
    assert Item.objects.get().prompt.messages[0]["content"] == "1?"


def test_held_out_prompts_want_more_answers():
    import_lines(build.project(), [row("1?", *"ab", split="train"), row("2?", *"ab", split="valid")])
    overlaps = dict(Item.objects.values_list("prompt__split", "overlap"))
    assert overlaps == {"train": 1, "valid": 2}


# --- the whole ---------------------------------------------------------------------------------------


def test_a_dry_run_reports_the_same_and_writes_nothing():
    project = build.project()
    lines = [row("1?", *"abcdef", demonstrations="d"), b"{", row("1?", "a", "z"), row("2?", "a")]
    dry = import_lines(project, lines, demonstrate=True, dry_run=True)
    assert counts() == [0] * 7
    assert (ModelVersion.objects.count(), AuditEvent.objects.count()) == (0, 0)
    assert import_lines(project, lines, demonstrate=True) == dry


def test_the_report_does_not_depend_on_the_batches(monkeypatch):
    lines = [row(f"{n % 15}?", "a", f"{n}", "a ", demonstrations="d") for n in range(40)]
    whole = import_lines(build.project("whole"), lines)
    monkeypatch.setattr("labeling.actions.prompts.BATCH_ROWS", 1)
    single = import_lines(build.project("single"), lines)
    assert (single.prompts, single.demonstrations, single.answers) == (
        whole.prompts, whole.demonstrations, whole.answers,
    )  # fmt: skip


def test_a_model_that_was_trained_here_has_its_name_for_itself():
    from labeling.models import Run

    project, bad = build.project(), []
    run = Run.objects.create(project=project, stage="sft", recipe_digest="0", state="completed", artifact="0")
    ModelVersion.objects.create(project=project, kind="sft", name="m1", run=run, artifact="0")
    import_lines(project, [row("Why?", "a", "b")], on_bad_line=lambda number, error: bad.append(error.field))
    assert bad == ["completions[1].model"]
    assert Prompt.objects.count() == 0


@pytest.mark.skipif(not REAL_FILE.exists(), reason=f"{REAL_FILE.name} is not beside the repository")
def test_the_real_file_is_imported_whole():
    mapping = FieldMap(
        {
            "prompt": "instruction+input",
            "demonstrations": "target",
            "completions": "responses",
            "group": "source_app",
        },
        {"licence": "Apache-2.0", "language": "en"},
    )
    project = build.project()
    with REAL_FILE.open("rb") as lines:
        report = import_lines(project, lines, mapping)
    assert (report.lines, report.bad) == (252, 0)
    assert report.prompts == {Outcome.STORED: 252}
    assert report.demonstrations == {Outcome.STORED: 252}
    assert report.answers == {Outcome.STORED: 1767, Outcome.MERGED: 198, Outcome.EMPTY: 51}
    assert report.rank_items == {2: 6, 3: 7, 4: 239}
    assert (report.too_few_to_rank, report.demonstrate_items) == (0, 0)
    assert (Completion.objects.count(), CompletionOrigin.objects.count()) == (1767, 1965)
    assert Demonstration.objects.filter(source="imported", is_simulated=False).count() == 252
    assert Item.objects.filter(kind="rank", origin="imported").count() == 252
    with REAL_FILE.open("rb") as lines:
        again = import_lines(project, lines, mapping)
    assert not any(again.written().values())
    assert again.answers == {Outcome.ALREADY_THERE: 1965, Outcome.EMPTY: 51}
