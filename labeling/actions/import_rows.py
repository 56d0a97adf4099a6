"""A line of an import file to a checked row. Nothing here touches the database.

The fields of a line, all but `prompt` optional:

    prompt          a text, or turns {"role": "system" | "user" | "assistant", "content": text} that end
                    with the user's
    completions     list of {"model": name, "text": text}
    demonstrations  a text or a list of texts
    id, use_case, language, group, licence, source, split    texts

A file with other names is read through a mapping: target = path, where a path is a field name, a dotted
way into objects, or several of them joined by `+`, whose texts are put together with a blank line between.
"""

from __future__ import annotations

import codecs
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from labeling.actions.errors import BadInput
from labeling.actions.text import MAX_TEXT_BYTES, body_digest, check_text
from labeling.models import Split, UseCase

MAX_LINE_BYTES = 16 * 1024 * 1024
MAX_CONVERSATION_BYTES = 1024 * 1024
ROLES = ("system", "user", "assistant")
# The lengths of the model's columns.
LENGTHS = {"id": 200, "use_case": 32, "language": 16, "group": 200, "licence": 100, "source": 100, "split": 5}
LABELS = tuple(LENGTHS)
FIELDS = ("prompt", "completions", "demonstrations", *LABELS)
CONSTANTS = tuple(name for name in LABELS if name != "id")
MODEL_NAME_LENGTH = 100
LANGUAGE = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*")

Message = dict[str, str]


@dataclass(frozen=True)
class Row:
    """A checked line. Completions are (model name, text); texts that are only white space are still here."""

    messages: list[Message]
    digest: bytes
    completions: list[tuple[str, str]]
    demonstrations: list[str]
    labels: dict[str, str]
    """The fields of LABELS, empty where the line leaves them out."""


@dataclass(frozen=True)
class FieldMap:
    """Where each field comes from. Raises BadInput, naming the option, if it cannot be used."""

    sources: Mapping[str, str] = field(default_factory=dict)
    """Target to path; a field that is not named here is read under its own name."""
    constants: Mapping[str, str] = field(default_factory=dict)
    """For lines that leave the field out."""
    ignore_unknown: bool = False

    def __post_init__(self) -> None:
        for target in self.sources:
            if target not in FIELDS:
                raise BadInput(f"{target!r} is no field; there are {', '.join(FIELDS)}", field="map")
        for target, path in self.sources.items():
            if not all(path.split("+")):
                raise BadInput(f"{target}={path}: the path has an empty part", field="map")
        for target, value in self.constants.items():
            if target not in CONSTANTS:
                raise BadInput(f"{target!r} cannot be set; only {', '.join(CONSTANTS)}", field="set")
            try:
                check_label(target, value)
            except BadInput as error:
                raise BadInput(f"{target} {error.message}", field="set") from None

    def paths(self, target: str) -> list[str]:
        return self.sources.get(target, target).split("+")

    def known(self) -> set[str]:
        """Every field name that a line may have at its top."""
        paths = {path for target in FIELDS for path in self.paths(target)}
        return paths | {path.partition(".")[0] for path in paths}


def bounded_lines(stream: BinaryIO, limit: int = MAX_LINE_BYTES) -> Iterator[bytes]:
    """The lines of a stream; of a longer one only the first `limit` + 1 bytes, the rest is passed over."""
    while line := stream.readline(limit + 1):
        rest = line
        while len(rest) > limit and not rest.endswith(b"\n"):
            rest = stream.readline(limit + 1)
        yield line


def parse(line: bytes, mapping: FieldMap, *, first: bool = False) -> Row | None:
    """The row of a line, or None for a blank one. Raises BadInput that names the field.

    `first`: a byte order mark at the very beginning of a file is passed over.
    """
    data = decoded(line, first=first)
    if data is None:
        return None
    known = mapping.known()
    if not mapping.ignore_unknown and (unknown := [name for name in data if name not in known]):
        raise BadInput("unknown field", field=_shown(unknown[0]))
    messages = check_messages(_value(data, mapping, "prompt"))
    return Row(
        messages=messages,
        digest=messages_digest(messages),
        completions=_completions(_value(data, mapping, "completions"), mapping.ignore_unknown),
        demonstrations=_demonstrations(_value(data, mapping, "demonstrations")),
        labels={name: _label(name, data, mapping) for name in LABELS},
    )


def messages_digest(messages: list[Message]) -> bytes:
    """SHA-256 of a conversation; white space at the ends of a message does not make it another one."""
    return body_digest([{"role": turn["role"], "content": turn["content"].strip()} for turn in messages])


def split_by_hash(group: str, digest: bytes) -> str:
    """80 / 10 / 10 by the group's name or, without one, by the prompt: the same in every import."""
    seed = hashlib.sha256(group.encode("utf-8")).digest() if group else digest
    place = int.from_bytes(seed[:8], "big") % 10
    return Split.TRAIN if place < 8 else Split.VALID if place == 8 else Split.TEST


