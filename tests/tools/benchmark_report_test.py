"""The benchmark's table shows medians and ratios, says which curves differ, and why a figure is missing."""

import report

ANSWERS = {
    "eager_add_1": {
        "millstream": [{"seconds": 1e-6}, {"seconds": 9e-6}, {"seconds": 2e-6}],
        "tensorflow": [{"seconds": 8e-6}, {"seconds": 10e-6}, {"seconds": 9e-6}],
    },
    "matmul_512": {"millstream": [{"error": "OSError: no kernel"}], "tensorflow": [{"seconds": 1e-3}]},
    "curve_mlp": {
        "millstream": [{"losses": [2.0, 1.01]}],
        "tensorflow": [{"losses": [2.0, 1.0]}],
    },
}
LABELS = ["millstream", "tensorflow"]


def test_a_row_shows_medians_and_their_ratio():
    assert "| eager x + y, 1 element | 2.00 µs | 9.00 µs | 4.50 |" in report.timing_table(ANSWERS, LABELS)


def test_a_failed_row_says_so_and_why():
    assert "| failed | 1000 µs |" in report.timing_table(ANSWERS, LABELS)
    assert "millstream: OSError: no kernel" in report.reasons(ANSWERS)


def test_curves_further_apart_than_allowed_are_marked():
    assert "2.0000 → 1.0100, 1.0e-02 apart (over 1e-3)" in report.curve_table(ANSWERS, LABELS)
