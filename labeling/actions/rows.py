"""Which answers a freeze takes, and how each becomes a row of a dataset."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby, islice
from typing import Any, TypeVar

from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Collate
from django.utils.crypto import salted_hmac

from labeling.models import (
    CompletionOrigin,
    DatasetKind,
    Demonstration,
    DemonstrationRevision,
    DemonstrationSource,
    ItemCompletion,
    Project,
    Prompt,
    Purpose,
    Ranking,
    RankingRevision,
    Rubric,
    Verdict,
)
from training.contracts import ComparisonRow, CompletionText, DemonstrationRow, Message, PromptRow, RankingRow

AT_ONCE = 1000
NO_WORK = [Purpose.TUTORIAL, Purpose.TEST, Purpose.GOLD]
"""What these items' answers are for is told apart from work; hidden repeats are too."""
Entry = TypeVar("Entry")
UNREVIEWED = Q(wants_review=True) | Q(verdict__in=[Verdict.RETURNED, Verdict.REJECTED])
"""Demonstrations that nothing is trained on: a reviewer has not seen them yet, or did not accept them."""


@dataclass(frozen=True)
class Selection:
    """What a freeze was asked for. `among` names prompts by key; empty `splits` means all.

    It takes answers to work: none to a tutorial, test or gold, and no hidden repeat.
    """

    project: Project
    simulated: bool
    splits: frozenset[str] = frozenset()
    among: Collection[int] | None = None
    permute_seed: int | None = None

    def recipe(self) -> dict[str, Any]:
        """As it is stored with the version. `among` shows in the rows and is only said to be there."""
        recipe: dict[str, Any] = {"simulated": self.simulated, "splits": sorted(self.splits)}
        if self.among is not None:
            recipe["chosen"] = True
        if self.permute_seed is not None:
            recipe["permute_seed"] = self.permute_seed
        return recipe

    def demonstrations(self) -> QuerySet[Demonstration]:
        found = Demonstration.objects.filter(
            Q(slot__isnull=False, item__purpose=Purpose.WORK) | Q(source=DemonstrationSource.IMPORTED),
            project=self.project,
        )
        found = found.exclude(UNREVIEWED)
        found = found.filter(prompt__split__in=self.splits) if self.splits else found
        return found if self.simulated else found.filter(is_simulated=False)

    def rankings(self) -> QuerySet[Ranking]:
        found = Ranking.objects.filter(
            slot__isnull=False, is_repeat=False, item__purpose=Purpose.WORK, project=self.project
        )
        found = found.filter(item__prompt__split__in=self.splits) if self.splits else found
        return found if self.simulated else found.filter(is_simulated=False)

    def prompts(self) -> QuerySet[Prompt]:
        found = Prompt.objects.filter(project=self.project)
        found = found.filter(split__in=self.splits) if self.splits else found
        found = found if self.among is None else found.filter(pk__in=self.among)
        return found if self.simulated else found.filter(is_simulated=False)

    def left_out(self, kind: str) -> dict[str, int]:
        """How many answers of this kind stay out: extras, simulated ones where those are not wanted, and
        demonstrations that wait for a reviewer or were not accepted by one.
        """
        if kind == DatasetKind.PROMPTS:
            return {}
        answers: Any = Ranking if kind == DatasetKind.COMPARISONS else Demonstration
        work = answers.objects.filter(project=self.project).exclude(item__purpose__in=NO_WORK)
        if kind == DatasetKind.COMPARISONS:
            work = work.filter(is_repeat=False)
        counts = {"extras_left_out": work.filter(slot=None, assignment__isnull=False).count()}
        if not self.simulated:
            counts["simulated_left_out"] = work.filter(is_simulated=True).count()
        if kind == DatasetKind.SFT:
            counts["review_left_out"] = work.filter(UNREVIEWED).count()
        return counts


@dataclass(frozen=True)
class Taken:
    """A line of the file, the rows of DatasetRow behind it, and what it adds to the version's figures."""

    content: Any
    sources: Sequence[dict[str, int]]
    counts: dict[str, int] = field(default_factory=dict)
    labelers: frozenset[str] = frozenset()


def pseudonym(project: Project, user_public_id: str | None) -> str:
    """A labeler's name in datasets: the same throughout a project, tied to nothing outside it."""
    if user_public_id is None:
        return ""
    salt = f"rankloop.labeler.{project.public_id}"
    return salted_hmac(salt, user_public_id, algorithm="sha256").hexdigest()[:16]


def prompt_rows(chosen: Selection) -> Iterator[Taken]:
    for prompt in chosen.prompts().order_by(Collate("public_id", "C")).iterator(chunk_size=AT_ONCE):
        row = PromptRow(
            prompt=prompt.public_id,
            split=prompt.split,  # type: ignore[arg-type]
            messages=_messages(prompt),
            use_case=prompt.use_case,
            language=prompt.language,
        )
        yield Taken(row, [{"prompt_id": prompt.pk}])


