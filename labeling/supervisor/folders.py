"""Where the servers keep their data and sockets."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

LONGEST_SOCKET_PATH = 100
"""Bytes; the kernel's limit is 108 on Linux and 104 on macOS."""


def socket_folder(place: Path, longest_name: str) -> Path:
    """`place`, made 0700, or a link to a short temporary folder where the socket's path would be too long.

    The link keeps the temporary folder's name over restarts, so that a killed supervisor leaves one such
    folder behind, not one for each start.
    """
    if len(os.fsencode(place / longest_name)) <= LONGEST_SOCKET_PATH:
        place.mkdir(mode=0o700, exist_ok=True)
        return place
    if place.is_symlink():
        target = place.readlink()
        if _ours(target):
            return target
        place.unlink()
    # In /tmp itself: $TMPDIR may be as long as what we flee from (on macOS it is).
    target = Path(tempfile.mkdtemp(prefix="rankloop-", dir="/tmp"))
    place.symlink_to(target)
    return target


def remove_socket_folder(place: Path) -> None:
    """Remove the temporary folder behind `place`, if there is one."""
    if place.is_symlink():
        target = place.readlink()
        if _ours(target):
            for entry in target.iterdir():
                entry.unlink()
            target.rmdir()
        place.unlink()


def _ours(folder: Path) -> bool:
    """A real folder that belongs to us and that nobody else can enter: /tmp is everybody's."""
    try:
        found = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o077
