"""The statistics of the loop's report, and nothing else: numbers in, numbers out."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

NORMAL_95 = 1.959964  # two-sided; every sample here is in the hundreds at least, so Student's t is not needed


@dataclass(frozen=True)
class Mean:
    """A mean, its standard error (sample standard deviation ÷ √n) and the number of values."""

    mean: float
    error: float
    count: int

    @property
    def lower(self) -> float:
        """The lower end of the two-sided 95 % interval."""
        return self.mean - NORMAL_95 * self.error

    @property
    def upper(self) -> float:
        """The upper end of the two-sided 95 % interval."""
        return self.mean + NORMAL_95 * self.error


@dataclass(frozen=True)
class Agreement:
    """The share of pairs on which two labelers chose the same winner, of the pairs that both ordered."""

    share: float | None  # None where no pair was ordered by two labelers: unknown, which is not 0
    pairs: int


def mean(values: Iterable[float]) -> Mean:
    """Mean and standard error of independent values. Raises ValueError with fewer than two."""
    values = list(values)
    count = len(values)
    if count < 2:
        raise ValueError("a standard error needs at least two values")
    centre = math.fsum(values) / count
    variance = math.fsum((value - centre) ** 2 for value in values) / (count - 1)
    return Mean(centre, math.sqrt(variance / count), count)


def paired_difference(before: Sequence[float], after: Sequence[float]) -> Mean:
    """Mean of after − before over the same prompts in the same order; its interval is `lower` to `upper`.

    Pairing removes what makes one prompt harder than another, which is most of the spread.
    Raises ValueError where the lengths differ or fewer than two pairs are given.
    """
    return mean(b - a for a, b in zip(before, after, strict=True))


def agreement(items: Iterable[Sequence[Sequence[int]]]) -> Agreement:
    """Agreement between labelers over items.

    Each item is the rankings it got, one for each labeler; each ranking is a tier number for each of
    its completions, 1 best. A pair that either of two labelers tied is left out. Raises ValueError
    where two rankings of an item differ in length.
    """
    same = pairs = 0
    for rankings in items:
        for one, other in combinations(rankings, 2):
            if len(one) != len(other):
                raise ValueError("rankings of one item must cover the same completions")
            for left, right in combinations(range(len(one)), 2):
                product = (one[left] - one[right]) * (other[left] - other[right])
                pairs += product != 0
                same += product > 0
    return Agreement(same / pairs if pairs else None, pairs)
