"""The client: a method for each operation of the API, under its name, and a few that need several."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from rankloop_client import batches, datasets, operations, records, watching, work
from rankloop_client.batches import ImportReport, Source
from rankloop_client.server import Retries, Server
from rankloop_client.watching import Changed, Measured


class Client:
    """Speaks for one person to the Rankloop at an address, by a token made under “API tokens”.

    Whatever is safe to repeat is tried again when a connection breaks or the server is busy, for as long as
    `retries` says. `timeout` is how many seconds the server may be silent. `page_size`, up to 200, is how
    many entries of a list come at once. Plain HTTP is spoken to this machine only, unless `insecure`.

    Every method raises a RankloopError (errors.py) for what the server refuses. A client is for one thread.
    """

    def __init__(
        self,
        address: str,
        token: str | None,
        *,
        retries: Retries | None = None,
        timeout: float = 60.0,
        page_size: int = 100,
        insecure: bool = False,
    ) -> None:
        self._server = Server(
            address,
            token,
            retries=retries or Retries(),
            timeout=timeout,
            page_size=page_size,
            insecure=insecure,
        )

    @classmethod
    def signed_in(cls, address: str, username: str, password: str, **options: Any) -> Self:
        """A client with a session as the pages have it, for an account without a second factor.

        `options` are those of the client. Raises BadToken, and NotAllowed for a one-time password.
        """
        client = cls(address, None, **options)
        client._server.sign_in(username, password)
        client.me()
        return client

    def close(self) -> None:
        self._server.session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    # --- who one is, and where ---

    def me(self) -> work.Me:
        return self._server.call(operations.ME)

    def projects(self) -> Iterator[work.Project]:
        return self._server.pages(operations.PROJECTS, {})

    def project(self, project: str) -> work.ProjectWhole:
        return self._server.call(operations.PROJECT, {"project": project})

    def guidelines(self, project: str) -> work.Guidelines:
        return self._server.call(operations.GUIDELINES, {"project": project})

    def accept_guidelines(self, project: str, version: int) -> work.Guidelines:
        """Say that one works by this version. Raises Conflict if another is in force by now."""
        body = {"version": version}
        return self._server.call(operations.ACCEPT_GUIDELINES, {"project": project}, body=body)

    # --- a labeler's work ---

    def next(self, project: str, kind: str, *, ahead: bool = False) -> work.Assignment | None:
        """One's open item to `rank` or `demonstrate`, or a new one; None where there is nothing to do.

        `ahead` reserves the one after it instead; `show` begins its lease.
        """
        body = {"kind": kind, "ahead": ahead}
        return self._server.call(operations.NEXT, {"project": project}, body=body).assignment

    def show(self, assignment: str) -> work.Assignment:
        """A reserved item is looked at now. Raises Conflict if it was lost or another is open."""
        return self._server.call(operations.SHOW, {"assignment": assignment})

    def renew(self, assignment: str) -> datetime:
        """Somebody is still at it: until when the lease now runs. Raises Conflict if it was lost."""
        return self._server.call(operations.RENEW, {"assignment": assignment}).lease_until

    def draft(self, assignment: str, sequence: int, body: Mapping[str, Any]) -> work.Saved:
        """Keep what has been done so far. Raises Conflict, with the stored `draft`, for a lower sequence."""
        draft = {"sequence": sequence, "body": body}
        return self._server.call(operations.DRAFT, {"assignment": assignment}, body=draft)

    def release(self, assignment: str, *, ahead: bool = False) -> None:
        """Give an unfinished item back; with `ahead` only while it is loaded ahead."""
        self._server.call(operations.RELEASE, {"assignment": assignment}, body={"ahead": ahead})

    def skip(self, assignment: str, reason: str, comment: str = "") -> None:
        """Pass on an item for good: unclear, too_hard, language, sensitive, broken, other or report.

        Who reports a prompt says why in the comment: a reviewer sees it at once.
        """
        body = {"reason": reason, "comment": comment}
        self._server.call(operations.SKIP, {"assignment": assignment}, body=body)

    def submit_ranking(
        self, assignment: str, given: work.GivenRanking, *, active_seconds: float = 0, key: str | None = None
    ) -> work.Submitted:
        """Answer an item to rank. It lands once, however often it has to be sent.

        `key` is of your own, 8 to 64 characters, where the same answer may be sent by another process, too.
        """
        body = {**given, "active_seconds": active_seconds, "mode": "api"}
        return self._server.call(operations.SUBMIT_RANKING, {"assignment": assignment}, body=body, key=key)

    def submit_demonstration(
        self, assignment: str, text: str, *, active_seconds: float = 0, key: str | None = None
    ) -> work.Submitted:
        """Answer an item to demonstrate. As submit_ranking."""
        body = {"text": text, "active_seconds": active_seconds}
        return self._server.call(
            operations.SUBMIT_DEMONSTRATION, {"assignment": assignment}, body=body, key=key
        )

    def answers(self, project: str, kind: str) -> Iterator[work.Answer]:
        """One's own answers of a kind, newest first."""
        return self._server.pages(operations.ANSWERS, {"project": project}, kind=kind)

    def revise_ranking(
        self,
        ranking: str,
        base: int,
        given: work.GivenRanking,
        *,
        active_seconds: float = 0,
        key: str | None = None,
    ) -> work.Submitted:
        """Change one's ranking; `base` is the revision that was changed.

        Raises Conflict, with the `stored` answer, if that is not the latest.
        """
        body = {**given, "base": base, "active_seconds": active_seconds, "mode": "api"}
        return self._server.call(operations.REVISE_RANKING, {"ranking": ranking}, body=body, key=key)

    def revise_demonstration(
        self, demonstration: str, base: int, text: str, *, active_seconds: float = 0, key: str | None = None
    ) -> work.Submitted:
        """Change one's demonstration. As revise_ranking."""
        body = {"text": text, "base": base, "active_seconds": active_seconds}
        names = {"demonstration": demonstration}
        return self._server.call(operations.REVISE_DEMONSTRATION, names, body=body, key=key)

    # --- what people wrote: for reviewers and leads ---

    def demonstrations(
        self,
        project: str,
        *,
        prompt: str | None = None,
        source: str | None = None,
        simulated: bool | None = None,
        created_after: datetime | None = None,
        purpose: str | None = None,
    ) -> Iterator[records.Demonstration]:
        """As they now stand, newest first."""
        return self._server.pages(
            operations.DEMONSTRATIONS,
            {"project": project},
            purpose=purpose,
            prompt=prompt,
            source=source,
            simulated=simulated,
            created_after=created_after,
        )

    def demonstration(self, demonstration: str) -> records.DemonstrationWhole:
        return self._server.call(operations.DEMONSTRATION, {"demonstration": demonstration})

    def rankings(
        self,
        project: str,
        *,
        item: str | None = None,
        prompt: str | None = None,
        simulated: bool | None = None,
        created_after: datetime | None = None,
        purpose: str | None = None,
        repeats: bool | None = None,
    ) -> Iterator[records.Ranking]:
        """As they now stand, newest first."""
        return self._server.pages(
            operations.RANKINGS,
            {"project": project},
            purpose=purpose,
            repeats=repeats,
            item=item,
            prompt=prompt,
            simulated=simulated,
            created_after=created_after,
        )

    def ranking(self, ranking: str) -> records.RankingWhole:
        return self._server.call(operations.RANKING, {"ranking": ranking})

    # --- what labelers go by: from here on for leads ---

    def guidelines_versions(self, project: str) -> Iterator[records.GuidelinesVersion]:
        return self._server.pages(operations.GUIDELINES_VERSIONS, {"project": project})

    def write_guidelines(
        self, project: str, base: int, text: str, *, binding: bool = False, note: str = ""
    ) -> records.GuidelinesVersion:
        """A new version. Raises Conflict, with the `stored` one, if `base` is not the newest (0: none)."""
        body = {"base": base, "text": text, "binding": binding, "note": note}
        return self._server.call(operations.WRITE_GUIDELINES, {"project": project}, body=body)

    def rubrics(self, project: str) -> Iterator[records.RubricVersion]:
        return self._server.pages(operations.RUBRICS, {"project": project})

    def write_rubric(
        self,
        project: str,
        base: int,
        flags: Sequence[records.SentFlag],
        *,
        scale_max: int = 7,
        help: Mapping[str, str] | None = None,
        note: str = "",
    ) -> records.RubricVersion:
        """A new version. Raises Conflict if `base` is not the newest. What is held keeps its own."""
        body = {"base": base, "flags": flags, "scale_max": scale_max, "help": help or {}, "note": note}
        return self._server.call(operations.WRITE_RUBRIC, {"project": project}, body=body)

    # --- prompts, completions and the queue ---

    def prompts(
        self,
        project: str,
        *,
        split: str | None = None,
        use_case: str | None = None,
        language: str | None = None,
        group: str | None = None,
        source: str | None = None,
        id: str | None = None,
        simulated: bool | None = None,
    ) -> Iterator[records.Prompt]:
        return self._server.pages(
            operations.PROMPTS,
            {"project": project},
            split=split,
            use_case=use_case,
            language=language,
            group=group,
            source=source,
            id=id,
            simulated=simulated,
        )

    def prompt(self, prompt: str) -> records.Prompt:
        return self._server.call(operations.PROMPT, {"prompt": prompt})

    def import_prompts(
        self,
        project: str,
        rows: Source,
        *,
        k: int = 4,
        seed: int = 0,
        demonstrate: bool = False,
        dry_run: bool = False,
    ) -> ImportReport:
        """Take in prompts, from a JSONL file or as PromptRows, with their completions and demonstrations.

        They are sent in batches. A bad row is refused alone. What is there already is left alone, so that an
        import that broke off is simply run again; after a retry, rows may be called `already_there` that the
        lost try has stored. Of prompts with completions, up to `k` drawn by `seed` are queued to be ranked;
        with `demonstrate`, prompts without a demonstration are queued for one. A `dry_run` writes nothing,
        and sees no further than one batch.
        """
        options = {"k": k, "seed": seed, "demonstrate": demonstrate, "dry_run": dry_run}
        return batches.send_prompts(self._server, project, rows, options)

    def completions(
        self, project: str, *, prompt: str | None = None, model: str | None = None
    ) -> Iterator[records.Completion]:
        return self._server.pages(operations.COMPLETIONS, {"project": project}, prompt=prompt, model=model)

    def import_completions(
        self,
        project: str,
        rows: Source,
        *,
        queue: bool = True,
        k: int = 4,
        seed: int = 0,
        dry_run: bool = False,
    ) -> ImportReport:
        """Take in what outside models wrote, from a JSONL file or as CompletionRows. As import_prompts.

        With `queue`, each prompt that then has two completions and never was queued is queued to be ranked.
        So that none is left out, all rows are read first, and each prompt's are sent together.
        """
        options = {"queue": queue, "k": k, "seed": seed, "dry_run": dry_run}
        return batches.send_completions(self._server, project, rows, options)

    def items(
        self,
        project: str,
        *,
        kind: str | None = None,
        state: str | None = None,
        origin: str | None = None,
        needs_review: bool | None = None,
        prompt: str | None = None,
        purpose: str | None = None,
    ) -> Iterator[records.Item]:
        """The queue's items, with how many of the wanted answers they have."""
        return self._server.pages(
            operations.ITEMS,
            {"project": project},
            purpose=purpose,
            kind=kind,
            state=state,
            origin=origin,
            needs_review=needs_review,
            prompt=prompt,
        )

    # --- datasets ---

    def datasets(
        self, project: str, *, kind: str | None = None, state: str | None = None
    ) -> Iterator[records.Dataset]:
        return self._server.pages(operations.DATASETS, {"project": project}, kind=kind, state=state)

    def dataset(self, dataset: str) -> records.Dataset:
        return self._server.call(operations.DATASET, {"dataset": dataset})

    def freeze_dataset(self, project: str, kind: str) -> records.Freezing:
        """Ask for a version of what people wrote so far (sft, comparisons or prompts). Not repeated."""
        return self._server.call(operations.FREEZE_DATASET, {"project": project}, body={"kind": kind})

    def make_dataset(self, project: str, kind: str, *, patience: float = 300.0) -> records.Dataset:
        """Freeze what people wrote so far, and wait for the version.

        Raises TookTooLong after `patience` seconds: where nothing is new since the last version, none comes.
        What the error holds as `newest` is the id of that last one.
        """
        return datasets.make(self._server, project, kind, patience)

    def pull_dataset(self, dataset: str, to: str | Path) -> records.Dataset:
        """Download a version's rows as JSONL. The file is there once it is whole and has the right digest.

        Raises Damaged where the digest is another one.
        """
        with datasets.replacing(Path(to)) as file:
            return datasets.fetch(self._server, dataset, file)

    def dataset_rows(self, dataset: str) -> Iterator[dict[str, Any]]:
        """A version's rows, one by one, after all have been downloaded and their digest is right."""
        with tempfile.TemporaryFile() as file:
            datasets.fetch(self._server, dataset, file)
            file.seek(0)
            for line in file:
                yield json.loads(line)

    # --- runs, models and rounds ---

    def runs(
        self, project: str, *, stage: str | None = None, state: str | None = None, round: str | None = None
    ) -> Iterator[records.Run]:
        return self._server.pages(
            operations.RUNS, {"project": project}, stage=stage, state=state, round=round
        )

    def write_completions(
        self,
        project: str,
        *,
        server: str = "",
        prompts: Sequence[str] = (),
        count: int = 0,
        best_of: int = 1,
    ) -> records.Run:
        """Have the project's policy, or a server of the operator's, write for these prompts or for `count`.

        They are in the ranking queue once the run is done. Not repeated: after MaybeDone, look at the runs.
        """
        body = {"server": server, "prompts": list(prompts), "count": count, "best_of": best_of}
        return self._server.call(operations.WRITE_COMPLETIONS, {"project": project}, body=body)

    def run(self, run: str) -> records.RunWhole:
        return self._server.call(operations.RUN, {"run": run})

    def run_metrics(self, run: str, *, after: int | None = None) -> records.Metrics:
        """Up to 1000 lines that a run has measured, from the one after line `after`."""
        return self._server.call(operations.RUN_METRICS, {"run": run}, query={"after": after})

    def watch(self, run: str, *, every: float = 2.0) -> Iterator[Changed | Measured]:
        """New lines and new states of a run as they come, until it is over; asks `every` few seconds."""
        return watching.watch(self._server, run, every)

    def stop_run(self, run: str) -> records.Run:
        """Not repeated: after MaybeDone, look at the run."""
        return self._server.call(operations.STOP_RUN, {"run": run})

    def models(
        self, project: str, *, kind: str | None = None, run: str | None = None
    ) -> Iterator[records.Model]:
        return self._server.pages(operations.MODELS, {"project": project}, kind=kind, run=run)

    def model(self, model: str) -> records.ModelWhole:
        return self._server.call(operations.MODEL, {"model": model})

    def rounds(
        self, project: str, *, state: str | None = None, trigger: str | None = None
    ) -> Iterator[records.Round]:
        return self._server.pages(operations.ROUNDS, {"project": project}, state=state, trigger=trigger)

    def round(self, round: str) -> records.Round:
        return self._server.call(operations.ROUND, {"round": round})

    def start_round(self, project: str) -> records.Round:
        """Raises Conflict while one is open. Not repeated: after MaybeDone, look at the rounds."""
        return self._server.call(operations.START_ROUND, {"project": project})

    def stop_round(self, round: str) -> records.Round:
        """Not repeated: after MaybeDone, look at the round."""
        return self._server.call(operations.STOP_ROUND, {"round": round})

    def override_gate(self, round: str, reason: str) -> records.Round:
        """Let a round that a gate holds go on, on record. Not repeated."""
        return self._server.call(operations.OVERRIDE_GATE, {"round": round}, body={"reason": reason})
