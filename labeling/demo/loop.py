"""`make loop`: the whole loop on a fresh state, unattended, measured against the truth.

1. Everything is started (supervisor), the string-instruction project is made with 20,000 noisy imported
   demonstrations, and its first round trains an SFT model and fills the queue.
2. Simulated labelers write demonstrations and give all rankings over HTTP.
3. The loop sees enough new rankings and walks a full round: SFT, reward model, gate, PPO, fresh completions.
4. The evaluator measures the SFT model and the policy on held-out prompts.
5. With `--shuffle`, a control round on the same rankings, each item's permuted at the freeze, the gate
   overridden on record: what PPO gains there, it gains without having learned what labelers want.

The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from labeling.demo import measure, recipe
from labeling.demo.labelers import Account, SimulatedLabeler, work
from labeling.supervisor import Stack

if TYPE_CHECKING:
    from labeling.models import Project, Round, Run

Found = TypeVar("Found")

LABELERS = 8
DEMONSTRATIONS_BY_LABELERS = 200
SFT_TEMPERATURES = [1.0, 0.7, 0.5, 0.3, 0.0]
POLICY_TEMPERATURES = [1.0, 0.0]
PATIENCE_SECONDS = 45 * 60
CONTROL_SEED_OFFSET = 7919


class LoopError(Exception):
    """The loop did not close; the message says where it stopped."""


class Phases:
    """Wall-clock seconds of each phase, printed as they end."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, name: str, sentence: str) -> Iterator[None]:
        say(f"{sentence} …")
        started = time.monotonic()
        yield
        self.seconds[name] = round(time.monotonic() - started, 1)
        say(f"  {name}: {self.seconds[name]:.1f} s")


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="make loop", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--shuffle", action="store_true", help="also run the control")
    parser.add_argument("--base", choices=("tiny", "tiny-t5"), default="tiny", help="decoder-only, or a T5")
    parser.add_argument("--state", type=Path, help="a fresh folder; by default one below var/loop")
    parser.add_argument("--demonstrations", type=int, default=20_000)
    parser.add_argument("--prompts", type=int, default=4096, help="held-out prompts that are measured on")
    options = parser.parse_args()
    # Two that start in one second are two.
    state = options.state or Path("var/loop") / f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}"
    if state.exists() and any(state.iterdir()):
        sys.exit(f"{state} is not empty: the loop wants a fresh folder")
    phases = Phases()
    started = time.monotonic()
    with Stack(state, web=True, workers=True, say=say) as stack:
        phases.seconds["start"] = round(time.monotonic() - started, 1)
        os.environ.update(stack.environment)
        import django

        django.setup()
        try:
            report = walk(stack, options, phases)
        except LoopError as error:
            sys.exit(f"The loop did not close: {error}")
    phases.seconds["total"] = round(time.monotonic() - started, 1)
    report["seconds"] = phases.seconds
    print(json.dumps(report))


def walk(stack: Stack, options: argparse.Namespace, phases: Phases) -> dict[str, Any]:
    """One closed round, and the control if asked for; returns the report."""
    from labeling.actions import quality
    from labeling.demo.projects import create_string_project
    from labeling.models import LoopPolicy, Ranking

    with phases("import", f"Importing {options.demonstrations:,} noisy demonstrations"):
        project = create_string_project(
            seed=options.seed,
            demonstrations=options.demonstrations,
            test_prompts=options.prompts,
            policy=recipe.STRINGS_T5 if options.base == "tiny-t5" else recipe.STRINGS,
        )
        labelers = sign_in_labelers(stack.url, project, options.seed)
    with phases("first_model", "The first SFT model, and its completions"):
        first = await_round(stack, project, 1)
    with phases("demonstrate", f"Labelers write {DEMONSTRATIONS_BY_LABELERS} demonstrations"):
        work(
            labelers,
            lambda labeler: labeler.demonstrate_one(project.public_id),
            most=DEMONSTRATIONS_BY_LABELERS,
            progress=every(100, "demonstrations"),
        )
    with phases("rank", "Labelers rank"):
        wanted = open_slots(project)
        LoopPolicy.objects.filter(project=project).update(rankings_per_round=wanted)
        work(
            labelers,
            lambda labeler: labeler.rank_one(project.public_id),
            most=wanted,
            progress=every(500, "rankings"),
        )
    with phases("round", "The loop has enough new rankings: a full round"):
        full = await_round(stack, project, first.number + 1)
    with phases("evaluate", f"Measuring on {options.prompts:,} held-out prompts"):
        prompts = measure.held_out(project, options.prompts)

        def measured(walked: Round, stage: str, temperatures: list[float]) -> measure.Measured:
            model = measure.model_of(walked, stage)
            return measure.measure(
                model, walked, prompts, temperatures, options.seed, lambda run: await_run(stack, run)
            )

        sft = measured(full, "sft", SFT_TEMPERATURES)
        policy = measured(full, "ppo", POLICY_TEMPERATURES)
        report = {
            "seed": options.seed,
            "base": options.base,
            **measure.report(full, sft, policy, prompts, quality.agreement(project).strict),
            "rankings": Ranking.objects.filter(project=project, slot__isnull=False).count(),
            "rounds": 1,
        }
    if options.shuffle:
        with phases("control", "The control: the same rankings, permuted"):
            control = control_round(stack, project, options.seed)
            report["control"] = measure.control_report(
                sft, policy, measured(control, "ppo", POLICY_TEMPERATURES)
            )
    measure.print_tables(report)
    return report


