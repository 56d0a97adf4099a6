import pytest

from labeling.demo import figures


def test_mean_and_standard_error_by_hand() -> None:
    # Deviations -1.5, -0.5, 0.5, 1.5: sum of squares 5, variance 5/3, error √(5/12).
    result = figures.mean([1.0, 2.0, 3.0, 4.0])
    assert result.mean == 2.5
    assert result.error == pytest.approx(0.6454972)
    assert (result.lower, result.upper) == pytest.approx((1.2348487, 3.7651513))
    assert result.count == 4


def test_one_value_has_no_standard_error() -> None:
    with pytest.raises(ValueError, match="at least two"):
        figures.mean([1.0])


def test_paired_difference_ignores_what_both_sides_share() -> None:
    result = figures.paired_difference([0.0, 10.0, 100.0], [1.0, 11.0, 101.0])
    assert (result.mean, result.error) == (1.0, 0.0)


def test_paired_difference_refuses_arms_of_different_length() -> None:
    with pytest.raises(ValueError, match="zip"):
        figures.paired_difference([1.0, 2.0], [1.0, 2.0, 3.0])


def test_agreement_leaves_out_pairs_that_either_labeler_tied() -> None:
    # Pairs: ab agree, ac agree, bc tied by the second.
    assert figures.agreement([[[1, 2, 3], [1, 2, 2]]]) == figures.Agreement(1.0, 2)


def test_agreement_counts_every_two_labelers_of_an_item() -> None:
    # Three labelers: the first two agree, each disagrees with the third.
    assert figures.agreement([[[1, 2], [1, 2], [2, 1]], [[1, 2]]]) == figures.Agreement(1 / 3, 3)


def test_agreement_without_a_common_pair_is_unknown() -> None:
    assert figures.agreement([[[1, 2]], [[1, 1], [1, 2]]]) == figures.Agreement(None, 0)


def test_agreement_refuses_rankings_of_different_length() -> None:
    with pytest.raises(ValueError, match="same completions"):
        figures.agreement([[[1, 2], [1, 2, 3]]])
