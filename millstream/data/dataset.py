"""tf.data.Dataset: a pipeline of stages, the families of its methods put together. Functions are traced, and run as plans."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from millstream.base import nest
from millstream.base.composite import CompositeTensor
from millstream.data.batch_sizes import batch_size_of, size_given
from millstream.data.batching import BatchingMethods
from millstream.data.buffering import BufferingMethods
from millstream.data.combining import CombiningMethods
from millstream.data.consuming import count_now, single_element
from millstream.data.files import FileMethods
from millstream.data.fingerprint import fingerprint_of
from millstream.data.iterator import OwnedIterator
from millstream.data.mapping import MappingMethods
from millstream.data.nesting import DatasetSpec, publish_class
from millstream.data.options import UNSET, Options
from millstream.data.ordering import OrderingMethods
from millstream.data.sampling import SamplingMethods
from millstream.data.shuffling import ShufflingMethods
from millstream.data.sources import SourceMethods
from millstream.data.stage import INFINITE, UNKNOWN, Stage
from millstream.data.staged import calling_place, staged_builtin
from millstream.data.windows import WindowMethods
from millstream.execution.trackable import Trackable


class NumpyIterator:
    """Goes through the elements of a dataset as NumPy arrays."""

    def __init__(self, dataset: Dataset) -> None:
        self._iterator = iter(dataset)

    def __iter__(self) -> NumpyIterator:
        return self

    def __next__(self) -> Any:
        def array(leaf: Any) -> Any:
            if leaf is None:
                return None
            if isinstance(leaf, Dataset):
                return leaf.as_numpy_iterator()
            if not isinstance(leaf, CompositeTensor):
                return leaf.numpy()
            found = leaf.numpy() if hasattr(leaf, "numpy") else leaf
            return found

        return nest.map_structure(array, next(self._iterator))


class Dataset(
    MappingMethods,
    BatchingMethods,
    OrderingMethods,
    ShufflingMethods,
    SamplingMethods,
    CombiningMethods,
    WindowMethods,
    BufferingMethods,
    FileMethods,
    SourceMethods,
    CompositeTensor,
    Trackable,
):
    """A sequence of elements, each a structure of tensors. It is made anew by each iteration, one element at a time.

    Sources (`from_tensor_slices`, `range`, `from_generator`, files) begin a pipeline, transformations (`map`, `batch`,
    `shuffle` ...) go on from it, `for element in dataset` reads it.

    >>> squares = tf.data.Dataset.range(4).map(lambda x: x * x).batch(2)
    >>> [b.tolist() for b in squares.as_numpy_iterator()]
    [[0, 1], [4, 9]]
    """

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._options = UNSET
        self._ticket: Any = None

    @property
    def _type_spec(self) -> DatasetSpec:
        return DatasetSpec(self._stage.spec)

    def __iter__(self) -> Any:
        return OwnedIterator.of(self._stage, self._options).begun_at(calling_place())

    staged_builtin = staticmethod(staged_builtin)

    shapes_may_vary = True

    def staged_loop(
        self, test: Callable[..., Any] | None, body: Callable[..., list[Any]], loop_vars: list[Any]
    ) -> list[Any]:
        """Stage a Python `for` over this dataset; see `OwnedIterator.staged_loop`."""
        made: list[Any] = iter(self).staged_loop(test, body, loop_vars, varying=True)
        return made

    def __len__(self) -> int:
        """Return the number of elements; TypeError where it is infinite or unknown."""
        count = self._stage.count()
        if count == INFINITE:
            raise TypeError("The dataset is infinite.")
        if count == UNKNOWN:
            raise TypeError("The dataset length is unknown.")
        return count

    def __bool__(self) -> bool:
        return True

    __nonzero__ = __bool__

    def __repr__(self) -> str:
        return f"<_{self._stage.name}Dataset element_spec={self._stage.spec}>"

    __str__ = __repr__

    def __debug_string__(self) -> str:
        lines: list[str] = []
        stage: Stage | None = self._stage
        while stage is not None:
            lines.append(f"{'  ' * len(lines)}{stage.name}Dataset")
            stage = stage.inputs[0] if stage.inputs else None
        return "\n".join(lines)

    def cardinality(self, name: str | None = None) -> Any:
        """Return the number of elements as an int64 tensor: -1 where infinite, -2 where unknown.

        >>> int(tf.data.Dataset.range(7).batch(2).cardinality())
        4
        """
        return count_now(self._stage)

    def _rows_of_batches(self) -> Any:
        return batch_size_of(self._stage)

    @property
    def _batch_size(self) -> Any:
        # Libraries ask for it to know whether a dataset is one of batches: only those have it.
        return size_given(self._stage)

    def options(self) -> Options:
        """Return the options in force, which may not be changed: `with_options` sets others."""
        return self._options

    def with_options(self, options: Options, name: str | None = None) -> Any:
        """Return the dataset with options set; those that are set here go before those of the dataset.

        >>> options = tf.data.Options()
        >>> options.deterministic = False
        >>> tf.data.Dataset.range(3).with_options(options).options().deterministic
        False
        """
        result = self._then(self._stage)
        result._options = self._options.merge(options).fixed()
        return result

    def apply(self, transformation_func: Callable[[Any], Any]) -> Any:
        """Return `transformation_func(self)`.

        Raises:
          TypeError: what comes is no dataset.

        >>> list(tf.data.Dataset.range(3).apply(lambda d: d.skip(1)).as_numpy_iterator())
        [1, 2]
        """
        result = transformation_func(self)
        if not isinstance(result, Dataset):
            raise TypeError(f"`transformation_func` must return a `tf.data.Dataset` object. Got {type(result)}.")
        return result

    def as_numpy_iterator(self) -> Iterator[Any]:
        """Return an iterator over the elements as NumPy arrays and scalars.

        Raises:
          TypeError: an element has a part that has no NumPy form.

        >>> list(tf.data.Dataset.range(3).as_numpy_iterator())
        [0, 1, 2]
        """
        return NumpyIterator(self)

    def get_single_element(self, name: str | None = None) -> Any:
        """Return the only element; inside of a traced function, that of each call.

        Raises:
          tf.errors.InvalidArgumentError: there is no element, or more than one.

        >>> int(tf.data.Dataset.from_tensors(5).get_single_element())
        5
        """
        return single_element(self._stage, self._options)

    def fingerprint(self) -> Any:
        """Return a uint64 scalar that is equal for datasets of the same stages over the same tensors.

        >>> int(tf.data.Dataset.range(3).fingerprint()) == int(tf.data.Dataset.range(3).fingerprint())
        True
        """
        return fingerprint_of(self._stage)


publish_class(Dataset, Dataset)