def decoded(line: bytes, *, first: bool = False) -> dict[str, Any] | None:
    """The object of a line, as of `parse`, or None for a blank one. Raises BadInput."""
    if len(line) > MAX_LINE_BYTES:
        raise BadInput(f"is longer than {MAX_LINE_BYTES:,} bytes", field="line")
    if first:
        line = line.removeprefix(codecs.BOM_UTF8)
    if not line.strip():
        return None
    try:
        data = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise BadInput(f"is not UTF-8 (byte {error.start + 1})", field="line") from None
    except json.JSONDecodeError as error:
        raise BadInput(f"is not JSON ({error.msg} at character {error.pos + 1})", field="line") from None
    except RecursionError:
        raise BadInput("is nested too deeply", field="line") from None
    except ValueError:
        raise BadInput("holds a number that is too long", field="line") from None
    if not isinstance(data, dict):
        raise BadInput("is JSON, but not an object", field="line")
    return data


def _value(data: dict[str, Any], mapping: FieldMap, target: str) -> Any:
    """What the mapping finds for a target; None where the line leaves it out."""
    paths = mapping.paths(target)
    found = [_walk(data, path) for path in paths]
    if len(paths) == 1 or all(part is None for part in found):
        return found[0]
    texts = [
        check_text(part, path, required=False)
        for part, path in zip(found, paths, strict=True)
        if part is not None
    ]
    return "\n\n".join(text for text in texts if text.strip())


def _walk(data: dict[str, Any], path: str) -> Any:
    if path in data:
        return data[path]
    place: Any = data
    for name in path.split("."):
        if not isinstance(place, dict):
            return None
        place = place.get(name)
    return place


def check_messages(value: Any, field: str = "prompt") -> list[Message]:
    """The turns of a prompt, a text being one of the user's. Raises BadInput that names the turn."""
    if value is None:
        raise BadInput("missing", field=field)
    if isinstance(value, str):
        return [{"role": "user", "content": check_text(value, field)}]
    if not isinstance(value, list) or not value:
        raise BadInput("a text or a list of turns is wanted", field=field)
    messages = [_turn(turn, f"{field}[{number}]", is_first=not number) for number, turn in enumerate(value)]
    if messages[-1]["role"] != "user":
        raise BadInput("the conversation does not end with the user's turn", field=field)
    if sum(len(turn["content"].encode("utf-8")) for turn in messages) > MAX_CONVERSATION_BYTES:
        raise BadInput(f"the conversation is longer than {MAX_CONVERSATION_BYTES:,} bytes", field=field)
    return messages


def _turn(turn: Any, where: str, *, is_first: bool) -> Message:
    if not isinstance(turn, dict):
        raise BadInput('a turn is an object {"role", "content"}', field=where)
    if unknown := [name for name in turn if name not in ("role", "content")]:
        raise BadInput("unknown field", field=f"{where}.{_shown(unknown[0])}")
    role = turn.get("role")
    if role not in ROLES:
        raise BadInput(f"{_shown(role)} is none of {', '.join(ROLES)}", field=f"{where}.role")
    if role == "system" and not is_first:
        raise BadInput("only the first turn may be the system's", field=f"{where}.role")
    return {"role": role, "content": check_text(turn.get("content"), f"{where}.content")}


def _completions(value: Any, ignore_unknown: bool) -> list[tuple[str, str]]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise BadInput('a list of {"model", "text"} is wanted', field="completions")
    found = []
    for number, entry in enumerate(value):
        where = f"completions[{number}]"
        if not isinstance(entry, dict):
            raise BadInput('an object {"model", "text"} is wanted', field=where)
        unknown = [name for name in entry if name not in ("model", "text")]
        if unknown and not ignore_unknown:
            raise BadInput("unknown field", field=f"{where}.{_shown(unknown[0])}")
        model = check_text(entry.get("model"), f"{where}.model", max_bytes=MAX_TEXT_BYTES)
        if len(model) > MODEL_NAME_LENGTH:
            raise BadInput(f"is longer than {MODEL_NAME_LENGTH} characters", field=f"{where}.model")
        found.append((model, check_text(entry.get("text"), f"{where}.text", required=False)))
    return found


def _demonstrations(value: Any) -> list[str]:
    if value is None:
        return []
    if isinstance(value, str):
        return [check_text(value, "demonstrations", required=False)]
    if not isinstance(value, list):
        raise BadInput("a text or a list of texts is wanted", field="demonstrations")
    return [
        check_text(text, f"demonstrations[{number}]", required=False) for number, text in enumerate(value)
    ]


def _label(name: str, data: dict[str, Any], mapping: FieldMap) -> str:
    value = _value(data, mapping, name)
    if value is None or value == "":
        return mapping.constants.get(name, "")
    if name == "id" and isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    return check_label(name, value)


def check_label(name: str, value: Any) -> str:
    """A label of a prompt, as its column holds it. Raises BadInput that names it."""
    text = check_text(value, name).strip()
    if len(text) > LENGTHS[name]:
        raise BadInput(f"is longer than {LENGTHS[name]} characters", field=name)
    if name == "split" and text not in Split.values:
        raise BadInput(f"{_shown(text)} is none of {', '.join(Split.values)}", field=name)
    if name == "use_case" and text not in UseCase.values:
        raise BadInput(f"{_shown(text)} is none of {', '.join(UseCase.values)}", field=name)
    if name == "language" and not LANGUAGE.fullmatch(text):
        raise BadInput(f"{_shown(text)} is no language tag such as en or zh-Hans", field=name)
    return text


def _shown(value: Any) -> str:
    """Foreign text for a message: printable, short, and never split over lines."""
    if not isinstance(value, str):
        return f"a {type(value).__name__}"
    shown = value if value.isprintable() else ascii(value)
    return shown if len(shown) <= 60 else shown[:59] + "…"
