"""The rubric is written in versions; labelers are asked what theirs asks at this prompt."""

from __future__ import annotations

import pytest

from labeling.actions import leases, queue, rankings, rubrics
from labeling.actions.errors import BadInput, NotNow, Stale
from labeling.models import AuditEvent, Item, Kind, Prompt, RankingRevision, Rubric
from tests import build

pytestmark = pytest.mark.django_db

MADE_UP = {
    "key": "made_up",
    "labels": {"en": "Made up", "zh-hans": "编造"},
    "help": {"en": "- *for example* a source that is not there"},
    "required": True,
    "use_cases": ["summarization", "closed_qa"],
}
RUDE = {"key": "rude", "labels": {"en": "Rude"}}


@pytest.fixture
def project():
    return build.project()


@pytest.fixture
def ann(project):
    return build.member(project, "ann")


def test_a_version_is_written_on_top_of_the_one_that_is_asked(project, ann):
    written = rubrics.write(
        project, [MADE_UP, RUDE], base=1, scale_max=5, help={"en": " 1 is poor "}, note="new", actor=ann.user
    )
    assert rubrics.latest(project) == written
    assert written.flags[0] == {
        "key": "made_up", "en": "Made up", "zh-hans": "编造",
        "help": {"en": "- *for example* a source that is not there"},
        "required": True, "use_cases": ["summarization", "closed_qa"],
    }  # fmt: skip
    assert (written.version, written.scale_max, written.help) == (2, 5, {"en": "1 is poor"})
    assert AuditEvent.objects.get(verb="rubric.written").data == {"version": 2, "flags": 2, "scale": 5}
    with pytest.raises(Stale):
        rubrics.write(project, [RUDE], base=1)
    assert Rubric.objects.filter(project=project).count() == 2


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"flags": "none"}, "flags"),
        ({"flags": [{**RUDE, "key": f"f{n}"} for n in range(63)]}, "flags"),
        ({"flags": ["rude"]}, "flags.0"),
        ({"flags": [RUDE, RUDE]}, "flags.1.key"),
        ({"flags": [{**RUDE, "key": "Rude!"}]}, "flags.0.key"),
        ({"flags": [{**RUDE, "key": None}]}, "flags.0.key"),
        ({"flags": [{**RUDE, "key": "x" * 41}]}, "flags.0.key"),
        ({"flags": [{**RUDE, "colour": 1}]}, "flags.0.colour"),
        ({"flags": [{**RUDE, "labels": {"zh-hans": "粗鲁"}}]}, "flags.0.labels.en"),
        ({"flags": [{**RUDE, "labels": {"en": "x" * 81}}]}, "flags.0.labels.en"),
        ({"flags": [{**RUDE, "labels": {"en": "two\nlines"}}]}, "flags.0.labels.en"),
        ({"flags": [{**RUDE, "labels": {"en": 3}}]}, "flags.0.labels.en"),
        ({"flags": [{**RUDE, "labels": ["Rude"]}]}, "flags.0.labels"),
        ({"flags": [{**RUDE, "help": {"tlh": "x"}}]}, "flags.0.help.tlh"),
        ({"flags": [{**RUDE, "help": {"en": "\x00"}}]}, "flags.0.help.en"),
        ({"flags": [{**RUDE, "help": {"en": "x" * 4001}}]}, "flags.0.help.en"),
        ({"flags": [{**RUDE, "required": "yes"}]}, "flags.0.required"),
        ({"flags": [{**RUDE, "use_cases": ["dancing"]}]}, "flags.0.use_cases"),
        ({"flags": [{**RUDE, "use_cases": [["chat"]]}]}, "flags.0.use_cases"),
        ({"scale_max": 10}, "scale_max"),
        ({"scale_max": True}, "scale_max"),
        ({"scale_max": None}, "scale_max"),
        ({"help": "good"}, "help"),
        ({"note": "x" * 201}, "note"),
    ],
)
def test_what_cannot_be_a_rubric_is_refused_by_name(project, change, field):
    with pytest.raises(BadInput) as refused:
        rubrics.write(project, **{"flags": [RUDE], "base": 1, **change})
    assert refused.value.field == field
    assert rubrics.latest(project).version == 1


def test_sixty_two_flags_fit_an_answer(project, ann):
    flags = [{**RUDE, "key": f"f{n}"} for n in range(62)]
    rubrics.write(project, flags, base=1)
    build.rank_items(project, 1, k=2)
    held = queue.claim(ann, Kind.RANK)
    everything = [flag["key"] for flag in flags]
    rankings.submit(held, build.answer(held, flags={"A": everything}), build.key())
    stored = RankingRevision.objects.get()
    assert max(stored.flags) == 2**62 - 1
    assert rankings.as_letters(stored, held)["flags"] == {"A": everything}


