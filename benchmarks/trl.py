"""TRL as an opponent.

It is no requirement of the project: a version lives in a virtual environment of its own, which sees the
project's packages, so that both sides run in one process on one torch.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
STATE = Path(os.environ.get("RANKLOOP_STATE") or ROOT / "var").resolve()


def is_here() -> bool:
    return importlib.util.find_spec("trl") is not None


def interpreter(version: str) -> Path:
    """The Python that has this TRL, made if need be. Raises CalledProcessError where it cannot be had."""
    folder = STATE / "benchmarks" / f"trl-{version}"
    python = folder / "bin" / "python"
    if not (folder / "made").exists():
        print(f"Installing trl {version} into {folder.relative_to(folder.parents[2])} …", flush=True)
        venv.create(folder, clear=True)
        own = sysconfig.get_path("purelib", "venv", {"base": str(folder)})
        # The project's packages are seen through this line; pip installs only what they lack.
        (Path(own) / "project.pth").write_text(sysconfig.get_path("purelib") + "\n")
        subprocess.run([python, "-m", "pip", "install", "--quiet", f"trl=={version}"], check=True)
        (folder / "made").touch()
    return python


def rerun(version: str, module: str, arguments: Sequence[str] | None) -> int | None:
    """The benchmark again, where TRL is: its exit status; None, and a line, where TRL cannot be had."""
    given = sys.argv[1:] if arguments is None else arguments
    try:
        python = interpreter(version)
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"Without TRL, which cannot be had here: {error}")
        return None
    return subprocess.run([python, "-m", module, *given], cwd=ROOT).returncode
