"""tf.data.experimental: older forms of what Dataset has, and what has no other place. Services and devices are not there."""

from __future__ import annotations

import gzip
import inspect
import os
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np

from millstream import _runtime as runtime
from millstream.api.public import public, publish
from millstream.base import dtypes, errors, nest
from millstream.base.records import framed_record
from millstream.base.specs import TensorSpec
from millstream.data.dataset import Dataset
from millstream.data.iterator import OwnedIterator
from millstream.data.leaves import leaf_specs, normalized, relaxed
from millstream.data.methods import whole
from millstream.data.native import Elements
from millstream.data.optional import Optional, spec_of_element, zeros_of
from millstream.data.ordering import AssertCardinality
from millstream.data.readers import COMPRESSIONS, CsvDataset
from millstream.data.stage import INFINITE, UNKNOWN, refused
from millstream.execution.convert import to_tensor

Transformation = Callable[[Any], Any]

publish("data.experimental.CsvDataset", CsvDataset)
publish("data.experimental.INFINITE_CARDINALITY", INFINITE)
publish("data.experimental.UNKNOWN_CARDINALITY", UNKNOWN)
publish("data.experimental.Optional", Optional)
publish("data.experimental.SHARD_HINT", -1)


@public("data.experimental.Counter")
def counter(start: Any = 0, step: Any = 1, dtype: Any = dtypes.int64) -> Any:
    """Return a dataset that counts without end; see `tf.data.Dataset.counter`."""
    return Dataset.counter(start, step, dtype)


@public("data.experimental.RandomDataset")
class RandomDataset(Dataset):
    """Random int64 numbers in [0, 2^32) without end; see `tf.data.Dataset.random`."""

    def __init__(
        self, seed: Any = None, rerandomize_each_iteration: bool | None = None, name: str | None = None
    ) -> None:
        super().__init__(Dataset.random(seed, rerandomize_each_iteration)._stage)


@public("data.experimental.Reducer")
class Reducer:
    """How `group_by_reducer` folds the elements of a key.

    Args:
      init_func: gives the first state from a key.
      reduce_func: gives the next state from a state and an element.
      finalize_func: gives what comes out from the last state.
    """

    def __init__(
        self, init_func: Callable[..., Any], reduce_func: Callable[..., Any], finalize_func: Callable[..., Any]
    ) -> None:
        self.init_func, self.reduce_func, self.finalize_func = init_func, reduce_func, finalize_func


@public("data.experimental.assert_cardinality")
def assert_cardinality(expected_cardinality: Any) -> Transformation:
    """Return a transformation that states the number of elements; FailedPreconditionError at the end where it is another.

    >>> few = tf.data.Dataset.range(9).filter(lambda x: x < 3).apply(tf.data.experimental.assert_cardinality(3))
    >>> len(few)
    3
    """
    return lambda dataset: dataset._then(AssertCardinality(dataset._stage, whole(expected_cardinality)))


@public("data.experimental.at")
def at(dataset: Any, index: Any) -> Any:
    """Return the element at an index; OutOfRangeError where there is none.

    >>> int(tf.data.experimental.at(tf.data.Dataset.range(5), 2))
    2
    """
    number = whole(index)
    if number < 0:
        raise errors.OutOfRangeError(None, None, f"Index out of range [0, ...): {number}")
    for element in dataset.skip(number).take(1):
        return element
    raise errors.OutOfRangeError(None, None, f"Index out of range: {number}")


@public("data.experimental.cardinality")
def cardinality(dataset: Any) -> Any:
    """Return the number of elements; see `tf.data.Dataset.cardinality`."""
    return dataset.cardinality()


