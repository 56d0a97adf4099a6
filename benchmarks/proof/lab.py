"""String instructions without the web part: datasets by seed, and stages run in folders by hand."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any

from labeling.demo import string_instructions as task
from labeling.demo.recipe import STRING_STAGES
from training.contracts import (
    INPUTS,
    OUTPUTS,
    SETTINGS,
    ComparisonRow,
    CompletionText,
    DemonstrationRow,
    GeneratedRow,
    Message,
    PromptRow,
    RankingRow,
    RunConfig,
    RunResult,
    Stage,
    from_dict,
    read_rows,
    row_bytes,
)

K = 6
DEMONSTRATIONS = 20_000


class Lab:
    """A folder of runs. A run that has a result is not run again, so an experiment can be taken up."""

    def __init__(self, root: Path, seed: int) -> None:
        self.root, self.seed = root, seed

    def run(
        self,
        name: str,
        stage: Stage,
        inputs: Mapping[str, Path | Sequence[Any]],
        **settings: Any,
    ) -> Path:
        """Run a stage by the demo's recipe with `settings` over it.

        `inputs` are folders or files to link, or rows to write. Returns the run folder; raises RuntimeError
        with the end of the log if it failed.
        """
        folder = self.root / name
        if (folder / "result.json").exists():
            return folder
        shutil.rmtree(folder, ignore_errors=True)
        (folder / INPUTS).mkdir(parents=True)
        for given, what in inputs.items():
            if isinstance(what, Path):
                (folder / INPUTS / given).symlink_to(what.resolve())
            else:
                (folder / INPUTS / given).write_bytes(b"".join(row_bytes(row) for row in what))
        chosen = {**STRING_STAGES[stage], **settings}
        RunConfig(stage, from_dict(SETTINGS[stage], chosen, stage), self.seed).write(folder)
        print(f"{name} …", file=sys.stderr, flush=True)
        with (folder / "log.txt").open("w+b") as log:
            command = [sys.executable, "-m", f"training.{stage}", str(folder)]
            ended = subprocess.run(command, stdout=log, stderr=subprocess.STDOUT, check=False)
            if ended.returncode:
                log.seek(0)
                raise RuntimeError(f"{name}: {log.read()[-2000:].decode(errors='replace')}")
        return folder

    def result(self, folder: Path) -> dict[str, Any]:
        return RunResult.read(folder).metrics

    # --- data -----------------------------------------------------------------------------------------

    def demonstrations(self) -> list[DemonstrationRow]:
        rows = []
        for row in task.demonstrations(DEMONSTRATIONS, self.seed):
            name, prompt = str(row["id"]), str(row["prompt"])
            split = task.split_of(task.parse(prompt)[1])
            response = row["demonstrations"][0]  # type: ignore[index]
            rows.append(DemonstrationRow(name, name, split, _asked(prompt), response, simulated=True))
        return rows

    def prompts(self, split: task.Split, count: int) -> list[PromptRow]:
        """A prompt's public id is its text here."""
        return [PromptRow(text, split, _asked(text)) for text in task.prompts(split, count, self.seed)]

    def comparisons(self, completions: Path, *, valid_share: float = 0.1) -> list[ComparisonRow]:
        """Each prompt's distinct completions, ranked once by a simulated labeler; a share is held out."""
        texts: dict[str, dict[str, None]] = defaultdict(dict)
        for row in read_rows(completions, GeneratedRow):
            texts[row.prompt][row.text] = None
        rng = Random(f"rankings {self.seed}")
        rows = []
        for prompt, found in texts.items():
            if len(found) < 2:
                continue
            given = list(found)
            answer = task.rank(prompt, given, rng)
            ranking = RankingRow(
                prompt,
                1,
                "simulated",
                tuple(answer.ranks) if answer.ranks else None,
                tuple(answer.scores),
                answer.all_bad,
                tuple(map(tuple, answer.flags)),
                simulated=True,
            )
            split: task.Split = "valid" if rng.random() < valid_share else "train"
            entries = tuple(CompletionText(f"{prompt}/{place}", text) for place, text in enumerate(given))
            rows.append(ComparisonRow(prompt, prompt, split, _asked(prompt), entries, (ranking,)))
        return rows


def outputs(folder: Path) -> Path:
    return folder / OUTPUTS


def mean_gold(rows: Iterable[GeneratedRow], temperature: float = 1.0) -> dict[str, float]:
    """The gold of each prompt's samples at a temperature, by prompt."""
    golds: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        if row.temperature == temperature:
            golds[row.prompt].append(task.gold(row.prompt, row.text))
    return {prompt: sum(values) / len(values) for prompt, values in golds.items()}


def pairs(rows: Iterable[ComparisonRow]) -> int:
    """Pairs that were ordered, in the train split."""
    counted = 0
    for row in rows:
        ranks = row.rankings[0].ranks
        if row.split == "train" and ranks is not None:
            counted += sum(one < other for one in ranks for other in ranks)
    return counted


def _asked(text: str) -> tuple[Message, ...]:
    return (Message("user", text),)
