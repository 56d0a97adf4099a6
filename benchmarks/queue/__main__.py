"""`make bench-queue`: the table, and one JSON line last. `--help` lists what can be left out."""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import dataclass, field

from benchmarks.queue import scenarios
from benchmarks.queue.client import Task
from benchmarks.queue.cpu import NoProc
from benchmarks.queue.measure import Bare, Cell, bare, labelers
from benchmarks.queue.stage import BASE, COPY, Stage, stage
from benchmarks.queue.worlds import World

SIZES, CREWS, OVERLAPS = [10_000, 100_000, 1_000_000], [1, 8, 32], [1, 3]
PEOPLE, THINK_SECONDS = 200, 8.0
PEOPLES = "people at their pace"
TURN_GOAL_MS = 100.0
"""A person's turn, from "submit" to "next item shown", at the 95th percentile."""
SQL_ANNOTATIONS = 1_500
EMPTY_CALLS = 50
CALLS = ("pair", "next", "submit")
HEAD = (
    f"{'items':>9} {'labelers':>8} {'overlap':>7} {'each s':>7}"
    + "".join(f" {call + ' p50/p95':>16}" for call in CALLS)
    + f" {'server':>7} {'PostgreSQL':>10} {'CPU ms':>7} {'SQL tps':>8} {'SQL ms':>7}"
)


@dataclass
class Report:
    """Cells by (items, labelers, overlap, scenario)."""

    cells: dict[tuple[int, int, int, str], Cell] = field(default_factory=dict)
    bare: dict[tuple[int, int, int], Bare] = field(default_factory=dict)

    def add(self, size: int, crew: int, overlap: int, scenario: str, cell: Cell) -> None:
        self.cells[size, crew, overlap, scenario] = cell
        sql = self.bare.get((size, crew, overlap)) if not scenario else None
        print(
            f"{size:>9,} {crew:>8} {overlap:>7} {cell.per_second:>7.1f}"
            + "".join(
                f" {cell.percentile(call, 50):>7.1f} /{cell.percentile(call, 95):>7.1f}" for call in CALLS
            )
            + f" {cell.server_ms:>7.2f} {cell.postgres_ms:>10.2f} {cell.cpu_ms:>7.2f}"
            + (f" {sql.tps:>8.0f} {sql.postgres_ms:>7.2f}" if sql else " " * 17)
            + f"  {scenario}",
            flush=True,
        )

    def growths(self) -> dict[str, float]:
        """Processor time at the largest size over that at the smallest, by scenario."""
        found: dict[str, dict[int, float]] = {}
        for (size, crew, overlap, scenario), cell in self.cells.items():
            name = scenario or f"{crew} labelers, overlap {overlap}"
            found.setdefault(name, {})[size] = cell.cpu_ms
        return {name: by[max(by)] / by[min(by)] for name, by in found.items() if len(by) > 1}

    def summary(self) -> dict[str, float | None]:
        crews = {crew for _, crew, overlap, scenario in self.cells if not scenario and overlap == 1}
        crew = 8 if 8 in crews else max(crews, default=0)
        found = {
            size: cell
            for (size, by, overlap, scenario), cell in self.cells.items()
            if (by, overlap, scenario) == (crew, 1, "")
        }
        small, large = found.get(10_000), found.get(1_000_000)
        last = found[max(found)] if found else None
        sql = self.bare.get((max(found), crew, 1)) if found else None
        people = next((cell for (*_, scenario), cell in self.cells.items() if scenario == PEOPLES), None)
        return {
            "cpu_ms_10k": round(small.cpu_ms, 2) if small else None,
            "cpu_ms_1m": round(large.cpu_ms, 2) if large else None,
            "growth": round(large.cpu_ms / small.cpu_ms, 3) if small and large else None,
            "annotations_per_s": round(last.per_second, 1) if last else None,
            "pgbench_tps": round(sql.tps, 1) if sql else None,
            "turn_p95_ms": round(people.percentile("turn", 95), 1) if people else None,
        }


