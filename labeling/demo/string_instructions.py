"""The *string instructions* task: small enough to learn in minutes, with a truth that can be computed.

A prompt names an operation and six letters out of twelve, and the right completion is the letters after it:

- ``reverse: abcdef`` → ``fedcba``
- ``sort: dacbfe`` → ``abcdef``
- ``rotate: abcdef`` → ``bcdefa`` (the first letter moves to the end, the rest move up)

Demonstrations are noisy and their commonest form, the echo, is wrong, so that a policy cannot look better
by merely growing surer of itself: what it gains over them it has learned from rankings.

Because the truth is known, `gold` measures any completion. Only the simulated labelers and the evaluator may
call it, never training. Everything here is deterministic by seed and knows nothing of Django.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal
from zlib import crc32

Split = Literal["train", "valid", "test"]

ALPHABET = "abcdefghijkl"
LENGTH = 6
OPERATIONS = ("reverse", "sort", "rotate")

# Shares in per cent of all 12**6 strings; a tenth is some 300,000 strings, each with three operations.
TRAIN_SHARE, VALID_SHARE = 80, 10

RIGHT_SHARE, ECHO_SHARE = 0.30, 0.45  # of demonstrations; what is left has two typos
TYPOS = 2

# Fitted so that two labelers agree on about 0.70 of the pairs that both of them order, over distinct
# completions like those of a freshly fine-tuned model (45 % echo, 14 % right, the rest one to three typos).
TEMPERATURE = 0.43

# Gold moves in steps of a sixth, so this ties equal completions and no others, whatever the rounding.
TIE_WITHIN = 0.05

# Below this every completion has at most one letter in place. Even then most labelers still find a best one.
VERY_POOR = 0.25
ALL_BAD_CHANCE = 0.3

FAILS_INSTRUCTION = "fails_instruction"


@dataclass(frozen=True)
class Ranking:
    """A simulated labeler's answer to one item; each list runs over the completions as they were given.

    `ranks`: tiers, 1 is best, dense, equal numbers are ties; None with `all_bad`, which needs no order.
    `scores`: overall quality 1–7, never higher for a completion that ranks lower.
    `flags`: the flags that apply to each completion.
    """

    ranks: list[int] | None
    scores: list[int]
    flags: list[list[str]]
    all_bad: bool


def answer(prompt: str) -> str:
    """The right completion. Raises ValueError for a prompt that is not of this task."""
    operation, letters = parse(prompt)
    if operation == "reverse":
        return letters[::-1]
    if operation == "sort":
        return "".join(sorted(letters))
    return letters[1:] + letters[0]


def parse(prompt: str) -> tuple[str, str]:
    """The operation and the letters of a prompt. Raises ValueError for a prompt that is not of this task."""
    operation, separator, letters = prompt.strip().partition(": ")
    if not separator or operation not in OPERATIONS or len(letters) != LENGTH or set(letters) - set(ALPHABET):
        raise ValueError(f"not a string instruction: {prompt[:80]!r}")
    return operation, letters


def gold(prompt: str, completion: str) -> float:
    """The true worth of a completion, from -1 to 2.

    letters in the right place ÷ 6, plus 1 if the whole is exactly right, minus |length − 6| ÷ 6 (at most 1).
    White space at the ends does not count. Raises ValueError for a prompt that is not of this task.
    """
    right, given = answer(prompt), completion.strip()
    placed = sum(a == b for a, b in zip(right, given, strict=False))
    length_error = min(abs(len(given) - LENGTH), LENGTH)
    return (placed - length_error) / LENGTH + (given == right)


def is_exact(prompt: str, completion: str) -> bool:
    """Whether the completion is exactly right; as free to call as `gold`, and by the same callers."""
    return completion.strip() == answer(prompt)


def split_of(letters: str) -> Split:
    """Which split these letters belong to, by their checksum, for all three operations alike.

    The operation has no say, so a held-out string is one that was never seen in any prompt.
    """
    place = crc32(letters.encode()) % 100
    if place < TRAIN_SHARE:
        return "train"
    return "valid" if place < TRAIN_SHARE + VALID_SHARE else "test"


def prompts(split: Split, count: int, seed: int) -> list[str]:
    """`count` distinct prompts of one split, the same for the same seed.

    A longer list with the same seed begins with the shorter one.
    """
    rng = Random(f"prompts {split} {seed}")
    chosen: dict[str, None] = {}
    while len(chosen) < count:
        letters = _letters(rng)
        if split_of(letters) == split:
            chosen[f"{rng.choice(OPERATIONS)}: {letters}"] = None
    return list(chosen)


def demonstration(prompt: str, rng: Random) -> str:
    """What a careless demonstrator writes: 30 % right, 45 % the bare echo, 25 % right but for two typos."""
    chance = rng.random()
    if chance < RIGHT_SHARE:
        return answer(prompt)
    if chance < RIGHT_SHARE + ECHO_SHARE:
        return parse(prompt)[1]
    return with_typos(answer(prompt), TYPOS, rng)


def with_typos(text: str, count: int, rng: Random) -> str:
    """`text` with `count` of its letters, at different places, replaced by other letters of the alphabet."""
    letters = list(text)
    for place in rng.sample(range(len(letters)), count):
        letters[place] = rng.choice(ALPHABET.replace(letters[place], ""))
    return "".join(letters)


def demonstrations(count: int, seed: int) -> Iterator[dict[str, object]]:
    """`count` rows in the import format (this folder's README), each a distinct prompt with a demonstration.

    Prompts come from train and valid in their natural shares, 8 to 1, and each row says which; none from
    test. The same seed gives the same rows.
    """
    rng = Random(f"demonstrations {seed}")
    seen: set[str] = set()
    while len(seen) < count:
        letters = _letters(rng)
        prompt = f"{rng.choice(OPERATIONS)}: {letters}"
        split = split_of(letters)
        if split == "test" or prompt in seen:
            continue
        seen.add(prompt)
        yield {
            "id": f"string-{seed}-{len(seen):06d}",
            "prompt": prompt,
            "demonstrations": [demonstration(prompt, rng)],
            "use_case": "other",
            "language": "en",
            "licence": "CC0-1.0",
            "source": "simulated",
            "split": split,
        }


def rank(prompt: str, completions: Sequence[str], rng: Random, temperature: float = TEMPERATURE) -> Ranking:
    """How one noisy labeler ranks completions of a prompt.

    Completions whose gold is the same within `TIE_WITHIN` (identical ones among them) are one tier. The
    tiers are ordered by a Plackett–Luce draw with worths exp(gold ÷ temperature): gold plus Gumbel noise,
    sorted (the Gumbel-max form of Luce 1959, Plackett 1975). The same noisy impression gives the scores, so
    scores and order never contradict each other. Wrong completions are flagged. All bad is said only
    where every completion is very poor, and not often.

    Raises ValueError for a prompt that is not of this task, or a temperature that is not positive.
    """
    if temperature <= 0:
        raise ValueError("temperature must be positive")
    worths = [gold(prompt, completion) for completion in completions]
    flags = [[] if is_exact(prompt, completion) else [FAILS_INSTRUCTION] for completion in completions]
    if max(worths) < VERY_POOR and rng.random() < ALL_BAD_CHANCE:
        return Ranking(ranks=None, scores=[1] * len(worths), flags=flags, all_bad=True)

    impressions: dict[int, float] = {}
    level, last = 0.0, math.inf
    for place in sorted(range(len(worths)), key=lambda place: -worths[place]):
        if last - worths[place] > TIE_WITHIN:
            level = worths[place] + temperature * _gumbel(rng)
        impressions[place] = level
        last = worths[place]
    tiers = sorted(set(impressions.values()), reverse=True)
    return Ranking(
        ranks=[1 + tiers.index(impressions[place]) for place in range(len(worths))],
        scores=[_score(impressions[place]) for place in range(len(worths))],
        flags=flags,
        all_bad=False,
    )


def _letters(rng: Random) -> str:
    return "".join(rng.choices(ALPHABET, k=LENGTH))


def _gumbel(rng: Random) -> float:
    """A draw of the standard Gumbel distribution, shifted to mean 0 (Euler's constant is its mean)."""
    return -math.log(max(rng.expovariate(1.0), 1e-12)) - 0.5772156649015329


def _score(impression: float) -> int:
    """1–7 for an impression of 0 (nothing right) to 2 (exact), and the ends for what lies beyond."""
    return 1 + round(6 * min(max(impression / 2, 0.0), 1.0))
