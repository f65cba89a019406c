"""tf.test: comparisons fail where they are to, and say what differs; gradients agree with differences."""

from __future__ import annotations

import sys
import unittest
from typing import Any

import numpy as np
import pytest

import millstream as tf

FAILING = {
    "equal": lambda t: t.assertAllEqual([1, 2], [1, 3]),
    "equal shape": lambda t: t.assertAllEqual([1, 2], [[1, 2]]),
    "equal text": lambda t: t.assertAllEqual(tf.constant(["a"]), ["b"]),
    "equal ragged": lambda t: t.assertAllEqual(tf.ragged.constant([[1], []]), [[1], [2]]),
    "not equal": lambda t: t.assertNotAllEqual([1, 2], [1, 2]),
    "close": lambda t: t.assertAllClose([1.0, 2.0], [1.0, 2.1]),
    "close nested": lambda t: t.assertAllClose({"a": [1.0]}, {"a": [2.0]}),
    "close nan": lambda t: t.assertAllClose([np.nan], [1.0]),
    "not close": lambda t: t.assertNotAllClose([1.0], [1.0]),
    "greater": lambda t: t.assertAllGreater([1, 2], 1),
    "less": lambda t: t.assertAllLess([1, 2], 2),
    "greater equal": lambda t: t.assertAllGreaterEqual([0, 2], 1),
    "less equal": lambda t: t.assertAllLessEqual([1, 3], 2),
    "range": lambda t: t.assertAllInRange([1.0, 3.0], 1, 2),
    "open range": lambda t: t.assertAllInRange([1.0], 1, 2, open_lower_bound=True),
    "range of nan": lambda t: t.assertAllInRange([np.nan], 0, 1),
    "range of texts": lambda t: t.assertAllInRange(["a"], 0, 1),
    "set": lambda t: t.assertAllInSet([1, 5], {1, 2}),
    "dtype": lambda t: t.assertDTypeEqual(tf.constant(1), np.int64),
    "shape": lambda t: t.assertShapeEqual(tf.zeros([2]), np.zeros(3)),
    "near": lambda t: t.assertNear(1.0, 1.2, 0.1),
    "array near": lambda t: t.assertArrayNear([1.0], [1.2], 0.1),
    "nd array near": lambda t: t.assertNDArrayNear(np.ones(2), np.zeros(2), 0.1),
    "device": lambda t: t.assertDeviceEqual("/cpu:0", "/cpu:1"),
    "start": lambda t: t.assertStartsWith("abc", "b"),
    "dict": lambda t: t.assertDictEqual({"a": [1]}, {"a": [2]}),
    "proto": lambda t: t.assertProtoEquals("dtype: DT_FLOAT", tf.make_tensor_proto(1)),
}


@pytest.fixture
def case() -> Any:
    made = tf.test.TestCase()
    made.setUp()
    yield made
    made.tearDown()


@pytest.mark.parametrize("name", FAILING)
def test_a_comparison_fails_where_things_differ(case: Any, name: str) -> None:
    with pytest.raises(AssertionError):
        FAILING[name](case)


def test_comparisons_pass_where_things_agree(case: Any) -> None:
    case.assertAllEqual(tf.constant([1.0, np.nan]), [1.0, np.nan])
    case.assertAllEqual(tf.constant(["a", "b"]), ["a", b"b"])
    case.assertAllEqual(tf.ragged.constant([[1], [2, 3]]), [[1], [2, 3]])
    case.assertAllClose({"a": (1.0, [2.0, tf.constant(3.0)])}, {"a": (1.0 + 1e-8, [2.0, 3.0])})
    case.assertAllCloseAccordingToType(tf.constant(1.0, tf.float16), np.float16(1.0005))
    case.assertAllInRange(tf.constant([1, 2]), 1, 2)
    case.assertShapeEqual(tf.zeros([2]), np.zeros(2))
    case.assertDeviceEqual("/device:CPU:0", "/cpu:0")
    case.assertProtoEquals("dtype: DT_INT32 tensor_shape {} int_val: 1", tf.make_tensor_proto(1))
    assert case.evaluate({"a": tf.constant(2)}) == {"a": 2}
    with case.session() as session:
        assert session.run(tf.constant(3)) == 3


