"""A reward model as a judge of texts, in whatever tokens they were written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from training import data
from training.contracts import GeneratedRow, Message
from training.reward import score_all
from training.reward_model import load_reward_model
from training.stage import Run

Conversations = Mapping[str, Sequence[Message]]
"""By a prompt's public id."""


class Judge:
    """`name` is that of the input, and of the field of a row in which its judgement stands."""

    def __init__(self, run: Run, name: str, prompt_limit: int, batch_size: int) -> None:
        """The reward model at inputs/<name>. Raises ContractError if there is none."""
        self.name = name
        self._model, self._reader = load_reward_model(run.input(name))
        self._model.to(run.device)
        self._prompt_limit, self._batch_size = prompt_limit, batch_size

    def judged(self, rows: Sequence[GeneratedRow], asked: Conversations) -> list[GeneratedRow]:
        """The rows with what each text scores, centred and scaled.

        It is read as text, which is what a labeler would see; without an end where it was cut off.
        """
        read = [
            data.read_text(
                self._reader,
                asked[row.prompt],
                row.text,
                ended=row.finish == "eos",
                prompt_limit=self._prompt_limit,
            )
            for row in rows
        ]
        scores: list[float] = score_all(self._model, self._reader, read, self._batch_size).tolist()
        return [
            replace(row, **{self.name: score})  # type: ignore[arg-type]
            for row, score in zip(rows, scores, strict=True)
        ]
