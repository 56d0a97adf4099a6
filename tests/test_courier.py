"""Sending what is announced: signed, again after a failure, to the operator's addresses and nowhere else."""

from __future__ import annotations

import hashlib
import hmac
import re
import socket
import ssl
import threading
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.conf import settings as installed
from django.db import connection

from labeling import courier, tasks
from labeling.actions import announcements, deliveries, webhooks
from labeling.actions.clock import from_now
from labeling.models import Delivery, Role, Webhook, WebhookEvent
from tests import build
from tests.receivers import SECRET, Handler, Receiver, status

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def project():
    return build.project()


@pytest.fixture
def subscribed(project) -> Callable[[Receiver], Webhook]:
    lead = build.member(project, "lin", Role.LEAD).user
    return lambda receiver: webhooks.subscribe(project, receiver.id, WebhookEvent.values, actor=lead)


def waiting(webhook: Webhook, count: int = 1) -> list[Delivery]:
    """So many messages wait to be sent to this receiver."""
    made = [announcements.ping(webhook) for _ in range(count)]
    for delivery in made:  # a test would be given up at once; these are tried again, like any announcement
        delivery.event = WebhookEvent.RUN_FINISHED
        delivery.save()
    return made


def due_again() -> None:
    """The pauses and leases of all that waits are over."""
    Delivery.objects.filter(state="waiting").update(not_before=from_now(seconds=-1))


def states() -> list[tuple[str, int | None, str]]:
    return list(Delivery.objects.order_by("pk").values_list("state", "status", "trouble"))


def recipe() -> Callable[..., bool]:
    """What the README tells receivers to do, as it stands there."""
    readme = (installed.ROOT / "README.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(import hashlib.*?)```", readme, re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)
    return names["is_from_rankloop"]


