"""Executes one run: starts `python -m training.<stage> RUN_DIR` as a child process and watches it.

Where several processes train a run together, the child is torchrun, which starts them and ends with them.

    claim ─► run folder ─► child ─► heartbeats, metric lines, orders ─► artifact ─► one fenced transaction

    RUNS/<run>/attempt-<n>/   the run folder (training/contracts) with the child's log.txt

The child has a scrubbed environment (no database, no secret), a process group of its own, and on Linux
dies with us. It is killed when a person stops the run, when we are told to go (the run is given back),
when the run was taken over by somebody else, and when we cannot renew the lease: a little before it ends
by our own monotonic clock, so that no two workers train one run for long, and only one can publish it.

Under Celery the train worker must use `--pool solo`: the task then runs in the process that gets SIGTERM,
and Celery's worker_shutting_down signal sets `stopping` at once (tasks.py). A prefork child would never
hear of it. `manage.py execute_run` does the same by hand.
"""

from __future__ import annotations

import hmac
import logging
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import TypeVar

from django import db
from django.conf import settings

from labeling.actions import artifacts, datasets, disk, publishing, resources, runs
from labeling.actions.errors import BadInput
from labeling.attempts import LOG, Metrics, keep_only_logs, take_over
from labeling.models import Run
from labeling.supervisor.processes import die_with, kill_group
from training import contracts
from training.contracts import ContractError, RunConfig, RunError, RunResult

log = logging.getLogger(__name__)

POLL_SECONDS = 0.2
LONGEST_BEAT = 2.0
"""Seconds between heartbeats, or a quarter of the lease if that is less; metrics and orders go with them."""
SAFETY = 0.25
"""This share of the lease is left when we give up renewing it."""
GRACE_SECONDS = 1.5
"""How long the child has after SIGTERM."""
LINES_AT_ONCE = 1000

PASSED_ON = (
    "PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES",
    "NVIDIA_VISIBLE_DEVICES", "HF_HOME", "HF_HUB_CACHE",
)  # fmt: skip
NETWORK = ("NCCL_", "GLOO_", "SLURM_")
"""How several processes reach each other; so begin the names of variables that are passed on too."""
FIXED = {
    "HF_HUB_OFFLINE": "1",
    # A thread that waits must not spin: training shares its cores with the web and the database.
    "OMP_WAIT_POLICY": "PASSIVE",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "PYTHONUNBUFFERED": "1",
}

T = TypeVar("T")


class _End(Exception):
    """The attempt is over before its time; `write` says so in the database, with the end of the log."""

    def __init__(self, said: str, write: Callable[[runs.Claim, str], None]) -> None:
        super().__init__(said)
        self.write = write


def _failure(reason: str, *, retryable: bool = True) -> _End:
    return _End(
        reason, lambda claim, tail: runs.fail(claim, reason, retryable=retryable, log_tail=tail)
    )  # fmt: skip


def execute(run_id: int, stopping: threading.Event | None = None) -> bool:
    """Claim a waiting run and see it through; False if it was not there to be claimed.

    Returns when the run is completed, failed, stopped, given back (once `stopping` is set), or lost to
    another worker. A worker that is already stopping claims nothing, nor does one without room on its disk.
    """
    stopping = stopping or threading.Event()
    if stopping.is_set():
        return False
    if reason := disk.no_room():
        log.warning("run %d: %s", run_id, reason)
        runs.put_off(run_id, reason)
        return False
    claimed_at = time.monotonic()
    claim = runs.claim(run_id)
    if claim is None:
        return False
    log.info("run %s: attempt %d begins", claim.run.public_id, claim.attempt)
    _Execution(claim, stopping, claimed_at).see_through()
    return True


