"""`python -m labeling.supervisor`: everything, in the foreground, until Ctrl-C. What `make run` starts.

RANKLOOP_STATE is the state folder (default `var/`), RANKLOOP_PORT the port (default: last time's, or
8000, or any that is free). DATABASE_URL and REDIS_URL name servers to use instead of embedded ones.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from types import FrameType

from labeling import environment
from labeling.supervisor.stack import ROOT, Stack, StackError

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
        state = Path(os.environ.get("RANKLOOP_STATE") or ROOT / "var")
        with Stack(state, web=True, workers=True, demo=demo, port=port) as stack:
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


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
