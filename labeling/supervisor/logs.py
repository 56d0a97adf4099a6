"""Log files that processes write to directly, cut short while they write on.

A process holds its log open, so it cannot be given another. What it has written so far is copied to
`.log.1`, and taken out of the file's beginning: on Linux by one call that no write can come between
(fallocate's collapsed range, which ext4 and XFS have). Elsewhere the file is emptied right after its last
byte was copied; what is written in that very instant is lost.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import sys
from pathlib import Path
from typing import BinaryIO

FALLOC_FL_COLLAPSE_RANGE = 0x08


def size(log: Path) -> int:
    """Bytes in the log; 0 where there is none."""
    try:
        return log.stat().st_size
    except FileNotFoundError:
        return 0


def cut(log: Path) -> int:
    """Move what the log holds to `.log.1`, in place of what was there; how many bytes. Its process writes on.

    Whole blocks are moved: a line may begin in one file and end in the other. Interrupted anywhere, it loses
    nothing, though something may be there twice. Raises OSError, on a full disk say.
    """
    unfinished = log.with_suffix(".log.new")
    try:
        with log.open("r+b") as file, unfinished.open("wb") as copy:
            moved = _copy(file, copy)
            unfinished.replace(log.with_suffix(".log.1"))
            block = os.fstatvfs(file.fileno()).f_bsize
            whole = (moved - 1) // block * block  # the last block cannot be taken out
            if _collapse(file, whole):
                return copy.truncate(whole)
            moved += _copy(file, copy)
            file.truncate(0)
            return moved
    finally:
        unfinished.unlink(missing_ok=True)


def _copy(source: BinaryIO, target: BinaryIO) -> int:
    """Copy all that comes after the last byte that was read; how many bytes that was."""
    before = source.tell()
    shutil.copyfileobj(source, target, 1024 * 1024)
    target.flush()
    return source.tell() - before


def _collapse(file: BinaryIO, length: int) -> bool:
    """Take so many bytes out of the file's beginning; False where the file system cannot."""
    if sys.platform != "linux" or length <= 0:
        return False
    fallocate = ctypes.CDLL(None).fallocate
    fallocate.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64]
    return bool(fallocate(file.fileno(), FALLOC_FL_COLLAPSE_RANGE, 0, length) == 0)
