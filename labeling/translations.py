"""Translations without GNU gettext: strings are collected, merged and compiled by Babel.

The catalogue of a language lies in `frontend/locale/<language>/LC_MESSAGES/django.po`. English is the
source. Only this project's own files are read; Django brings translations of its own.
"""

from __future__ import annotations

import datetime
import io
import re
from collections.abc import Iterator
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract
from babel.messages.mofile import read_mo, write_mo
from babel.messages.pofile import read_po, write_po
from django.conf import settings
from django.utils.translation.template import templatize

KEYWORDS: dict[str, tuple[int | tuple[int, str], ...] | None] = {
    "_": None,
    "gettext": None,
    "gettext_lazy": None,
    "gettext_noop": None,
    "ngettext": (1, 2),
    "ngettext_lazy": (1, 2),
    "pgettext": ((1, "c"), 2),
    "pgettext_lazy": ((1, "c"), 2),
    "npgettext": ((1, "c"), 2, 3),
    "npgettext_lazy": ((1, "c"), 2, 3),
}
# What would change with every update, or says nothing.
IDLE_HEADERS = tuple(
    b'"' + name
    for name in (
        b"POT-Creation-Date", b"PO-Revision-Date", b"Project-Id-Version", b"Report-Msgid-Bugs-To",
        b"Last-Translator", b"Language-Team", b"Generated-By",
    )
)  # fmt: skip
# The same strings give the same bytes.
NO_DATE = datetime.datetime(2000, 1, 1, tzinfo=datetime.UTC)
PLACEHOLDER = re.compile(r"%\(\w+\)[sd]|%[sd]|\{\w+\}")
FOLDERS = (("labeling", "*.py"), ("frontend/templates", "*.html"), ("frontend/templates", "*.txt"))


def languages() -> list[str]:
    """The locales that need a catalogue: every language of the pages but the source."""
    return ["zh_Hans" if code == "zh-hans" else code for code, _ in settings.LANGUAGES if code != "en"]


def path(locale: str) -> Path:
    return Path(settings.LOCALE_PATHS[0]) / locale / "LC_MESSAGES" / "django.po"


def collect() -> Catalog:
    """Every string of the project's Python files and templates, with the files it stands in."""
    catalog = Catalog()
    root = Path(settings.ROOT)
    for folder, pattern in FOLDERS:
        for file in sorted((root / folder).rglob(pattern)):
            name = file.relative_to(root).as_posix()
            for message, comments, context in _strings(file):
                catalog.add(message, locations=[(name, 0)], auto_comments=comments, context=context)
    return catalog


def _strings(file: Path) -> Iterator[tuple[str | tuple[str, ...], list[str], str | None]]:
    source = file.read_text(encoding="utf-8")
    if file.suffix in (".html", ".txt"):
        source = templatize(source, origin=str(file))
    stream = io.BytesIO(source.encode("utf-8"))
    options = {"encoding": "utf-8"}
    for _line, message, comments, context in extract(
        "python", stream, KEYWORDS, ["Translators:"], options=options
    ):
        if message:
            yield message, comments, context


def load(locale: str) -> Catalog:
    """The stored catalogue, empty where there is none yet."""
    file = path(locale)
    if not file.exists():
        return Catalog(locale=locale, charset="utf-8")
    with file.open("rb") as stream:
        return read_po(stream, locale=locale)


def update(locale: str) -> Catalog:
    """Bring the catalogue up to the source: new strings come in untranslated, unused ones go."""
    catalog = load(locale)
    catalog.update(collect(), no_fuzzy_matching=True)
    catalog.obsolete.clear()
    catalog.fuzzy = False
    catalog.header_comment = f"# Rankloop: translations into {catalog.locale_identifier}"
    file = path(locale)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(_po_bytes(catalog))
    file.with_suffix(".mo").write_bytes(_mo_bytes(catalog))
    return catalog


def _po_bytes(catalog: Catalog) -> bytes:
    stream = io.BytesIO()
    write_po(stream, catalog, width=100, sort_by_file=True, omit_header=False, include_lineno=False)
    lines = stream.getvalue().splitlines(keepends=True)
    return b"".join(line for line in lines if not line.startswith(IDLE_HEADERS))


def _mo_bytes(catalog: Catalog) -> bytes:
    catalog.creation_date = catalog.revision_date = NO_DATE
    stream = io.BytesIO()
    write_mo(stream, catalog)
    return stream.getvalue()


def problems(locale: str) -> list[str]:
    """What keeps the stored catalogue from being complete and compiled: one line each."""
    catalog = load(locale)
    found = differences(catalog, collect())
    if not found and _compiled(locale) != _strings_of(catalog):
        found.append("django.mo is not compiled from django.po")
    return found


def _compiled(locale: str) -> dict[str, list[str | None]]:
    file = path(locale).with_suffix(".mo")
    if not file.exists():
        return {}
    with file.open("rb") as stream:
        return _strings_of(read_mo(stream))


def _strings_of(catalog: Catalog) -> dict[str, list[str | None]]:
    return {_name(message): _parts(message.string) for message in catalog if message.id}


def differences(catalog: Catalog, source: Catalog) -> list[str]:
    """Strings of `source` that the catalogue lacks or has wrongly, and strings that nothing uses."""
    found = [f"missing: {_name(message)}" for message in source if message.id and not _has(catalog, message)]
    for message in catalog:
        if not message.id:
            continue
        if not _has(source, message):
            found.append(f"unused: {_name(message)}")
        elif not _is_translated(message):
            found.append(f"not translated: {_name(message)}")
        elif message.fuzzy:
            found.append(f"fuzzy: {_name(message)}")
        elif not _fills_the_same(message):
            found.append(f"other placeholders: {_name(message)}")
    return found


def _has(catalog: Catalog, message: Message) -> bool:
    return catalog.get(message.id, message.context) is not None


def _is_translated(message: Message) -> bool:
    return all(_parts(message.string))


def _fills_the_same(message: Message) -> bool:
    """Whether every form of the translation has the placeholders of the source: %(name)s, %s, {name}."""
    sources, targets = (
        [set(PLACEHOLDER.findall(part or "")) for part in _parts(text)]
        for text in (message.id, message.string)
    )
    return all(target == sources[-1] for target in targets)


def _parts(text: str | list[str] | tuple[str, ...] | None) -> list[str | None]:
    """One text, or the forms of a plural."""
    return list(text) if isinstance(text, list | tuple) else [text]


def _name(message: Message) -> str:
    singular = _parts(message.id)[0]
    context = message.context
    if isinstance(context, bytes):  # Babel reads it so from a compiled catalogue
        context = context.decode()
    return f"[{context}] {singular}" if context else str(singular)
