"""Publish tf.compat.v1.data: datasets with the iterators of TensorFlow 1, eagerly, in traced functions and in sessions."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from millstream.api.public import public, publish
from millstream.base import dtypes, errors, nest
from millstream.base.dtypes import as_dtype
from millstream.base.shapes import TensorShape
from millstream.base.specs import RaggedTensorSpec, SparseTensorSpec, TensorSpec
from millstream.data import csv_files, experimental_names, features
from millstream.data.dataset import Dataset
from millstream.data.iterator import OwnedIterator, Source
from millstream.data.leaves import packer, relaxed
from millstream.data.readers import CsvDataset, FixedLengthRecordDataset, TextLineDataset, TFRecordDataset
from millstream.data.session_iterator import NamedIterator, SessionIterator, in_session_graph, initializable, one_shot
from millstream.execution.context import current_graph
from millstream.execution.tensor_array_spec import TensorArraySpec

_SOURCES = (
    "choose_from_datasets", "counter", "from_generator", "from_tensor_slices", "from_tensors", "list_files", "load", "random",
    "range", "sample_from_datasets", "zip",
)  # fmt: skip


def _types(spec: Any) -> Any:
    return nest.map_structure(lambda s: getattr(s, "dtype", dtypes.variant), spec)


def _shapes(spec: Any) -> Any:
    return nest.map_structure(lambda s: getattr(s, "shape", TensorShape(None)), spec)


def _classes(spec: Any) -> Any:
    return nest.map_structure(lambda s: s.value_type, spec)


@public("compat.v1.data.get_output_types")
def get_output_types(dataset_or_iterator: Any) -> Any:
    """Return the element types of a dataset's or iterator's elements, in their structure.

    >>> tf.compat.v1.data.get_output_types(tf.data.Dataset.range(3))
    tf.int64
    """
    return _types(dataset_or_iterator.element_spec)


@public("compat.v1.data.get_output_shapes")
def get_output_shapes(dataset_or_iterator: Any) -> Any:
    """Return the shapes of a dataset's or iterator's elements, in their structure."""
    return _shapes(dataset_or_iterator.element_spec)


@public("compat.v1.data.get_output_classes")
def get_output_classes(dataset_or_iterator: Any) -> Any:
    """Return the classes of a dataset's or iterator's elements, in their structure."""
    return _classes(dataset_or_iterator.element_spec)


class _OlderDataset(Dataset):
    """A sequence of elements with the methods that TensorFlow 1 has beside those of tf.data.Dataset."""

    def _then(self, stage: Any) -> Any:
        return _older(super()._then(stage))

    @property
    def output_types(self) -> Any:
        """The element types of the elements."""
        return _types(self.element_spec)

    @property
    def output_shapes(self) -> Any:
        """The shapes of the elements."""
        return _shapes(self.element_spec)

    @property
    def output_classes(self) -> Any:
        """The classes of the elements."""
        return _classes(self.element_spec)

    def make_one_shot_iterator(self) -> Any:
        """Return an iterator over the elements."""
        return make_one_shot_iterator(self)

    def make_initializable_iterator(self, shared_name: str | None = None) -> Any:
        """Return an iterator of a graph, whose `initializer` begins it in a session."""
        return make_initializable_iterator(self, shared_name)

    def map_with_legacy_function(
        self, map_func: Callable[..., Any], num_parallel_calls: Any = None, deterministic: bool | None = None
    ) -> Any:
        """Apply a function to each element; see `map`."""
        return self.map(map_func, num_parallel_calls, deterministic)

    def filter_with_legacy_function(self, predicate: Callable[..., Any]) -> Any:
        """Keep the elements for which `predicate` gives True; see `filter`."""
        return self.filter(predicate)


def _older(dataset: Any) -> Any:
    made = _OlderDataset(dataset._stage)
    made._options = dataset._options
    return made


def _older_result(function: Any) -> Any:
    @functools.wraps(function)
    def make(*arguments: Any, **named: Any) -> Any:
        return _older(function(*arguments, **named))

    return make


for _name in _SOURCES:
    setattr(_OlderDataset, _name, staticmethod(_older_result(getattr(Dataset, _name))))
publish("compat.v1.data.Dataset", _OlderDataset)
publish("compat.v1.__internal__.types.data.Dataset", _OlderDataset)


@public("compat.v1.data.TextLineDataset")
class _OlderTextLines(TextLineDataset, _OlderDataset):
    """The lines of text files; see tf.data.TextLineDataset."""


@public("compat.v1.data.TFRecordDataset")
class _OlderTFRecords(TFRecordDataset, _OlderDataset):
    """The records of TFRecord files; see tf.data.TFRecordDataset."""


@public("compat.v1.data.FixedLengthRecordDataset")
class _OlderFixedLength(FixedLengthRecordDataset, _OlderDataset):
    """The records of files of one record length; see tf.data.FixedLengthRecordDataset."""


@public("compat.v1.data.experimental.CsvDataset")
class _OlderCsv(CsvDataset, _OlderDataset):
    """The rows of CSV files; see tf.data.experimental.CsvDataset."""


for _name, _function in (
    ("Counter", experimental_names.counter),
    ("RandomDataset", Dataset.random),
    ("choose_from_datasets", Dataset.choose_from_datasets),
    ("make_batched_features_dataset", features.make_batched_features_dataset),
    ("make_csv_dataset", csv_files.make_csv_dataset),
    ("sample_from_datasets", Dataset.sample_from_datasets),
):
    publish(f"compat.v1.data.experimental.{_name}", _older_result(_function))


@public("compat.v1.data.experimental.map_and_batch_with_legacy_function")
def map_and_batch_with_legacy_function(
    map_func: Callable[..., Any],
    batch_size: Any,
    num_parallel_batches: Any = None,
    drop_remainder: Any = False,
    num_parallel_calls: Any = None,
) -> Callable[[Any], Any]:
    """Return a transformation that maps, then batches."""
    calls = num_parallel_calls
    if num_parallel_batches is not None:
        calls = num_parallel_batches * batch_size
    return lambda dataset: dataset.map(map_func, calls).batch(batch_size, drop_remainder)


@public("compat.v1.data.experimental.TensorStructure")
def tensor_structure(dtype: Any, shape: Any) -> TensorSpec:
    """Return the spec of tensors."""
    return TensorSpec(shape, dtype)


@public("compat.v1.data.experimental.SparseTensorStructure")
def sparse_tensor_structure(dtype: Any, shape: Any) -> SparseTensorSpec:
    """Return the spec of sparse tensors."""
    return SparseTensorSpec(shape, dtype)


@public("compat.v1.data.experimental.RaggedTensorStructure")
def ragged_tensor_structure(dtype: Any, shape: Any, ragged_rank: Any) -> RaggedTensorSpec:
    """Return the spec of ragged tensors."""
    return RaggedTensorSpec(shape, dtype, ragged_rank)


@public("compat.v1.data.experimental.TensorArrayStructure")
def tensor_array_structure(dtype: Any, element_shape: Any, dynamic_size: Any, infer_shape: Any) -> TensorArraySpec:
    """Return the spec of tensor arrays."""
    return TensorArraySpec(element_shape, dtype, dynamic_size, infer_shape)


@public("compat.v1.data.make_one_shot_iterator")
def make_one_shot_iterator(dataset: Any) -> Any:
    """Return an iterator over a dataset: `get_next` gives its elements.

    >>> iterator = tf.compat.v1.data.make_one_shot_iterator(tf.data.Dataset.range(3))
    >>> int(iterator.get_next()), int(iterator.get_next())
    (0, 1)
    """
    return one_shot(dataset) if in_session_graph() else iter(dataset)


@public("compat.v1.data.make_initializable_iterator")
def make_initializable_iterator(dataset: Any, shared_name: str | None = None) -> Any:
    """Return an iterator of a graph, whose `initializer` begins it in a session, each time it is run.

    Args:
      dataset: whose elements `get_next` gives. It may depend on placeholders, which are then fed to the initializer.
      shared_name: iterators of one session with equal names share their elements.

    Raises:
      RuntimeError: ops run at once.
      tf.errors.UnimplementedError: in a traced function.
    """
    if current_graph() is None:
        raise RuntimeError(
            "`tf.compat.v1.data.make_initializable_iterator()` is not supported in eager mode. Use Python-style iteration instead."
        )
    if not in_session_graph():
        raise errors.UnimplementedError(
            None,
            None,
            errors.explain("Iterators that are initialized belong to graphs of sessions;", "iterate over the dataset"),
        )
    return initializable(dataset, shared_name)


@public("compat.v1.data.Iterator")
class _OlderIterator(OwnedIterator):
    """An iterator whose dataset can be changed: `from_structure` says of what, `make_initializer` which one.

    >>> iterator = tf.compat.v1.data.Iterator.from_structure(tf.int64, tf.TensorShape([]))
    >>> iterator.make_initializer(tf.data.Dataset.range(3))
    >>> int(iterator.get_next())
    0
    >>> iterator.make_initializer(tf.data.Dataset.range(7, 9))
    >>> int(iterator.get_next())
    7
    """

    def __init__(
        self, iterator_resource: Any, initializer: Any, output_types: Any, output_shapes: Any, output_classes: Any
    ) -> None:
        super().__init__(None, _spec_of(output_types, output_shapes), iterator_resource)
        self._pack = packer(self._element_spec)
        self.initializer = initializer

    @classmethod
    def from_structure(
        cls, output_types: Any, output_shapes: Any = None, shared_name: str | None = None, output_classes: Any = None
    ) -> Any:
        """Return an iterator without a dataset."""
        if in_session_graph():
            return SessionIterator(_spec_of(output_types, output_shapes), shared_name)
        return cls(None, None, output_types, output_shapes, output_classes)

    @staticmethod
    def from_string_handle(
        string_handle: Any, output_types: Any, output_shapes: Any = None, output_classes: Any = None
    ) -> Any:
        """Return whichever iterator of a session a text, from `string_handle`, stands for.

        Raises:
          tf.errors.UnimplementedError: outside of graphs of sessions, where iterators have no handles of text.
        """
        if in_session_graph():
            return NamedIterator(string_handle, _spec_of(output_types, output_shapes))
        raise errors.UnimplementedError(
            None, None, errors.explain("Iterators have no handles of text;", "hand the iterator itself over")
        )

    @property
    def output_types(self) -> Any:
        """The element types of the elements."""
        return _types(self._element_spec)

    @property
    def output_shapes(self) -> Any:
        """The shapes of the elements."""
        return _shapes(self._element_spec)

    @property
    def output_classes(self) -> Any:
        """The classes of the elements."""
        return _classes(self._element_spec)

    def make_initializer(self, dataset: Any, name: str | None = None) -> None:
        """Begin with the elements of a dataset.

        Raises:
          TypeError: its elements are of other types or shapes.
        """
        if relaxed(self._element_spec, dataset.element_spec) != self._element_spec:
            raise TypeError(
                errors.explain(f"Expected a dataset of {self._element_spec}, its elements are {dataset.element_spec}.")
            )
        self._source, self._handle_or_none = Source(dataset._stage, dataset._options), None

    def __next__(self) -> Any:
        if self._source is None and current_graph() is None:
            raise errors.FailedPreconditionError(
                None, None, errors.explain("The iterator has no dataset yet;", "call make_initializer")
            )
        return super().__next__()


def _spec_of(types: Any, shapes: Any) -> Any:
    if shapes is None:
        return nest.map_structure(lambda t: TensorSpec(None, as_dtype(t)), types)
    flat = [TensorShape(s) for s in nest.flatten_up_to(types, shapes)]
    return nest.pack_sequence_as(
        types, [TensorSpec(s, as_dtype(t)) for s, t in zip(flat, nest.flatten(types), strict=True)]
    )
