from collections import Counter
from itertools import islice, permutations
from random import Random

import pytest

from labeling.demo import figures
from labeling.demo import string_instructions as task


@pytest.mark.parametrize(
    ("prompt", "right"),
    [
        ("reverse: abcdef", "fedcba"),
        ("sort: dacbfe", "abcdef"),
        ("sort: lalala", "aaalll"),
        ("rotate: abcdef", "bcdefa"),
    ],
)
def test_the_right_answer_of_each_operation(prompt: str, right: str) -> None:
    assert task.answer(prompt) == right


@pytest.mark.parametrize("prompt", ["shout: abcdef", "sort: abcde", "sort: abcdez", "sort abcdef", ""])
def test_a_prompt_of_another_kind_is_refused(prompt: str) -> None:
    with pytest.raises(ValueError, match="not a string instruction"):
        task.gold(prompt, "abcdef")


@pytest.mark.parametrize(
    ("completion", "worth"),
    [
        ("fedcba", 2.0),  # exact: 6/6 + 1
        (" fedcba\n", 2.0),  # white space at the ends does not count
        ("fedcbl", 5 / 6),  # one typo
        ("fedckl", 4 / 6),  # two typos
        ("abcdef", 0.0),  # the echo: nothing in place
        ("fedcb", 5 / 6 - 1 / 6),  # one letter short
        ("fedcbaa", 6 / 6 - 1 / 6),  # all in place, one too many, not exact
        ("", -1.0),
        ("l" * 500, -1.0),  # the length error is at most 1
    ],
)
def test_gold_by_hand(completion: str, worth: float) -> None:
    assert task.gold("reverse: abcdef", completion) == pytest.approx(worth)


def test_splits_share_no_letters_whatever_the_operation() -> None:
    letters = {
        split: {task.parse(prompt)[1] for prompt in task.prompts(split, 5000, seed=1)}
        for split in ("train", "valid", "test")
    }
    assert not letters["train"] & letters["valid"]
    assert not letters["train"] & letters["test"]
    assert not letters["valid"] & letters["test"]


def test_prompts_are_distinct_and_the_same_for_the_same_seed() -> None:
    held_out = task.prompts("test", 4096, seed=0)
    assert len(set(held_out)) == 4096
    assert held_out == task.prompts("test", 4096, seed=0)
    assert held_out[:100] == task.prompts("test", 100, seed=0)
    assert held_out != task.prompts("test", 4096, seed=1)
    assert {prompt.partition(":")[0] for prompt in held_out} == set(task.OPERATIONS)


def test_splits_never_move() -> None:
    # A change here would leak held-out strings of existing installations into training.
    assert [task.split_of(letters) for letters in SETTLED] == list(SETTLED.values())


def test_demonstrations_are_three_tenths_right_and_mostly_echo_otherwise() -> None:
    rng = Random(3)
    kinds: Counter[str] = Counter()
    for _ in range(4000):
        text = task.demonstration("reverse: abcdef", rng)
        wrong = sum(a != b for a, b in zip(text, "fedcba", strict=True))
        kinds["echo" if text == "abcdef" else f"{wrong} wrong"] += 1
    assert set(kinds) == {"echo", "0 wrong", "2 wrong"}
    assert kinds["0 wrong"] / 4000 == pytest.approx(0.30, abs=0.02)
    assert kinds["echo"] / 4000 == pytest.approx(0.45, abs=0.02)


def test_demonstration_rows_are_whole_held_out_free_and_repeatable() -> None:
    rows = list(task.demonstrations(2000, seed=5))
    assert rows == list(task.demonstrations(2000, seed=5))
    assert list(islice(task.demonstrations(10**9, seed=5), 3)) == rows[:3]  # streams
    assert len({row["prompt"] for row in rows}) == len({row["id"] for row in rows}) == 2000
    assert {row["source"] for row in rows} == {"simulated"}
    for row in rows:
        letters = task.parse(str(row["prompt"]))[1]
        assert row["split"] == task.split_of(letters) != "test"
    assert Counter(row["split"] for row in rows)["valid"] / 2000 == pytest.approx(1 / 9, abs=0.03)