class Benchmark:
    """Walks the sizes upwards; on a copy of each it measures the cells and then the scenarios."""

    def __init__(self, options: argparse.Namespace, made: Stage) -> None:
        self.options, self.stage, self.report = options, made, Report()

    def run(self) -> None:
        print(HEAD)
        for size in sorted(self.options.items):
            begun = time.monotonic()
            base = self.stage.world(BASE)
            base.fill(size, overlap=1)
            base.close()
            print(f"          ({size:,} items loaded in {time.monotonic() - begun:.0f} s)", flush=True)
            with self.stage.copy(), self.stage.web(COPY) as (address, pids):
                self.address, self.pids = address, pids
                world = self.stage.world(COPY)
                self._of_size(world, size)
                world.close()

    def _of_size(self, world: World, size: int) -> None:
        for overlap in sorted(self.options.overlap):
            if overlap > 1:
                world.raise_overlap(overlap)
            for crew in self.options.labelers:
                world.fill(size, overlap)
                self.report.bare[size, crew, overlap] = bare(
                    self.stage.url(COPY), self.stage.postgres, self.stage.bare,
                    clients=crew, most=min(SQL_ANNOTATIONS, size // 4),
                )  # fmt: skip
                world.fill(size, overlap)
                self._cell(size, crew, overlap)
            if overlap == 1 and self.options.scenarios:
                world.fill(size, overlap)
                scenarios.rules(world, 8)
                self._cell(size, 8, overlap, "languages and authors")
                scenarios.no_rules(world)
        if 3 in self.options.overlap and self.options.scenarios:
            self._scenarios(world, size)

    def _scenarios(self, world: World, size: int) -> None:
        """Those at overlap 3; each has labelers of its own, and the last leaves nothing of the queue."""
        if size == max(self.options.items):
            self._people(size)
        for first, urgent in ((40, False), (41, True)):
            world.fill(size, 3)
            done = scenarios.long_past(world, size, self.stage.people[first], urgent=urgent)
            where = "in the urgent band" if urgent else "in the way"
            print(f"          ({done:,} items done before, {where})")
            self._cell(size, 1, 3, "a long past, urgent" if urgent else "a long past", first=first)
        world.fill(size, 3)
        two, others = self.stage.people[42:44], self.stage.people[44:46]
        still_open = scenarios.nearly_exhausted(world, size, two, others)
        print(f"          ({still_open:,} items want an answer, {scenarios.LAST_ITEMS:,} of these two)")
        self._cell(size, 2, 3, "nearly exhausted", first=42, seconds=60)
        self._cell(size, 2, 3, "empty for these two", first=42, task=Task("vain", times=EMPTY_CALLS))

    def _cell(
        self, size: int, crew: int, overlap: int, scenario: str = "", *,
        first: int = 0, seconds: float = 0.0, task: Task | None = None,
    ) -> None:  # fmt: skip
        accounts = self.stage.accounts[first : first + crew]
        with labelers(self.address, self.stage.project, accounts, self.pids) as working:
            if task is None and not seconds:
                working.do(Task("full", seconds=self.options.seconds / 5))
            cell = working.do(task or Task("full", seconds=seconds or self.options.seconds))
        self.report.add(size, crew, overlap, scenario, cell)

    def _people(self, size: int) -> None:
        with labelers(self.address, self.stage.project, self.stage.accounts, self.pids) as working:
            seconds = 4 * self.options.seconds
            cell = working.do(Task("person", seconds=seconds, think=THINK_SECONDS))
        self.report.add(size, len(self.stage.accounts), 3, PEOPLES, cell)
        for call, times in sorted(cell.calls.items()):
            print(
                f"          {call:<7} {len(times):>6} calls   p50 {cell.percentile(call, 50):>6.1f} ms"
                f"   p95 {cell.percentile(call, 95):>6.1f} ms"
                + f"   from submit to next item shown; the goal is {TURN_GOAL_MS:.0f} ms"
                * (call == "turn")
            )


def main(arguments: list[str] | None = None) -> int:
    """Print the table and the JSON line; 1 where this platform cannot measure processor time."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.queue", description=__doc__)
    parser.add_argument("--items", type=int, nargs="+", default=SIZES)
    parser.add_argument("--labelers", type=int, nargs="+", default=CREWS)
    parser.add_argument("--overlap", type=int, nargs="+", default=OVERLAPS, choices=OVERLAPS)
    parser.add_argument("--seconds", type=float, default=10.0, help="of each cell, after a fifth to warm up")
    parser.add_argument("--no-scenarios", dest="scenarios", action="store_false")
    parser.add_argument("--people", type=int, default=PEOPLE, help="at their own pace, at the largest size")
    options = parser.parse_args(arguments)
    people = max(options.people, 46) if options.scenarios else max(options.labelers)
    try:
        with stage(people, max(options.labelers)) as made:
            benchmark = Benchmark(options, made)
            benchmark.run()
    except NoProc as error:
        print(error, file=sys.stderr)
        return 1
    for name, growth in benchmark.report.growths().items():
        print(f"growth {growth:.2f}  {name}")
    print(json.dumps(benchmark.report.summary()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
