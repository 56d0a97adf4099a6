"""Accounts, projects and members."""

from __future__ import annotations

import pytest

from labeling.actions import people, projects
from labeling.actions.errors import BadInput
from labeling.models import AuditEvent, LoopPolicy, Membership, Role, Rubric, User

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
