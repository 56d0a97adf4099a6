"""The stack as a newcomer meets it: started, killed, started again, stopped."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from labeling.supervisor import AlreadyRunning, Stack, StackError, logs, ports, processes
from labeling.supervisor.processes import Process, end_leftovers

OWN = ("DATABASE_URL", "REDIS_URL")
WITHOUT_DEMO = "import sys; from labeling.supervisor.__main__ import main; sys.exit(main(demo=False))"


def clean_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in OWN and "RANKLOOP" not in name}


def wait_for(what: Callable[[], object], seconds: float = 180.0) -> None:
    """A generous limit: it ends a hanging test and measures nothing."""
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.1)


def alive_on(state: Path) -> list[str]:
    """The commands of all processes that belong to this state folder."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("RANKLOOP_STATE") == str(state) and process.status() != "zombie":
                found.append(" ".join(process.cmdline()))
        except psutil.Error:
            continue
    return found


class Foreground:
    """`make run` without its installation and without the demo projects."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self.output_file = state.with_name("output")
        with self.output_file.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-c", WITHOUT_DEMO],
                env={**clean_environment(), "RANKLOOP_STATE": str(state)},
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def output(self) -> str:
        return self.output_file.read_text(encoding="utf-8")

    def wait_until_ready(self) -> None:
        wait_for(lambda: "is ready" in self.output() or self.process.poll() is not None)
        assert "is ready" in self.output(), self.output()

    def url(self) -> str:
        return (self.state / "address").read_text(encoding="ascii").strip()

    def serves(self) -> bool:
        try:
            with urllib.request.urlopen(self.url() + "admin/login/", timeout=30) as answer:
                return answer.status == 200
        except OSError:
            return False

    def pid_of(self, name: str) -> int:
        return int((self.state / "pids" / f"{name}.pid").read_text(encoding="ascii").split()[0])

    def database(self) -> psycopg.Connection[tuple[object, ...]]:
        sockets = (self.state / "postgres" / "socket").resolve()
        return psycopg.connect(host=str(sockets), user="rankloop", dbname="rankloop")


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Path]:
    """A state folder. Whatever still runs on it when the test ends is killed."""
    yield tmp_path / "state"
    for process in psutil.process_iter():
        try:
            if process.environ().get("RANKLOOP_STATE") == str(tmp_path / "state"):
                process.kill()
        except psutil.Error:
            continue


@pytest.mark.slow
def test_a_killed_supervisor_leaves_no_orphans_and_the_next_start_finds_the_data(state: Path) -> None:
    first = Foreground(state)
    first.wait_until_ready()
    assert first.serves()
    with first.database() as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")

    first.process.kill()
    first.process.wait()
    wait_for(lambda: not alive_on(state))

    second = Foreground(state)
    second.wait_until_ready()
    assert second.serves()
    with second.database() as connection:
        assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)

    second.process.send_signal(signal.SIGINT)
    assert second.process.wait(60) == 0
    assert alive_on(state) == []


@pytest.mark.slow
def test_a_crash_of_everything_at_once_is_survived(state: Path) -> None:
    first = Foreground(state)
    first.wait_until_ready()
    with first.database() as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    tree = [
        first.process.pid,
        *(child.pid for child in psutil.Process(first.process.pid).children(recursive=True)),
    ]
    for pid in tree:
        os.kill(pid, signal.SIGKILL)
    first.process.wait()

    second = Foreground(state)  # at once: the dead are perhaps not even buried
    second.wait_until_ready()
    with second.database() as connection:
        assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)
    second.process.terminate()
    assert second.process.wait(60) == 0
    assert alive_on(state) == []


@pytest.mark.slow
def test_a_second_start_on_the_same_state_is_refused_and_crashed_children_come_back(state: Path) -> None:
    first = Foreground(state)
    first.wait_until_ready()

    refused = subprocess.run(
        [sys.executable, "-m", "labeling.supervisor"],
        env={**clean_environment(), "RANKLOOP_STATE": str(state)},
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )
    assert refused.returncode == 1
    assert first.url() in refused.stderr
    assert first.serves()

    for name in ("web", "worker-train", "postgres"):
        killed = first.pid_of(name)
        os.kill(killed, signal.SIGKILL)
        wait_for(lambda name=name, killed=killed: first.pid_of(name) != killed)
    assert "worker-train was killed by SIGKILL; starting it again" in first.output()
    wait_for(first.serves)

    def answers() -> bool:
        try:
            first.database().close()
        except psycopg.OperationalError:
            return False
        return True

    wait_for(answers)
    first.process.send_signal(signal.SIGINT)
    assert first.process.wait(60) == 0
    assert alive_on(state) == []


def servers_only(state: Path, **environment: str) -> Stack:
    return Stack(
        state, durable=False, environment={**clean_environment(), **environment}, say=lambda line: None
    )


def select_one(stack: Stack) -> object:
    with psycopg.connect(stack.environment["DATABASE_URL"]) as connection:
        return connection.execute("SELECT 1").fetchone()


def test_a_shell_can_join_the_running_stack(tmp_path: Path) -> None:
    with servers_only(tmp_path) as stack:
        joined = subprocess.run(
            [
                "sh",
                "-c",
                f". '{tmp_path}/environment'; echo $DATABASE_URL; echo $REDIS_URL; echo $RANKLOOP_STATE",
            ],
            env=clean_environment(),
            capture_output=True,
            text=True,
            check=True,
        )
        wanted = [stack.environment[name] for name in (*OWN, "RANKLOOP_STATE")]
        assert joined.stdout.splitlines() == wanted
        assert (tmp_path / "environment").stat().st_mode & 0o777 == 0o600
    assert not (tmp_path / "environment").exists()


def test_servers_that_are_given_are_used_and_none_is_started(tmp_path: Path) -> None:
    given = {name: os.environ[name] for name in OWN}
    with servers_only(tmp_path, **given) as stack:
        assert {name: stack.environment[name] for name in OWN} == given
        assert not (tmp_path / "postgres").exists()
        assert not (tmp_path / "valkey").exists()


def test_a_redis_that_does_not_answer_is_named(tmp_path: Path) -> None:
    given = {"DATABASE_URL": os.environ["DATABASE_URL"], "REDIS_URL": "redis://127.0.0.1:1/0"}
    with pytest.raises(StackError, match="REDIS_URL"), servers_only(tmp_path, **given):
        pass


def test_a_state_folder_too_deep_for_a_socket_gets_a_short_one(tmp_path: Path) -> None:
    state = tmp_path / ("deep" * 20) / "state"
    with servers_only(state) as stack:
        assert select_one(stack) == (1,)
        short = (state / "postgres" / "socket").resolve()
        assert len(str(short)) < 60
        assert short.stat().st_mode & 0o777 == 0o700
    assert not short.exists()


def test_a_pid_file_that_names_a_stranger_does_not_stop_the_start(tmp_path: Path) -> None:
    with servers_only(tmp_path) as stack:
        data = (tmp_path / "postgres").resolve() / "data"
        left = (data / "postmaster.pid").read_text(encoding="ascii")
    _, rest = left.split("\n", 1)
    (data / "postmaster.pid").write_text(f"{os.getpid()}\n{rest}", encoding="ascii")
    with servers_only(tmp_path) as stack:
        assert select_one(stack) == (1,)


def test_a_folder_in_use_says_so_and_one_that_cannot_be_made_says_so(tmp_path: Path) -> None:
    with servers_only(tmp_path), pytest.raises(AlreadyRunning, match="already runs"), servers_only(tmp_path):
        pass
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    with pytest.raises(StackError, match="cannot be used"), servers_only(tmp_path / "file"):
        pass


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to become somebody else")
def test_root_without_user_namespaces_runs_postgresql_as_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))  # no unshare there
    try:
        for _ in range(2):
            with servers_only(tmp_path / "state") as stack:
                assert select_one(stack) == (1,)
                pid = int(
                    (tmp_path / "state" / "pids" / "postgres.pid").read_text(encoding="ascii").split()[0]
                )
                assert psutil.Process(pid).username() == "nobody"
    finally:
        shutil.rmtree((tmp_path / "state" / "postgres").resolve())


def test_a_taken_port_is_not_given_out_and_a_port_is_remembered(tmp_path: Path) -> None:
    remembered = tmp_path / "port"
    port = ports.choose(None, remembered)
    assert port is not None
    assert ports.choose(None, remembered) == port
    with ports.socket.socket() as taken:
        taken.bind((ports.HOST, 0))
        taken.listen()
        number = taken.getsockname()[1]
        assert ports.choose(number, remembered) is None
        remembered.write_text(str(number), encoding="ascii")
        assert ports.choose(None, remembered) != number


def family(tmp_path: Path) -> Process:
    """A child with a child of its own that ignores what the first is told."""
    script = "trap '' TERM; sleep 1000 & echo $!; wait"
    process = Process("family", ["sh", "-c", script], tmp_path, environment=os.environ, patience=0.5)
    process.start()
    wait_for(lambda: process.output().strip())
    return process


def gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == "zombie"


def test_stopping_a_child_ends_its_own_children_too(tmp_path: Path) -> None:
    process = family(tmp_path)
    parent, child = process.pid, int(process.output())
    process.stop()
    wait_for(lambda: gone(parent) and gone(child))


CHATTY = "import os\nfor n in range({lines}): os.write(1, b'line %d\\n' % n)\nimport time; time.sleep({rest})"


def chatty(tmp_path: Path, lines: int, rest: int = 0) -> Process:
    """A child that writes its lines as fast as it can."""
    command = [sys.executable, "-c", CHATTY.format(lines=lines, rest=rest)]
    return Process("chatty", command, tmp_path, environment=os.environ)


def collapses(folder: Path) -> bool:
    with (folder / "probe").open("w+b") as file:
        file.write(bytes(1024 * 1024))
        file.flush()
        return logs._collapse(file, 512 * 1024)


def test_a_log_that_is_cut_while_its_process_writes_loses_no_byte(tmp_path: Path) -> None:
    if not collapses(tmp_path):
        pytest.skip("this file system cannot take a range out of a file: a line may be lost at a cut")
    process = chatty(tmp_path, 200_000)
    process.start()
    parts = []
    while process.running():
        if logs.size(process.log) > 20_000:
            logs.cut(process.log)
            parts.append((tmp_path / "logs" / "chatty.log.1").read_bytes())
    written = b"".join(parts) + process.log.read_bytes()
    assert len(parts) > 3
    assert written.split(b"\n") == [*(b"line %d" % n for n in range(200_000)), b""]
    process.stop()


@pytest.mark.parametrize("can_collapse", [True, False])
def test_a_running_process_s_log_is_kept_short_and_its_last_words_are_still_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, can_collapse: bool
) -> None:
    monkeypatch.setattr(processes, "MAX_LOG_BYTES", 50_000)
    if not can_collapse:
        monkeypatch.setattr(logs, "_collapse", lambda file, length: False)
    process = chatty(tmp_path, 20_000, rest=1000)
    process.start()
    wait_for(lambda: "line 19999" in process.output())
    assert logs.size(process.log) > 200_000
    assert process.tend() is None
    assert logs.size(process.log) <= 50_000
    kept = (tmp_path / "logs" / "chatty.log.1").read_bytes() + process.log.read_bytes()
    assert kept == b"".join(b"line %d\n" % n for n in range(20_000))
    assert process.tend() is None
    assert sorted(path.name for path in process.log.parent.iterdir()) == ["chatty.log", "chatty.log.1"]
    process.stop()
    process.command = [sys.executable, "-c", "print('again')"]
    process.start()
    wait_for(lambda: process.output() == "again\n")
    process.stop()


def test_a_child_that_outlived_its_supervisor_is_ended_by_the_next_start(tmp_path: Path) -> None:
    process = family(tmp_path)
    parent, child = process.pid, int(process.output())
    assert end_leftovers(tmp_path, patience=0.5) == ["family"]
    process.stop()
    wait_for(lambda: gone(parent) and gone(child))
    assert end_leftovers(tmp_path) == []
