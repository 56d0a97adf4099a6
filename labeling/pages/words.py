"""The strings of the pages' scripts, translated here: a script asks for a key and fills in the {names}."""

from __future__ import annotations

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from labeling.models import PromptFlag, ReviewReason, Sensitive

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
    "revising": _("You are changing an answer that you have given."),
    "revising_cancel": _("Leave it as it was"),
    "revised": _("Change saved"),
    "extra": _("Your answer came after its time, and somebody else had taken over. It is kept as an extra."),
    "resent": _("An answer that had been waiting in this browser was sent."),
    "draft_newer": _(
        "More was done on this item in another browser meanwhile. If you go on here, what stands here takes "
        "its place."
    ),
    "draft_show": _("Show what was done there"),
    "answered_before": _(
        "You have answered this item already, perhaps in another tab. That answer stands; what is here can "
        "be submitted as a change of it."
    ),
    "changed_before": _(
        "The answer was changed meanwhile, perhaps in another tab. What you wrote is still here; submitted, "
        "it becomes the latest version."
    ),
    "done_elsewhere": _("You submitted that item in another tab."),
    "not_yours": _(
        "The server does not know this item as yours: you may have signed in as somebody else, or have left "
        "the project. Your work is still here."
    ),
    "begun": _("Something that you began in this browser was never submitted."),
    "begun_go_on": _("Go on with it"),
    "begun_drop": _("Throw it away"),
    "refused": _("The server did not take your answer: {reason}"),
    "lease_lost": _(
        "Your time for this item ran out, and it may have gone to somebody else. Your work is still here, "
        "and you can still submit it."
    ),
    "take_next": _("Take another item"),
    "next_shown": _("Here is the next one."),
    "empty_reason": _("There is nothing for you to do here right now."),
    "ready": _("Ready to submit."),
    "report_why": _("Say what is wrong with it, so that a reviewer can see to it."),
    "rest": _("You have worked for {n} minutes without a longer pause. A short break does good."),
    "rest_later": _("Go on"),
    "sent_back": _("A reviewer sent this back to you: {comment}"),
    "keys_change": pgettext_lazy("key", "Change"),
    "keys_press": _("Press a key"),
    "keys_reset_one": _("Reset"),
    "keys_ask": _("Press the new key of: {action}. Escape leaves it as it is."),
    "keys_left": _("It stays as it was."),
    "keys_set": _("{action}: {key}."),
    "keys_reset": _("All keys are as they were at first."),
    "keys_offline": _("The server cannot be reached: the key stays as it was."),
}

