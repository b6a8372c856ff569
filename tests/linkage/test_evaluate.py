"""Quality is counted in pairs of records."""

from exchange.linkage import evaluate, wrong_pairs

TRUTH = {1: "ann", 2: "ann", 3: "ann", 4: "bob"}


def test_pairs_found_right_and_wrong_are_counted():
    quality = evaluate({1: "x", 2: "x", 3: "y", 4: "y"}, TRUTH)

    assert (quality.true_pairs, quality.linked_pairs, quality.right_pairs) == (3, 2, 1)
    assert (quality.precision, quality.recall) == (0.5, 1 / 3)


def test_all_found_is_perfect():
    assert evaluate(TRUTH, TRUTH).f1 == 1.0


def test_the_queue_is_measured_by_records_and_by_truth():
    quality = evaluate({1: 1, 2: 2, 3: 3, 4: 4}, TRUTH, review=[(1, 2), (3, 4)])

    assert (quality.review_share, quality.review_precision) == (1.0, 0.5)


def test_wrong_pairs_are_named():
    assert wrong_pairs({1: "x", 4: "x", 2: "y", 3: "y"}, TRUTH) == [(1, 4)]
