"""Vega-Lite's drawings, made by a child process.

The library brings a JavaScript engine that takes as much memory as the whole rest of a web process, and
keeps it. So it lives in a child: one for each web process, started at the first chart, ended when nobody has
looked at a chart for a while. It ends by itself when the web process does, since its standard input ends.

Run as a program, this file is the child: a line of JSON with a specification in, a line of JSON with SVG out.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time

IDLE_SECONDS = 120.0


class DrawingError(Exception):
    """The library cannot draw this specification."""


class Artist:
    """A child that draws; safe to use from several threads, which take turns."""

    def __init__(self, idle_seconds: float = IDLE_SECONDS) -> None:
        self._idle_seconds = idle_seconds
        self._turn = threading.Lock()
        self._child: subprocess.Popen[str] | None = None
        self._last = 0.0

    def svg(self, specification: str) -> str:
        """The drawing of a specification, JSON on one line. Raises DrawingError."""
        with self._turn:
            answer = self._ask(specification) or self._ask(
                specification
            )  # a child that was killed: once more
        if not answer:
            raise DrawingError("the drawing process ended")
        drawn: dict[str, str] = json.loads(answer)
        if "svg" not in drawn:
            raise DrawingError(drawn["error"])
        return drawn["svg"]

    def pid(self) -> int | None:
        """The child's process id, while there is one."""
        child = self._child
        return child.pid if child else None

    def _ask(self, specification: str) -> str:
        self._last = time.monotonic()
        child = self._child or self._start()
        assert child.stdin
        assert child.stdout
        try:
            child.stdin.write(specification + "\n")
            child.stdin.flush()
            answer = child.stdout.readline()
        except BrokenPipeError:
            answer = ""
        if not answer:
            self._end()
        return answer

    def _start(self) -> subprocess.Popen[str]:
        # As a file, not as a module: importing the application would cost more than drawing does.
        self._child = subprocess.Popen(  # noqa: S603 - this very file
            [sys.executable, "-P", __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        self._watch(self._idle_seconds)
        return self._child

    def _watch(self, seconds: float) -> None:
        timer = threading.Timer(seconds, self._end_if_idle)
        timer.daemon = True
        timer.start()

    def _end_if_idle(self) -> None:
        with self._turn:
            if self._child is None:
                return
            left = self._last + self._idle_seconds - time.monotonic()
            if left > 0:
                self._watch(left)
            else:
                self._end()

    def _end(self) -> None:
        child, self._child = self._child, None
        if child:
            child.kill()
            child.communicate()


def main() -> None:
    """Draw until standard input ends."""
    import vl_convert

    for line in sys.stdin:
        try:
            answer = {"svg": vl_convert.vegalite_to_svg(line)}
        except ValueError as error:
            answer = {"error": str(error)}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
