"""Datasets of datasets: window, group_by_window, bucket_by_sequence_length, group_by_reducer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from millstream import _runtime as runtime
from millstream.api.public import PUBLIC
from millstream.base import dtypes, nest
from millstream.base.shapes import TensorShape
from millstream.base.specs import TensorSpec
from millstream.data.leaves import leaf_specs
from millstream.data.methods import DatasetMethods, whole
from millstream.data.native import NestedReader, Parts, following, function_of
from millstream.data.nesting import DatasetSpec
from millstream.data.optional import NoneTensorSpec
from millstream.data.stage import INFINITE, UNKNOWN, Element, Limit, Reader, Run, Stage
from millstream.data.traced import Traced
from millstream.execution.convert import to_tensor


class Window(Stage):
    """Neighbouring elements as datasets: for each leaf one."""

    name = "Window"
    limits = {n: Limit(1, f"Window {n} must be greater than zero.") for n in ("size", "shift", "stride")}

    def __init__(self, before: Stage, size: Any, shift: Any, stride: Any, drop: bool) -> None:
        spec = nest.map_structure(lambda s: s if isinstance(s, NoneTensorSpec) else DatasetSpec(s), before.spec)
        super().__init__(spec, [before], {"size": size, "shift": shift, "stride": stride})
        self.drop = drop

    def size(self, counts: list[int]) -> int:
        count, size, shift, stride = counts[0], self.number("size"), self.number("shift"), self.number("stride")
        if count in (INFINITE, UNKNOWN):
            return count
        if self.drop:
            reach = (size - 1) * stride + 1
            return (count - reach) // shift + 1 if count >= reach else 0
        return -(-count // shift)

    def reader(self, run: Run) -> Reader:
        widths = Parts(leaf_specs(self.input.spec)).counts
        sizes = [self.number(n) for n in ("size", "shift", "stride")]
        return following(runtime.read_windows, self, run, widths, *sizes, self.drop)


KEY = TensorSpec([], dtypes.int64)


class GroupByWindow(Stage):
    """Elements of one key collected in windows, each of which a function makes a dataset of."""

    name = "GroupByWindow"

    def __init__(self, before: Stage, key: Traced, reduce: Traced, size: Traced) -> None:
        super().__init__(reduce.spec.element_spec, [before], functions=[key, reduce, size])

    def size(self, counts: list[int]) -> int:
        return INFINITE if counts[0] == INFINITE else UNKNOWN

    def reader(self, run: Run) -> Reader:
        key, size = function_of(self), function_of(self, KEY, 2)
        reduce = self.begun()[1]

        def make(before: Any, opened: Callable[..., Any]) -> Any:
            return runtime.read_grouped(before, opened, key, size, self.name)

        def opened(given: Element, index: int) -> Reader:
            return reduce(given)[0]._stage.reader(run)  # type: ignore[no-any-return]

        window = (KEY, DatasetSpec(self.input.spec))
        return NestedReader(make, self, self.input.reader(run), window, opened, 1)


class WindowMethods(DatasetMethods):
    """The transformations of `tf.data.Dataset` that group elements."""

    def window(
        self, size: Any, shift: Any = None, stride: Any = 1, drop_remainder: Any = False, name: str | None = None
    ) -> Any:
        """Group neighbouring elements: each becomes a dataset (in the structure of elements, one for each part).

        Args:
          size: how many elements a window has.
          shift: how far the next window begins; `size` where it is None.
          stride: how far the elements of a window are apart.
          drop_remainder: whether windows of fewer elements at the end are left out.

        Raises:
          tf.errors.InvalidArgumentError: one of the numbers is not above zero.

        >>> windows = tf.data.Dataset.range(5).window(3, shift=2)
        >>> [list(w.as_numpy_iterator()) for w in windows]
        [[0, 1, 2], [2, 3, 4], [4]]
        """
        length = whole(size, Window.limits["size"])
        step = length if shift is None else whole(shift, Window.limits["shift"])
        apart = whole(stride, Window.limits["stride"])
        return self._then(Window(self._stage, length, step, apart, bool(drop_remainder)))

    def group_by_window(
        self,
        key_func: Callable[..., Any],
        reduce_func: Callable[..., Any],
        window_size: Any = None,
        window_size_func: Callable[[Any], Any] | None = None,
        name: str | None = None,
    ) -> Any:
        """Collect elements of equal key, and make a dataset of each window of them.

        Args:
          key_func: gives the key of an element, an int64 scalar.
          reduce_func: gives a dataset from a key and the dataset of a window.
          window_size: how many elements a window has.
          window_size_func: gives it from the key instead.

        Raises:
          ValueError: not exactly one of `window_size` and `window_size_func` is given, or a key is no int64 scalar.
          TypeError: `reduce_func` gives no dataset.

        >>> by_parity = tf.data.Dataset.range(6).group_by_window(lambda x: x % 2, lambda key, group: group.batch(3), 3)
        >>> [b.tolist() for b in by_parity.as_numpy_iterator()]
        [[0, 2, 4], [1, 3, 5]]
        """
        if (window_size is None) == (window_size_func is None):
            raise ValueError("Either the `window_size` argument or the `window_size_func` argument must be specified.")
        size_of = window_size_func if window_size_func is not None else lambda key: to_tensor(window_size, dtypes.int64)
        spec = self._stage.spec

        def whole_number(function: Callable[..., Any]) -> Callable[..., Any]:
            return lambda *given: to_tensor(function(*given), dtypes.int64)

        key = Traced(whole_number(key_func), spec, "group_by_window")
        if not KEY.is_compatible_with(key.spec):
            raise ValueError(
                "Invalid `key_func`. `key_func` must return a single `tf.int64` scalar tensor but its return type is "
                f"{key.spec}."
            )
        size = Traced(whole_number(size_of), KEY, "group_by_window")
        if not KEY.is_compatible_with(size.spec):
            raise ValueError(
                "Invalid `window_size_func`. `window_size_func` must return a single `tf.int64` scalar tensor but its return "
                f"type is {size.spec}."
            )
        reduce = Traced(reduce_func, (KEY, DatasetSpec(spec)), "group_by_window")
        if not isinstance(reduce.spec, DatasetSpec):
            raise TypeError(
                "Invalid `reduce_func`. `reduce_func` must return a single `tf.data.Dataset` object but its return type is "
                f"{reduce.spec}."
            )
        return self._then(GroupByWindow(self._stage, key, reduce, size))

    def bucket_by_sequence_length(
        self,
        element_length_func: Callable[..., Any],
        bucket_boundaries: Sequence[int],
        bucket_batch_sizes: Sequence[int],
        padded_shapes: Any = None,
        padding_values: Any = None,
        pad_to_bucket_boundary: bool = False,
        no_padding: bool = False,
        drop_remainder: bool = False,
        name: str | None = None,
    ) -> Any:
        """Batch elements of similar length, each bucket in batches of its own size.

        Args:
          element_length_func: gives the length of an element, an int32 scalar.
          bucket_boundaries: the lengths at which the next bucket begins, in order.
          bucket_batch_sizes: the batch size of each bucket: one more than there are boundaries.
          padded_shapes: as in `padded_batch`.
          padding_values: as in `padded_batch`.
          pad_to_bucket_boundary: whether batches are padded to the bucket's boundary less one; longer elements are refused.
          no_padding: whether elements are batched as they are; in a bucket they have one shape then.
          drop_remainder: whether a last batch of fewer is left out.

        Raises:
          ValueError: the number of batch sizes does not fit.
          tf.errors.InvalidArgumentError: with `pad_to_bucket_boundary`, while iterating, an element is too long.

        >>> rows = tf.data.Dataset.range(1, 5).map(lambda n: tf.fill([n], n))
        >>> batches = rows.bucket_by_sequence_length(lambda r: tf.shape(r)[0], [3], [2, 2])
        >>> [b.tolist() for b in batches.as_numpy_iterator()]
        [[[1, 0], [2, 2]], [[3, 3, 3, 0], [4, 4, 4, 4]]]
        """
        if len(bucket_batch_sizes) != len(bucket_boundaries) + 1:
            raise ValueError(
                f"`len(bucket_batch_sizes)` must equal `len(bucket_boundaries) + 1` but `len(bucket_batch_sizes)="
                f"{len(bucket_batch_sizes)}` and `len(bucket_boundaries)={len(bucket_boundaries)}`."
            )
        batch_sizes = to_tensor(list(bucket_batch_sizes), dtypes.int64)
        limits = np.iinfo(np.int32)
        least = to_tensor([limits.min, *bucket_boundaries], dtypes.int32)
        most = to_tensor([*bucket_boundaries, limits.max], dtypes.int32)
        own_shapes = nest.map_structure(lambda s: s.shape, self.element_spec)

        def bucket(*element: Any) -> Any:
            length = to_tensor(element_length_func(*element))
            return PUBLIC["reduce_min"](
                PUBLIC["where"](
                    PUBLIC["logical_and"](PUBLIC["less_equal"](least, length), PUBLIC["less"](length, most))
                )
            )

        def joined(key: Any, group: Any) -> Any:
            size = batch_sizes[key]
            if no_padding:
                return group.batch(size, drop_remainder=drop_remainder)
            filler: Any = None
            if pad_to_bucket_boundary:
                PUBLIC["debugging.assert_less"](
                    key,
                    to_tensor(len(bucket_batch_sizes) - 1, dtypes.int64),
                    message="When pad_to_bucket_boundary=True, elements must have length < max(bucket_boundaries).",
                )
                last = to_tensor([*bucket_boundaries, 1], dtypes.int64)
                filler = last[key] - 1
            shapes = nest.map_structure(lambda s: _filled(TensorShape(s), filler), padded_shapes or own_shapes)
            return group.padded_batch(size, shapes, padding_values, drop_remainder=drop_remainder)

        return self.group_by_window(bucket, joined, window_size_func=lambda key: batch_sizes[key])


def _filled(shape: TensorShape, filler: Any) -> Any:
    """Return a shape, or where there is a filler a tensor of sizes in which it stands for the unknown."""
    if filler is None or shape.is_fully_defined():
        return shape
    return to_tensor([filler if n is None else n for n in shape.as_list()], dtypes.int64)