@public("data.experimental.from_list")
def from_list(elements: Any, name: str | None = None) -> Any:
    """Return a dataset of the elements of a list, all of one structure and of compatible types.

    >>> list(tf.data.experimental.from_list([(1, "a"), (2, "b")]).as_numpy_iterator())
    [(1, b'a'), (2, b'b')]
    """
    if not isinstance(elements, list):
        raise TypeError(f"`elements` must be a list. Got {type(elements)}.")
    if not elements:
        raise ValueError("`elements` must not be empty.")
    rows = [normalized(e) for e in elements]
    dataset = Dataset.from_tensors(rows[0])
    spec = dataset.element_spec
    for row in rows[1:]:
        spec = relaxed(spec, spec_of_element(row))
        if spec is None:
            raise ValueError(
                f"The elements of a list differ in their types: {spec_of_element(row)} and {dataset.element_spec}."
            )
    return Dataset(Elements.of(spec, [tuple(nest.flatten(row)) for row in rows]))


@public("data.experimental.get_structure")
def get_structure(dataset_or_iterator: Any) -> Any:
    """Return the structure of specs of the elements."""
    if not hasattr(dataset_or_iterator, "element_spec"):
        raise TypeError(
            f"Invalid `dataset_or_iterator`. `dataset_or_iterator` must be a `tf.data.Dataset` or an iterator, but got "
            f"{type(dataset_or_iterator)}."
        )
    return dataset_or_iterator.element_spec


@public("data.experimental.get_single_element")
def get_single_element(dataset: Any) -> Any:
    """Return the only element; see `tf.data.Dataset.get_single_element`."""
    return dataset.get_single_element()


@public("data.experimental.get_next_as_optional")
def get_next_as_optional(iterator: OwnedIterator) -> Optional:
    """Return the next element as an Optional; see `tf.data.Iterator.get_next_as_optional`."""
    return iterator.get_next_as_optional()


@public("data.experimental.save")
def save(dataset: Any, path: Any, compression: Any = None, shard_func: Any = None, checkpoint_args: Any = None) -> None:
    """Write a dataset to files; see `tf.data.Dataset.save`."""
    dataset.save(path, compression, shard_func, checkpoint_args)


@public("data.experimental.load")
def load(path: Any, element_spec: Any = None, compression: Any = None, reader_func: Any = None) -> Any:
    """Read a dataset that was saved; see `tf.data.Dataset.load`."""
    return Dataset.load(path, element_spec, compression, reader_func)


@public("data.experimental.choose_from_datasets")
def choose_from_datasets(datasets: Any, choice_dataset: Any, stop_on_empty_dataset: bool = False) -> Any:
    """See `tf.data.Dataset.choose_from_datasets`."""
    return Dataset.choose_from_datasets(datasets, choice_dataset, stop_on_empty_dataset)


@public("data.experimental.sample_from_datasets")
def sample_from_datasets(
    datasets: Any, weights: Any = None, seed: Any = None, stop_on_empty_dataset: bool = False
) -> Any:
    """See `tf.data.Dataset.sample_from_datasets`."""
    return Dataset.sample_from_datasets(datasets, weights, seed, stop_on_empty_dataset)


def _later(method: str, name: str) -> None:
    """Publish the form of a method that gives a transformation for `Dataset.apply`."""
    parameters = [
        p for n, p in inspect.signature(getattr(Dataset, method)).parameters.items() if n not in ("self", "name")
    ]
    signature = inspect.Signature(parameters)

    def make(*args: Any, **kwargs: Any) -> Transformation:
        given = signature.bind(*args, **kwargs)
        return lambda dataset: getattr(dataset, method)(*given.args, **given.kwargs)

    make.__name__ = make.__qualname__ = name
    make.__signature__ = signature  # type: ignore[attr-defined]
    make.__doc__ = f"Return a transformation for `tf.data.Dataset.apply`; see `tf.data.Dataset.{method}`."
    publish(f"data.experimental.{name}", make)


for _method, _name in (
    ("bucket_by_sequence_length", "bucket_by_sequence_length"),
    ("enumerate", "enumerate_dataset"),
    ("group_by_window", "group_by_window"),
    ("ignore_errors", "ignore_errors"),
    ("ragged_batch", "dense_to_ragged_batch"),
    ("rejection_resample", "rejection_resample"),
    ("scan", "scan"),
    ("snapshot", "snapshot"),
    ("sparse_batch", "dense_to_sparse_batch"),
    ("take_while", "take_while"),
    ("unbatch", "unbatch"),
    ("unique", "unique"),
):
    _later(_method, _name)


