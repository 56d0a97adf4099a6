"""A project's rubric: the scale and the flags, written as versions by leads.

Answers hold flags as bit masks over their own version's list, so a version is never changed, and a new one
may order, rename and drop flags as it likes. Whoever holds an item keeps the version that they were shown.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from labeling.actions import audit
from labeling.actions.errors import BadInput, NotNow, Stale
from labeling.actions.guidelines import check_note
from labeling.actions.text import check_text
from labeling.models import Project, Rubric, UseCase, User

MOST_FLAGS = 62
"""A mask is a signed integer of 64 bits."""
KEY = re.compile(r"[a-z][a-z0-9_]{0,39}")
LABEL_LENGTH = 80
HELP_BYTES = 4_000
SCALE_HELP_BYTES = 8_000
LEAST_SCALE, MOST_SCALE = 2, 9
"""Scores are given by one key each."""
FLAG_FIELDS = frozenset({"key", "labels", "help", "required", "use_cases"})
FALLBACK = "en"
"""Every flag has a label in this language: who reads in a language without one gets it."""


def languages() -> list[str]:
    """Those that labels and help may be written in: the languages of the pages."""
    return [code for code, _name in settings.LANGUAGES]


def latest(project: Project) -> Rubric:
    """The version that is asked now; every project is born with one."""
    return Rubric.objects.filter(project=project).order_by("-version")[0]


@transaction.atomic
def write(
    project: Project,
    flags: Any,
    *,
    base: int,
    scale_max: Any = 7,
    help: Any = None,
    note: str = "",
    actor: User | None = None,
) -> Rubric:
    """A new version, on top of the one numbered `base`; items that are handed out from now on ask it.

    `flags` are in order, each {"key", "labels": {language: text}, "help": {language: Markdown}, "required",
    "use_cases"}; `help` is about the scale. Raises BadInput that names the field (`flags.2.key`), NotNow
    where nothing would change, and Stale where `base` is not the version that is asked now.
    """
    kept = check_flags(flags)
    is_scale = isinstance(scale_max, int) and not isinstance(scale_max, bool)
    if not is_scale or not LEAST_SCALE <= scale_max <= MOST_SCALE:
        raise BadInput(
            _("A number from %(least)d to %(most)d is wanted.") % {"least": LEAST_SCALE, "most": MOST_SCALE},
            field="scale_max",
        )
    about = _texts({} if help is None else help, "help", SCALE_HELP_BYTES)
    note = check_note(note)
    Project.objects.select_for_update(no_key=True).get(pk=project.pk)
    now = latest(project)
    if base != now.version:
        raise Stale(
            _("Version %(number)d has been written meanwhile. Yours is kept here: put the two together.")
            % {"number": now.version},
            field="base",
            data={"stored": {"version": now.version}},
        )
    written = Rubric(
        project=project,
        version=now.version + 1,
        scale_max=scale_max,
        flags=kept,
        help=about,
        note=note,
        created_by=actor,
    )
    if not differences(now, written):
        raise NotNow(_("Nothing is changed."), data={"code": "unchanged"})
    written.save()
    audit.record(
        "rubric.written",
        project=project,
        actor=actor,
        subject=project.public_id,
        version=written.version,
        flags=len(kept),
        scale=scale_max,
    )
    return written


# --- what a flag may be ------------------------------------------------------------------------------


def check_flags(given: Any) -> list[dict[str, Any]]:
    """Flags as a rubric stores them. Raises BadInput that names the field of the first that cannot be one."""
    if not isinstance(given, list):
        raise BadInput(_("A list of flags is wanted."), field="flags")
    if len(given) > MOST_FLAGS:
        raise BadInput(_("At most %(most)d flags, please.") % {"most": MOST_FLAGS}, field="flags")
    flags: list[dict[str, Any]] = []
    for place, one in enumerate(given):
        flag = _flag(one, f"flags.{place}")
        if any(flag["key"] == other["key"] for other in flags):
            raise BadInput(
                _("Two flags have the key %(key)s.") % {"key": flag["key"]}, field=f"flags.{place}.key"
            )
        flags.append(flag)
    return flags


def _flag(given: Any, field: str) -> dict[str, Any]:
    if not isinstance(given, dict):
        raise BadInput(_("An object is wanted."), field=field)
    if unknown := sorted(str(name) for name in given.keys() - FLAG_FIELDS):
        raise BadInput(_("There is no such field."), field=f"{field}.{unknown[0][:80]}")
    key = given.get("key")
    if not isinstance(key, str) or not KEY.fullmatch(key):
        raise BadInput(
            _("A key of small letters, digits and _ is wanted, such as made_up; at most 40."),
            field=f"{field}.key",
        )
    labels = _texts(given.get("labels", {}), f"{field}.labels", 4 * LABEL_LENGTH)
    for language, label in labels.items():
        if len(label) > LABEL_LENGTH or "\n" in label:
            raise BadInput(
                _("One line of at most %(most)d characters, please.") % {"most": LABEL_LENGTH},
                field=f"{field}.labels.{language}",
            )
    if FALLBACK not in labels:
        raise BadInput(_("A label in English is wanted."), field=f"{field}.labels.{FALLBACK}")
    required = given.get("required", False)
    if not isinstance(required, bool):
        raise BadInput(_("True or false is wanted."), field=f"{field}.required")
    cases = given.get("use_cases", [])
    if not isinstance(cases, list) or not all(case in UseCase.values for case in cases):
        raise BadInput(
            _("Use cases out of these are wanted: %(cases)s.") % {"cases": ", ".join(UseCase.values)},
            field=f"{field}.use_cases",
        )
    return {
        "key": key,
        **labels,
        "help": _texts(given.get("help", {}), f"{field}.help", HELP_BYTES),
        "required": required,
        "use_cases": [case for case in UseCase.values if case in cases],
    }


def _texts(given: Any, field: str, most: int) -> dict[str, str]:
    """Texts by language, those that are empty left out."""
    if not isinstance(given, dict):
        raise BadInput(_("Texts by language are wanted."), field=field)
    found = {}
    for language, text in given.items():
        if language not in languages():
            raise BadInput(
                _("There are these languages: %(languages)s.") % {"languages": ", ".join(languages())},
                field=f"{field}.{str(language)[:20]}",
            )
        checked = check_text(text, f"{field}.{language}", max_bytes=most, required=False)
        if text := checked.replace("\r\n", "\n").strip():
            found[language] = text
    return found


def labels(flag: Mapping[str, Any]) -> dict[str, str]:
    """A stored flag's labels by language."""
    return {language: flag[language] for language in languages() if flag.get(language)}


