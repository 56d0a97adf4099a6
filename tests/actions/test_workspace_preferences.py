"""How a person likes to read, and which keys they use: strictly checked, and each part by itself."""

from __future__ import annotations

import pytest

from labeling.actions import preferences
from labeling.actions.errors import BadInput
from labeling.models import User

pytestmark = pytest.mark.django_db


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
    preferences.set_workspace(mei, "keys", {"next": "n", "raw": "Alt+ArrowUp", "skip": "ж"})
    preferences.set_workspace(User.objects.get(pk=mei.pk), "reading", {"layout": "carousel", "blur": False})
    mei.refresh_from_db()
    assert preferences.reading(mei)["layout"] == "carousel"
    assert preferences.reading(mei)["blur"] is False
    assert preferences.reading(mei)["width"] == "medium"
    assert preferences.keys(mei) == {"next": "n", "raw": "Alt+ArrowUp", "skip": "ж"}


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
        ("keys", {"Next one": "n"}, "value.Next one"),
        ("keys", {"next": "nn"}, "value.next"),
        ("keys", {"next": ""}, "value.next"),
        ("keys", {"next": "\u202e"}, "value.next"),
        ("keys", {"next": "Alt+Tab"}, "value.next"),
        ("keys", {"next": "Escape"}, "value.next"),
        ("keys", {"next": 7}, "value.next"),
        ("keys", {"next": "n", "skip": "N"}, "value.skip"),
        ("keys", {f"a{'b' * n}": chr(0x4E00 + n) for n in range(39)} | {"x" * 41: "x"}, f"value.{'x' * 40}"),
        ("keys", {f"a_{chr(97 + n // 26)}{chr(97 + n % 26)}": chr(0x4E00 + n) for n in range(61)}, "value"),
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
