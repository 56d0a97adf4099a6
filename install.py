"""Make the virtual environment and install what requirements.txt names. Standard library only.

`python3 install.py` installs what running needs, `python3 install.py --tests` the tests' part as well, and
`python3 install.py --without-training` leaves torch and its kin out: for a host that only serves the web.
What was installed is kept as a digest in the environment, so that a second call has nothing to do.

torch goes first and alone, by pip: set TORCH_INDEX_URL to take it from an index of its own (PyTorch's
index of CPU builds spares gigabytes of CUDA libraries). uv installs the rest, four times as fast as pip.
All of it is byte-compiled, once: services that may not write here would do so again at every start.
"""

import hashlib
import re
import subprocess
import sys
from os import environ
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent
VENV = Path(environ.get("VENV") or ROOT / ".venv")
PYTHON = VENV / "bin" / "python"
UV = "uv~=0.13.9"


def main(wanted: str) -> None:
    """Install a part of the requirements: `web`, `run` or `tests`, each with what is in those before it."""
    everything = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    run_part = without("tests", everything)
    parts = {"web": without("training", run_part), "run": run_part, "tests": everything}
    if stamp(wanted).exists() and stamp(wanted).read_text(encoding="ascii") == digest(parts[wanted]):
        return
    print(f"Installing into {VENV}; the first time takes some minutes", flush=True)
    if not (VENV / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}").exists():
        hint = "The module venv is missing: install it (on Debian and Ubuntu the package python3-venv)."
        run([sys.executable, "-m", "venv", "--clear", VENV], hint)
    listed = VENV / "requirements.txt"
    listed.write_text(parts[wanted], encoding="utf-8")
    pip = [PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    index = environ.get("TORCH_INDEX_URL")
    for torch in re.findall(r"^torch==\S+", parts[wanted], re.MULTILINE):
        run([*pip, "--no-deps", *(["--index-url", index] if index else []), torch])
    run([*pip, UV])
    uv = [PYTHON, "-m", "uv", "pip", "install", "--quiet", "--python", PYTHON]
    run([*uv, "--compile-bytecode", "-r", listed])
    for part in list(parts)[: list(parts).index(wanted) + 1]:
        stamp(part).write_text(digest(parts[part]), encoding="ascii")


def without(part: str, requirements: str) -> str:
    marked = rf"^# {part}:.*?^# end of {part}$\n?"
    return re.sub(marked, "", requirements, flags=re.DOTALL | re.MULTILINE)


def stamp(part: str) -> Path:
    return VENV / f"installed-{part}"


def digest(requirements: str) -> str:
    return hashlib.sha256((sys.version + requirements).encode()).hexdigest()


def run(command: "list[Any]", hint: str = "") -> None:
    words = [str(word) for word in command]
    if subprocess.run(words, check=False).returncode != 0:  # noqa: S603 - our own words
        sys.exit(f"Failed: {' '.join(words)}\n{hint}".rstrip())


if __name__ == "__main__":
    if sys.version_info < (3, 11):  # noqa: UP036 - the very case this line is for
        sys.exit(f"Rankloop needs Python 3.11 or later; {sys.executable} is {sys.version.split()[0]}.")
    options = {"--tests": "tests", "--without-training": "web"}
    main(next((options[word] for word in sys.argv[1:] if word in options), "run"))
