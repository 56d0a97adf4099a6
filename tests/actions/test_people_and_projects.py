"""Accounts, projects and members."""

from __future__ import annotations

from importlib import import_module

import pytest
from django.apps import apps
from django.db import connection

from labeling.actions import leases, people, projects, queue
from labeling.actions.errors import BadInput, NotNow
from labeling.models import AuditEvent, Draft, Kind, LoopPolicy, Membership, Role, Rubric, Slot, User
from tests import build, laws
from tests.actions.test_queue_parallel import in_parallel

pytestmark = pytest.mark.django_db


def refused(verb, *arguments, **options):
    with pytest.raises(BadInput) as caught:
        verb(*arguments, **options)
    return caught.value.field


def test_a_new_account_has_a_password_that_must_be_replaced():
    user, password = people.create_user("ada", display_name="Ada Lovelace")
    stored = User.objects.get(username="ada")
    assert stored.check_password(password)
    assert stored.must_change_password
    assert not stored.is_staff
    assert user.shown_name == "Ada Lovelace"
    assert password not in str(AuditEvent.objects.get(verb="user.created").data)


def test_a_program_keeps_its_password_and_no_two_are_equal():
    one = people.create_user("bot-1", is_simulated=True, one_time_password=False)
    two = people.create_user("bot-2", is_simulated=True, one_time_password=False)
    assert one[0].is_simulated
    assert not one[0].must_change_password
    assert one[1] != two[1]


@pytest.mark.parametrize("username", ["", "ada", "two words", "nul\x00", "lone\ud800", "x" * 151])
def test_a_name_that_cannot_be_one_is_refused(username):
    people.create_user("ada")
    assert refused(people.create_user, username) == "username"
    assert User.objects.count() == 1


def test_a_new_password_makes_the_old_one_useless():
    user, old = people.create_user("ada", one_time_password=False)
    new = people.reset_password(user)
    user.refresh_from_db()
    assert user.check_password(new)
    assert not user.check_password(old)
    assert user.must_change_password


def test_nobody_is_found_under_an_unknown_or_impossible_name():
    assert refused(people.by_name, "nobody") == "username"
    assert refused(people.by_name, "lone\udcff") == "username"


def test_a_project_is_born_with_the_papers_flags_and_a_policy():
    project = projects.create_project("letters", "Letters", policy={"bootstrap": True})
    rubric = Rubric.objects.get(project=project)
    assert (rubric.version, rubric.scale_min, rubric.scale_max) == (1, 1, 7)
    assert [flag["key"] for flag in rubric.flags] == [
        "fails_instruction", "inappropriate", "hallucination", "satisfies_constraint", "sexual", "violent",
        "encourages_harm", "denigrates", "harmful_advice", "opinion", "moral_judgment",
    ]  # fmt: skip
    assert all(flag["en"] and flag["zh-hans"] and flag["help"]["zh-hans"] for flag in rubric.flags)
    assert LoopPolicy.objects.get(project=project).bootstrap


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"slug": "two words"}, "slug"),
        ({"slug": "taken"}, "slug"),
        ({"name": " "}, "name"),
        ({"guidelines": "a\x00"}, "guidelines"),
        ({"policy": {"speed": 1}}, "policy.speed"),
        ({"policy": {"project": 1}}, "policy.project"),
        ({"policy": {"overlap": 0}}, "overlap"),
        ({"policy": {"completions_per_item": 10}}, "completions_per_item"),
        ({"policy": {"base_model": "gpt"}}, "base_model"),
        ({"policy": {"stage_settings": ["sft"]}}, "stage_settings"),
        ({"policy": {"stage_settings": {"dance": {}}}}, "stage_settings"),
        ({"policy": {"stage_settings": {"sft": {"learning_rat": 1}}}}, "stage_settings"),
        ({"policy": {"stage_settings": {"sft": {"learning_rate": "fast"}}}}, "stage_settings"),
        ({"policy": {"stage_settings": {"sft": {"base": {"name": "\x00"}}}}}, "stage_settings"),
    ],
)
def test_what_a_project_cannot_be_made_of_is_refused_by_name(arguments, field):
    projects.create_project("taken", "Taken")
    assert refused(projects.create_project, **{"slug": "letters", "name": "Letters", **arguments}) == field
    assert LoopPolicy.objects.count() == 1


def test_a_member_who_is_taken_in_again_changes_role():
    project = projects.create_project("letters", "Letters")
    user, _password = people.create_user("ada")
    projects.add_member(project, user, Role.LABELER, languages=["en", "zh-Hans"])
    projects.add_member(project, user, Role.LEAD)
    membership = Membership.objects.get()
    assert (membership.role, membership.languages) == ("lead", [])
    verbs = AuditEvent.objects.filter(subject=user.public_id, verb__startswith="member")
    assert list(verbs.order_by("pk").values_list("verb", flat=True)) == ["member.added", "member.changed"]


def test_an_unknown_role_or_language_is_refused():
    project = projects.create_project("letters", "Letters")
    user, _password = people.create_user("ada")
    assert refused(projects.add_member, project, user, "king") == "role"
    assert refused(projects.add_member, project, user, "lead", languages=["?"]) == "languages"
    assert not Membership.objects.exists()


def test_an_unknown_project_is_refused_with_those_there_are():
    projects.create_project("letters", "Letters")
    with pytest.raises(BadInput, match="letters") as caught:
        projects.by_slug("lettres")
    assert caught.value.field == "project"


# --- members -----------------------------------------------------------------------------------------