def in_threads(count: int, work: Callable[[], Any]) -> list[Any]:
    """What each thread's work came to, all begun at one moment."""
    barrier, done = threading.Barrier(count), []

    def body() -> None:
        try:
            barrier.wait()
            done.append(work())
        finally:
            connection.close()

    threads = [threading.Thread(target=body) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return done


# --- what arrives -----------------------------------------------------------------------------------


def test_a_message_arrives_signed_and_the_readme_s_recipe_tells_it_from_a_forgery(
    listen, subscribed, project
):
    receiver = listen()
    delivery = announcements.ping(subscribed(receiver))
    assert courier.send_due() == 1
    (got,) = receiver.got
    assert (got.path, got.headers["Content-Type"]) == ("/hook?from=rankloop", "application/json")
    assert (got.headers["Rankloop-Event"], got.headers["Rankloop-Delivery"]) == ("ping", delivery.public_id)
    assert got.message == {
        "id": delivery.public_id,
        "event": "ping",
        "created_at": f"{delivery.created_at:%Y-%m-%dT%H:%M:%SZ}",
        "project": {"id": project.public_id, "slug": "stories"},
        "object": {},
    }
    is_from_rankloop, headers = recipe(), dict(got.headers)
    assert is_from_rankloop(SECRET, got.headers, got.body)
    assert not is_from_rankloop(SECRET, headers, got.body + b" ")
    assert not is_from_rankloop(SECRET + "?", headers, got.body)
    assert not is_from_rankloop(SECRET, {**headers, "Rankloop-Signature": "v1=é"}, got.body)
    assert not is_from_rankloop(SECRET, {}, got.body)
    later = str(int(headers["Rankloop-Timestamp"]) + 1)
    assert not is_from_rankloop(SECRET, {**headers, "Rankloop-Timestamp": later}, got.body)
    assert states() == [("delivered", 200, "")]
    assert courier.send_due() == 0
    assert len(receiver.got) == 1


def test_a_copy_of_an_old_message_is_told_by_its_time():
    body, now = b"{}", int(datetime.now(UTC).timestamp())
    for sent, is_good in ((now, True), (now - 3600, False), (now + 3600, False)):
        signed = hmac.new(SECRET.encode(), f"{sent}.".encode() + body, hashlib.sha256).hexdigest()
        headers = {"Rankloop-Timestamp": str(sent), "Rankloop-Signature": f"v1={signed}"}
        assert recipe()(SECRET, headers, body) is is_good


def test_what_was_refused_is_sent_again_with_the_same_bytes_and_a_signature_of_its_own(listen, subscribed):
    receiver = listen(answer=status(500, 404, 204))
    (delivery,) = waiting(subscribed(receiver))
    for outcome in (("waiting", 500, "refused"), ("waiting", 404, "refused"), ("delivered", 204, "")):
        courier.send_due()
        assert states() == [outcome]
        assert courier.send_due() == 0  # it rests first, or is done
        due_again()
    assert len({got.body for got in receiver.got}) == 1
    assert all(recipe()(SECRET, got.headers, got.body) for got in receiver.got)
    delivery.refresh_from_db()
    assert (len(receiver.got), delivery.attempts, delivery.failures) == (3, 3, 0)
    assert delivery.ended_at is not None


def test_a_receiver_that_was_down_gets_its_message_once_it_is_up(listen, subscribed):
    receiver = listen()
    waiting(subscribed(receiver))
    receiver.down()
    courier.send_due()
    assert states() == [("waiting", None, "unreachable")]
    receiver.up()
    due_again()
    assert courier.send_due() == 1
    assert states() == [("delivered", 200, "")]


def test_a_receiver_that_says_nothing_is_given_up_for_now(listen, subscribed, monkeypatch):
    monkeypatch.setattr(courier, "SOCKET_SECONDS", 0.2)
    release = threading.Event()
    receiver = listen(answer=lambda handler: release.wait())
    waiting(subscribed(receiver))
    assert courier.send_due() == 0
    release.set()
    assert states() == [("waiting", None, "timeout")]


def test_a_receiver_that_never_comes_to_an_end_is_given_up_for_now(listen, subscribed, monkeypatch):
    monkeypatch.setattr(courier, "ROUND_SECONDS", 0.2)
    monkeypatch.setattr(courier, "ANSWER_SECONDS", 0.3)
    release = threading.Event()

    def drip(handler: Handler) -> None:
        while not release.wait(0.02):
            handler.wfile.write(b"H")

    receiver = listen(answer=drip)
    waiting(subscribed(receiver))
    assert courier.send_due() == 0
    release.set()
    assert states() == [("waiting", None, "timeout")]


def test_what_is_no_http_is_no_answer(listen, subscribed):
    receiver = listen(answer=lambda handler: handler.wfile.write(b"220 smtp.example.org ESMTP\r\n"))
    waiting(subscribed(receiver))
    courier.send_due()
    assert states() == [("waiting", None, "no_http")]


def test_an_answer_without_end_is_not_read(listen, subscribed):
    written: list[int] = []
    ended = threading.Event()

    def flood(handler: Handler) -> None:
        handler.send_response(200)
        handler.end_headers()
        try:
            while True:
                written.append(handler.wfile.write(b"x" * 65536))
        except OSError:
            ended.set()

    receiver = listen(answer=flood)
    waiting(subscribed(receiver))
    assert courier.send_due() == 1
    assert ended.wait(30)
    assert sum(written) < 100 * 2**20


# --- where it goes, and where not -------------------------------------------------------------------


def test_a_redirect_is_not_followed(listen, subscribed):
    elsewhere = listen("elsewhere")

    def redirect(handler: Handler) -> None:
        handler.send_response(307)
        handler.send_header("Location", elsewhere.named["url"])
        handler.end_headers()

    receiver = listen("lab", redirect)
    waiting(subscribed(receiver))
    assert courier.send_due() == 0
    assert states() == [("waiting", 307, "refused")]
    assert elsewhere.got == []


def test_proxies_of_the_environment_get_to_know_nothing(listen, subscribed, monkeypatch):
    proxy, receiver = listen("proxy"), listen("lab")
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
    waiting(subscribed(receiver))
    assert courier.send_due() == 1
    assert (len(receiver.got), proxy.got) == (1, [])


def test_a_certificate_that_nobody_trusts_is_refused_before_anything_is_said(
    listen, subscribed, settings, self_signed
):
    receiver = listen()
    assert receiver.server is not None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(self_signed)
    receiver.server.socket = context.wrap_socket(receiver.server.socket, server_side=True)
    settings.WEBHOOKS = [{**receiver.named, "url": f"https://localhost:{receiver.port}/"}]
    waiting(subscribed(receiver))
    courier.send_due()
    assert states() == [("waiting", None, "tls")]
    assert receiver.got == []


def test_a_receiver_that_the_operator_has_removed_is_not_asked_and_its_messages_say_so(
    listen, subscribed, settings
):
    receiver = listen()
    waiting(subscribed(receiver))
    settings.WEBHOOKS = []
    assert courier.send_due() == 0
    assert (states(), receiver.got) == ([("waiting", None, "not_named")], [])
    settings.WEBHOOKS = [receiver.named]
    due_again()
    assert courier.send_due() == 1


# --- how often, and who -----------------------------------------------------------------------------


def test_after_the_last_attempt_it_is_given_up_until_a_lead_sends_it_again(listen, subscribed):
    receiver = listen(answer=status(*[503] * deliveries.MOST_FAILURES, 200))
    webhook = subscribed(receiver)
    (delivery,) = waiting(webhook)
    pauses = []
    for _ in range(deliveries.MOST_FAILURES):
        assert states()[0][0] == "waiting"
        courier.send_due()
        delivery.refresh_from_db()
        pauses.append((delivery.not_before - datetime.now(UTC)).total_seconds())
        due_again()
    assert states() == [("failed", 503, "refused")]
    assert 20 * 3600 < sum(pauses[:-1]) < 28 * 3600
    assert courier.send_due() == 0
    deliveries.send_again(delivery, actor=webhook.created_by)
    assert courier.send_due() == 1
    assert states() == [("delivered", 200, "")]
    assert len({got.body for got in receiver.got}) == 1


def test_a_test_is_tried_once(listen, subscribed):
    receiver = listen(answer=status(500))
    announcements.ping(subscribed(receiver))
    courier.send_due()
    assert states() == [("failed", 500, "refused")]


def test_many_senders_at_once_send_each_message_once(listen, subscribed):
    receiver = listen()
    made = waiting(subscribed(receiver), 12)
    assert sum(in_threads(4, courier.send_due)) == 12
    assert Counter(got.message["id"] for got in receiver.got) == {one.public_id: 1 for one in made}


def test_of_many_claims_one_is_good_until_its_lease_is_over(listen, subscribed):
    receiver = listen()
    waiting(subscribed(receiver))
    (claim,) = [one for one in in_threads(8, deliveries.claim) if one]
    assert deliveries.claim() is None
    due_again()
    assert courier.send_due() == 1
    assert deliveries.record(claim, deliveries.Answer(500, "refused")) is False
    assert states() == [("delivered", 200, "")]


def test_a_worker_that_died_while_sending_leaves_a_message_that_is_due_again(listen, subscribed):
    receiver = listen()
    (delivery,) = waiting(subscribed(receiver))
    for _ in range(2 * deliveries.MOST_FAILURES):
        assert deliveries.claim() is not None
        due_again()
    assert courier.send_due() == 1
    delivery.refresh_from_db()
    assert (delivery.state, delivery.failures) == ("delivered", 0)


def test_a_receiver_that_hangs_keeps_nobody_else_waiting(listen, subscribed):
    release = threading.Event()

    def hang(handler: Handler) -> None:
        release.wait()
        status(200)(handler)

    hanging, well = listen("hanging", hang), listen("well")
    waiting(subscribed(hanging), 2)
    made = waiting(subscribed(well), 5)
    arrived = threading.Event()

    def last_one(handler: Handler) -> None:
        status(200)(handler)
        if len(well.got) == len(made):
            arrived.set()

    well.answer = last_one
    sending = threading.Thread(target=lambda: in_threads(1, courier.send_due))
    sending.start()
    assert arrived.wait(30)
    assert len(hanging.got) == 1
    assert Delivery.objects.filter(receiver="hanging", state="delivered").count() == 0
    release.set()
    sending.join()
    assert Delivery.objects.filter(receiver="well", state="delivered").count() == 5


def test_a_tick_says_that_something_is_due_and_does_not_wait_for_it(listen, subscribed):
    receiver = listen()
    waiting(subscribed(receiver))
    said = messages("control", tasks.tick)
    assert [message for message in said if message == "labeling.tasks.deliver"] == ["labeling.tasks.deliver"]
    assert receiver.got == []
    tasks.deliver()
    assert len(receiver.got) == 1
    assert "labeling.tasks.deliver" not in messages("control", tasks.tick)


def messages(queue: str, work: Callable[[], Any]) -> list[str]:
    """The names of the tasks that the work has asked for in this queue."""
    from labeling.celery import app

    with app.connection_for_write() as broker:
        waiting = broker.default_channel
        waiting.queue_purge(queue)
        work()
        said = []
        while (message := waiting.basic_get(queue, no_ack=True)) is not None:
            said.append(message.headers["task"])
        return said


@pytest.fixture
def self_signed(tmp_path):
    """A certificate for localhost that only its maker vouches for, with its key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, socket.gethostname()[:60])])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path / "certificate.pem"
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(secret + made.public_bytes(serialization.Encoding.PEM))
    return file
