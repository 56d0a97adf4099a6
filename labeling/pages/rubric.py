"""Scale and flags of a project, written as versions by its leads.

The form works without a script: “Add a flag”, “Move up” and the like come back with the page as it was left,
and store nothing; “Save” makes the version.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods

from labeling import differences
from labeling.actions import rubrics
from labeling.actions.errors import ActionError, BadInput, Stale
from labeling.actions.rubrics import Change
from labeling.api.rubrics import described
from labeling.differences import Piece
from labeling.doors import entered
from labeling.models import Membership, Rubric, UseCase
from labeling.pages import versions

LANGUAGES = dict(settings.LANGUAGES)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: HttpRequest, project: str) -> HttpResponse:
    """Write the next version."""
    membership = entered(request).membership
    now = rubrics.latest(membership.project)
    if request.method != "POST":
        return _editor(request, membership, Draft.of(now), now)
    draft, asked = Draft.posted(request.POST), request.POST.get("do", "")
    if asked != "save":
        draft.change(asked)
        return _editor(request, membership, draft, now, is_previewed=asked == "preview")
    try:
        written = rubrics.write(membership.project, **draft.whole(), actor=entered(request).person)
    except ActionError as error:
        draft.errors[error.field] = error.message
        if isinstance(error, Stale):
            draft.base = now.version
        return _editor(request, membership, draft, now, is_previewed=isinstance(error, Stale))
    messages.success(
        request,
        _("Version %(number)d is asked from the next item on.") % {"number": written.version},
    )
    return redirect("rubric-history", project)


@require_GET
def history(request: HttpRequest, project: str) -> HttpResponse:
    """Every version with who, when and why; `?version=` shows one, and what it changed."""
    return versions.history(request, Rubric.objects.all(), "labeling/rubric_history.html", _shown)


def _shown(version: Rubric, before: Rubric | None) -> dict[str, Any]:
    changes = in_words(before, version) if before else []
    return {"rubric": described(version, version.flags), "changes": changes}


def _editor(
    request: HttpRequest, membership: Membership, draft: Draft, now: Rubric, *, is_previewed: bool = False
) -> HttpResponse:
    context: dict[str, Any] = {
        "membership": membership,
        "draft": draft,
        "now": now,
        "languages": LANGUAGES.items(),
        "scales": range(rubrics.LEAST_SCALE, rubrics.MOST_SCALE + 1),
        "use_cases": UseCase.choices,
        "most": rubrics.MOST_FLAGS,
    }
    if is_previewed:
        context["is_previewed"] = True
        context["changes"] = draft.changes(now)
    return render(request, "labeling/rubric.html", context)


# --- a version to be ---------------------------------------------------------------------------------


@dataclass
class FlagDraft:
    """A flag in the form. `is_open`: its fields are shown; `has_focus`: which part of it the page goes to."""

    key: str = ""
    labels: dict[str, str] = field(default_factory=dict)
    help: dict[str, str] = field(default_factory=dict)
    required: bool = False
    use_cases: list[str] = field(default_factory=list)
    is_open: bool = False
    has_focus: str = ""

    @property
    def name(self) -> str:
        return self.labels.get(rubrics.FALLBACK, "") or self.key

    @property
    def whole(self) -> dict[str, Any]:
        return {
            "key": self.key,
            "labels": self.labels,
            "help": self.help,
            "required": self.required,
            "use_cases": self.use_cases,
        }


@dataclass
class Draft:
    """What stands in the form, right or wrong. `errors` by field, as the verb names them."""

    base: int
    scale_max: str
    note: str
    help: dict[str, str]
    flags: list[FlagDraft]
    errors: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, rubric: Rubric) -> Draft:
        flags = [
            FlagDraft(
                flag["key"],
                rubrics.labels(flag),
                flag.get("help") or {},
                bool(flag.get("required")),
                flag.get("use_cases") or [],
            )
            for flag in rubric.flags
        ]
        return cls(rubric.version, str(rubric.scale_max), "", rubric.help, flags)

    @classmethod
    def posted(cls, form: QueryDict) -> Draft:
        def by_language(name: str) -> dict[str, str]:
            return {language: form.get(f"{name}.{language}", "") for language in LANGUAGES}

        flags = [
            FlagDraft(
                form.get(f"flags.{place}.key", "").strip(),
                by_language(f"flags.{place}.labels"),
                by_language(f"flags.{place}.help"),
                form.get(f"flags.{place}.required") == "on",
                form.getlist(f"flags.{place}.use_cases"),
            )
            for place in range(_number(form, "count", most=rubrics.MOST_FLAGS))
        ]
        draft = cls(
            _number(form, "base"),
            form.get("scale_max", ""),
            form.get("note", ""),
            by_language("help"),
            flags,
        )
        draft.name_keys()
        return draft

    def name_keys(self) -> None:
        """A flag without a key gets one out of its English label."""
        for flag in self.flags:
            if flag.key or not flag.name:
                continue
            stem = (
                re.sub("[^a-z0-9]+", "_", flag.name.lower()).strip("_0123456789")[:36].rstrip("_") or "flag"
            )
            taken = {other.key for other in self.flags}
            flag.key = next(key for key in (stem, *(f"{stem}_{n}" for n in range(2, 99))) if key not in taken)

    def change(self, asked: str) -> None:
        """What a button of the form does to the draft: add, or up, down and remove with a flag's place."""
        verb, _dot, place = asked.partition(".")
        at = int(place) if re.fullmatch("[0-9]{1,2}", place) else -1
        if verb == "add" and len(self.flags) < rubrics.MOST_FLAGS:
            self.flags.append(FlagDraft(is_open=True, has_focus="label"))
        elif not 0 <= at < len(self.flags):
            return
        elif verb == "remove":
            del self.flags[at]
            if self.flags:
                self.flags[min(at, len(self.flags) - 1)].has_focus = "summary"
        elif verb in ("up", "down"):
            to = at + (-1 if verb == "up" else 1)
            if 0 <= to < len(self.flags):
                self.flags[at], self.flags[to] = self.flags[to], self.flags[at]
                self.flags[to].has_focus = verb

    def whole(self) -> dict[str, Any]:
        """As the verb takes it."""
        scale = int(self.scale_max) if re.fullmatch("[0-9]{1,2}", self.scale_max) else None
        flags = [flag.whole for flag in self.flags]
        return {"flags": flags, "base": self.base, "scale_max": scale, "help": self.help, "note": self.note}

    def changes(self, now: Rubric) -> list[tuple[str, list[Piece]]]:
        """Against the version that is asked now; what cannot be one is told as an error."""
        try:
            flags = rubrics.check_flags([flag.whole for flag in self.flags])
        except BadInput as error:
            self.errors[error.field] = error.message
            return []
        help = {language: text.replace("\r\n", "\n").strip() for language, text in self.help.items()}
        scale = self.whole()["scale_max"] or now.scale_max
        return in_words(now, Rubric(flags=flags, help=help, scale_max=scale))

    def rows(self) -> list[dict[str, Any]]:
        """The flags with what is wrong at each of their fields; a flag with an error stands open."""
        rows = []
        for place, flag in enumerate(self.flags):
            start = f"flags.{place}"
            errors = {
                name.removeprefix(f"{start}."): text
                for name, text in self.errors.items()
                if name == start or name.startswith(f"{start}.")
            }
            rows.append(
                {
                    "flag": flag,
                    "place": place,
                    "name": start,
                    "texts": [
                        (
                            code,
                            name,
                            flag.labels.get(code, ""),
                            flag.help.get(code, ""),
                            errors.get(f"labels.{code}", ""),
                            errors.get(f"help.{code}", ""),
                        )
                        for code, name in LANGUAGES.items()
                    ],
                    "cases": [(case, label, case in flag.use_cases) for case, label in UseCase.choices],
                    "errors": list(errors.values()),
                    "is_open": flag.is_open or bool(errors),
                }
            )
        return rows

    def scale_help(self) -> list[tuple[str, str, str, str]]:
        return [
            (code, name, self.help.get(code, ""), self.errors.get(f"help.{code}", ""))
            for code, name in LANGUAGES.items()
        ]

    def general_errors(self) -> list[str]:
        """Those of no flag and no field."""
        known = ("flags.", "help.", "note")
        return [text for name, text in self.errors.items() if not name.startswith(known)]


