"""The services of an installation: what each runs, what it listens on, how one sees that it is well.

    python -m labeling.services run web       become the service
    python -m labeling.services check web     exit status 0 if it is well

The foreground command (supervisor/), the containers and the systemd units (docker/) all start the services
from here, so they cannot differ. Where the web listens, and with how many processes and threads, are
variables: granian reads GRANIAN_HOST, GRANIAN_PORT, GRANIAN_WORKERS and GRANIAN_BLOCKING_THREADS by itself.
"""

from __future__ import annotations

import http.client
import os
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from labeling import environment

ROOT = Path(__file__).resolve().parent.parent
HEALTH = "/health/"

SHARED = ("DATABASE_URL", "REDIS_URL", "RANKLOOP_STATE", "RANKLOOP_SECRET_KEY")
"""What every service must be told."""


@dataclass(frozen=True)
class Service:
    """`arguments` follow the Python interpreter; `defaults` are variables where the environment has none.

    `needs` are variables without which it is not the service that it should be, besides SHARED.
    """

    arguments: tuple[str, ...]
    defaults: Mapping[str, str] = field(default_factory=dict)
    needs: tuple[str, ...] = ()

    def environment(self, given: Mapping[str, str]) -> dict[str, str]:
        """`given`, with the defaults where it has none, and so that Python finds us."""
        return {**self.defaults, **given, "PYTHONPATH": str(ROOT)}


def _celery(*arguments: str) -> tuple[str, ...]:
    return ("-m", "celery", "-A", "labeling", *arguments, "--loglevel", "info")


def _worker(*arguments: str) -> tuple[str, ...]:
    return (*_celery("worker", *arguments), "--without-gossip", "--without-mingle")


SERVICES: dict[str, Service] = {
    "migrate": Service(("-m", "labeling.supervisor.prepare", "migrate", "static")),
    "web": Service(
        (
            "-m", "granian", "--interface", "wsgi", "labeling.wsgi:application",
            # A thread keeps its database connection: let it live as long as that.
            "--blocking-threads-idle-timeout", "600",
            "--respawn-failed-workers", "--workers-kill-timeout", "1",
        ),
        defaults={
            "GRANIAN_HOST": "127.0.0.1",
            "GRANIAN_PORT": "8000",
            "GRANIAN_WORKERS": "2",
            "GRANIAN_BLOCKING_THREADS": "2",
        },
        needs=("RANKLOOP_HOSTS", "RANKLOOP_ORIGINS", "RANKLOOP_HTTPS"),
    ),
    "worker-control": Service(_worker("-Q", "control", "-c", "2", "-n", "control@%h")),
    # solo: the task runs in the process that hears SIGTERM and can give its run back (launcher.py).
    "worker-train": Service(_worker("-Q", "train", "--pool", "solo", "-n", "train@%h")),
    "beat": Service(_celery("beat")),
}  # fmt: skip


def run(name: str) -> None:
    """Become the service: this process is replaced."""
    service = SERVICES[name]
    os.execve(  # noqa: S606 - our own words
        sys.executable, [sys.executable, *service.arguments], service.environment(os.environ)
    )


def check(name: str) -> str:
    """What ails the service on this machine; empty if it is well.

    A train worker answers nothing while it trains, and beat never does: of those it is checked that they can
    reach the servers. Of a run whose worker died, the sweeper takes care.
    """
    if name == "web":
        return _check_web()
    if name == "worker-control":
        return _check_worker(f"control@{socket.gethostname()}")
    return _check_servers()


def _check_web() -> str:
    hosts = environment.words("RANKLOOP_HOSTS", "localhost")
    port = os.environ.get("GRANIAN_PORT", SERVICES["web"].defaults["GRANIAN_PORT"])
    connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=10)
    # As the proxy asks: under a name that is ours, and over TLS.
    headers = {"Host": hosts[0].lstrip(".").replace("*", "localhost"), "X-Forwarded-Proto": "https"}
    try:
        connection.request("GET", HEALTH, headers=headers)
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return f"the web server does not answer: {error}"
    finally:
        connection.close()
    return "" if status == 200 else f"the web server answers with {status}"


def _check_worker(node: str) -> str:
    from labeling.celery import app

    return "" if app.control.ping(destination=[node], timeout=5.0) else f"{node} does not answer"


def _check_servers() -> str:
    from django.db import DatabaseError, connection
    from kombu.exceptions import OperationalError

    from labeling.celery import app

    try:
        connection.ensure_connection()
        with app.connection_for_read() as broker:
            broker.ensure_connection(max_retries=1, timeout=5)
    except (DatabaseError, OperationalError, OSError) as error:
        return f"a server cannot be reached: {error}"
    return ""


def main(arguments: list[str]) -> None:
    """`run` or `check`, and the name of a service. Raises SystemExit."""
    if len(arguments) != 2 or arguments[0] not in ("run", "check") or arguments[1] not in SERVICES:
        sys.exit(f"usage: python -m labeling.services run|check {'|'.join(SERVICES)}")
    action, name = arguments
    try:
        if action == "run":
            run(name)
        elif trouble := check(name):
            sys.exit(trouble)
    except environment.BadEnvironment as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main(sys.argv[1:])