@public("data.experimental.shuffle_and_repeat")
def shuffle_and_repeat(buffer_size: Any, count: Any = None, seed: Any = None) -> Transformation:
    """Return a transformation that shuffles and then repeats."""
    return lambda dataset: dataset.shuffle(buffer_size, seed).repeat(count)


@public("data.experimental.map_and_batch")
def map_and_batch(
    map_func: Callable[..., Any],
    batch_size: Any,
    num_parallel_batches: Any = None,
    drop_remainder: bool = False,
    num_parallel_calls: Any = None,
) -> Transformation:
    """Return a transformation that maps and then batches; not both numbers of parallel calls may be given."""
    if num_parallel_batches is not None and num_parallel_calls is not None:
        raise ValueError(
            "`map_and_batch` allows only one of `num_parallel_batches` and `num_parallel_calls` to be set, but both are."
        )
    calls = num_parallel_calls if num_parallel_batches is None else num_parallel_batches * whole(batch_size)
    return lambda dataset: dataset.map(map_func, num_parallel_calls=calls).batch(batch_size, drop_remainder)


@public("data.experimental.parallel_interleave")
def parallel_interleave(
    map_func: Callable[..., Any],
    cycle_length: Any,
    block_length: Any = 1,
    sloppy: bool | None = False,
    buffer_output_elements: Any = None,
    prefetch_input_elements: Any = None,
) -> Transformation:
    """Return a transformation that interleaves datasets that threads read ahead."""
    return lambda dataset: dataset.interleave(
        map_func, cycle_length, block_length, num_parallel_calls=cycle_length, deterministic=not sloppy
    )


@public("data.experimental.group_by_reducer")
def group_by_reducer(key_func: Callable[..., Any], reducer: Reducer) -> Transformation:
    """Return a transformation that folds the elements of each key, in the order of the keys.

    >>> add = tf.data.experimental.Reducer(lambda _: np.int64(0), lambda total, x: total + x, lambda total: total)
    >>> sums = tf.data.Dataset.range(6).apply(tf.data.experimental.group_by_reducer(lambda x: x % 2, add))
    >>> list(sums.as_numpy_iterator())
    [6, 9]
    """

    def folded(key: Any, group: Any) -> Any:
        last = group.reduce(reducer.init_func(key), reducer.reduce_func)
        return Dataset.from_tensors(
            reducer.finalize_func(*last) if type(last) is tuple else reducer.finalize_func(last)
        )

    return lambda dataset: dataset.group_by_window(key_func, folded, window_size=np.iinfo(np.int64).max)


@public("data.experimental.pad_to_cardinality")
def pad_to_cardinality(cardinality: Any, mask_key: str = "valid") -> Transformation:
    """Return a transformation that appends copies of zeros until there are `cardinality` elements, which are dicts.

    Each element has a bool under `mask_key` that tells whether it was there.
    """

    def pad(dataset: Any) -> Any:
        spec = dataset.element_spec
        if not isinstance(spec, dict):
            raise ValueError("The dataset to pad to a cardinality must have dicts as elements.")
        if any(not isinstance(s, TensorSpec) or not s.shape.is_fully_defined() for s in leaf_specs(spec)):
            raise ValueError("The dataset to pad to a cardinality must have elements of known shapes.")
        count = int(dataset.cardinality())
        if count < 0:
            raise ValueError(
                "The dataset to pad to a cardinality must have a known number of elements; it is unknown or infinite."
            )
        if count > whole(cardinality):
            raise ValueError(f"The dataset has {count} elements, more than the cardinality {cardinality}.")
        filler = Dataset.from_tensors(
            {**{k: zeros_of(s) for k, s in spec.items()}, mask_key: to_tensor(False)}
        ).repeat()
        return dataset.map(lambda e: {**e, mask_key: to_tensor(True)}).concatenate(filler).take(cardinality)

    return pad