@pytest.fixture
def lead():
    return build.member(build.project(), "lin", Role.LEAD)


def test_a_lead_changes_role_and_languages_and_it_is_recorded(lead):
    ann = build.member(lead.project, "ann")
    projects.change_member(ann, Role.REVIEWER, languages=["en"], by=lead)
    ann.refresh_from_db()
    assert (ann.role, ann.languages) == ("reviewer", ["en"])
    event = AuditEvent.objects.get(verb="member.changed")
    assert (event.actor, event.subject) == (lead.user, ann.user.public_id)
    assert event.data == {"role": "reviewer", "languages": ["en"]}


def test_nobody_lowers_or_ends_themselves_or_gives_more_than_they_have(lead):
    other = build.member(lead.project, "other", Role.LEAD)
    reviewer = build.member(lead.project, "rev", Role.REVIEWER)
    for role in (Role.LABELER, Role.REVIEWER):
        with pytest.raises(NotNow, match="your own"):
            projects.change_member(lead, role, by=lead)
    with pytest.raises(NotNow, match="your own"):
        projects.set_active(lead, False, by=lead)
    projects.change_member(lead, Role.LEAD, languages=["zh"], by=lead)
    assert refused(projects.change_member, reviewer, Role.LEAD, by=reviewer) == "role"
    assert refused(projects.change_member, other, "king", by=lead) == "role"
    assert refused(projects.change_member, other, Role.LEAD, languages=["?"], by=lead) == "languages"
    assert list(Membership.objects.order_by("pk").values_list("role", flat=True)) == [
        "lead",
        "lead",
        "reviewer",
    ]


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("how", ["lower", "end"])
def test_leads_who_put_each_other_out_at_the_same_moment_leave_one(how):
    project = build.project()
    leads = [build.member(project, f"lead {n}", Role.LEAD) for n in range(6)]

    def put_out_the_next(number):
        other = leads[(number + 1) % len(leads)]
        try:
            if how == "end":
                projects.set_active(other, False, by=leads[number])
            else:
                projects.change_member(other, Role.LABELER, by=leads[number])
        except NotNow:
            pass

    in_parallel(put_out_the_next, len(leads))
    assert Membership.objects.filter(role=Role.LEAD, is_active=True).count() == 1


def test_who_is_let_go_gives_back_what_they_hold_and_finds_their_draft_when_they_come_again(lead):
    ann = build.member(lead.project, "ann")
    build.rank_items(lead.project, 2)
    build.demonstrate_items(lead.project, 1)
    held = [
        queue.claim(ann, Kind.RANK),
        queue.claim(ann, Kind.RANK, ahead=True),
        queue.claim(ann, Kind.DEMONSTRATE),
    ]
    leases.save_draft(held[2], 1, {"text": "half a text"})
    projects.set_active(ann, False, by=lead)
    assert not Slot.objects.exclude(state=Slot.State.OPEN).exists()
    assert laws.broken() == {}
    assert Draft.objects.get().body == {"text": "half a text"}
    assert queue.claim(build.member(lead.project, "bo"), Kind.RANK) is not None
    projects.set_active(ann, True, by=lead)
    again = queue.claim(ann, Kind.DEMONSTRATE)
    assert again.pk == held[2].pk
    assert Draft.objects.get().assignment_id == again.pk


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_many_are_let_go_while_they_work_and_nobody_waits_for_ever(lead):
    """Labelers claim, skip and answer while their parts are ended: no deadlock, and every law holds."""
    from labeling.actions import rankings
    from labeling.actions.errors import ActionError

    build.rank_items(lead.project, 12, overlap=3)
    people_ = [build.member(lead.project, f"labeler-{n}") for n in range(8)]

    def work(number):
        person = people_[number % 8]
        for turn in range(15):
            try:
                if number >= 8:
                    projects.set_active(person, turn % 2 == 1, by=lead)
                    continue
                held = queue.claim(person, Kind.RANK)
                queue.claim(person, Kind.RANK, ahead=True)
                if held is not None and turn % 3:
                    rankings.submit(held, build.answer(held), build.key())
                elif held is not None:
                    leases.skip(held, "unclear")
            except ActionError:
                pass

    in_parallel(work, 16)
    assert laws.broken() == {}


# --- names -------------------------------------------------------------------------------------------


def test_names_that_differ_by_their_case_alone_are_one():
    people.create_user("Ada")
    assert refused(people.create_user, "aDA") == "username"
    assert refused(people.create_person, "ADA", password=None) == "username"
    assert people.free_name("ada@example.org") == "ada2"


def test_accounts_that_shared_a_name_before_are_told_apart():
    with connection.cursor() as cursor:
        cursor.execute("DROP INDEX user_name_once")
    for name in ("mei2", "Mei", "mei", "MEI", "bo"):
        User.objects.create(username=name)
    import_module("labeling.migrations.0008_names").tell_twins_apart(apps, None)
    assert list(User.objects.order_by("pk").values_list("username", flat=True)) == [
        "mei2", "Mei", "mei3", "MEI4", "bo",
    ]  # fmt: skip


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_of_many_who_take_one_name_at_the_same_moment_one_gets_it():
    outcomes = []

    def take(number):
        try:
            people.create_person("Mei" if number % 2 else "mEI", password=None)
            outcomes.append("made")
        except BadInput as error:
            outcomes.append(error.field)

    in_parallel(take, 16)
    assert sorted(outcomes) == ["made"] + ["username"] * 15
    assert User.objects.count() == 1