def demonstration_rows(chosen: Selection) -> Iterator[Taken]:
    current = (
        DemonstrationRevision.objects.filter(demonstration__in=chosen.demonstrations())
        .filter(number=_latest(DemonstrationRevision, "demonstration"))
        .select_related("demonstration__prompt", "demonstration__labeler")
        .order_by(Collate("demonstration__public_id", "C"))
    )
    for revision in current.iterator(chunk_size=AT_ONCE):
        answer = revision.demonstration
        labeler = pseudonym(chosen.project, answer.labeler.public_id if answer.labeler else None)
        row = DemonstrationRow(
            demonstration=answer.public_id,
            prompt=answer.prompt.public_id,
            split=answer.prompt.split,  # type: ignore[arg-type]
            messages=_messages(answer.prompt),
            response=revision.text,
            labeler=labeler,
            source=answer.source,
            simulated=answer.is_simulated,
        )
        counts = {
            "imported": int(answer.source == DemonstrationSource.IMPORTED),
            "simulated": int(answer.is_simulated),
        }
        yield Taken(row, [{"demonstration_id": revision.pk}], counts, frozenset({labeler} - {""}))


def current_rankings(chosen: Selection) -> QuerySet[RankingRevision]:
    """The latest revision of each ranking that the selection takes."""
    return RankingRevision.objects.filter(
        ranking__in=chosen.rankings(), number=_latest(RankingRevision, "ranking")
    )


def comparison_rows(chosen: Selection) -> Iterator[Taken]:
    current = (
        current_rankings(chosen)
        .select_related("ranking__labeler", "item__prompt")
        .order_by(Collate("item__public_id", "C"), Collate("ranking__public_id", "C"))
    )
    rubrics = {rubric.pk: rubric for rubric in Rubric.objects.filter(project=chosen.project)}
    by_item = groupby(current.iterator(chunk_size=AT_ONCE), key=lambda revision: revision.item_id)
    groups = (list(revisions) for _, revisions in by_item)
    while some := list(islice(groups, AT_ONCE)):
        texts = _completions([revisions[0].item_id for revisions in some])
        for revisions in some:
            yield _comparison(chosen, revisions, texts[revisions[0].item_id], rubrics)


def _comparison(
    chosen: Selection,
    revisions: list[RankingRevision],
    texts: list[CompletionText],
    rubrics: dict[int, Rubric],
) -> Taken:
    item = revisions[0].item
    places = _places(item.public_id, item.k, chosen.permute_seed)
    rankings = []
    for revision in revisions:
        answer, rubric = revision.ranking, rubrics[revision.rubric_id]
        ranks, scores, flags = revision.ranks, revision.scores, revision.flags
        rankings.append(
            RankingRow(
                ranking=answer.public_id,
                revision=revision.number,
                labeler=pseudonym(chosen.project, answer.labeler.public_id if answer.labeler else None),
                ranks=None if ranks is None else tuple(ranks[place] for place in places),
                scores=tuple(scores[place] for place in places),
                all_bad=revision.all_bad,
                flags=tuple(tuple(rubric.keys(flags[place])) for place in places),
                simulated=answer.is_simulated,
            )
        )
    row = ComparisonRow(
        item=item.public_id,
        prompt=item.asked.public_id,
        split=item.asked.split,  # type: ignore[arg-type]
        messages=_messages(item.asked),
        completions=tuple(texts),
        rankings=tuple(rankings),
        use_case=item.asked.use_case,
        language=item.asked.language,
    )
    counts = {
        "rankings": len(rankings),
        "all_bad": sum(ranking.all_bad for ranking in rankings),
        "ties": sum(len(set(ranking.ranks)) < item.k for ranking in rankings if ranking.ranks),
        "simulated": sum(ranking.simulated for ranking in rankings),
    }
    sources = [{"ranking_id": revision.pk} for revision in revisions]
    return Taken(row, sources, counts, frozenset(ranking.labeler for ranking in rankings))


def _places(item: str, k: int, seed: int | None) -> list[int]:
    """Whose answer each position gets: its own, or for a control another's, settled by item and seed."""
    places = list(range(k))
    if seed is not None:
        random.Random(f"{seed}:{item}").shuffle(places)
    return places


def _completions(items: list[int]) -> dict[int, list[CompletionText]]:
    """The completions of these items, by position, with the names of the models that wrote them."""
    parts = list(
        ItemCompletion.objects.filter(item_id__in=items)
        .select_related("completion")
        .order_by("item_id", "position")
    )
    models: dict[int, set[str]] = defaultdict(set)
    origins = CompletionOrigin.objects.filter(completion_id__in={part.completion_id for part in parts})
    for completion, model in origins.values_list("completion_id", "model__name"):
        models[completion].add(model)
    texts: dict[int, list[CompletionText]] = defaultdict(list)
    for part in parts:
        names = tuple(sorted(models[part.completion_id]))
        texts[part.item_id].append(CompletionText(part.completion.public_id, part.completion.text, names))
    return texts


def _latest(revisions: Any, answer: str) -> Subquery:
    return Subquery(
        revisions.objects.filter(**{answer: OuterRef(answer)}).order_by("-number").values("number")[:1]
    )


def _messages(prompt: Prompt) -> tuple[Message, ...]:
    return tuple(Message(**message) for message in prompt.messages)  # type: ignore[arg-type]
