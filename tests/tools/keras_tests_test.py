"""The table of Keras's tests counts what pytest reported, and a file that breaks is not forgotten."""

import keras_tests

REPORT = """<testsuites><testsuite>
<testcase classname="keras.src.layers.core.dense_test.DenseTest" name="test_basics"/>
<testcase classname="keras.src.layers.core.dense_test.DenseTest" name="test_masking">
  <failure message="boom">x.py:3: in call
E   ValueError: boom
/site/keras/dense.py:7: ValueError</failure></testcase>
<testcase classname="keras.src.layers.core.dense_test" name="test_plain"><skipped message="no"/></testcase>
</testsuite></testsuites>"""
MODULE = "keras.src.layers.core.dense_test"
REFERENCE = {
    f"{MODULE}.DenseTest::test_basics": "passed",
    f"{MODULE}.DenseTest::test_masking": "passed",
    f"{MODULE}::test_plain": "skipped",
    "keras.src.losses.loss_test.LossTest::test_mask": "passed",
}


def test_outcomes_are_named_as_the_recorded_ones_are(tmp_path):
    path = tmp_path / "report.xml"
    path.write_text(REPORT)
    result = keras_tests.parse(path, MODULE)
    assert result.outcomes == {
        f"{MODULE}.DenseTest::test_basics": "passed",
        f"{MODULE}.DenseTest::test_masking": "failed",
        f"{MODULE}::test_plain": "skipped",
    }
    assert result.reasons[f"{MODULE}.DenseTest::test_masking"].startswith("ValueError: boom")


def test_a_file_that_cannot_be_collected_is_broken(tmp_path):
    path = tmp_path / "report.xml"
    path.write_text(
        '<testsuites><testsuite><testcase classname="" name="keras.src.x_test"><error message="collection failure">'
        "E   ImportError: no jax</error></testcase></testsuite></testsuites>"
    )
    assert keras_tests.parse(path, "keras.src.x_test").broken.startswith("ImportError: no jax")


def test_the_table_counts_only_what_passes_on_tensorflow():
    outcomes = {f"{MODULE}.DenseTest::test_basics": "passed", f"{MODULE}::test_plain": "passed"}
    table = keras_tests.table(["layers/core", "losses"], REFERENCE, outcomes)
    assert "| layers/core | 2 | 1 | 50.0 |" in table
    assert "| losses | 1 | 0 | 0.0 |" in table
    assert "| all | 3 | 1 | 33.3 |" in table


def test_a_test_of_a_broken_file_is_given_the_files_reason():
    test = f"{MODULE}.DenseTest::test_basics"
    assert keras_tests.reason_of(test, {}, {MODULE: "ImportError: no jax"}) == "ImportError: no jax"
    assert keras_tests.reason_of(test, {}, {}) == "did not run"