def _number(form: QueryDict, name: str, *, most: int = 10**6) -> int:
    given = form.get(name, "")
    return min(int(given), most) if re.fullmatch("[0-9]{1,7}", given) else 0


# --- what changed, in words --------------------------------------------------------------------------


def in_words(old: Rubric, new: Rubric) -> list[tuple[str, list[Piece]]]:
    """Each difference as what it is about, and the words that were taken out and put in."""
    names = {flag["key"]: flag["en"] for flag in [*old.flags, *new.flags]}
    return [_one_in_words(change, names) for change in rubrics.differences(old, new)]


def _one_in_words(change: Change, names: dict[str, str]) -> tuple[str, list[Piece]]:
    flag, language = names.get(change.flag, ""), LANGUAGES.get(change.language, "")
    about = {
        "scale": _("The scale ends at"),
        "scale_help": _("What the scale means (%(language)s)") % {"language": language},
        "added": _("A new flag"),
        "removed": _("A flag that is no longer asked"),
        "order": _("Order of the flags"),
        "label": _("Name of “%(flag)s” (%(language)s)") % {"flag": flag, "language": language},
        "help": _("Help of “%(flag)s” (%(language)s)") % {"flag": flag, "language": language},
        "required": _("“%(flag)s” wants a yes or a no") % {"flag": flag},
        "use_cases": _("“%(flag)s” is asked at") % {"flag": flag},
    }[change.what]
    if change.what == "added":
        return about, [Piece("added", f"{flag} ({change.flag})")]
    if change.what == "removed":
        return about, [Piece("removed", f"{flag} ({change.flag})")]
    if change.what == "required":
        return about, differences.words(
            *([_("no"), _("yes")] if change.after == "true" else [_("yes"), _("no")])
        )
    if change.what == "use_cases":
        return about, differences.words(_cases(change.before), _cases(change.after))
    return about, differences.words(change.before, change.after)


def _cases(listed: str) -> str:
    names = dict(UseCase.choices)
    return "; ".join(str(names[case]) for case in listed.split(", ") if case in names) or _("every use case")