class _Execution:
    """One attempt at a run."""

    def __init__(self, claim: runs.Claim, stopping: threading.Event, claimed_at: float) -> None:
        self.claim, self.stopping = claim, stopping
        self.home = Path(settings.RUNS) / claim.run.public_id
        self.folder = self.home / f"attempt-{claim.attempt}"
        self.child: subprocess.Popen[bytes] | None = None
        self.metrics = Metrics(self.folder / contracts.METRICS)
        self._lease = float(settings.RUN_LEASE_SECONDS)
        self._renewed = claimed_at
        self._next_beat = 0.0

    def see_through(self) -> None:
        """From the claimed run to its end, whatever that is."""
        name = self.claim.run.public_id
        try:
            self._attempt()
            log.info("run %s: completed", name)
            keep_only_logs(self.home)
        except runs.Fenced:
            log.warning("run %s: attempt %d is no longer ours", name, self.claim.attempt)
        except _End as end:
            self._kill()
            log.info("run %s: %s", name, end)
            self._end(end)
        except Exception as error:
            self._kill()
            log.exception("run %s: the launcher failed", name)
            self._end(_failure(f"The launcher failed: {type(error).__name__}: {error}"))
        finally:
            self._kill()

    def _end(self, end: _End) -> None:
        try:
            self._insist(lambda: end.write(self.claim, self._log_tail()))
            if not runs.is_active(self.claim.run):
                shutil.rmtree(self.folder / contracts.CHECKPOINTS, ignore_errors=True)
        except runs.Fenced:
            log.warning("run %s: attempt %d is no longer ours", self.claim.run.public_id, self.claim.attempt)

    # --- the story ----------------------------------------------------------------------------------

    def _attempt(self) -> None:
        """Raises _End or Fenced unless the run is completed."""
        self._prepare()
        self._start()
        result = self._train()
        try:
            artifact = self._meanwhile(lambda: artifacts.keep(self.folder / contracts.OUTPUTS), obey=False)
            if artifact != result.outputs_digest:
                raise ContractError("outputs: the manifest is not the one that the stage has written")
            self._insist(lambda: self._publish(result, artifact))
        except ContractError as error:
            raise _failure(f"What the stage has written cannot be used: {error}") from error

    def _prepare(self) -> None:
        """The run folder, with links to its inputs in the artifact store, every file checked."""
        run = self.claim.run
        (self.folder / contracts.INPUTS).mkdir(parents=True)
        take_over(self.home, self.folder)
        keep_only_logs(self.home, but=self.folder)
        inputs = list(run.inputs.select_related("dataset", "model"))
        try:
            stage = contracts.from_dict(contracts.SETTINGS[run.stage], run.settings, "settings")  # type: ignore[index]
        except ContractError as error:
            raise _failure(str(error), retryable=False) from error
        config = RunConfig(
            run.stage,  # type: ignore[arg-type]
            stage,
            run.seed,
            settings.TRAINING_THREADS,
            checkpoint_seconds=settings.CHECKPOINT_SECONDS,
            resources=self._offer().resources,
        )
        config.write(self.folder)

        def link() -> None:
            for given in inputs:
                if given.dataset is not None:
                    target = datasets.file(given.dataset)
                else:
                    assert given.model is not None
                    target = artifacts.verified(given.model.artifact)
                (self.folder / contracts.INPUTS / given.name).symlink_to(target)
            if isinstance(stage, contracts.SftSettings) and stage.base.kind == "folder":
                (self.folder / contracts.INPUTS / "base").symlink_to(Path(stage.base.name).resolve())

        try:
            self._meanwhile(link)
        except ContractError as error:
            raise _failure(f"An input cannot be used: {error}") from error

    def _start(self) -> None:
        with (self.folder / LOG).open("wb") as output:
            self.child = subprocess.Popen(  # noqa: S603 - our own module on a folder of our making
                command(self._offer(), self.claim.run.stage, self.folder),
                cwd=settings.ROOT,
                env={**_environment(), **_server_key(self.claim.run)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=die_with(os.getpid(), signal.SIGKILL),
            )

    def _offer(self) -> resources.Offer:
        """With what the run is trained. Raises _End."""
        try:
            return resources.offer(self.claim.run.resources)
        except BadInput as error:
            raise _failure(error.message, retryable=False) from error

    def _train(self) -> RunResult:
        """Watch the child until it has ended well. Raises _End or Fenced."""
        assert self.child is not None
        while self.child.poll() is None:
            self._beat()
            time.sleep(POLL_SECONDS)
        self._beat(now=True)
        if self.child.returncode == 0:
            try:
                return RunResult.read(self.folder)
            except ContractError as error:
                raise _failure(f"The stage ended without a result: {error}") from error
        raise self._child_failure(self.child.returncode)

    def _child_failure(self, code: int) -> _End:
        hopeless = code in (contracts.EXIT_BAD_INPUT, contracts.EXIT_OUT_OF_MEMORY)
        if code == contracts.EXIT_DISK_FULL:  # where there may have been no room for a reason either
            return _failure("The disk is full: make room where the run folders are.")
        try:
            error = RunError.read(self.folder)
        except ContractError:
            if code < 0:
                name = signal.Signals(-code).name
                return _failure(
                    f"The training process was killed by {name}; if memory ran out, lower a batch size."
                )
            # torchrun's last words end with a rule.
            last = self._log_tail().rstrip("=\n ").rsplit("\n", 1)[-1].strip()
            return _failure(f"The training process ended with status {code}: {last}", retryable=not hopeless)
        return _failure(error.reason, retryable=error.retryable and not hopeless)

    def _publish(self, result: RunResult, artifact: str) -> None:
        try:
            publishing.publish(self.claim, result, artifact)
        except runs.Fenced:
            # Perhaps an earlier COMMIT of ours went through and only its answer was lost.
            if not publishing.is_published(self.claim, artifact):
                raise

    # --- holding on to the run ----------------------------------------------------------------------

    def _beat(self, *, obey: bool = True, now: bool = False) -> None:
        """Renew the lease, copy metrics and hear orders, when that is due. Raises Fenced, _End."""
        if obey and self.stopping.is_set():
            raise _End("given back", lambda claim, tail: runs.give_back(claim))
        began = time.monotonic()
        if began < self._next_beat and not now:
            return
        self._next_beat = began + min(LONGEST_BEAT, self._lease / 4)
        try:
            self.metrics.read()
            orders = runs.heartbeat(self.claim, self.metrics.step, self.metrics.total)
            self._renewed = began
            while batch := self.metrics.waiting[:LINES_AT_ONCE]:
                runs.record_metrics(self.claim, self.metrics.recorded, batch)
                self.metrics.forget(len(batch))
        except (db.OperationalError, db.InterfaceError) as error:
            self._lost_database(error)
            return
        if obey and orders.stop:
            raise _End("stopped", lambda claim, tail: runs.stopped(claim, log_tail=tail))

    def _meanwhile(self, work: Callable[[], T], *, obey: bool = True) -> T:
        """Do slow work on files in a thread (it must not touch the database) while the lease is renewed."""
        with ThreadPoolExecutor(1) as thread:
            doing = thread.submit(work)
            while not wait([doing], timeout=POLL_SECONDS).done:
                self._beat(obey=obey)
        return doing.result()

    def _insist(self, write: Callable[[], None]) -> None:
        """Write to the database, again and again while it cannot be reached. Raises Fenced."""
        while True:
            try:
                write()
            except (db.OperationalError, db.InterfaceError) as error:
                self._lost_database(error)
                time.sleep(POLL_SECONDS)
            else:
                return

    def _lost_database(self, error: Exception) -> None:
        """Raises Fenced when the lease is nearly over by our own clock."""
        log.warning("run %s: the database cannot be reached: %s", self.claim.run.public_id, error)
        db.connection.close()
        if time.monotonic() - self._renewed > self._lease * (1 - SAFETY):
            raise runs.Fenced from error

    # --- the child ----------------------------------------------------------------------------------

    def _kill(self) -> None:
        """End the child and whatever it started."""
        if self.child is None:
            return
        if self.child.poll() is None:
            self.child.terminate()
            try:
                self.child.wait(GRACE_SECONDS)
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.child.wait()
        kill_group(self.child.pid)

    def _log_tail(self) -> str:
        try:
            with (self.folder / LOG).open("rb") as output:
                output.seek(0, os.SEEK_END)
                output.seek(max(0, output.tell() - runs.MAX_LOG))
                return output.read().decode("utf-8", "replace")
        except FileNotFoundError:
            return ""


def command(offer: resources.Offer, stage: str, folder: Path) -> list[str]:
    """What starts a stage: Python, or torchrun for as many processes as are wanted, on each of the hosts."""
    story = ["-m", f"training.{stage}", str(folder)]
    processes, hosts = offer.resources.processes, offer.resources.hosts
    if processes * hosts == 1:
        return [sys.executable, *story]
    meet = ["--standalone"]
    if hosts > 1:
        meet = [
            f"--nnodes={hosts}", "--rdzv-backend=c10d", f"--rdzv-endpoint={offer.rendezvous}",
            f"--rdzv-id={folder.parent.name}-{folder.name}",
        ]  # fmt: skip
    torchrun = [sys.executable, "-m", "torch.distributed.run", *meet, f"--nproc-per-node={processes}"]
    return [*offer.launch, *torchrun, *story]


def _environment() -> dict[str, str]:
    """What the child may know: no address, password or key of ours."""
    passed = {
        name: value for name, value in os.environ.items() if name in PASSED_ON or name.startswith(NETWORK)
    }
    threads = str(settings.TRAINING_THREADS)
    # Derived, so that the child learns nothing of the secret itself.
    key = hmac.digest(settings.SECRET_KEY.encode(), b"rankloop: checkpoints of training runs", "sha256").hex()
    signing = {contracts.CHECKPOINT_KEY: key}
    return {
        **passed,
        **FIXED,
        **signing,
        **({"OMP_NUM_THREADS": threads} if settings.TRAINING_THREADS else {}),
    }


def _server_key(run: Run) -> dict[str, str]:
    """The key of the server that a generate run asks; it goes to where the operator says now, or nowhere."""
    given = run.settings.get("server", {})
    if run.stage != "generate" or not given.get("name"):
        return {}
    spec = settings.SERVERS.get(given["name"], {})
    if (given["url"], given["model"]) != (spec.get("url"), spec.get("model")):
        raise _failure(
            f"The operator no longer offers the server {given['name']} as it was when this run was made.",
            retryable=False,
        )
    return {contracts.SERVER_KEY: spec["secret"]} if spec["secret"] else {}
