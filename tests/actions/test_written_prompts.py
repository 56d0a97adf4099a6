"""Prompts that labelers write, from the lead's request to a prompt of the project."""

from __future__ import annotations

import datetime

import pytest
from django.db.models import F

from labeling import tasks
from labeling.actions import datasets, items, leases, queue, written_prompts
from labeling.actions.errors import BadInput, KeyReused, NotNow, Stale
from labeling.models import DatasetRow, Item, Kind, LoopPolicy, Prompt, Slot, WrittenPrompt
from tests import build, laws
from tests.actions.test_queue_parallel import in_parallel

pytestmark = pytest.mark.django_db

FEW_SHOT = [
    {"role": "system", "content": "Say the opposite."},
    {"role": "user", "content": "hot"},
    {"role": "assistant", "content": "cold"},
    {"role": "user", "content": "high"},
]


def plain(text="Why is the sky blue?", **more):
    messages = [{"role": "user", "content": text}]
    return {"messages": messages, "use_case": "open_qa", "language": "en", "flags": [], **more}


def ask(project, count=1, **more):
    return items.ask_for_prompts(project, count, **{"kind": "plain", **more})


def write(person, **more):
    held = queue.claim(person, Kind.PROMPT)
    assert held is not None
    return written_prompts.submit(held, plain(**more), build.key()).answer


def pass_time(**span):
    WrittenPrompt.objects.update(created_at=F("created_at") - datetime.timedelta(**span))


@pytest.fixture
def project(tmp_path, settings):
    settings.ARTIFACTS = tmp_path / "artifacts"
    return build.project()


@pytest.fixture
def mei(project):
    return build.member(project, "mei")


# --- asking ---------------------------------------------------------------------------------------------


def test_a_lead_asks_for_prompts_and_each_is_an_item_with_its_brief(project, mei):
    assert ask(project, 3, kind="user_based", note="A gardener's helper", use_case="chat", language="en") == 3
    item = Item.objects.order_by("pk")[0]
    assert (item.kind, item.prompt, item.k, item.overlap) == ("prompt", None, 0, 1)
    assert item.brief == {
        "kind": "user_based",
        "use_case": "chat",
        "language": "en",
        "note": "A gardener's helper",
    }
    assert items.open_for(mei, Kind.PROMPT).number == 3
    assert laws.broken() == {}


def test_a_prompt_in_a_language_is_asked_of_who_reads_it(project):
    ask(project, language="zh-Hans")
    assert queue.claim(build.member(project, "ann", languages=["en"]), Kind.PROMPT) is None
    assert queue.claim(build.member(project, "li", languages=["zh-Hans"]), Kind.PROMPT) is not None


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"count": 0}, "count"),
        ({"count": 1001}, "count"),
        ({"kind": "sonnet"}, "kind"),
        ({"kind": "user_based"}, "note"),
        ({"use_case": "poetry"}, "use_case"),
        ({"language": "??"}, "language"),
        ({"note": "a\x00b"}, "note"),
    ],
)
def test_a_request_that_cannot_be_met_is_refused_by_its_field(project, wrong, field):
    with pytest.raises(BadInput) as refused:
        ask(project, **wrong)
    assert refused.value.field == field
    assert not Item.objects.exists()


# --- writing --------------------------------------------------------------------------------------------


def test_a_prompt_is_stored_as_it_was_written_and_fills_its_slot(project, mei):
    ask(project)
    written = write(mei, text="  Écris un poème.  ", flags=["opinion", "ambiguous"], pasted_share=0.25)
    revision = written.revisions.get()
    assert revision.messages == [{"role": "user", "content": "  Écris un poème.  "}]
    assert (revision.kind, revision.use_case, revision.language) == ("plain", "open_qa", "en")
    assert (revision.flags, revision.pasted_share) == (["ambiguous", "opinion"], 0.25)
    assert (written.slot.state, written.prompt) == ("filled", None)
    assert laws.broken() == {}


def test_a_few_shot_prompt_is_an_instruction_examples_and_a_last_question(project, mei):
    ask(project, kind="few_shot")
    held = queue.claim(mei, Kind.PROMPT)
    written = written_prompts.submit(held, plain(messages=FEW_SHOT), build.key()).answer
    assert written.revisions.get().messages == FEW_SHOT