def test_saving_what_is_there_already_makes_no_version(project):
    same = [{"key": flag["key"], "labels": rubrics.labels(flag)} for flag in rubrics.latest(project).flags]
    with pytest.raises(NotNow):
        rubrics.write(project, same, base=1)


def test_every_difference_is_named(project):
    first = rubrics.write(project, [MADE_UP, RUDE, {**RUDE, "key": "old"}], base=1)
    changed = {**MADE_UP, "labels": {"en": "Invented"}, "required": False, "use_cases": [], "help": {}}
    second = rubrics.write(
        project, [RUDE, changed, {**RUDE, "key": "new"}], base=2, scale_max=9, help={"en": "1 is poor"}
    )
    found = [(change.what, change.flag, change.language) for change in rubrics.differences(first, second)]
    assert found == [
        ("scale", "", ""), ("scale_help", "", "en"), ("removed", "old", ""),
        ("label", "made_up", "en"), ("label", "made_up", "zh-hans"), ("help", "made_up", "en"),
        ("required", "made_up", ""), ("use_cases", "made_up", ""), ("added", "new", ""), ("order", "", ""),
    ]  # fmt: skip


def test_who_holds_an_item_keeps_the_rubric_that_they_were_shown(project, ann):
    build.rank_items(project, 2, k=2)
    held = queue.claim(ann, Kind.RANK)
    rubrics.write(project, [{**RUDE, "required": True}], base=1)
    rankings.submit(held, build.answer(held, flags={"A": ["hallucination"]}), build.key())
    assert RankingRevision.objects.get().rubric.version == 1
    assert queue.claim(ann, Kind.RANK).rubric.version == 2


# --- flags that want an answer -----------------------------------------------------------------------


@pytest.fixture
def held(project, ann):
    """An item of two completions at a summary, where made_up is required and rude is not."""
    rubrics.write(project, [RUDE, MADE_UP, {**MADE_UP, "key": "chatty", "use_cases": ["chat"]}], base=1)
    (item,) = build.rank_items(project, 1, k=2)
    Prompt.objects.filter(items=item).update(use_case="summarization")
    return queue.claim(ann, Kind.RANK)


def test_a_required_flag_is_said_or_denied_of_each_completion(held):
    given = {"flags": {"A": ["made_up"]}, "denied": {"B": ["made_up"], "A": ["rude"]}}
    rankings.submit(held, build.answer(held, **given), build.key())
    stored = RankingRevision.objects.get()
    assert sorted(stored.flags) == [0, 2]
    assert sorted(stored.denied) == [1, 2]
    told = rankings.as_letters(stored, held)
    assert (told["flags"], told["denied"]) == (given["flags"], {"A": ["rude"], "B": ["made_up"]})


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({}, "flags.A"),
        ({"flags": {"A": ["made_up"]}}, "flags.B"),
        ({"flags": {"A": ["made_up"]}, "denied": {"A": ["made_up"], "B": ["made_up"]}}, "denied.A"),
        ({"denied": {"A": ["made_up", "chatty"], "B": ["made_up"]}}, "denied.A"),
        ({"denied": {"A": ["made_up"], "B": ["made_up"]}, "flags": {"B": ["ghost"]}}, "flags.B"),
        ({"denied": {"C": []}}, "denied"),
        ({"denied": ["made_up"]}, "denied"),
        ({"denied": {"A": "made_up"}}, "denied.A"),
        ({"denied": {"A": [1]}}, "denied.A"),
    ],
)
def test_flags_that_contradict_or_are_not_asked_here_are_refused(held, given, field):
    with pytest.raises(BadInput) as refused:
        rankings.submit(held, build.answer(held, **given), build.key())
    assert refused.value.field == field
    assert not RankingRevision.objects.exists()


def test_an_all_bad_answer_answers_required_flags_too(held):
    body = {"scores": {"A": 1, "B": 1}, "all_bad": True}
    with pytest.raises(BadInput):
        rankings.submit(held, body, build.key())
    denied = {"A": ["made_up"], "B": ["made_up"]}
    assert rankings.submit(held, {**body, "denied": denied}, build.key()).created


# --- reporting a prompt ------------------------------------------------------------------------------


def test_a_report_says_why_and_brings_the_item_before_a_reviewer_at_once(project, ann):
    build.rank_items(project, 1, overlap=3)
    held = queue.claim(ann, Kind.RANK)
    with pytest.raises(BadInput) as refused:
        leases.skip(held, "report", " ")
    assert refused.value.field == "comment"
    leases.skip(held, "report", "it names a real person")
    item = Item.objects.get()
    assert (item.needs_review, item.skips) == (True, 1)
    assert set(item.slots.values_list("band", flat=True)) == {2}
    # Whoever passes it on next for another reason does not take that back.
    leases.skip(queue.claim(build.member(project, "bob"), Kind.RANK), "unclear")
    assert Item.objects.get().needs_review
