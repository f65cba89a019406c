"""Ragged tensors where no recorded answer fits: rules, tapes, structures, functions, specs."""

from __future__ import annotations

import json
import os
import pathlib
import pickle
from typing import Any

import numpy as np
import pytest

import millstream as tf
from millstream.api.public import PUBLIC, RULES
from millstream.base.composite import CompositeArgument

REFERENCE = pathlib.Path(os.environ.get("MILLSTREAM_REFERENCE", "/work/shared/reference")) / "tensorflow_api_2.21.json"
ROWS = tf.ragged.constant([[1.5, 2.0], [3.0], [], [4.0, 5.0, 6.0]])


@pytest.mark.skipif(not REFERENCE.exists(), reason="The reference is not here.")
def test_rules_are_for_functions_that_tensorflow_has() -> None:
    names = json.loads(REFERENCE.read_text())
    unknown = [name for name in RULES if f"tf.{name}" not in names]
    assert unknown in ([], ["realdiv"], ["realdiv", "truncatediv", "truncatemod"])


def test_guarded_functions_keep_name_parameters_and_documentation() -> None:
    import inspect

    assert tf.add.__name__ == "add"
    assert tf.add is tf.math.add
    assert str(inspect.signature(tf.reduce_sum)) == str(inspect.signature(tf.reduce_sum.__wrapped__))
    assert tf.concat([[1], [2]], axis=0).numpy().tolist() == [1, 2]


def test_functions_without_a_rule_say_what_to_do_instead() -> None:
    with pytest.raises(CompositeArgument, match=r"A RaggedTensor was given where a tensor is asked for.*to_tensor"):
        tf.transpose(ROWS)


def test_tape_gives_the_gradient_of_a_ragged_tensor_in_its_rows() -> None:
    with tf.GradientTape() as tape:
        tape.watch(ROWS)
        total = tf.reduce_sum(ROWS * ROWS)
    gradient = tape.gradient(total, ROWS)
    assert gradient.to_list() == [[3.0, 4.0], [6.0], [], [8.0, 10.0, 12.0]]


def test_tape_takes_a_ragged_tensor_as_target() -> None:
    scale = tf.Variable(2.0)
    with tf.GradientTape() as tape:
        scaled = ROWS * scale
    assert tape.gradient(scaled, scale).numpy() == 21.5


@pytest.mark.parametrize("traced", [False, True], ids=["eager", "traced"])
@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda rows: tf.reduce_sum(tf.reduce_sum(rows, 1) ** 2), [7.0, 7.0, 6.0, 30.0, 30.0, 30.0]),
        (lambda rows: tf.reduce_sum(rows.to_tensor(2.0) ** 2), [3.0, 4.0, 6.0, 8.0, 10.0, 12.0]),
        (lambda rows: tf.reduce_sum(rows[1:, -2:] ** 2), [0.0, 0.0, 6.0, 0.0, 10.0, 12.0]),
        (lambda rows: tf.reduce_sum(tf.concat([rows, rows], 1) ** 2), [6.0, 8.0, 12.0, 16.0, 20.0, 24.0]),
        (lambda rows: tf.reduce_sum(tf.gather(rows, [3, 0, 3]) ** 2), [3.0, 4.0, 0.0, 16.0, 20.0, 24.0]),
        (lambda rows: tf.reduce_sum(rows.to_sparse().values ** 2), [3.0, 4.0, 6.0, 8.0, 10.0, 12.0]),
        (lambda rows: tf.reduce_sum(tf.tile(rows, [2, 1]) ** 2), [6.0, 8.0, 12.0, 16.0, 20.0, 24.0]),
    ],
)
def test_gradients_flow_through_ragged_functions(function, expected, traced) -> None:
    values, splits = ROWS.flat_values, ROWS.row_splits
    called = tf.function(function) if traced else function
    with tf.GradientTape() as tape:
        tape.watch(values)
        total = called(tf.RaggedTensor.from_row_splits(values, splits))
    found = tf.convert_to_tensor(tape.gradient(total, values))
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_gradients_of_gradients_flow_through_ragged_values() -> None:
    values = ROWS.flat_values
    with tf.GradientTape() as outer:
        outer.watch(values)
        with tf.GradientTape() as inner:
            inner.watch(values)
            total = tf.reduce_sum(tf.RaggedTensor.from_row_splits(values, ROWS.row_splits).to_tensor() ** 3)
        slope = inner.gradient(total, values)
    np.testing.assert_allclose(outer.gradient(slope, values), 6 * values.numpy(), rtol=1e-6)


