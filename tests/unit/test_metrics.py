"""Figures of merit against numbers worked by hand, published ones, and second implementations."""

import numpy as np
import pytest
from scipy.stats import rankdata
from sklearn.metrics import roc_auc_score, roc_curve

from lensrank import metrics

# Lenses: 0.9 0.8 0.8 0.3; non-lenses: 0.8 0.5 0.3. Pairs in order: 3 + 2.5 + 2.5 + 0.5 of 12.
SCORES = np.array([0.9, 0.8, 0.8, 0.8, 0.5, 0.3, 0.3])
LABELS = np.array([1, 1, 0, 1, 0, 1, 0], dtype=bool)


def survey(n: int, decimals: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """Labels and scores of n images, rounded so that many scores are equal."""
    rng = np.random.default_rng(n)
    labels = rng.random(n) < 0.4
    return np.round(1 / (1 + np.exp(-rng.normal(labels * 1.5, 1.0))), decimals), labels


def test_auroc_counts_a_tied_pair_as_one_half() -> None:
    assert metrics.auroc(SCORES, LABELS) == 8.5 / 12


@pytest.mark.parametrize(
    ("scores", "expected"), [([0.1, 0.2, 0.8, 0.9], 1.0), ([0.9, 0.8, 0.2, 0.1], 0.0), ([0.4] * 4, 0.5)]
)
def test_auroc_of_perfect_reversed_and_constant_scores(scores: list[float], expected: float) -> None:
    assert metrics.auroc(np.array(scores), np.array([False, False, True, True])) == expected


def test_auroc_is_the_rank_sum_and_what_scikit_learn_gives() -> None:
    scores, labels = survey(100_000)
    lenses, others = int(labels.sum()), int((~labels).sum())
    by_ranks = (rankdata(scores)[labels].sum() - lenses * (lenses + 1) / 2) / (lenses * others)
    area = metrics.auroc(scores, labels)
    assert area == pytest.approx(by_ranks, abs=1e-12)
    assert area == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)


def test_auroc_does_not_depend_on_the_scale_of_the_scores() -> None:
    scores, labels = survey(500)
    assert metrics.auroc(scores * 1e-30, labels) == metrics.auroc(scores, labels)


def test_roc_takes_ties_whole() -> None:
    curve = metrics.roc(SCORES, LABELS)
    assert curve.threshold.tolist() == [np.inf, 0.9, 0.8, 0.5, 0.3]
    assert curve.tp.tolist() == [0, 1, 3, 3, 4]
    assert curve.fp.tolist() == [0, 0, 1, 2, 3]


def test_roc_is_what_scikit_learn_gives() -> None:
    scores, labels = survey(2000)
    fpr, tpr, threshold = roc_curve(labels, scores, drop_intermediate=False)
    curve = metrics.roc(scores, labels)
    np.testing.assert_allclose(curve.fpr, fpr, rtol=0, atol=1e-15)
    np.testing.assert_allclose(curve.tpr, tpr, rtol=0, atol=1e-15)
    np.testing.assert_array_equal(curve.threshold, threshold)


@pytest.mark.parametrize(
    ("area", "lenses", "others", "published"),
    [(0.93, 1394, 606, 0.0054), (0.96, 1394, 606, 0.0040), (0.93, 40221, 59782, 0.0009)],
)
def test_sampling_error_of_the_challenge_sets(area: float, lenses: int, others: int, published: float) -> None:
    assert round(metrics.auroc_error(area, lenses, others), 4) == published


def test_sampling_error_of_one_pair_by_hand() -> None:
    # One lens, one non-lens, A = 1/2: the variance is A (1 - A) = 1/4.
    assert metrics.auroc_error(0.5, 1, 1) == 0.5


def test_sampling_error_is_the_scatter_of_simulated_sets() -> None:
    # Hanley and McNeil's formula supposes exponential scores: draw such ones, with AUROC 3/4 (rates 1 and 3).
    rng = np.random.default_rng(5)
    labels = np.repeat([True, False], [80, 120])
    scores = rng.exponential(np.where(labels, 3.0, 1.0), size=(4000, 200))
    scatter = np.std([metrics.auroc(row, labels) for row in scores])
    assert metrics.auroc_error(0.75, 80, 120) == pytest.approx(scatter, rel=0.05)


def test_interval_is_two_errors_wide_where_the_area_is_far_from_one() -> None:
    low, high = metrics.auroc_interval(0.7, 20000, 20000)
    error = metrics.auroc_error(0.7, 20000, 20000)
    assert low == pytest.approx(0.7 - 1.96 * error, abs=5e-5)
    assert high == pytest.approx(0.7 + 1.96 * error, abs=5e-5)


