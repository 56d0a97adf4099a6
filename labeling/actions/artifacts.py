"""Files that are addressed by their content: dataset versions, models, reports.

An artifact is a folder with a manifest (training/contracts); its address is the manifest's SHA-256.
It is staged on the same file system, hashed, flushed to disk, and renamed into place, so that a folder
under its address is always whole. A row that names the address makes it visible; until then nobody looks.

    ARTIFACTS/ab/ab12…/   the files, read-only
    ARTIFACTS/staging/    what is being written or removed; whatever is left here by a crash is rubbish
    ARTIFACTS/lock        held shared while a folder comes to its address, exclusively while one leaves it
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings

from training.contracts import MANIFEST, ContractError, sync_folder, verify_manifest

ABANDONED_SECONDS = 24 * 3600
"""A staging folder of this age belongs to nobody."""


def path(digest: str) -> Path:
    """Where the artifact with this address stands, whether it exists or not. Raises ValueError."""
    if not re.fullmatch(r"[0-9a-f]{64}", digest):
        raise ValueError(f"not an artifact's address: {digest!r}")
    return Path(settings.ARTIFACTS) / digest[:2] / digest


def verified(digest: str) -> Path:
    """The folder of an artifact, every file checked. Raises ContractError if it is missing or changed."""
    folder = path(digest)
    if not folder.is_dir():
        raise ContractError(f"artifact {digest[:12]}: missing")
    if verify_manifest(folder) != digest:
        raise ContractError(f"artifact {digest[:12]}: its manifest was changed")
    return folder


@contextmanager
def staging() -> Iterator[Path]:
    """An empty folder to write an artifact in; whatever was not kept is removed on leaving."""
    folder = _staging_root() / uuid.uuid4().hex
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def keep(folder: Path) -> str:
    """Move a folder whose manifest is written into the store; returns its address.

    The folder may lie on another file system. Keeping the same content twice is fine. Raises
    ContractError if a file is not what the manifest says.
    """
    with staging() as place:
        staged = place / "artifact"
        shutil.move(folder, staged)
        digest = verify_manifest(staged)
        _flush(staged)
        target = path(digest)
        target.parent.mkdir(parents=True, exist_ok=True)
        with _lock(fcntl.LOCK_SH):
            try:
                staged.rename(target)
            except OSError as error:
                if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                    raise
            os.utime(target)  # its age counts from now, until a row names it
        sync_folder(target.parent)
    return digest


def stored() -> Iterator[str]:
    """The address of every artifact in the store."""
    for folder in Path(settings.ARTIFACTS).glob("[0-9a-f][0-9a-f]/*"):
        if re.fullmatch(r"[0-9a-f]{64}", folder.name):
            yield folder.name


def age(digest: str) -> float:
    """Seconds since the artifact was last kept; 0 where there is none."""
    try:
        return time.time() - path(digest).stat().st_mtime
    except FileNotFoundError:
        return 0.0


def discard(digest: str, older_than: float) -> bool:
    """Remove an artifact that was last kept so many seconds ago; False if it is younger or gone.

    The caller knows that no row names it. One that is kept again at this very moment stays: keeping makes it
    young, and an age is looked at under the lock.
    """
    with staging() as place, _lock(fcntl.LOCK_EX):
        if age(digest) <= older_than:
            return False
        path(digest).rename(place / "artifact")
    return True


def clear_staging() -> None:
    """Remove what writers that died have left behind."""
    root = _staging_root()
    for folder in root.iterdir() if root.is_dir() else ():
        if time.time() - folder.stat().st_mtime > ABANDONED_SECONDS:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _lock(kind: int) -> Iterator[None]:
    with (Path(settings.ARTIFACTS) / "lock").open("a") as handle:
        fcntl.flock(handle, kind)
        yield


def _staging_root() -> Path:
    return Path(settings.ARTIFACTS) / "staging"


def _flush(folder: Path) -> None:
    for root, _, names in os.walk(folder):
        for name in names:
            file = Path(root) / name
            file.chmod(0o444)
            with file.open("rb") as handle:
                os.fsync(handle.fileno())
        sync_folder(Path(root))
    assert (folder / MANIFEST).is_file()
