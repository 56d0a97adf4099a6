"""Sending e-mail beside the request.

A page answers before its message is sent: how long the answer takes must not tell whether there is an
account.
"""

from __future__ import annotations

import logging
from concurrent.futures import Future, ThreadPoolExecutor
from smtplib import SMTPException

from django.core.mail import EmailMessage

log = logging.getLogger(__name__)
sender = ThreadPoolExecutor(max_workers=1, thread_name_prefix="mail")


def post(message: EmailMessage) -> Future[None]:
    """Send it soon. A failure is logged, without the text or the recipient."""
    return sender.submit(_send, message)


def _send(message: EmailMessage) -> None:
    try:
        message.send()
    except (OSError, SMTPException) as error:
        log.error("An e-mail could not be sent: %s", type(error).__name__)