@pytest.mark.parametrize("area", [1e-9, 0.001, 0.5, 0.999, 1 - 1e-9])
def test_interval_holds_the_area_and_stays_in_range(area: float) -> None:
    low, high = metrics.auroc_interval(area, 30, 70)
    assert 0 <= low < area < high <= 1


def test_interval_of_a_perfect_ranking_is_that_of_ten_out_of_ten() -> None:
    # Clopper and Pearson for 10 of 10: lower end 0.025^(1/10) = 0.6915.
    low, high = metrics.auroc_interval(1.0, 10, 500)
    assert (round(low, 4), high) == (0.6915, 1.0)
    assert metrics.auroc_interval(0.0, 10, 500) == pytest.approx((0.0, 1 - low))


def test_interval_stays_narrow_just_below_a_perfect_ranking() -> None:
    # One of 240 x 1,000 pairs in the wrong order says hardly less than none.
    perfect, _ = metrics.auroc_interval(1.0, 240, 1000)
    low, high = metrics.auroc_interval(1 - 1 / 240000, 240, 1000)
    assert 0.98 < low <= perfect
    assert 1 - 1 / 240000 < high <= 1


def test_interval_holds_the_true_area_in_95_of_100_sets() -> None:
    # Exponential scores, as above; rates 1 and 49: AUROC 0.98.
    rng = np.random.default_rng(6)
    labels = np.repeat([True, False], [60, 200])
    areas = [metrics.auroc(row, labels) for row in rng.exponential(np.where(labels, 49.0, 1.0), size=(2000, 260))]
    intervals = [metrics.auroc_interval(area, 60, 200) for area in areas]
    assert np.mean([low <= 0.98 <= high for low, high in intervals]) == pytest.approx(0.95, abs=0.03)


def test_tpr_at_by_hand() -> None:
    # 20 lenses, and non-lenses such that each step admits one more.
    labels = np.array([True, False] * 20)
    scores = np.linspace(1, 0, 40)
    assert metrics.tpr_at(scores, labels, 0) == 1 / 20
    assert metrics.tpr_at(scores, labels, 9) == 10 / 20
    assert metrics.tpr_at(scores, labels, 10) == 11 / 20
    assert metrics.tpr_at(scores, labels, 1000) == 1.0


def test_tpr_at_does_not_part_ties() -> None:
    # Two lenses lie above all; the next score belongs to 1 lens and 2 non-lenses at once.
    scores = np.array([0.9, 0.9, 0.8, 0.8, 0.8, 0.1, 0.1])
    labels = np.array([True, True, True, False, False, True, False])
    assert metrics.tpr_at(scores, labels, 0) == 2 / 4
    assert metrics.tpr_at(scores, labels, 1) == 2 / 4
    assert metrics.tpr_at(scores, labels, 2) == 3 / 4


def test_tpr_at_is_zero_when_a_non_lens_shares_the_highest_score() -> None:
    assert metrics.tpr_at(np.array([1.0, 1.0, 0.0]), np.array([True, False, True]), 0) == 0.0


def test_confusion_takes_the_threshold_itself_for_a_lens() -> None:
    assert metrics.confusion(SCORES, LABELS, 0.8) == metrics.Confusion(tn=2, fp=1, fn=1, tp=3)
    assert metrics.confusion(SCORES, LABELS, 0.81) == metrics.Confusion(tn=3, fp=0, fn=3, tp=1)


def test_rates_are_those_of_the_confusion_matrix() -> None:
    scores, labels = survey(300, decimals=1)
    thresholds = np.linspace(0, 1, 21)
    tpr, tnr = metrics.rates(scores, labels, thresholds)
    for t, sensitivity, specificity in zip(thresholds, tpr, tnr, strict=True):
        table = metrics.confusion(scores, labels, t)
        assert sensitivity == pytest.approx(table.tp / (table.tp + table.fn))
        assert specificity == pytest.approx(table.tn / (table.tn + table.fp))


def test_tpr_on_a_grid_starts_at_tpr0_and_ends_at_one() -> None:
    curve = metrics.roc(SCORES, LABELS)
    grid = np.array([0, 1 / 6, 1 / 3, 1.0])
    np.testing.assert_allclose(metrics.tpr_on(grid, curve), [1 / 4, 1 / 2, 3 / 4, 1])


@pytest.mark.parametrize("label", [True, False])
def test_one_class_is_refused(label: bool) -> None:
    with pytest.raises(ValueError, match="both lenses and non-lenses"):
        metrics.auroc(np.arange(3.0), np.full(3, label))


def test_nan_scores_are_refused() -> None:
    with pytest.raises(ValueError, match="1 NaN of 3"):
        metrics.tpr_at(np.array([0.1, np.nan, 0.3]), np.array([True, False, True]), 0)
