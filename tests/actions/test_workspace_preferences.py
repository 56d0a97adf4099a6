"""How a person likes to read, and which keys they use: strictly checked, and each part by itself."""

from __future__ import annotations

import pytest

from labeling.actions import preferences, shortcuts
from labeling.actions.errors import BadInput
from labeling.models import Kind, User

pytestmark = pytest.mark.django_db
MOVED = {"pin": "s", "skip": "F2"}


@pytest.fixture
def mei() -> User:
    return User.objects.create(username="mei")


def refused(user, part, value):
    with pytest.raises(BadInput) as caught:
        preferences.set_workspace(user, part, value)
    user.refresh_from_db()
    return caught.value.field


def test_who_has_chosen_nothing_reads_as_everybody_does(mei):
    assert preferences.reading(mei) == {
        "layout": "columns", "width": "medium", "raw": False, "invisible": False, "diff": False,
        "together": True, "blur": True,
    }  # fmt: skip
    assert preferences.keys(mei) == {}


def test_what_is_chosen_is_kept_and_one_part_leaves_the_other(mei):
    preferences.set_workspace(mei, "keys", {"next": "F4", "raw": "Alt+x", "skip": "ж"})
    preferences.set_workspace(User.objects.get(pk=mei.pk), "reading", {"layout": "carousel", "blur": False})
    mei.refresh_from_db()
    assert preferences.reading(mei)["layout"] == "carousel"
    assert preferences.reading(mei)["blur"] is False
    assert preferences.reading(mei)["width"] == "medium"
    assert preferences.keys(mei) == {"next": "F4", "raw": "Alt+x", "skip": "ж"}


@pytest.mark.parametrize(
    ("part", "value", "field"),
    [
        ("colours", {}, "part"),
        ("reading", ["columns"], "value"),
        ("reading", {"layout": "sideways"}, "value.layout"),
        ("reading", {"blur": 1}, "value.blur"),
        ("reading", {"layout": {"of": "mine"}}, "value.layout"),
        ("reading", {"font": "big"}, "value.font"),
        ("keys", None, "value"),
        ("keys", {"fly": "g"}, "value.fly"),
        ("keys", {"x" * 41: "x"}, f"value.{'x' * 40}"),
        ("keys", {"next": "nn"}, "value.next"),
        ("keys", {"next": ""}, "value.next"),
        ("keys", {"next": "\u202e"}, "value.next"),
        ("keys", {"next": "Alt+Tab"}, "value.next"),
        ("keys", {"next": "Escape"}, "value.next"),
        ("keys", {"next": 7}, "value.next"),
        ("keys", {"next": ";", "skip": ";"}, "value.next"),
        ("keys", {"skip": "x"}, "value.skip"),
        ("keys", {"tie": "ArrowLeft"}, "value.tie"),
    ],
)
def test_anything_else_is_refused_and_changes_nothing(mei, part, value, field):
    preferences.set_workspace(mei, "reading", {"raw": True})
    assert refused(mei, part, value) == field
    assert mei.workspace == {"reading": {"raw": True}}


def test_what_an_earlier_version_kept_and_this_one_does_not_know_is_passed_over(mei):
    mei.workspace = {"reading": {"layout": "spiral", "font": "big", "raw": True}}
    assert preferences.reading(mei)["layout"] == "columns"
    assert preferences.reading(mei)["raw"] is True
    assert "font" not in preferences.reading(mei)
    mei.workspace = {"keys": {"fly": "g", "skip": "Escape", "raw": 7, "undo": "x", "pin": "4", "fold": ";"}}
    assert preferences.keys(mei) == {"fold": ";"}
    mei.workspace = {"keys": ["skip"]}
    assert preferences.keys(mei) == {}


def test_no_two_actions_begin_with_the_same_key_and_none_with_one_of_the_items():
    for name, action in shortcuts.ACTIONS.items():
        others = [other for other in shortcuts.ACTIONS.values() if other.name != name and other.meets(action)]
        assert action.key.lower() not in [other.key.lower() for other in others], name
        assert all(action.key not in shortcuts.RESERVED.get(scope, ()) for scope in action.scopes), name
        assert shortcuts.is_key(action.key), name


def test_one_key_may_mean_two_things_where_these_never_meet(mei):
    """Pinning is for rankings, adding an example for prompts; preview and rankings have no page in common."""
    preferences.set_workspace(mei, "keys", {"pin": "F2", "preview": "F2", "add_example": "p"})
    assert preferences.keys(mei)["preview"] == "F2"


@pytest.mark.parametrize(("action", "key"), [("skip", "a"), ("raw", "I"), ("submit", "7"), ("next", "Enter")])
def test_letters_of_answers_and_scores_can_be_taken_by_nothing_that_meets_them(mei, action, key):
    assert refused(mei, "keys", {action: key}) == f"value.{action}"


def test_they_are_free_where_there_are_no_answers(mei):
    preferences.set_workspace(mei, "keys", {"add_example": "a", "preview": "1", "text_accept": "i"})
    assert len(preferences.keys(mei)) == 3


def test_a_key_that_another_action_has_left_can_be_had(mei):
    assert refused(mei, "keys", {"pin": "s"}) == "value.pin"
    preferences.set_workspace(mei, "keys", MOVED)
    assert preferences.keys(mei) == MOVED


def test_every_action_stands_on_a_page_and_every_page_lists_its_own():
    pages = {kind: shortcuts.on_page(kind).values() for kind in Kind}
    listed = {kind: [action.name for part in parts for action in part] for kind, parts in pages.items()}
    assert {name for names in listed.values() for name in names} == set(shortcuts.ACTIONS)
    assert listed[Kind.PROMPT] == ["preview", "versions", "add_example", "skip", "undo", "last", "keys"]
