"""`python -m labeling.supervisor`: everything, in the foreground, until Ctrl-C. What `make run` starts.

`python -m labeling.supervisor manage COMMAND…` runs a command of manage.py on the servers of this state
folder: those that run, or else they are started for it alone, without web and workers.

RANKLOOP_STATE is the state folder (default `var/`), RANKLOOP_PORT the port (default: last time's, or
8000, or any that is free). DATABASE_URL and REDIS_URL name servers to use instead of embedded ones.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType

from labeling import environment
from labeling.services import ROOT
from labeling.supervisor.stack import ENVIRONMENT, AlreadyRunning, Stack, StackError

READY = """
Rankloop is ready ({seconds:.0f} s).

    {url}

State and logs are in {state}. Ctrl-C stops everything; the next start goes on from here.
"""


def main(*, demo: bool = True) -> int:
    """Run until interrupted; 1 if it could not start. `demo=False` makes no demo projects: for the tests."""
    began = time.monotonic()
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    # SIGINT too: a shell script starts its background jobs with it ignored.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    try:
        port = environment.integer("RANKLOOP_PORT", 0) or None
        with Stack(_state(), web=True, workers=True, demo=demo, port=port) as stack:
            print(READY.format(seconds=time.monotonic() - began, url=stack.url, state=stack.state))
            while True:
                stack.tend()
                time.sleep(0.5)
    except KeyboardInterrupt:
        print("Rankloop has stopped.")
        return 0
    except (StackError, environment.BadEnvironment) as error:
        print(error, file=sys.stderr)
        return 1


def manage(arguments: list[str]) -> int:
    """Run a command of manage.py on the servers of the state folder; its exit status."""
    command = [sys.executable, "manage.py", *arguments]
    state = _state().resolve()
    try:
        with Stack(state, say=lambda line: None) as stack:
            return subprocess.run(command, cwd=ROOT, env=stack.environment, check=False).returncode
    except AlreadyRunning as error:
        if not (state / ENVIRONMENT).exists():
            print(error, file=sys.stderr)
            return 1
        running = {**os.environ, **_told(state / ENVIRONMENT)}
        return subprocess.run(command, cwd=ROOT, env=running, check=False).returncode
    except StackError as error:
        print(error, file=sys.stderr)
        return 1


def _state() -> Path:
    return Path(os.environ.get("RANKLOOP_STATE") or ROOT / "var")


def _told(file: Path) -> dict[str, str]:
    """The variables that a running stack has written for shells."""
    lines = file.read_text(encoding="utf-8").splitlines()
    pairs = (shlex.split(line.removeprefix("export "))[0].partition("=") for line in lines)
    return {name: value for name, _, value in pairs}


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(manage(sys.argv[2:]) if sys.argv[1:2] == ["manage"] else main())