# --- what changed ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Change:
    """Something that differs between two versions.

    `what`: scale, scale_help, added, removed, order, label, help, required or use_cases. `flag` is the key
    it is about, `language` the one that a text is in.
    """

    what: str
    before: str = ""
    after: str = ""
    flag: str = ""
    language: str = ""


def differences(old: Rubric, new: Rubric) -> list[Change]:
    """What the new version changes, in the order of its flags."""
    found: list[Change] = []
    if old.scale_max != new.scale_max:
        found.append(Change("scale", str(old.scale_max), str(new.scale_max)))
    found += _by_language("scale_help", old.help, new.help)
    before = {flag["key"]: flag for flag in old.flags}
    after = {flag["key"]: flag for flag in new.flags}
    found += [Change("removed", before=key, flag=key) for key in before if key not in after]
    for key, flag in after.items():
        if key in before:
            found += _of_one_flag(key, before[key], flag)
        else:
            found.append(Change("added", after=key, flag=key))
    stayed, stay = [key for key in before if key in after], [key for key in after if key in before]
    if stayed != stay:
        found.append(Change("order", ", ".join(stayed), ", ".join(stay)))
    return found


def _of_one_flag(key: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Change]:
    found = _by_language("label", labels(old), labels(new), key)
    found += _by_language("help", old.get("help") or {}, new.get("help") or {}, key)
    if bool(old.get("required")) != bool(new.get("required")):
        is_required = str(bool(new.get("required"))).lower()
        found.append(Change("required", after=is_required, flag=key))
    cases: Sequence[str] = old.get("use_cases") or ()
    now: Sequence[str] = new.get("use_cases") or ()
    if list(cases) != list(now):
        found.append(Change("use_cases", ", ".join(cases), ", ".join(now), key))
    return found


def _by_language(what: str, old: Mapping[str, str], new: Mapping[str, str], flag: str = "") -> list[Change]:
    return [
        Change(what, old.get(language, ""), new.get(language, ""), flag, language)
        for language in languages()
        if old.get(language, "") != new.get(language, "")
    ]
