"""JSON files to dataclasses, strictly: what is unknown, missing or of a wrong type is named."""

from __future__ import annotations

import dataclasses
import json
import os
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar

Row = TypeVar("Row")


class ContractError(ValueError):
    """A file of the run folder is not what the contract promises."""


def read_rows(path: Path, row_type: type[Row]) -> Iterator[Row]:
    """Yield the rows of a JSONL file; raises ContractError with the line number."""
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            try:
                data = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise ContractError(f"{path.name}:{number}: not JSON ({error})") from error
            yield from_dict(row_type, data, f"{path.name}:{number}")


def row_bytes(row: Any) -> bytes:
    """The canonical line of a row: the same row always gives the same bytes."""
    text = json.dumps(dataclasses.asdict(row), ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return text.encode("utf-8") + b"\n"


def write_json(path: Path, data: Any) -> None:
    """Write whole or not at all: temporary file (each process its own), fsync, rename."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    with temporary.open("w", encoding="utf-8") as handle:
        json.dump(data, handle, ensure_ascii=False, sort_keys=True, indent=1)
        handle.write("\n")
        handle.flush()
        os.fsync(handle.fileno())
    temporary.replace(path)


def read_json(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ContractError(f"{path.name}: missing") from error
    except ValueError as error:
        raise ContractError(f"{path.name}: not JSON ({error})") from error
    if not isinstance(data, dict):
        raise ContractError(f"{path.name}: not an object")
    return data


def from_dict(kind: type[Row], data: Any, where: str) -> Row:
    """Build a dataclass from JSON, refusing unknown fields, missing fields and wrong types by name."""
    if not isinstance(data, Mapping):
        raise ContractError(f"{where}: an object is wanted")
    hints = typing.get_type_hints(kind)
    fields = {f.name: f for f in dataclasses.fields(kind)}  # type: ignore[arg-type]
    if unknown := set(data) - set(fields):
        raise ContractError(f"{where}.{sorted(unknown)[0]}: unknown field")
    values = {}
    for name, spec in fields.items():
        if name in data:
            values[name] = _convert(hints[name], data[name], f"{where}.{name}")
        elif spec.default is dataclasses.MISSING and spec.default_factory is dataclasses.MISSING:
            raise ContractError(f"{where}.{name}: missing")
    return kind(**values)


def _convert(hint: Any, value: Any, where: str) -> Any:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return value
    if dataclasses.is_dataclass(hint):
        return from_dict(typing.cast(type[Any], hint), value, where)
    if origin is Literal:
        if value not in arguments:
            raise ContractError(f"{where}: {value!r} is none of {', '.join(map(repr, arguments))}")
        return value
    if origin is tuple:
        if not isinstance(value, list | tuple):
            raise ContractError(f"{where}: a list is wanted")
        return tuple(_convert(arguments[0], entry, f"{where}[{index}]") for index, entry in enumerate(value))
    if origin is not None and type(None) in arguments:
        inner = next(a for a in arguments if a is not type(None))
        return None if value is None else _convert(inner, value, where)
    if origin is dict or hint is Any:
        return value
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(hint, type) and (
        not isinstance(value, hint) or (isinstance(value, bool) and hint is not bool)
    ):
        raise ContractError(f"{where}: {hint.__name__} is wanted, not {type(value).__name__}")
    return value
