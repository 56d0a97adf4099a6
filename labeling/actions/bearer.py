"""Secrets that open something for whoever holds them, an API token or an invitation's link.

Each is 256 random bits, so that its plain SHA-256 is enough to find it by and tells nobody what it was. It is
shown once and stored nowhere.
"""

from __future__ import annotations

import hashlib
import secrets

RANDOM_BYTES = 32


def new_secret() -> str:
    return secrets.token_urlsafe(RANDOM_BYTES)


def digest(secret: str) -> bytes:
    """What is stored of a secret. Takes any text that a request may bring."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
