"""A child process that outlives neither its supervisor nor its own crash.

Every child leads a session of its own, so that Ctrl-C in the terminal reaches the supervisor alone and
the supervisor stops the children in order. On Linux the kernel signals a child when its supervisor dies
(PR_SET_PDEATHSIG). Elsewhere, and for what slips through, each child leaves a file in `pids/`, and the
next start on the same state folder ends what is still alive (`end_leftovers`).
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from labeling.supervisor import logs

PR_SET_PDEATHSIG = 1
MAX_LOG_BYTES = 20 * 1024 * 1024
FIRST_BACK_OFF, LONGEST_BACK_OFF = 1.0, 30.0
"""Seconds before a crashed child is started again: doubled at each crash in a row."""


class Process:
    """One child: how it is started, stopped, and started again.

    `orphan_signal` is what the kernel sends when the supervisor dies. `patience` is how many seconds the
    child has after `stop_signal` before its whole process group is killed. `user` runs it as another
    user, which only root can.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        state: Path,
        *,
        environment: Mapping[str, str],
        stop_signal: signal.Signals = signal.SIGTERM,
        orphan_signal: signal.Signals = signal.SIGKILL,
        patience: float = 2.0,
        user: str | None = None,
    ) -> None:
        self.name = name
        self.command = [str(part) for part in command]
        self.environment = dict(environment)
        self.stop_signal = stop_signal
        self.orphan_signal = orphan_signal
        self.patience = patience
        self.user = user
        self.log = state / "logs" / f"{name}.log"
        self.pid_file = state / "pids" / f"{name}.pid"
        self.crashes = 0
        self.start_again_at: float | None = None
        self._popen: subprocess.Popen[bytes] | None = None
        self._started_at = 0.0
        self._log_start = 0

    def start(self) -> None:
        """Start it; returns at once. Standard output and errors go to the log."""
        self.log.parent.mkdir(exist_ok=True)
        self.pid_file.parent.mkdir(exist_ok=True)
        self._shorten_log()
        with self.log.open("ab") as log:
            self._log_start = log.tell()
            self._popen = subprocess.Popen(
                self.command,
                cwd="/" if self.user else None,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                user=self.user,
                group=None if self.user is None else _group_of(self.user),
                extra_groups=None if self.user is None else [],
                preexec_fn=die_with(os.getpid(), self.orphan_signal),
            )
        self._started_at = time.monotonic()
        self.start_again_at = None
        self.pid_file.write_text(
            f"{self.pid} {int(self.orphan_signal)} {birth(self.pid)}\n", encoding="ascii"
        )

    @property
    def pid(self) -> int:
        """Its process id, which is also the id of its session and process group."""
        assert self._popen is not None
        return self._popen.pid

    def exit_status(self) -> int | None:
        """None while it runs; negative is the signal that killed it."""
        return None if self._popen is None else self._popen.poll()

    def running(self) -> bool:
        return self._popen is not None and self._popen.poll() is None

    def stop(self) -> None:
        """Ask, wait `patience` seconds, then kill it and whatever it left in its process group."""
        if self._popen is None:
            return
        if self.running():
            self._popen.send_signal(self.stop_signal)
            try:
                self._popen.wait(self.patience)
            except subprocess.TimeoutExpired:
                kill_group(self.pid)
                self._popen.wait()
        kill_group(self.pid)
        self._popen = None
        self.pid_file.unlink(missing_ok=True)

    def tend(self) -> str | None:
        """Start it again if it crashed, after a growing pause. Returns what a person should be told.

        Its log is cut short where it has grown too long.
        """
        self._shorten_log()
        now = time.monotonic()
        if self.start_again_at is not None:
            if now >= self.start_again_at:
                self.start()
            return None
        status = self.exit_status()
        if status is None:
            return None
        kill_group(self.pid)
        self.crashes = 1 if now - self._started_at > 2 * LONGEST_BACK_OFF else self.crashes + 1
        pause = min(FIRST_BACK_OFF * 2.0 ** (self.crashes - 1), LONGEST_BACK_OFF)
        self.start_again_at = now + pause
        return f"{self.name} {describe(status)}; starting it again in {pause:.0f} s\n{self.tail()}"

    def _shorten_log(self) -> None:
        if logs.size(self.log) > MAX_LOG_BYTES:
            with suppress(OSError):  # a full disk: another time
                self._log_start = max(0, self._log_start - logs.cut(self.log))

    def output(self) -> str:
        """What it has written since its last start."""
        with self.log.open("rb") as log:
            log.seek(self._log_start)
            return log.read().decode("utf-8", "replace")

    def tail(self, lines: int = 15) -> str:
        """The last lines since its last start, indented, under the path of the log."""
        last = self.output().splitlines()[-lines:]
        return "\n".join([f"  {self.log}:", *(f"    {line}" for line in last)])


def describe(status: int) -> str:
    """An exit status in words."""
    if status < 0:
        return f"was killed by {signal.Signals(-status).name}"
    return f"ended with status {status}"


def birth(pid: int) -> str | None:
    """When the process was started, in the system's own terms; None if there is none alive.

    A pid alone may have been given to a stranger since; a pid and its birth name one process for good.
    """
    if sys.platform == "linux":
        try:
            stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
            boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        except OSError:
            return None
        fields = stat.rpartition(")")[2].split()  # proc(5): from field 3, the state; field 22 is the start
        return None if fields[0] in "ZX" else f"{boot}/{fields[19]}"
    shown = subprocess.run(
        ["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return "/".join(shown.stdout.split()) or None


def command_line(pid: int) -> str:
    """The command of a living process, empty if there is none."""
    if sys.platform == "linux":
        try:
            return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        except OSError:
            return ""
    shown = subprocess.run(
        ["ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return shown.stdout


def end_leftovers(state: Path, patience: float = 5.0) -> list[str]:
    """End children of an earlier supervisor that still run; returns their names.

    Call it only while holding the state folder's lock: then whatever still runs has lost its supervisor.
    """
    alive = []
    for path in sorted((state / "pids").glob("*.pid")):
        try:
            pid_text, signal_text, born = path.read_text(encoding="ascii").split()
            pid, number = int(pid_text), int(signal_text)
        except ValueError:  # cut off in the middle of writing
            path.unlink()
            continue
        if birth(pid) == born:
            os.kill(pid, number)
            alive.append((path, pid, born))
        else:
            path.unlink()
    deadline = time.monotonic() + patience
    for path, pid, born in alive:
        while birth(pid) == born and time.monotonic() < deadline:
            time.sleep(0.05)
        kill_group(pid)
        path.unlink()
    return [path.stem for path, _, _ in alive]


def kill_group(pid: int) -> None:
    """Kill what is left of the process group that this child led."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):  # macOS says "permission" of a group of zombies
        return


def _group_of(user: str) -> int:
    import pwd

    return pwd.getpwnam(user).pw_gid


def die_with(parent: int, number: signal.Signals) -> Callable[[], None] | None:
    """What the child does between fork and exec so that the kernel signals it when `parent` dies."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl

    def prepare() -> None:
        prctl(PR_SET_PDEATHSIG, int(number), 0, 0, 0)
        if os.getppid() != parent:  # it died before the kernel had been told
            os._exit(1)

    return prepare
