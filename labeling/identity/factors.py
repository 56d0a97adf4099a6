"""allauth's adapter of second factors: their secrets are stored encrypted."""

from __future__ import annotations

import base64
import logging
import secrets

from allauth.mfa.adapter import DefaultMFAAdapter
from cryptography.fernet import Fernet, InvalidToken
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext_lazy as _

log = logging.getLogger(__name__)


class Factors(DefaultMFAAdapter):  # type: ignore[misc]
    error_messages = {
        **DefaultMFAAdapter.error_messages,
        "incorrect_code": _("This code is not right. Apps show a new one every 30 seconds."),
    }

    def encrypt(self, text: str) -> str:
        return _box().encrypt(text.encode()).decode("ascii")

    def decrypt(self, encrypted_text: str) -> str:
        """What cannot be opened was locked by another RANKLOOP_SECRET_KEY: then no code is ever right."""
        try:
            return _box().decrypt(encrypted_text).decode()
        except InvalidToken:
            log.error(
                "A second factor was stored under another RANKLOOP_SECRET_KEY; an operator can remove it"
            )
            return base64.b32encode(secrets.token_bytes(20)).decode("ascii")


def _box() -> Fernet:
    digest = salted_hmac("labeling.identity.factors", "key", algorithm="sha256").digest()
    return Fernet(base64.urlsafe_b64encode(digest))