# --- labelers ------------------------------------------------------------------------------------------


def sign_in_labelers(address: str, project: Project, seed: int) -> list[SimulatedLabeler]:
    from labeling.actions import people, projects
    from labeling.models import Role

    labelers = []
    for number in range(LABELERS):
        user, password = people.create_user(
            f"simulated-{number + 1}", is_simulated=True, one_time_password=False
        )
        projects.add_member(project, user, Role.LABELER)
        labelers.append(SimulatedLabeler(address, Account(user.username, password), seed))
    for labeler in labelers:
        labeler.sign_in()
    return labelers


def open_slots(project: Project) -> int:
    from labeling.models import Kind, Slot

    return Slot.objects.filter(project=project, kind=Kind.RANK, state=Slot.State.OPEN).count()


# --- waiting for rows ----------------------------------------------------------------------------------


def await_round(stack: Stack, project: Project, number: int) -> Round:
    """Wait until the round is completed, saying each step as it ends. Raises LoopError if it is not."""
    from labeling.models import Round, RoundStep

    said: set[int] = set()

    def finished() -> Round | None:
        found = Round.objects.filter(project=project, number=number).first()
        if found is None:
            return None
        for step in RoundStep.objects.filter(round=found, state=RoundStep.State.DONE).exclude(pk__in=said):
            said.add(step.pk)
            took = (
                (step.finished_at - step.started_at).total_seconds()
                if step.finished_at and step.started_at
                else 0
            )
            say(f"  {step.get_name_display()}: done in {took:.1f} s{' (reused)' if step.reused else ''}")
        if found.state in (Round.State.HELD, Round.State.FAILED, Round.State.STOPPED):
            raise LoopError(f"round {number} is {found.state}: {found.reason}")
        return found if found.state == Round.State.COMPLETED else None

    return wait(stack, finished, f"round {number}")


def await_run(stack: Stack, run: Run) -> Run:
    from labeling.models import Run

    def finished() -> Run | None:
        found = Run.objects.get(pk=run.pk)
        if found.state in (Run.State.FAILED, Run.State.STOPPED):
            raise LoopError(f"{found} is {found.state}: {found.error}")
        return found if found.state == Run.State.COMPLETED else None

    return wait(stack, finished, str(run))


def wait(stack: Stack, finished: Callable[[], Found | None], what: str) -> Found:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        stack.tend()
        found = finished()
        if found is not None:
            return found
        time.sleep(0.5)
    raise LoopError(f"{what} is not done after {PATIENCE_SECONDS // 60} minutes")


# --- the control ---------------------------------------------------------------------------------------


def control_round(stack: Stack, project: Project, seed: int) -> Round:
    """A round on the same rankings, permuted at the freeze; its gate is overridden on record."""
    from labeling.actions import loop, people, projects
    from labeling.models import Role, Round, Trigger

    lead, _password = people.create_user(f"control-{secrets.token_hex(3)}", is_simulated=True)
    projects.add_member(project, lead, Role.LEAD)
    started = loop.start_round(project, Trigger.MANUAL, actor=lead, permute_seed=seed + CONTROL_SEED_OFFSET)

    def held() -> Round | None:
        found = Round.objects.get(pk=started.pk)
        if found.state in (Round.State.FAILED, Round.State.STOPPED):
            raise LoopError(f"the control round is {found.state}: {found.reason}")
        return found if found.state in (Round.State.HELD, Round.State.COMPLETED) else None

    stopped = wait(stack, held, "the control's gate")
    if stopped.state == Round.State.HELD:
        say(f"  The gate held, as it should: {stopped.reason}")
        loop.override_gate(
            stopped, lead, "Control with permuted rankings: to measure what PPO gains from noise."
        )
    return await_round(stack, project, started.number)


# --- telling -------------------------------------------------------------------------------------------


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def every(step: int, what: str) -> Callable[[int], None]:
    def progress(done: int) -> None:
        if done % step == 0:
            say(f"  {done:,} {what}")

    return progress


if __name__ == "__main__":
    main()
