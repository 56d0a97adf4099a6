"""Prompts and completions in any number: what lands, what is refused, and on which line."""

from __future__ import annotations

import json

import pytest

from labeling.models import Completion, Item, Prompt
from rankloop_client import BadRequest, batches
from tests import build

LINES = rb"""{"prompt": "why?", "id": "7"}

{"prompt": "who?", "split": "never"}
not json
{"prompt": "why?"}
{"prompt": NaN}
{"prompt": "h\u00f6w?"}
[1]
{"prompt": "\xff"}
{"prompt": "\ud800"}
"""


def test_a_file_is_taken_in_and_each_bad_line_named(project, lead, tmp_path):
    file = tmp_path / "prompts.jsonl"
    file.write_bytes(b"\xef\xbb\xbf" + LINES)
    report = lead.import_prompts(project.public_id, file)
    assert report.outcomes == {"stored": 2, "already_there": 1, "refused": 6}
    assert [(row.line, row.error.field) for row in report.refused] == [
        (3, "split"), (4, "line"), (6, "line"), (8, "line"), (9, "line"), (10, "prompt"),
    ]  # fmt: skip
    stored = {row.line: row.prompt for row in report.rows if row.prompt}
    assert stored[1] == stored[5] == Prompt.objects.get(external_id="7").public_id
    assert [prompt.messages[0].content for prompt in lead.prompts(project.public_id)] == ["höw?", "why?"]


def test_a_dry_run_says_what_would_become_of_each_row_and_writes_nothing(project, lead):
    rows = [{"prompt": "why?", "completions": PAIR}, {"prompt": " "}]
    tried = lead.import_prompts(project.public_id, rows, dry_run=True)
    assert (tried.dry_run, tried.items, tried.outcomes) == (True, 1, {"stored": 1, "refused": 1})
    assert not Prompt.objects.exists()
    done = lead.import_prompts(project.public_id, rows, demonstrate=True, k=2)
    assert (done.dry_run, done.items) == (False, 2)
    assert sorted(Item.objects.values_list("kind", "k")) == [("demonstrate", 0), ("rank", 2)]


PAIR = [{"model": "m", "text": "one"}, {"model": "n", "text": "two"}]


def test_more_rows_than_a_request_may_hold_go_in_several(project, lead, relay):
    report = lead.import_prompts(project.public_id, ({"prompt": f"{n}?"} for n in range(1201)))
    assert report.outcomes == {"stored": 1201}
    assert [row.line for row in report.rows] == list(range(1, 1202))
    assert len(relay.seen) == 3
    assert Prompt.objects.count() == 1201


def test_rows_that_are_large_go_in_several_requests_too_and_too_large_a_one_is_refused(project, lead, relay):
    rows = [{"prompt": f"{n}? " + "é" * 100_000} for n in range(40)]
    rows.insert(1, {"prompt": "x" * batches.MOST_BYTES})
    report = lead.import_prompts(project.public_id, rows)
    assert report.outcomes == {"stored": 40, "refused": 1}
    assert report.refused[0].line == 2
    assert len(relay.seen) == 4


def test_nothing_is_sent_where_there_is_nothing(project, lead, relay):
    assert lead.import_prompts(project.public_id, []).rows == ()
    assert relay.seen == []


def test_a_batch_that_is_refused_whole_says_where_it_was(project, lead):
    deep = json.loads("[" * 40 + "]" * 40)
    with pytest.raises(BadRequest) as caught:
        lead.import_prompts(project.public_id, [{"prompt": "why?"}, {"prompt": deep}])
    assert caught.value.__notes__ == ["It was about rows of lines 1 to 2; what was sent before has landed."]


def test_completions_are_ranked_together_however_they_are_ordered(project, lead, relay):
    asked = [build.prompt(project, f"{n}?").public_id for n in range(300)]
    rows = [
        {"prompt": prompt, "model": model, "text": f"{model} says {prompt}"}
        for model in ("m", "n", "o")
        for prompt in asked
    ]
    report = lead.import_completions(project.public_id, rows)
    assert report.outcomes == {"stored": 900}
    assert [row.line for row in report.rows] == list(range(1, 901))
    assert report.items == 300
    assert len(relay.seen) == 2
    assert set(Item.objects.values_list("k", flat=True)) == {3}


def test_bad_completions_are_named_by_their_line_though_they_are_sent_in_another_order(project, lead):
    foreign = build.prompt(build.project("secret"), "theirs").public_id
    asked = build.prompt(project, "why?").public_id
    rows = [
        {"prompt": foreign, "model": "m", "text": "one"},
        {"prompt": asked, "model": "m", "text": "one"},
        {"prompt": asked, "model": "m"},
        7,
        {"prompt": asked, "model": "n", "text": "one "},
        {"prompt": asked, "model": "n", "text": " "},
    ]
    report = lead.import_completions(project.public_id, rows, queue=False)
    assert [(row.line, row.outcome) for row in report.rows] == [
        (1, "refused"), (2, "stored"), (3, "refused"), (4, "refused"), (5, "merged"), (6, "empty"),
    ]  # fmt: skip
    assert [row.error.field for row in report.refused] == ["prompt", "text", "body"]
    assert report.items == 0
    (completion,) = lead.completions(project.public_id, prompt=asked)
    assert sorted(origin.name for origin in completion.origins) == ["m", "n"]
    assert Completion.objects.count() == 1
