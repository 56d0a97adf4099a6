"""The strings of the pages' scripts, translated here: a script asks for a key and fills in the {names}."""

from __future__ import annotations

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from labeling.models import Sensitive

COMMON: dict[str, Promise] = {
    "role_system": _("System"),
    "role_user": _("User"),
    "role_assistant": _("Assistant"),
    "line_idle": _("All sent"),
    "line_busy": _("Sending…"),
    "line_offline": _("Not sent yet"),
    "line_signed_out": _("Signed out"),
    "line_kept": _("Draft kept here"),
    "line_saved": _("Draft saved"),
    "offline": _(
        "The server cannot be reached. You can go on: your answers are kept in this browser and sent later."
    ),
    "signed_out": _("You are signed out. Sign in in a new tab, then come back: everything is still here."),
    "sign_in": _("Sign in"),
    "retry": _("Try again"),
    "storage_full": _(
        "This browser cannot keep a copy of your answer. Leave the page open until it is sent."
    ),
    "submitted": _("Submitted"),
    "undo": _("Undo"),
    "revising": _("You are changing the answer you just gave."),
    "revising_cancel": _("Leave it as it was"),
    "revised": _("Change saved"),
    "extra": _("Your answer came after its time, and somebody else had taken over. It is kept as an extra."),
    "resent": _("An answer that had been waiting in this browser was sent."),
    "refused": _("The server did not take your answer: {reason}"),
    "lease_lost": _(
        "Your time for this item ran out, and it may have gone to somebody else. Your work is still here, "
        "and you can still submit it."
    ),
    "take_next": _("Take another item"),
    "next_shown": _("Here is the next one."),
    "empty_reason": _("There is nothing for you to do here right now."),
    "ready": _("Ready to submit."),
}

READING: dict[str, Promise] = {
    "words": _("Words: {n}"),
    "turns": _("Turns: {n}"),
    "width_narrow": _("Narrow texts"),
    "width_medium": _("Texts of medium width"),
    "width_wide": _("Wide texts"),
    "width_full": _("Texts in full width"),
    "unseen": _("Invisible characters: {n}"),
    "switched_on": _("{what}: on."),
    "switched_off": _("{what}: off."),
    "pin": _("Pin {letter}, to compare others with it"),
    "pinned": _("{letter} is pinned."),
    "unpinned": _("{letter} is no longer pinned."),
    "show_answer": _("Show {letter}"),
    "diff_wants_pin": _("Pin an answer first: the others are compared with it."),
    "diff_too_far": _("{letters}: too long, or too different from {pinned}, to compare word by word."),
    "veiled": _("Blurred, because it may hold: {what}."),
    "unveiled": _("This may hold: {what}."),
    "reveal": _("Show it"),
    "blur_again": _("Blur it again"),
    "revealed": _("The texts are shown."),
    "blurred": _("The texts are blurred."),
    **{f"sensitive_{each.value}": each.label for each in Sensitive},
}

RANK: dict[str, Promise] = (
    COMMON
    | READING
    | {
        "answer": _("Answer"),
        "move_up": _("Move {letter} up"),
        "move_down": _("Move {letter} down"),
        "score_of": _("Score of {letter}, from {min} (very bad) to {max} (excellent)"),
        "score_low": _("very bad"),
        "score_high": _("excellent"),
        "flags": _("Flags"),
        "flagging": _("Flags of {letter}: press a key to set one, Escape to end."),
        "place": pgettext_lazy("rank", "No. {n}"),
        "place_tied": pgettext_lazy("rank", "No. {n}, shared"),
        "tier": _("Place {n}: {letters}"),
        "tier_asks": _("Place {n}: {letters}, not decided"),
        "chip": _("{letter}, score {score}"),
        "chip_unscored": _("{letter}, no score yet"),
        "keep_tie": _("Keep the tie"),
        "scored": _("{n} of {k} scored."),
        "are_equal": _("{letters} are equal: order them, or press = to keep the tie."),
        "said_place": _("{letter}: place {n} of {k}."),
        "said_tied": _("{letters} tied at place {n}."),
        "conflicts": _("Pairs where scores and order disagree: {n}."),
        "ready_all_bad": _("Ready to submit. When all are bad, an order is not needed."),
    }
)

DEMONSTRATE: dict[str, Promise] = (
    COMMON
    | READING
    | {
        "count": _("Words: {words} · Characters: {characters}"),
        "write_something": _("Write an answer first."),
    }
)
