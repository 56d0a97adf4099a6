"""Stack: everything that runs, started in order and stopped in reverse.

    with Stack(state, web=True, workers=True) as stack:
        ...  # stack.url, stack.environment

A state folder holds all that survives a restart:

    lock              held by the one Stack that uses the folder
    address           where it serves, while it does
    environment       for a shell: `. var/environment`, then manage.py talks to the running stack
    port, secret_key  made once and kept
    postgres/ valkey/ the embedded servers' data, and their sockets
    static/           collected static files
    logs/ pids/       one of each for every child
    artifacts/ runs/  what training writes
"""

from __future__ import annotations

import fcntl
import http.client
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import IO

from labeling.services import ROOT, SERVICES
from labeling.supervisor import ports, upgrade
from labeling.supervisor.postgres import Postgres, PostgresError
from labeling.supervisor.processes import Process, end_leftovers
from labeling.supervisor.valkey import Valkey, answers

ADDRESS, ENVIRONMENT = "address", "environment"


class StackError(Exception):
    """The stack cannot be started; the message is for the person at the terminal."""


class AlreadyRunning(StackError):
    """Another supervisor holds this state folder."""


class Stack:
    """The servers, and with `web` and `workers` the processes of Rankloop itself.

    DATABASE_URL and REDIS_URL in `environment` name servers that are used instead of embedded ones.
    With `web` or `workers` the database is migrated first; with `demo` the demo projects are made once.
    Entered, the web serves; the workers take some seconds more, and what they are to do waits in rows.
    `durable=False` gives up crash safety of the embedded database for speed. `say` gets progress lines.

    `environment` is what a process needs in order to belong to this stack; `url` is where the web serves.
    Raises StackError on entering; then nothing is left running.
    """

    def __init__(
        self,
        state: Path,
        *,
        web: bool = False,
        workers: bool = False,
        demo: bool = False,
        durable: bool = True,
        port: int | None = None,
        environment: Mapping[str, str] = os.environ,
        say: Callable[[str], None] = print,
    ) -> None:
        self.state = state.resolve()
        self.environment = {**environment, "RANKLOOP_STATE": str(self.state), "PYTHONUNBUFFERED": "1"}
        self.environment.setdefault("DJANGO_SETTINGS_MODULE", "labeling.settings")
        self.url = ""
        self._web, self._workers, self._demo, self._durable = web, workers, demo, durable
        self._wanted_port = port
        self._say = say
        self._lock: IO[str] | None = None
        self._servers: list[Postgres | Valkey] = []
        self._processes: list[Process] = []
        """In order of starting; they are stopped in reverse."""

    def __enter__(self) -> Stack:
        self._take_lock()
        try:
            if left := end_leftovers(self.state):
                self._say(f"Ended what an earlier start left behind: {', '.join(left)}")
            self._start_servers()
            self._tell_shells()
            if self._web:
                self._choose_port()
            if self._web or self._workers:
                self._prepare()
            self._start_own()
        except BaseException as error:
            self.stop()
            if isinstance(error, PostgresError):
                raise StackError(str(error)) from error
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def tend(self) -> None:
        """Start crashed children again. Call it about twice a second while the stack should run."""
        for process in self._processes:
            if news := process.tend():
                self._say(news)

    def stop(self) -> None:
        """Beat, workers, web, Valkey, PostgreSQL: each gets its time, in all less than ten seconds."""
        with _undisturbed():
            for process in reversed(self._processes):
                process.stop()
            for server in self._servers:
                server.forget_sockets()
            self._processes, self._servers = [], []
            if self._lock:
                for name in (ADDRESS, ENVIRONMENT):
                    (self.state / name).unlink(missing_ok=True)
                self._lock.close()
                self._lock = None

    # --- the steps of starting ------------------------------------------------------------------------

    def _take_lock(self) -> None:
        try:
            self.state.mkdir(mode=0o755, parents=True, exist_ok=True)
            lock = (self.state / "lock").open("a+", encoding="ascii")
        except OSError as error:
            raise StackError(f"The state folder {self.state} cannot be used: {error.strerror}") from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            address = self.state / ADDRESS
            where = address.read_text(encoding="ascii").strip() if address.exists() else "still starting"
            raise AlreadyRunning(f"Rankloop already runs on {self.state}: {where}") from None
        self._lock = lock

    def _start_servers(self) -> None:
        if not self.environment.get("DATABASE_URL"):
            self._say("Starting PostgreSQL")
            postgres = Postgres(self.state, self.environment, durable=self._durable)
            self._servers.append(postgres)
            upgrade.bring_up_to_date(postgres, self.state, self.environment, self._say)
            postgres.create()
            self._processes.append(postgres.process)
            postgres.start()
            postgres.create_database()
            self.environment["DATABASE_URL"] = postgres.url
        if not self.environment.get("REDIS_URL"):
            self._say("Starting Valkey")
            valkey = Valkey(self.state, self.environment)
            self._servers.append(valkey)
            self._start(valkey.process)
            self._wait(valkey.process, valkey.ready, 30)
            self.environment["REDIS_URL"] = valkey.url
        elif not answers(self.environment["REDIS_URL"]):
            raise StackError("REDIS_URL: this server does not answer")

    def _tell_shells(self) -> None:
        lines = [
            f"export {name}={shlex.quote(self.environment[name])}\n"
            for name in ("DATABASE_URL", "REDIS_URL", "RANKLOOP_STATE")
        ]
        path = self.state / ENVIRONMENT
        path.touch(mode=0o600)  # a given DATABASE_URL may hold a password
        path.write_text("".join(lines), encoding="utf-8")

    def _choose_port(self) -> None:
        port = ports.choose(self._wanted_port, self.state / "port")
        if port is None:
            raise StackError(f"Port {self._wanted_port} is taken; set RANKLOOP_PORT to another, or unset it")
        self._port = port
        self.url = f"http://{ports.HOST}:{port}/"
        # Cookies do not see ports: two installations on one machine would sign each other out.
        self.environment.setdefault("RANKLOOP_COOKIE", f"rankloop_{port}")

    def _prepare(self) -> None:
        self._say("Preparing the database and the static files" + (" and the demo projects" * self._demo))
        steps = ["migrate", "static", *(["demo"] if self._demo else [])]
        command = [sys.executable, "-m", "labeling.supervisor.prepare", *steps]
        # In the foreground's own process group: Ctrl-C ends it too, and its output is for the person.
        done = subprocess.run(command, cwd=ROOT, env=self.environment, check=False)
        if done.returncode != 0:
            raise StackError("The preparation failed; what it said stands above")

    def _start_own(self) -> None:
        if self._web:
            self._say("Starting the web server")
            web = self._own(
                "web",
                patience=2.0,
                orphan_signal=signal.SIGTERM,
                GRANIAN_HOST=ports.HOST,
                GRANIAN_PORT=str(self._port),
            )
            self._start(web)
            self._wait(web, self._serves, 60)
            (self.state / ADDRESS).write_text(self.url + "\n", encoding="ascii")
        if self._workers:
            # People can work already: nobody waits for these.
            self._start(self._own("worker-control", patience=1.0))
            self._start(self._own("worker-train", patience=4.0))
            self._start(self._own("beat", patience=1.0))

    def _own(
        self, name: str, *, patience: float, orphan_signal: signal.Signals = signal.SIGKILL, **variables: str
    ) -> Process:
        service = SERVICES[name]
        return Process(
            name,
            [sys.executable, *service.arguments],
            self.state,
            environment=service.environment({**self.environment, **variables}),
            patience=patience,
            orphan_signal=orphan_signal,
        )

    def _start(self, process: Process) -> None:
        self._processes.append(process)
        process.start()

    def _wait(self, process: Process, ready: Callable[[], bool], patience: float) -> None:
        deadline = time.monotonic() + patience
        while not ready():
            if not process.running():
                raise StackError(f"{process.name} does not start\n{process.tail()}")
            if time.monotonic() > deadline:
                raise StackError(f"{process.name} is not ready after {patience:.0f} s\n{process.tail()}")
            time.sleep(0.05)

    def _serves(self) -> bool:
        connection = http.client.HTTPConnection(ports.HOST, self._port, timeout=10)
        try:
            connection.request("HEAD", "/")
            connection.getresponse()
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
        return True


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Ctrl-C and SIGTERM do nothing meanwhile: stopping is what they ask for."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, signal.SIG_IGN) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
