"""What can be done by one key on the pages of work, and by which key for who has chosen none.

The list of all of it: the dialog of keys, the pages' scripts and what a person may choose go by this table.
An action holds in *scopes*, the states that a page can be in; within one scope a key means one thing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.functional import Promise
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from labeling.models import Kind

SCOPES: dict[str, tuple[str, ...]] = {
    Kind.RANK: ("rank", "two_up", "extremes", "flags"),
    Kind.DEMONSTRATE: ("demonstrate",),
    Kind.PROMPT: ("prompt",),
    Kind.REVIEW: ("answers", "text"),
}
"""By kind of work. In ranking: putting in order by hand, a sort that asks (two ways), an answer's flags."""
ANSWERS = frozenset("abcdefghi")
SCORES = frozenset("0123456789")
RESERVED: dict[str, frozenset[str]] = {
    **dict.fromkeys(["rank", "two_up", "extremes", "answers"], ANSWERS | SCORES),
    "text": SCORES,
    "flags": frozenset({"Enter"}),
}
"""What belongs to the item in a scope. Flags take what is left: their keys give way to these (keys.js)."""
# One character that can be seen, or a key's name as the browser gives it (ArrowUp, F2), perhaps with Alt.
KEY = re.compile(r"(?:Alt\+)?(?:[A-Z][A-Za-z0-9]{1,19}|[^\W_]|[!-~])")
KEPT = frozenset(
    {
        "Tab", "Escape", "Shift", "Control", "Alt", "Meta", "AltGraph", "CapsLock",
        "Dead", "Process", "Unidentified",
    }
)  # fmt: skip
"""By these one gets about on any page; or they are no key of their own."""

RANKING = ("rank", "two_up", "extremes")
READING = (*RANKING, "demonstrate")
WRITING = ("demonstrate", "prompt")
REVIEWING = ("answers", "text")
EVERYWHERE = (*RANKING, *WRITING, *REVIEWING)

PARTS: dict[str, Promise] = {
    "sort": _("While the page asks for the order"),
    "answers": _("Answers"),
    "decision": _("Your decision"),
    "writing": _("Writing"),
    "reading": _("Reading"),
    "item": _("This item"),
}


@dataclass(frozen=True)
class Action:
    """`also`: keys that always do it too. `methods`: the ways of ranking that have it, or all."""

    name: str
    key: str
    part: str
    scopes: tuple[str, ...]
    label: Promise | str
    also: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()

    def meets(self, other: Action) -> bool:
        """Whether both can be pressed in one state of a page."""
        return not set(self.scopes).isdisjoint(other.scopes)


def _adopting() -> list[Action]:
    """A reviewer is shown six answers at most."""
    label = _("Adopt the answer of labeler {n}")
    return [
        Action(f"adopt_{n}", key, "answers", ("answers",), format_lazy(label, n=n))
        for n, key in enumerate("qwrtyp", start=1)
    ]


