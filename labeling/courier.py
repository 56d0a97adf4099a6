"""Carries deliveries to their receivers: signs each message, posts it, and writes down what came of it.

    POST url
    Rankloop-Event, Rankloop-Delivery    as in the message
    Rankloop-Timestamp                   of this attempt, in seconds since 1970
    Rankloop-Signature: v1=…             HMAC-SHA256 of "timestamp.body" under the receiver's secret, in hex

Only an address from the operator's settings is ever asked, without a proxy, and a redirect is an answer like
any other that is not 2xx. Of an answer the status is read, and nothing else of it is kept.

A receiver gets one message at a time. All receivers are asked at once, each in a thread that knows nothing of
the database: one that is slow or dead holds up nobody but itself. There is one sender in an installation, so
that receivers keep no more than one worker busy (deliveries.py).
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import logging
import ssl
import threading
import time
from queue import Empty, SimpleQueue
from urllib.parse import urlsplit

from labeling.actions import deliveries, webhooks
from labeling.actions.deliveries import Answer, Claim
from labeling.models import Delivery

log = logging.getLogger(__name__)

SOCKET_SECONDS = 5.0
"""How long a receiver may be silent; to connect, to take the message, to answer."""
ROUND_SECONDS = 5.0
"""So long a sender goes on taking up more,"""
ANSWER_SECONDS = 10.0
"""and so much longer it waits for the last answers."""

Trouble = Delivery.Trouble


def send_due() -> int:
    """Send what is due, as much as may be within a few seconds; how many messages have arrived.

    Nothing is sent while another sender is at work.
    """
    with deliveries.one_sender() as alone:
        return _send() if alone else 0


def _send() -> int:
    until = time.monotonic() + ROUND_SECONDS
    answers: SimpleQueue[tuple[Claim, Answer]] = SimpleQueue()
    asked: dict[str, Claim] = {}
    resting: set[str] = set()
    arrived = 0
    while True:
        while time.monotonic() < until:
            claim = deliveries.claim(besides={*asked, *resting})
            if claim is None:
                break
            asked[claim.receiver] = claim
            threading.Thread(target=_ask, args=(claim, answers), daemon=True).start()
        if not asked:
            return arrived
        try:
            claim, answer = answers.get(timeout=max(0.0, until + ANSWER_SECONDS - time.monotonic()))
        except Empty:
            for claim in asked.values():
                _record(claim, Answer(trouble=Trouble.TIMEOUT))
            return arrived
        del asked[claim.receiver]
        _record(claim, answer)
        if answer.is_good:
            arrived += 1
        else:
            resting.add(claim.receiver)


def _record(claim: Claim, answer: Answer) -> None:
    name = claim.delivery.public_id
    if not deliveries.record(claim, answer):
        log.warning("delivery %s: attempt %d is no longer ours", name, claim.attempt)
    elif not answer.is_good:
        log.info("delivery %s to %s: %s", name, claim.receiver, answer.status or answer.trouble)


def _ask(claim: Claim, answers: SimpleQueue[tuple[Claim, Answer]]) -> None:
    answers.put((claim, post(claim.delivery)))


def post(delivery: Delivery) -> Answer:
    """One attempt at one message."""
    receiver = webhooks.receiver(delivery.receiver)
    if receiver is None:
        return Answer(trouble=Trouble.NOT_NAMED)
    try:
        status = _status(receiver["url"], bytes(delivery.body), _headers(delivery, receiver["secret"]))
    except TimeoutError:
        return Answer(trouble=Trouble.TIMEOUT)
    except ssl.SSLError:
        return Answer(trouble=Trouble.TLS)
    except http.client.HTTPException:
        return Answer(trouble=Trouble.NO_HTTP)
    except OSError:
        return Answer(trouble=Trouble.UNREACHABLE)
    return Answer(status, Trouble.NONE if 200 <= status < 300 else Trouble.REFUSED)


def _headers(delivery: Delivery, secret: str) -> dict[str, str]:
    now = str(int(time.time()))
    signed = hmac.new(secret.encode(), now.encode() + b"." + bytes(delivery.body), hashlib.sha256)
    return {
        "Content-Type": "application/json",
        "User-Agent": "Rankloop",
        "Rankloop-Event": delivery.event,
        "Rankloop-Delivery": delivery.public_id,
        "Rankloop-Timestamp": now,
        "Rankloop-Signature": f"v1={signed.hexdigest()}",
    }


def _status(url: str, body: bytes, headers: dict[str, str]) -> int:
    """POST, and the status of the answer. Raises OSError, HTTPException."""
    address = urlsplit(url)
    assert address.hostname is not None
    kind = http.client.HTTPSConnection if address.scheme == "https" else http.client.HTTPConnection
    connection = kind(address.hostname, address.port, timeout=SOCKET_SECONDS)
    try:
        target = (address.path or "/") + (f"?{address.query}" if address.query else "")
        connection.request("POST", target, body, headers)
        return connection.getresponse().status
    finally:
        connection.close()