READING: dict[str, Promise] = COMMON | {
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

RANK: dict[str, Promise] = READING | {
    "answer": _("Answer"),
    "move_up": _("Move {letter} up"),
    "move_down": _("Move {letter} down"),
    "score_of": _("Score of {letter}, from {min} (very bad) to {max} (excellent)"),
    "score_low": _("very bad"),
    "score_high": _("excellent"),
    "flags": _("Flags"),
    "flagging": _("Flags of {letter}: press a key to set one, Escape to end."),
    "flagging_required": _(
        "Flags of {letter}: a key goes from yes to no, {key_deny} says no to all that are open, Escape ends."
    ),
    "flag_yes": pgettext_lazy("flag", "Yes"),
    "flag_no": pgettext_lazy("flag", "No"),
    "flag_asks": _("yes or no wanted"),
    "flags_wanted": _("Flags of {letters} want a yes or a no."),
    "said_flag_yes": _("{flag}, {letter}: yes."),
    "said_flag_no": _("{flag}, {letter}: no."),
    "said_flag_unset": _("{flag}, {letter}: not set."),
    "scale": _("The scale, from {min} to {max}"),
    "place": pgettext_lazy("rank", "No. {n}"),
    "place_tied": pgettext_lazy("rank", "No. {n}, shared"),
    "tier": _("Place {n}: {letters}"),
    "tier_asks": _("Place {n}: {letters}, not decided"),
    "chip": _("{letter}, score {score}"),
    "chip_unscored": _("{letter}, no score yet"),
    "keep_tie": _("Keep the tie"),
    "scored": _("{n} of {k} scored."),
    "are_equal": _("{letters} are equal: order them, or press {key_tie} to keep the tie."),
    "said_place": _("{letter}: place {n} of {k}."),
    "said_tied": _("{letters} tied at place {n}."),
    "conflicts": _("Pairs where scores and order disagree: {n}."),
    "hint_rate": _("Score an answer, or drag its letter here."),
    "hint_direct": _(
        "Put an answer first or last with {key_move_up} and {key_move_down}, or drag its letter here."
    ),
    "unplaced": _("Not in the order yet: {letters}."),
    "ask_two": _("Which is better, {left} or {right}?"),
    "ask_best": _("Which is the best of what is left?"),
    "ask_worst": _("Which is the worst of what is left?"),
    "ask_step": _("Step {n} of at most {most}."),
    "is_better": _("{letter} is better"),
    "is_equal": _("Equal"),
    "rest_equal": _("All that is left is equal"),
    "said_better": _("{better} is better than {worse}."),
    "said_best": _("{letter} is the best."),
    "said_worst": _("{letter} is the worst."),
    "are_tied": _("{letters} are equal."),
    "went_back": _("One step back."),
    "order_whole": _("The order is whole."),
    "score_next": _("Now score {letter}."),
    "ready_all_bad": _("Ready to submit. When all are bad, an order is not needed."),
}

WRITING: dict[str, Promise] = {
    "count": _("Words: {words} · Characters: {characters}"),
    "length_guide": _("Accepted answers: {low} to {high} words, half of them under {median}"),
    "length_guide_case": _(
        "Accepted answers of this kind: {low} to {high} words, half of them under {median}"
    ),
    "preview": _("Preview"),
    "preview_edit": _("Write on"),
    "preview_shown": _("This is how others will see it."),
    "preview_failed": _("It cannot be shown right now: {reason}"),
    "words_n": _("Words: {n}"),
    "version_here": _("Kept in this browser"),
    "version_sent": _("Sent, version {n}"),
    "version_reviewer": _("A reviewer's change, version {n}"),
    "version_restore": _("Bring this back"),
    "version_restored": _("The earlier version is back. What you had before it is kept as well."),
    "version_none": _("There is no earlier version yet. One is kept about every minute while you write."),
    "versions_failed": _("What you have sent before cannot be fetched right now."),
}

DEMONSTRATE: dict[str, Promise] = READING | {
    "write_something": _("Write an answer first."),
    **WRITING,
}

PROMPT: dict[str, Promise] = (
    COMMON
    | WRITING
    | {
        "kind_plain": _("A prompt of your own"),
        "kind_few_shot": _("An instruction with examples"),
        "kind_user_based": _("A prompt for a given use"),
        "help_plain": _("Any task that you can think of. Make it different from your last ones."),
        "help_few_shot": _(
            "An instruction, some examples of what is asked and how it is answered, and a last question for "
            "the model."
        ),
        "help_user_based": _("Put yourself in the place of who would use this, and write what they would."),
        "example": _("Example {n}"),
        "example_query": _("What is asked"),
        "example_response": _("How it is answered"),
        "example_remove": _("Remove example {n}"),
        "example_added": _("Example {n} added."),
        "example_removed": _("Example removed"),
        "example_most": _("There are as many examples as there may be."),
        "write_prompt": _("Write the prompt first."),
        "write_instruction": _("Write the instruction first."),
        "write_example": _("Example {n} wants what is asked and how it is answered."),
        "write_last": _("Write the last question, for the model to answer."),
        "choose_use_case": _("Choose a use case."),
        "choose_language": _("Say in which language it is."),
    }
)

REVIEW: dict[str, Promise] = (
    RANK
    | {f"reason_{reason.value}": reason.label for reason in ReviewReason}
    | {f"prompt_flag_{flag.value}": flag.label for flag in PromptFlag}
    | {
        "you": _("You"),
        "labeler": _("Labeler {n}"),
        "adopt": _("Adopt"),
        "adopt_of": _("Adopt the answer of labeler {n}"),
        "adopted": _("Scores and order of labeler {n} are yours now."),
        "send_back": _("Send back"),
        "send_back_to": _("Send the answer back to labeler {n}"),
        "back_to": _("To labeler {n}: why it goes back"),
        "not_sent": _("Nothing goes back to labeler {n}."),
        "say_why_to": _("Say why the answer goes back to labeler {n}."),
        "differs": _("They differ in: {what}"),
        "differs_place": _("place"),
        "differs_score": _("score"),
        "differs_flags": _("flags"),
        "no_place": _("no place"),
        "score_is": _("score {n}"),
        "tie_of": _("Tie {letter} with the one above, or keep a tie"),
        "all_bad": _("All bad"),
        "comment": _("Comment"),
        "yes": _("yes"),
        "no": _("no"),
        "comment_kept": _("Comment (for other reviewers)"),
        "comment_sent": _("Why it goes back (its writer reads this)"),
        "decide": _("Decide what becomes of it."),
        "nothing_changed": _("You have changed nothing yet."),
        "turn_empty": _("No part of it may be empty."),
        "say_why": _("Say why it goes back."),
        "the_answer": _("The answer"),
        "edit_of": _("Change: {what}"),
        "changes": _("Your changes"),
        "changes_of": _("Your changes: {what}"),
        "rating": _("Rating"),
        "rating_of": _("Rating, from {min} (very bad) to {max} (excellent)"),
        "rated": _("Rated {n}."),
        "verdict_accepted": _("Accept it as it is"),
        "verdict_edited": _("Accept it with my changes"),
        "verdict_returned": _("Send it back"),
        "verdict_rejected": _("Do not use it"),
    }
)