def test_labelers_agree_on_about_seven_pairs_in_ten() -> None:
    items = []
    for number, prompt in enumerate(task.prompts("train", 1500, seed=2)):
        completions = sampled_completions(prompt, Random(number))
        answers = [task.rank(prompt, completions, Random(f"{number} {who}")) for who in ("Ada", "Bo")]
        items.append([given.ranks for given in answers if given.ranks is not None])
    result = figures.agreement(items)
    assert result.pairs > 10_000
    assert result.share == pytest.approx(0.70, abs=0.015)


def test_identical_and_equally_good_completions_are_always_tied() -> None:
    completions = ["abcdef", "fedcka", "fedcba", "abcdef", "fldcba"]  # gold 0, 5/6, 2, 0, 5/6
    for seed in range(200):
        ranks = task.rank("reverse: abcdef", completions, Random(seed)).ranks
        assert ranks is not None
        assert ranks[0] == ranks[3]
        assert ranks[1] == ranks[4]
        assert sorted(set(ranks)) == [1, 2, 3]


def test_scores_never_contradict_the_order_and_wrong_ones_are_flagged() -> None:
    completions = ["fedcba", "abcdef", "fedckl", "fedcbl", "fed"]
    seen: set[int] = set()
    for seed in range(200):
        given = task.rank("reverse: abcdef", completions, Random(seed))
        assert given.ranks is not None
        seen.update(given.scores)
        for one, other in permutations(range(5), 2):
            if given.ranks[one] <= given.ranks[other]:
                assert given.scores[one] >= given.scores[other]
        assert given.flags == [[], *[["fails_instruction"]] * 4]
    assert seen == {1, 2, 3, 4, 5, 6, 7}


def test_a_cold_labeler_ranks_by_gold() -> None:
    completions = ["abcdef", "fedckl", "fedcba", "fedcbl"]
    given = task.rank("reverse: abcdef", completions, Random(0), temperature=1e-6)
    assert given.ranks == [4, 3, 1, 2]
    assert given.scores == [1, 3, 7, 3]  # an impression of 4/6 and one of 5/6 both round to 3


def test_all_bad_is_said_rarely_and_only_where_all_are() -> None:
    hopeless = ["abcdef", "bacdfe", ""]
    answers = [task.rank("reverse: abcdef", hopeless, Random(seed)) for seed in range(400)]
    said = [given for given in answers if given.all_bad]
    assert 0 < len(said) < 200
    assert all(given.ranks is None and given.scores == [1, 1, 1] for given in said)
    mixed = [*hopeless, "fedckl"]
    assert not any(task.rank("reverse: abcdef", mixed, Random(seed)).all_bad for seed in range(400))


def test_a_temperature_that_is_not_positive_is_refused() -> None:
    with pytest.raises(ValueError, match="positive"):
        task.rank("reverse: abcdef", ["a", "b"], Random(0), temperature=0)


def sampled_completions(prompt: str, rng: Random) -> list[str]:
    """Up to six distinct completions like those of a freshly fine-tuned model."""
    chosen: dict[str, None] = {}
    for _ in range(20):
        chance = rng.random()
        if chance < 0.45:
            completion = task.parse(prompt)[1]
        elif chance < 0.59:
            completion = task.answer(prompt)
        else:
            completion = task.with_typos(task.answer(prompt), rng.choice([1, 1, 2, 2, 3]), rng)
        chosen[completion] = None
        if len(chosen) == 6:
            break
    return list(chosen)


SETTLED = {
    "abcdef": "train",
    "hgdkle": "train",
    "aaaaaa": "test",
    "jdfhkg": "test",
    "glbgig": "valid",
    "jglhhf": "valid",
}
