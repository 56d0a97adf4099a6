"""Public ids: what a URL, an export or a browser may see instead of a database key."""

from __future__ import annotations

import secrets
from typing import Any

ALPHABET = "23456789abcdefghjkmnpqrstvwxyz"
LENGTH = 16


def public_id() -> str:
    """Sixteen random characters (about 78 bits) without look-alikes."""
    # One draw for all of them: an import makes many thousands. Its 128 bits leave no bias that matters.
    number = secrets.randbits(128)
    characters = []
    for _place in range(LENGTH):
        number, place = divmod(number, len(ALPHABET))
        characters.append(ALPHABET[place])
    return "".join(characters)


def is_public_id(value: Any) -> bool:
    """Whether this could be one; a database is asked for nothing else."""
    return isinstance(value, str) and len(value) == LENGTH and set(value) <= set(ALPHABET)