_ACTIONS = [
    # --- a sort ---
    Action("left", "ArrowLeft", "sort", ("two_up",), _("The left one is better"), methods=("two_up",)),
    Action("right", "ArrowRight", "sort", ("two_up",), _("The right one is better"), methods=("two_up",)),
    Action("equal", "=", "sort", ("two_up", "extremes"), _("Both are equal, or all that is left"),
           methods=("two_up", "extremes")),
    Action("back", "Backspace", "sort", RANKING, _("Back one step"), methods=("two_up", "extremes")),
    # --- the answers of an item ---
    *_adopting(),
    Action("previous", "k", "answers", (*RANKING, "flags", "answers"), _("Choose the answer before"),
           also=("ArrowLeft",)),
    Action("next", "j", "answers", (*RANKING, "flags", "answers"), _("Choose the answer after"),
           also=("ArrowRight",)),
    Action("move_up", "[", "answers", ("rank", "answers"), _("Move it up in the order"),
           also=("Alt+ArrowUp",)),
    Action("move_down", "]", "answers", ("rank", "answers"), _("Move it down in the order"),
           also=("Alt+ArrowDown",)),
    Action("tie", "=", "answers", ("rank", "answers"), _("Keep a tie, or tie it with the one above")),
    Action("flags", "t", "answers", (*RANKING, "flags"), _("Open its flags, or close them")),
    Action("deny", "n", "answers", ("flags",),
           _("While its flags are open: say no to those that want an answer")),
    Action("rubric", "l", "answers", (*RANKING, "flags"), _("Look up the scale and the flags")),
    Action("all_bad", "x", "answers", RANKING, _("All of them are bad")),
    # --- a reviewer's decision ---
    Action("item_order", "o", "decision", ("answers",), _("My scores and order")),
    Action("item_accept", "l", "decision", ("answers",), _("Leave it as it is")),
    Action("item_reject", "x", "decision", ("answers",), _("Take it out of the queue")),
    Action("text_accept", "a", "decision", ("text",), _("Of a text: accept it as it is")),
    Action("text_edit", "e", "decision", ("text",), _("Of a text: accept it with my changes")),
    Action("text_return", "b", "decision", ("text",), _("Of a text: send it back")),
    Action("text_reject", "x", "decision", ("text",), _("Of a text: do not use it")),
    # --- writing ---
    Action("preview", "p", "writing", WRITING, _("Preview, and back")),
    Action("versions", "v", "writing", WRITING, _("Earlier versions")),
    Action("add_example", "e", "writing", ("prompt",), _("Add an example")),
    # --- reading ---
    Action("layout", "z", "reading", RANKING, _("Another layout: all, two side by side, one at a time")),
    Action("pin", "p", "reading", RANKING, _("Pin the chosen answer, to compare the others with it")),
    Action("diff", "w", "reading", RANKING, _("Mark what differs from the pinned answer, word by word")),
    Action("together", "y", "reading", RANKING, _("Scroll together, or each by itself")),
    Action("scroll", "Space", "reading", RANKING,
           _("Scroll the chosen answer, where two stand side by side; with Shift, back")),
    Action("fold", "o", "reading", READING, _("Fold the prompt")),
    Action("raw", "r", "reading", READING, _("Texts as typed, or as they are meant to look")),
    Action("invisible", "v", "reading", RANKING, _("Show invisible characters")),
    Action("reveal", "n", "reading", READING, _("Show what is blurred, or blur it again")),
    Action("narrower", ",", "reading", READING, _("Narrower texts")),
    Action("wider", ".", "reading", READING, _("Wider texts")),
    # --- the item as a whole ---
    Action("comment", "m", "item", (*RANKING, *REVIEWING), _("Write a comment")),
    Action("skip", "s", "item", EVERYWHERE, _("Skip this one")),
    Action("submit", "Enter", "item", (*RANKING, *REVIEWING), _("Submit")),
    Action("undo", "u", "item", EVERYWHERE, _("Undo, while it is offered")),
    Action("last", "q", "item", (*RANKING, *WRITING), _("Your last answers")),
    Action("keys", "?", "item", (*EVERYWHERE, "flags"), _("Show these keys")),
]  # fmt: skip
ACTIONS = {action.name: action for action in _ACTIONS}


@dataclass(frozen=True)
class Clash:
    """Why an action cannot have the key that was chosen. `other`: whose key it is; None: the item's."""

    action: str
    key: str
    other: Action | None

    @property
    def message(self) -> str:
        key = self.key.upper() if len(self.key) == 1 else self.key
        if self.other is None:
            return str(_("“%(key)s” belongs to the answers, their scores or their flags.") % {"key": key})
        both = {"key": key, "one": ACTIONS[self.action].label, "other": self.other.label}
        return str(_("“%(key)s” would be a key of two: “%(one)s” and “%(other)s”.") % both)


def is_key(key: Any) -> bool:
    """Whether it is a key that can be chosen at all."""
    return isinstance(key, str) and bool(KEY.fullmatch(key)) and key.removeprefix("Alt+") not in KEPT


def clash(chosen: Mapping[str, str]) -> Clash | None:
    """The first choice that cannot be had beside the others; None where all can."""
    keys = {name: chosen.get(name, action.key).lower() for name, action in ACTIONS.items()}
    for name, key in chosen.items():
        action, wanted = ACTIONS[name], keys[name]
        if wanted == action.key.lower():
            continue
        if any(wanted in _lowered(RESERVED.get(scope, frozenset())) for scope in action.scopes):
            return Clash(name, key, None)
        for other in ACTIONS.values():
            if other is action or not action.meets(other):
                continue
            if wanted == keys[other.name] or wanted in _lowered(other.also):
                return Clash(name, key, other)
    return None


def usable(kept: Any) -> dict[str, str]:
    """What is still good of what a person chose: an earlier version may have kept what is none any more."""
    given = kept.items() if isinstance(kept, dict) else ()
    chosen = {name: key for name, key in given if name in ACTIONS and is_key(key)}
    while found := clash(chosen):
        del chosen[found.action]
    return chosen


def on_page(kind: Kind) -> dict[str, list[Action]]:
    """What a page of this kind of work has keys for, by part, in the order of its dialog."""
    scopes = set(SCOPES[kind])
    there = [action for action in ACTIONS.values() if not scopes.isdisjoint(action.scopes)]
    parts = {part: [action for action in there if action.part == part] for part in PARTS}
    return {part: actions for part, actions in parts.items() if actions}


def _lowered(keys: Any) -> set[str]:
    return {key.lower() for key in keys}