@public("data.experimental.prefetch_to_device")
def prefetch_to_device(device: Any, buffer_size: Any = None) -> Transformation:
    """Return a transformation that makes elements ahead; InvalidArgumentError for a device that is not the cpu."""
    _check_device(device)
    return lambda dataset: dataset.prefetch(buffer_size)


@public("data.experimental.copy_to_device")
def copy_to_device(target_device: Any, source_device: Any = "/cpu:0") -> Transformation:
    """Return a transformation that leaves elements on the cpu; InvalidArgumentError for another device."""
    _check_device(target_device)
    return lambda dataset: dataset


def _check_device(device: Any) -> None:
    if "cpu" not in str(device).lower():
        raise refused(f"Datasets have their elements on the cpu; {device!r} is not there.")


@public("data.experimental.to_variant", "compat.v1.data.experimental.to_variant")
def to_variant(dataset: Any) -> Any:
    """Return a variant scalar that holds a dataset; `from_variant` gives it back.

    >>> held = tf.data.experimental.to_variant(tf.data.Dataset.range(3))
    >>> list(tf.data.experimental.from_variant(held, tf.TensorSpec([], tf.int64)).as_numpy_iterator())
    [0, 1, 2]
    """
    return runtime.opaque(dataset)


@public("data.experimental.from_variant", "compat.v1.data.experimental.from_variant")
def from_variant(variant: Any, structure: Any) -> Any:
    """Return the dataset that a variant of `to_variant` holds; its elements must be of the specs `structure`.

    Raises:
      ValueError: the elements are of other specs.
    """
    dataset = runtime.opaque_value(variant)
    if relaxed(structure, dataset.element_spec) is None:
        raise ValueError(f"The elements of the dataset are {dataset.element_spec}, not {structure}.")
    return dataset


@public("data.experimental.enable_debug_mode")
def enable_debug_mode() -> None:
    """Raise: functions of datasets are always traced; print from them with tf.print, or call tf.py_function."""
    raise errors.UnimplementedError(
        None,
        None,
        "tf.data's debug mode is not supported; call the function itself on an element, or use tf.py_function.",
    )


@public("data.experimental.TFRecordWriter")
class TFRecordWriter:
    """Writes a dataset of strings to a TFRecord file.

    >>> path = os.path.join(tempfile.mkdtemp(), "records")
    >>> tf.data.experimental.TFRecordWriter(path).write(tf.data.Dataset.from_tensor_slices(["a", "bc"]))
    >>> list(tf.data.TFRecordDataset(path).as_numpy_iterator())
    [b'a', b'bc']
    """

    def __init__(self, filename: Any, compression_type: Any = None) -> None:
        name = filename if isinstance(filename, (str, bytes, os.PathLike)) else to_tensor(filename).numpy()
        self._path = os.fsdecode(name)
        self._compression = compression_type or ""
        if self._compression not in COMPRESSIONS:
            raise refused(
                f"Unsupported compression_type: {compression_type}; give one of {', '.join(map(repr, COMPRESSIONS))}."
            )

    def write(self, dataset: Any) -> None:
        """Write all elements; TypeError where they are no string scalars."""
        if not isinstance(dataset, Dataset):
            raise TypeError(f"Invalid `dataset`. Expected a `tf.data.Dataset` object but got {type(dataset)}.")
        spec = dataset.element_spec
        if not isinstance(spec, TensorSpec) or spec.dtype is not dtypes.string or spec.shape.rank not in (0, None):
            raise TypeError(f"Invalid `dataset`. Expected a `dataset` of scalar strings but its elements are {spec}.")
        partial = f"{self._path}.{os.getpid()}.partial"
        with open(partial, "wb") as file:
            packed = zlib.compressobj() if self._compression == "ZLIB" else None
            target: Any = gzip.GzipFile(fileobj=file, mode="wb") if self._compression == "GZIP" else file
            for element in dataset:
                record = framed_record(element.numpy())
                target.write(record if packed is None else packed.compress(record))
            if packed is not None:
                target.write(packed.flush())
            if target is not file:
                target.close()
        os.replace(partial, self._path)
