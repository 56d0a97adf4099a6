"""Text that came from outside: what PostgreSQL, JSON and a reader can hold."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from labeling.actions.errors import BadInput

MAX_TEXT_BYTES = 256 * 1024
"""Of one prompt message, completion, demonstration or comment. InstructGPT's longest is 2k tokens."""
MAX_JSON_DEPTH = 32


def check_text(value: Any, field: str, *, max_bytes: int = MAX_TEXT_BYTES, required: bool = True) -> str:
    """Return the text unchanged, or raise BadInput that names `field`.

    Refused: no string, nothing but white space (if `required`), NUL, lone surrogates, over `max_bytes`.
    """
    if not isinstance(value, str):
        raise BadInput(f"a text is wanted, not {type(value).__name__}", field=field)
    if "\x00" in value:
        raise BadInput("contains a NUL character", field=field)
    try:
        size = len(value.encode("utf-8"))
    except UnicodeEncodeError:
        raise BadInput("contains a lone surrogate, which is not valid text", field=field) from None
    if size > max_bytes:
        raise BadInput(f"is {size:,} bytes long; at most {max_bytes:,} are taken", field=field)
    if required and not value.strip():
        raise BadInput("is empty", field=field)
    return value


def text_digest(text: str) -> bytes:
    """SHA-256 of the text without white space at its ends: equal digests are one completion."""
    return hashlib.sha256(text.strip().encode("utf-8")).digest()


def body_digest(body: Any) -> bytes:
    """SHA-256 of canonical JSON: equal requests have equal digests."""
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode("ascii")).digest()


def check_json(value: Any, field: str, *, max_bytes: int, depth: int = MAX_JSON_DEPTH) -> Any:
    """Refuse JSON that is too deep, too large, or holds text that PostgreSQL cannot store."""
    check_depth(value, field, depth)
    _check_texts(value, field)
    check_text(json.dumps(value, ensure_ascii=False), field, max_bytes=max_bytes)
    return value


def check_depth(value: Any, field: str, depth: int = MAX_JSON_DEPTH) -> None:
    """Refuse JSON that is nested deeper than `depth` levels."""
    if depth == 0:
        raise BadInput(f"is nested deeper than {MAX_JSON_DEPTH} levels", field=field)
    entries = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for entry in entries:
        check_depth(entry, field, depth - 1)


def _check_texts(value: Any, field: str) -> None:
    if isinstance(value, dict):
        for key, entry in value.items():
            check_text(key, field, required=False)
            _check_texts(entry, field)
    elif isinstance(value, list):
        for entry in value:
            _check_texts(entry, field)
    elif isinstance(value, str):
        check_text(value, field, required=False)
