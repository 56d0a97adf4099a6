"""Public ids: what a URL, an export or a browser may see instead of a database key."""

from __future__ import annotations

import secrets

ALPHABET = "23456789abcdefghjkmnpqrstvwxyz"


def public_id() -> str:
    """Sixteen random characters (about 78 bits) without look-alikes."""
    return "".join(secrets.choice(ALPHABET) for _ in range(16))
