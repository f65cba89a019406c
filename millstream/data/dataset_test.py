"""Datasets: elements, specs, counts, ends, and iterators inside traced functions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import millstream as tf
from millstream.data.dataset import Dataset
from millstream.execution.function import Function


def values(dataset: Dataset) -> list[Any]:
    return [tf.nest.map_structure(lambda t: t.numpy().tolist(), element) for element in dataset]


def test_map_and_batch_keep_order_and_say_their_spec() -> None:
    dataset = Dataset.range(5).map(lambda x: x * 2).batch(2)
    assert values(dataset) == [[0, 2], [4, 6], [8]]
    assert dataset.element_spec.shape.as_list() == [None]
    assert len(dataset) == 3


def test_batch_drops_the_remainder_when_asked() -> None:
    dataset = Dataset.range(5).batch(2, drop_remainder=True)
    assert values(dataset) == [[0, 1], [2, 3]]
    assert dataset.element_spec.shape.as_list() == [2]


def test_from_tensor_slices_takes_rows_of_nested_structures() -> None:
    dataset = Dataset.from_tensor_slices({"a": np.arange(3), "b": (np.ones((3, 2)),)})
    assert values(dataset)[1] == {"a": 1, "b": ([1.0, 1.0],)}
    assert len(dataset) == 3


def test_from_tensor_slices_refuses_unequal_sizes() -> None:
    with pytest.raises(ValueError, match="not compatible"):
        Dataset.from_tensor_slices((np.ones(2), np.ones(3)))


def test_zip_ends_with_the_shortest_and_repeat_counts() -> None:
    dataset = Dataset.zip((Dataset.range(2), Dataset.from_tensors([7]).repeat()))
    assert values(dataset) == [(0, [7]), (1, [7])]
    assert len(dataset) == 2
    assert int(Dataset.range(2).repeat().cardinality()) == -1


def test_flat_map_joins_datasets_made_for_each_element() -> None:
    dataset = Dataset.range(3).flat_map(lambda n: Dataset.from_tensors(n).repeat(2))
    assert values(dataset) == [0, 0, 1, 1, 2, 2]


def test_shuffle_gives_each_element_once_and_the_same_order_for_the_same_seed() -> None:
    first = values(Dataset.range(50).shuffle(10, seed=3, reshuffle_each_iteration=False))
    assert sorted(first) == list(range(50))
    assert first != list(range(50))
    assert first == values(Dataset.range(50).shuffle(10, seed=3, reshuffle_each_iteration=False))


def test_prefetch_hands_errors_over_and_goes_on() -> None:
    def elements() -> Any:
        yield 1
        raise ValueError("broken row")

    signature = tf.TensorSpec([], tf.int32)
    reader = iter(Dataset.from_generator(elements, output_signature=signature).prefetch(2))
    assert next(reader).numpy() == 1
    with pytest.raises(
        tf.errors.InvalidArgumentError, match=r"ValueError: broken row(.|\n)*GeneratorDataset, element 1"
    ):
        next(reader)
    with pytest.raises(StopIteration):
        next(reader)


def test_from_generator_conforms_to_its_signature() -> None:
    signature = (tf.TensorSpec([None], tf.float32), tf.TensorSpec([], tf.int32))
    dataset = Dataset.from_generator(lambda: iter([([1.0, 2.0], 3)]), output_signature=signature)
    (pair,) = list(dataset)
    assert pair[0].dtype == tf.float32
    assert pair[1].numpy() == 3


def test_get_next_works_in_a_traced_function_and_ends_with_out_of_range() -> None:
    iterator = iter(Dataset.range(5).batch(2))
    step = Function(lambda it: it.get_next() + 1)
    assert step(iterator).numpy().tolist() == [1, 2]
    assert step(iterator).numpy().tolist() == [3, 4]
    assert step(iterator).numpy().tolist() == [5]
    with pytest.raises(tf.errors.OutOfRangeError):
        step(iterator)


def test_options_merge_and_refuse_unknown_names() -> None:
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
    merged = Dataset.range(1).with_options(options).options()
    assert merged.experimental_distribute.auto_shard_policy == tf.data.experimental.AutoShardPolicy.DATA
    with pytest.raises(AttributeError, match="choose one of"):
        options.no_such_option = 1


def test_iterators_keep_the_sizes_of_elements_in_traces() -> None:
    dataset = Dataset.from_tensor_slices(np.zeros([5, 3], np.float32)).batch(2)
    seen = []

    def step(iterator: Any) -> Any:
        element = iterator.get_next()
        seen.append(element.shape.as_list())
        return element

    assert Function(step)(iter(dataset)).shape.as_list() == [2, 3]
    assert seen == [[None, 3]]


def test_concatenate_opens_the_sizes_that_differ() -> None:
    longer = Dataset.from_tensors(np.zeros([4, 3], np.float32))
    shorter = Dataset.from_tensors(np.zeros([2, 3], np.float32))
    assert longer.concatenate(shorter).element_spec.shape.as_list() == [None, 3]
    with pytest.raises(TypeError, match="Incompatible dataset elements"):
        longer.concatenate(Dataset.range(3))


def test_none_is_a_part_of_elements_without_tensors() -> None:
    dataset = Dataset.from_tensor_slices(([1.0, 2.0], None)).batch(2).map(lambda a, b: (b, a + 1.0))
    assert repr(dataset.element_spec[0]) == "NoneTensorSpec()"
    missing, present = next(iter(dataset))
    assert missing is None and present.numpy().tolist() == [2.0, 3.0]
    missing, present = Function(lambda iterator: iterator.get_next())(iter(dataset))
    assert missing is None and present.numpy().tolist() == [2.0, 3.0]


def test_next_of_an_iterator_inside_a_trace_reads_when_it_runs() -> None:
    iterator = iter(Dataset.range(3))
    step = Function(lambda iterator: next(iterator) + next(iterator))
    assert step(iterator).numpy() == 1
    with pytest.raises(tf.errors.OutOfRangeError):
        step(iterator)


def test_optionals_are_carried_by_loops_that_say_late_what_they_hold() -> None:
    def steps(iterator: Any) -> Any:
        result = tf.experimental.Optional.empty(None)

        def body(turn: Any, last: Any, coming: Any) -> Any:
            def step() -> Any:
                made = tf.experimental.Optional.from_value(coming.get_value() * 2.0)
                result._element_spec = made.element_spec
                return made

            def stay() -> Any:
                last._element_spec = result._element_spec
                return last

            return turn + 1, tf.cond(coming.has_value(), step, stay), iterator.get_next_as_optional()

        variables = [tf.constant(0), result, iterator.get_next_as_optional()]
        turns, last, _ = tf.while_loop(lambda turn, last, coming: (turn < 4) & coming.has_value(), body, variables)
        last._element_spec = result.element_spec
        return turns, last

    iterator = iter(Dataset.from_tensor_slices(np.arange(10, dtype=np.float32)).batch(2))
    run = Function(steps)
    turns, last = run(iterator)
    assert turns.numpy() == 4 and last.get_value().numpy().tolist() == [12.0, 14.0]
    assert iterator.get_next_as_optional().has_value().numpy() == False  # noqa: E712
    turns, last = run(iterator)
    assert turns.numpy() == 0 and not last.has_value()


def test_options_of_a_dataset_are_not_changed() -> None:
    given = tf.data.Options()
    plain, slow = Dataset.range(3), Dataset.range(3).with_options(given)
    for options in (
        plain.options(),
        slow.batch(2).options(),
        Dataset.zip(plain, slow).options(),
        plain.options().autotune,
    ):
        with pytest.raises(ValueError, match="with_options"):
            options.enabled = options.deterministic = True
    assert plain.options() == tf.data.Options()
    given.deterministic = False
    changed = plain.options().merge(given)
    changed.autotune.enabled = True
    assert slow.options().deterministic is None


def test_options_have_types_defaults_and_other_names() -> None:
    options = tf.data.Options()
    assert options.experimental_distribute.auto_shard_policy is tf.data.experimental.AutoShardPolicy.AUTO
    options.experimental_deterministic = False
    assert options.deterministic is False
    with pytest.raises(TypeError, match='Property "deterministic" must be of type'):
        options.deterministic = 1
    with pytest.raises(TypeError, match="incompatible options"):
        options.merge(tf.data.ThreadingOptions())


@pytest.mark.parametrize("function", [lambda d: d.flat_map(lambda x: x), lambda d: d.interleave(lambda x: x)])
def test_a_function_that_gives_no_dataset_is_refused(function: Any) -> None:
    with pytest.raises(TypeError, match=r"must return a `tf.data.Dataset` object"):
        function(Dataset.range(3))


def test_elements_too_long_for_their_buckets_are_refused_by_number() -> None:
    rows = Dataset.range(1, 9).map(lambda n: tf.fill([n], n))
    buckets = rows.bucket_by_sequence_length(lambda r: tf.shape(r)[0], [3], [2, 2], pad_to_bucket_boundary=True)
    with pytest.raises(
        tf.errors.InvalidArgumentError, match=r"GroupByWindowDataset, element 3(.|\n)*max\(bucket_boundaries\)"
    ):
        list(buckets)


def test_datasets_and_iterators_are_no_tensors_though_made_of_them() -> None:
    assert not tf.is_tensor(Dataset.range(3))
    assert not tf.is_tensor(iter(Dataset.range(3)))
    assert tf.is_tensor(tf.sparse.from_dense([1])) and tf.is_tensor(tf.ragged.constant([[1]]))