def test_structures_open_ragged_tensors_only_where_asked() -> None:
    assert tf.nest.flatten([ROWS, 1]) == [ROWS, 1] or len(tf.nest.flatten([ROWS, 1])) == 2
    parts = tf.nest.flatten(ROWS, expand_composites=True)
    assert [part.shape.as_list() for part in parts] == [[6], [5]]
    again = tf.nest.pack_sequence_as(ROWS, parts, expand_composites=True)
    assert again.to_list() == ROWS.to_list()


def test_functions_take_and_give_ragged_tensors_with_one_trace_for_all_lengths() -> None:
    traces = []

    @tf.function(input_signature=[tf.RaggedTensorSpec([None, None], tf.float32)])
    def doubled(rows):
        traces.append(rows)
        return {"rows": rows * 2, "count": rows.nrows()}

    assert doubled(ROWS)["rows"].to_list() == (ROWS * 2).to_list()
    assert doubled(ROWS[:1])["count"].numpy() == 1
    assert len(traces) == 1


def test_loops_carry_ragged_tensors() -> None:
    @tf.function
    def grown(rows, count):
        for _ in tf.range(count):
            rows = rows + 1.0
        return rows

    assert grown(ROWS, tf.constant(3)).to_list() == (ROWS + 3).to_list()


def test_spec_of_a_ragged_tensor_is_compatible_with_it_and_pickles() -> None:
    spec = tf.type_spec_from_value(ROWS)
    assert spec.is_compatible_with(ROWS)
    assert not tf.RaggedTensorSpec([3, None], tf.float32).is_compatible_with(ROWS)
    assert pickle.loads(pickle.dumps(spec)) == spec
    shape = tf.shape(ROWS)._type_spec
    assert pickle.loads(pickle.dumps(shape)) == shape
    partition = tf.experimental.RowPartition.from_row_lengths([1, 2])._type_spec
    assert pickle.loads(pickle.dumps(partition)) == partition


def test_raw_ops_answer_as_their_public_functions_do() -> None:
    splits, values = tf.raw_ops.RaggedRange(starts=[0, 5], limits=[3, 7], deltas=[1, 1])
    assert (splits.numpy().tolist(), values.numpy().tolist()) == ([0, 3, 5], [0, 1, 2, 5, 6])
    outer, picked = tf.raw_ops.RaggedGather(
        params_nested_splits=[[0, 3, 5]], params_dense_values=[1, 2, 3, 4, 5], indices=[1, 0], OUTPUT_RAGGED_RANK=1
    )
    assert (outer[0].numpy().tolist(), picked.numpy().tolist()) == ([0, 2, 5], [4, 5, 1, 2, 3])


def test_partition_types_of_the_raw_op_mean_the_same_rows() -> None:
    def dense(tensors, kinds):
        return tf.raw_ops.RaggedTensorToTensor(
            shape=[-1, -1],
            values=[1, 2, 3],
            default_value=0,
            row_partition_tensors=tensors,
            row_partition_types=kinds,
        ).numpy()

    rows = [[1, 2], [0, 0], [3, 0]]
    assert dense([[0, 2, 2, 3]], ["ROW_SPLITS"]).tolist() == rows
    assert dense([[2, 0, 1]], ["ROW_LENGTHS"]).tolist() == rows
    assert dense([3, [0, 0, 2]], ["FIRST_DIM_SIZE", "VALUE_ROWIDS"]).tolist() == rows


def test_every_guarded_function_is_still_public() -> None:
    assert all(callable(PUBLIC[name]) for name in RULES if name in PUBLIC)


@pytest.mark.parametrize("traced", [False, True], ids=["eager", "traced"])
def test_map_fn_takes_and_gives_ragged_rows(traced: bool) -> None:
    def mapped(rows):
        same = tf.map_fn(lambda row: row * 2, rows)
        counted = tf.map_fn(tf.range, tf.constant([1, 3, 0]), fn_output_signature=tf.RaggedTensorSpec([None], tf.int32))
        total = tf.map_fn(tf.reduce_sum, rows, fn_output_signature=tf.float32)
        return same, counted, total

    same, counted, total = (tf.function(mapped) if traced else mapped)(ROWS)
    assert same.to_list() == (ROWS * 2).to_list()
    assert counted.to_list() == [[0], [0, 1, 2], []]
    assert total.numpy().tolist() == [3.5, 3.0, 0.0, 15.0]


def test_text_of_ragged_tensors_is_tensorflows(capfd) -> None:
    long = tf.ragged.constant([list(range(20)), [1]] * 5)
    assert tf.strings.format("{}", long).numpy() == (
        b"[[0, 1, 2, ..., 17, 18, 19], [1], [0, 1, 2, ..., 17, 18, 19], ..., [1], [0, 1, 2, ..., 17, 18, 19], [1]]"
    )
    words = tf.ragged.constant([["a", "b"], ["c"]])
    assert tf.strings.format("{} {}", (words, tf.constant([1]))).numpy() == b"[['a', 'b'], ['c']] [1]"
    tf.function(lambda rows: tf.print("x", rows, [rows, 1], sep="|"))(words)
    assert capfd.readouterr().err == "x|[['a', 'b'], ['c']]|[[['a', 'b'], ['c']], 1]\n"