@pytest.mark.parametrize(
    ("kind", "wrong", "field"),
    [
        ("plain", {"messages": FEW_SHOT}, "messages"),
        ("plain", {"messages": []}, "messages"),
        ("plain", {"messages": [{"role": "user", "content": " \n"}]}, "messages[0].content"),
        ("plain", {"messages": [{"role": "user", "content": "a\x00"}]}, "messages[0].content"),
        ("few_shot", {"messages": FEW_SHOT[:1] + FEW_SHOT[3:]}, "messages"),
        ("few_shot", {"messages": FEW_SHOT[1:]}, "messages"),
        ("few_shot", {"messages": FEW_SHOT[:1] + FEW_SHOT[1:3] * 21 + FEW_SHOT[3:]}, "messages"),
        ("plain", {"use_case": ""}, "use_case"),
        ("plain", {"use_case": "poetry"}, "use_case"),
        ("plain", {"language": None}, "language"),
        ("plain", {"language": "!"}, "language"),
        ("plain", {"flags": ["rude"]}, "flags"),
        ("plain", {"flags": "opinion"}, "flags"),
        ("plain", {"flags": [["opinion"]]}, "flags"),
        ("plain", {"pasted_share": 1.5}, "pasted_share"),
        ("plain", {"pasted_share": True}, "pasted_share"),
        ("plain", {"kind": "few_shot"}, "kind"),
    ],
)
def test_what_is_no_prompt_of_the_kind_asked_for_is_refused_and_nothing_is_lost(
    project, mei, kind, wrong, field
):
    ask(project, kind=kind)
    held = queue.claim(mei, Kind.PROMPT)
    body = plain(**({"messages": FEW_SHOT} if kind == "few_shot" else {})) | wrong
    with pytest.raises(BadInput) as refused:
        written_prompts.submit(held, body, build.key())
    assert refused.value.field == field
    held.refresh_from_db()
    assert (held.state, WrittenPrompt.objects.count()) == ("open", 0)


def test_what_the_brief_fixes_need_not_be_said_and_cannot_be_said_otherwise(project, mei):
    ask(project, use_case="chat", language="zh-Hans")
    held = queue.claim(mei, Kind.PROMPT)
    with pytest.raises(BadInput):
        written_prompts.submit(held, plain(), build.key())
    body = {"messages": plain()["messages"]}
    revision = written_prompts.submit(held, body, build.key()).answer.revisions.get()
    assert (revision.use_case, revision.language) == ("chat", "zh-Hans")


def test_the_same_request_again_changes_nothing_whatever_its_telemetry_says(project, mei):
    ask(project, 2)
    held, key = queue.claim(mei, Kind.PROMPT), build.key()
    first = written_prompts.submit(held, plain(pasted_share=0.5), key)
    again = written_prompts.submit(held, plain(pasted_share=0.75, active_seconds=9), key)
    assert (first.created, again.created, again.answer) == (True, False, first.answer)
    with pytest.raises(KeyReused):
        written_prompts.submit(held, plain(text="another"), key)
    with pytest.raises(NotNow):
        written_prompts.submit(held, plain(), build.key())
    assert WrittenPrompt.objects.count() == 1


def test_a_change_is_a_revision_on_the_stated_base(project, mei):
    ask(project)
    written = write(mei)
    changed = written_prompts.revise(written, plain(text="Why is the sea blue?", base=1), build.key())
    assert changed.revision == 2
    with pytest.raises(Stale) as stale:
        written_prompts.revise(written, plain(text="Why?", base=1), build.key())
    assert stale.value.data["stored"]["messages"][0]["content"] == "Why is the sea blue?"


def test_a_late_prompt_fills_the_slot_or_is_an_extra_that_is_first_in_line(project, mei):
    ask(project)
    late = queue.claim(mei, Kind.PROMPT)
    build.overdue(project)
    taken = queue.claim(build.member(project, "ann"), Kind.PROMPT)
    given = written_prompts.submit(late, plain(text="late"), build.key())
    assert given.extra
    pass_time(minutes=11)
    assert written_prompts.adopt_due() == 0
    leases.skip(taken, "other")
    assert written_prompts.adopt_due() == 1
    assert Prompt.objects.get().messages[0]["content"] == "late"
    assert laws.broken() == {}


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_twelve_writers_at_once_give_as_many_prompts_as_were_asked_for(project):
    ask(project, 30)
    people = [build.member(project, f"labeler-{n}") for n in range(12)]

    def work(number):
        while held := queue.claim(people[number], Kind.PROMPT):
            written_prompts.submit(held, plain(text=f"prompt {held.item_id}"), build.key())

    in_parallel(work, 12)
    assert WrittenPrompt.objects.filter(slot__isnull=False).count() == 30
    assert WrittenPrompt.objects.filter(slot=None).count() == 0
    assert laws.broken() == {}


# --- taking it into the project ---------------------------------------------------------------------------


