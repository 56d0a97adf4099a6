"""JSON to the dataclasses of work.py and records.py: strict about what they name, blind to the rest."""

from __future__ import annotations

from dataclasses import is_dataclass
from datetime import datetime
from functools import cache
from types import NoneType, UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from rankloop_client.errors import Unexpected

Shape = TypeVar("Shape")


def read(shape: type[Shape], data: Any) -> Shape:
    """`data` as this shape. Raises Unexpected, naming the place, where it is not."""
    made: Shape = _read(shape, data, shape.__name__)
    return made


def _read(shape: Any, data: Any, place: str) -> Any:
    if is_dataclass(shape):
        return _dataclass(shape, data, place)
    inner = get_args(shape)
    if isinstance(shape, UnionType):  # X | None
        return None if data is None else _read(inner[0], data, place)
    if get_origin(shape) is tuple:  # tuple[X, ...]
        entries = enumerate(_checked(list, data, place))
        return tuple(_read(inner[0], entry, f"{place}[{number}]") for number, entry in entries)
    if shape is datetime:
        return _moment(_checked(str, data, place), place)
    return _checked(get_origin(shape) or shape, data, place)


def _dataclass(shape: Any, data: Any, place: str) -> Any:
    _checked(dict, data, place)
    fields = hints(shape)
    if missing := fields.keys() - data.keys():
        raise Unexpected(f"is missing in {place}", field=min(missing))
    return shape(**{name: _read(kind, data[name], f"{place}.{name}") for name, kind in fields.items()})


def _checked(kind: type, data: Any, place: str) -> Any:
    if type(data) is not kind:  # for JSON, True is no number
        wanted = "null" if kind is NoneType else kind.__name__
        raise Unexpected(f"is no {wanted} but {data!r:.80}", field=place)
    return data


def _moment(text: str, place: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise Unexpected(f"is no date and time but {text!r:.80}", field=place) from None


@cache
def hints(shape: type) -> dict[str, Any]:
    """The fields of a dataclass or typed dictionary, with their types."""
    return get_type_hints(shape)
