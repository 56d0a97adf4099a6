"""Which port the web server takes."""

from __future__ import annotations

import socket
from pathlib import Path

HOST = "127.0.0.1"
FAVOURITE = 8000


def choose(wanted: int | None, remembered: Path) -> int | None:
    """`wanted`, or else the one of last time, or 8000, or any that is free; kept in the file `remembered`.

    None if `wanted` is taken.
    """
    if wanted is not None:
        return wanted if _free(wanted) else None
    try:
        last = int(remembered.read_text(encoding="ascii"))
    except (FileNotFoundError, ValueError):
        last = FAVOURITE
    port = next((port for port in (last, FAVOURITE) if _free(port)), None) or _any()
    remembered.write_text(f"{port}\n", encoding="ascii")
    return port


def _free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def _any() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