def test_structures_of_other_forms_are_refused(case: Any) -> None:
    with pytest.raises(ValueError, match="dict to non-dict"):
        case.assertAllClose({"a": 1}, [1])
    with pytest.raises(ValueError, match="Mismatched length"):
        case.assertAllClose([{"a": 1}], [{"a": 1}, {"a": 2}])


def test_errors_are_matched_by_pattern_and_function(case: Any) -> None:
    with case.assertRaisesOpError("Incompatible shapes"):
        tf.constant([1, 2]) + tf.constant([1, 2, 3])
    with case.assertRaisesWithPredicateMatch(ValueError, lambda e: "no" in str(e)):
        raise ValueError("no")
    with pytest.raises(AssertionError), case.assertRaisesOpError("."):
        pass


def test_each_test_starts_from_the_same_seed_and_has_a_folder(case: Any) -> None:
    first = tf.random.normal([2]).numpy()
    case.setUp()
    assert np.array_equal(first, tf.random.normal([2]).numpy())
    folder = case.get_temp_dir()
    assert folder == case.get_temp_dir() and len(folder) > 3


def test_random_numbers_of_a_test_are_those_that_tensorflow_gives_it(case: Any) -> None:
    assert tf.random.uniform([3]).numpy() == pytest.approx([0.5836375, 0.2972299, 0.6192734], abs=1e-7)


def test_arrays_of_one_shape_are_compared_without_writing_them_out(case: Any) -> None:
    class Silent(np.ndarray):
        def __repr__(self) -> str:
            raise AssertionError("written out")

    array = np.ones([10, 10, 10]).view(Silent)
    case.assertAllClose(array, array)
    case.assertAllEqual(array, array)


def test_threads_report_their_failures(case: Any) -> None:
    thread = case.checkedThread(lambda: 1 / 0)
    thread.start()
    with pytest.raises(AssertionError, match="division by zero"):
        thread.join()


def test_a_class_of_tests_runs() -> None:
    class Square(tf.test.TestCase):
        def test_square(self) -> None:
            self.assertAllEqual(tf.square([2, 3]), [4, 9])

        @tf.test.disable_with_predicate(tf.test.is_built_with_cuda, "no cuda here")
        def test_wrong(self) -> None:
            self.assertAllEqual(tf.square([2, 3]), [4, 8])

    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(Square).run(result)
    assert result.testsRun == 3 and len(result.failures) == 1 and len(result.skipped) == 1


def test_gradients_agree_with_differences() -> None:
    x, y = tf.constant([[0.5, -1.0]], tf.float64), tf.constant([[2.0], [3.0]], tf.float64)
    for theory, numbers in zip(*tf.test.compute_gradient(lambda a, b: tf.sin(a @ b), [x, y]), strict=True):
        assert theory.shape == (1, 2)
        np.testing.assert_allclose(theory, numbers, atol=1e-5)
    theory, numbers = tf.test.compute_gradient(lambda z: z * z, [tf.constant([1 + 2j])])
    np.testing.assert_allclose(theory[0], numbers[0], atol=1e-6)
    assert theory[0].shape == (2, 2)
    with pytest.raises(ValueError, match="list or tuple"):
        tf.test.compute_gradient(tf.sin, x)


def test_what_is_written_is_captured(case: Any, capfd: Any) -> None:
    with capfd.disabled(), case.captureWritesToStream(sys.__stdout__) as writes:
        print("hello", file=sys.__stdout__)
        sys.__stdout__.flush()
        assert writes.contents() == "hello\n"