def test_a_prompt_becomes_the_projects_once_the_time_for_undo_is_over(project, mei):
    ask(project)
    written = write(mei, flags=["sensitive", "advice"])
    pass_time(minutes=9)
    assert written_prompts.adopt_due() == 0
    written_prompts.revise(
        written, plain(text="Better?", flags=["sensitive"], language="zh-Hans", base=1), build.key()
    )
    pass_time(minutes=2)
    assert (written_prompts.adopt_due(), written_prompts.adopt_due()) == (1, 0)
    prompt = Prompt.objects.get()
    written.refresh_from_db()
    assert written.prompt == prompt
    assert prompt.messages == [{"role": "user", "content": "Better?"}]
    assert (prompt.author, prompt.source, prompt.language) == (mei.user, "labeler", "zh-Hans")
    assert (prompt.flags, prompt.sensitive, prompt.use_case) == (["sensitive"], ["other"], "open_qa")
    assert not Item.objects.filter(kind=Kind.DEMONSTRATE).exists()
    with pytest.raises(NotNow) as refused:
        written_prompts.revise(written, plain(text="Too late", base=2), build.key())
    assert refused.value.data == {"code": "adopted"}


@pytest.mark.django_db(transaction=True)
def test_the_control_workers_tick_takes_in_what_is_due(project, mei):
    ask(project)
    write(mei)
    pass_time(minutes=11)
    tasks.tick()
    assert Prompt.objects.get().author == mei.user


def test_all_prompts_of_an_author_are_in_one_split_under_a_name_that_is_not_theirs(project, mei):
    ask(project, 6)
    for number in range(6):
        write(mei, text=f"prompt {number}")
    pass_time(minutes=11)
    written_prompts.adopt_due()
    ((group, split),) = set(Prompt.objects.values_list("group", "split"))
    assert group not in ("", mei.user.username, mei.user.public_id)
    assert split in ("train", "valid", "test")


def test_an_author_whose_group_is_in_a_split_already_stays_in_it(project, mei):
    ask(project, 2)
    write(mei, text="one")
    pass_time(minutes=11)
    written_prompts.adopt_due()
    other = next(split for split in ("train", "test") if split != Prompt.objects.get().split)
    Prompt.objects.update(split=other)
    write(mei, text="two")
    pass_time(minutes=11)
    written_prompts.adopt_due()
    assert set(Prompt.objects.values_list("split", flat=True)) == {other}


def test_the_same_prompt_from_an_import_or_another_labeler_is_one_prompt(project, mei):
    ask(project, 2)
    first = write(mei, text="Why? ")
    second = write(build.member(project, "ann"), text=" Why?")
    pass_time(minutes=11)
    assert written_prompts.adopt_due() == 2
    first.refresh_from_db()
    second.refresh_from_db()
    assert first.prompt == second.prompt == Prompt.objects.get()
    assert Prompt.objects.get().author == mei.user


def test_where_the_lead_wants_it_an_answer_is_asked_for_next_which_its_author_may_give(project, mei):
    ask(project, 2, demonstrate=True)
    write(mei, text="Why?", flags=["sensitive"])
    write(build.member(project, "ann"), text="Why?")
    pass_time(minutes=11)
    written_prompts.adopt_due()
    item = Item.objects.get(kind=Kind.DEMONSTRATE)
    assert item.prompt == Prompt.objects.get()
    assert Slot.objects.get(item=item).sensitive == ["other"]
    held = queue.claim(mei, Kind.DEMONSTRATE)
    assert held is not None
    assert held.item == item


def test_what_a_reviewer_shall_see_waits_for_a_verdict_that_takes_it(project, mei):
    ask(project, 3)
    waiting, refused, edited = (write(mei, text=f"prompt {number}") for number in range(3))
    WrittenPrompt.objects.update(wants_review=True)
    WrittenPrompt.objects.filter(pk=refused.pk).update(wants_review=False, verdict="rejected")
    WrittenPrompt.objects.filter(pk=edited.pk).update(wants_review=False, verdict="edited")
    pass_time(minutes=11)
    assert written_prompts.adopt_due() == 1
    edited.refresh_from_db()
    assert Prompt.objects.get() == edited.prompt
    adopted = written_prompts.adopt(waiting)
    assert written_prompts.adopt(waiting) == adopted
    assert Prompt.objects.count() == 2


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_two_workers_take_each_prompt_in_exactly_once(project, mei):
    ask(project, 24, demonstrate=True)
    for number in range(24):
        write(mei, text=f"prompt {number % 20}")
    pass_time(minutes=11)
    taken = []
    in_parallel(lambda number: taken.append(written_prompts.adopt_due()), 4)
    taken.append(written_prompts.adopt_due())
    assert sum(taken) == 24
    assert Prompt.objects.count() == 20
    assert Item.objects.filter(kind=Kind.DEMONSTRATE).count() == 20
    assert not WrittenPrompt.objects.filter(prompt=None).exists()


@pytest.mark.django_db(transaction=True)
def test_datasets_take_such_prompts_like_others(project, mei):
    ask(project)
    write(mei, text="Why?")
    pass_time(minutes=11)
    written_prompts.adopt_due()
    LoopPolicy.objects.create(project=project)
    version = datasets.freeze(project, "prompts")
    assert [row.prompt for row in DatasetRow.objects.filter(version=version)] == [Prompt.objects.get()]