@pytest.mark.parametrize(
    "function",
    [
        lambda rows: tf.reduce_sum(rows.to_tensor(2.0) ** 3),
        lambda rows: tf.reduce_sum(tf.concat([rows, rows], 1) ** 2),
        lambda rows: tf.reduce_sum(tf.gather(rows, [3, 0, 3]) ** 2),
        lambda rows: tf.reduce_sum(tf.ragged.boolean_mask(rows, rows > 2) ** 2),
        lambda rows: tf.reduce_sum(tf.boolean_mask(rows.values, rows.values > 2) ** 3),
        lambda rows: tf.reduce_sum(tf.cumsum(rows, 1) ** 2),
    ],
)
def test_gradients_of_gradients_are_the_same_through_a_function(function) -> None:
    def slope(called):
        values = ROWS.flat_values
        with tf.GradientTape() as outer:
            outer.watch(values)
            with tf.GradientTape() as inner:
                inner.watch(values)
                total = called(tf.RaggedTensor.from_row_splits(values, ROWS.row_splits))
            first = tf.convert_to_tensor(inner.gradient(total, values))
            length = tf.reduce_sum(first * first)
        return tf.convert_to_tensor(outer.gradient(length, values)).numpy()

    np.testing.assert_allclose(slope(tf.function(function)), slope(function), rtol=1e-6)


@pytest.mark.parametrize("traced", [False, True], ids=["eager", "traced"])
def test_python_functions_take_and_give_ragged_tensors(traced: bool) -> None:
    def doubled(rows):
        return tf.py_function(lambda x: x * 2, [rows], tf.RaggedTensorSpec([None, None], tf.float32))

    assert (tf.function(doubled) if traced else doubled)(ROWS).to_list() == (ROWS * 2).to_list()


def test_no_rows_are_mapped_while_tracing() -> None:
    def none(depth: int) -> Any:
        return tf.ragged.constant([], dtype=tf.float32, ragged_rank=depth)

    total = tf.function(lambda r: tf.map_fn(tf.reduce_sum, r, fn_output_signature=tf.float32))
    double = tf.function(lambda r: tf.map_fn(lambda row: row * 2.0, r))
    for depth in (1, 2):
        assert total(none(depth)).numpy().tolist() == []
        assert double(none(depth)).to_list() == []
    some = tf.ragged.constant([[1.0, 2.0], []])
    assert total(some).numpy().tolist() == [3.0, 0.0]
    assert double(some).to_list() == [[2.0, 4.0], []]


def test_scalars_are_no_ragged_rows() -> None:
    ragged = tf.ragged.constant([[1.0], [2.0, 3.0]])
    with pytest.raises(ValueError, match="CountRows"):
        tf.function(lambda r: tf.map_fn(tf.reduce_max, r))(ragged)
    with pytest.raises(tf.errors.InvalidArgumentError, match="CountRows"):
        tf.map_fn(tf.reduce_max, ragged)


@pytest.mark.parametrize("place", [[5, 1], [-1, 0], [1, 7]])
def test_sparse_indices_out_of_bounds_are_not_split_and_are_in_no_set(place: list[int]) -> None:
    wrong = tf.SparseTensor(sorted([[0, 0], place]), [1, 2], [2, 3])
    right = tf.SparseTensor([[0, 0], [1, 1]], [1, 2], [2, 3])
    for function in (
        lambda: tf.sparse.split(wrong, 2, 0),
        lambda: tf.sparse.split(wrong, 2, 1),
        lambda: tf.sets.union(wrong, right),
        lambda: tf.sets.difference(right, wrong),
        lambda: tf.sets.intersection(tf.constant([[0, 1], [2, 3]]), wrong),
        lambda: tf.sets.size(wrong),
    ):
        with pytest.raises(tf.errors.InvalidArgumentError, match="out of bounds"):
            function()


def test_arrays_keep_their_element_type_in_nextafter() -> None:
    wide = np.array([1.0, 2.0])
    for function in (tf.math.nextafter, tf.function(lambda a, b: tf.math.nextafter(wide, [2.0, 1.0]))):
        found = function(wide, [2.0, 1.0])
        assert found.dtype == tf.float64
        np.testing.assert_array_equal(found, np.nextafter(wide, [2.0, 1.0]))
    assert tf.math.nextafter([1.0], np.array([2.0])).dtype == tf.float32
