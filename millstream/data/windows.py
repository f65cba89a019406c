"""Datasets of datasets: window, group_by_window, bucket_by_sequence_length, group_by_reducer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from millstream.api.public import PUBLIC
from millstream.base import dtypes, errors, nest
from millstream.base.shapes import TensorShape
from millstream.base.specs import TensorSpec
from millstream.data.leaves import leaf_specs
from millstream.data.methods import DatasetMethods, dataset, whole
from millstream.data.nesting import DatasetSpec
from millstream.data.optional import NoneTensorSpec
from millstream.data.stage import INFINITE, UNKNOWN, Element, Limit, Reader, Run, Stage, refused
from millstream.data.traced import Traced
from millstream.execution.convert import to_tensor
from millstream.execution.tensor import eager_from_array


class Elements(Stage):
    """Elements that are at hand."""

    name = "Window"

    def __init__(self, spec: Any, elements: list[Element]) -> None:
        super().__init__(spec)
        self.elements = elements

    def count(self) -> int:
        return len(self.elements)

    def reader(self, run: Run) -> Reader:
        return _ElementsReader(self.elements)


class _ElementsReader(Reader):
    def __init__(self, elements: list[Element]) -> None:
        self.elements, self.at = elements, 0

    def __next__(self) -> Element:
        if self.at >= len(self.elements):
            raise StopIteration
        self.at += 1
        return self.elements[self.at - 1]

    def state(self) -> Any:
        return self.at

    def restore(self, state: Any) -> None:
        self.at = state


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
        return _WindowReader(self, self.input.reader(run))


class _WindowReader(Reader):
    def __init__(self, stage: Window, before: Reader) -> None:
        self.stage, self.before, self.ended = stage, before, False
        self.size, self.shift, self.stride = stage.number("size"), stage.number("shift"), stage.number("stride")
        self.buffer: list[Element] = []
        self.skip = 0
        self.specs = leaf_specs(stage.input.spec)

    def __next__(self) -> Element:
        reach = (self.size - 1) * self.stride + 1
        while not self.ended and self.skip:
            if next(self.before, None) is None:
                self.ended = True
            self.skip -= 1
        while not self.ended and len(self.buffer) < reach:
            found = next(self.before, None)
            if found is None:
                self.ended = True
            else:
                self.buffer.append(found)
        if not self.buffer or (self.stage.drop and len(self.buffer) < reach):
            self.buffer = []
            raise StopIteration
        rows = self.buffer[: reach : self.stride]
        if self.shift < len(self.buffer):
            self.buffer = self.buffer[self.shift :]
        else:
            self.skip = self.shift - len(self.buffer)
            self.buffer = []
        return tuple(
            [
                None if isinstance(s, NoneTensorSpec) else dataset(Elements(s, [(r[i],) for r in rows]))
                for i, s in enumerate(self.specs)
            ]
        )

    def state(self) -> Any:
        return [self.before.state(), [list(e) for e in self.buffer], self.skip, self.ended]

    def restore(self, state: Any) -> None:
        self.before.restore(state[0])
        self.buffer = [tuple(e) for e in state[1]]
        self.skip, self.ended = state[2], state[3]


class GroupByWindow(Stage):
    """Elements of one key collected in windows, each of which a function makes a dataset of."""

    name = "GroupByWindow"

    def __init__(self, before: Stage, key: Traced, reduce: Traced, size: Traced) -> None:
        super().__init__(reduce.spec.element_spec, [before], functions=[key, reduce, size])

    def size(self, counts: list[int]) -> int:
        return INFINITE if counts[0] == INFINITE else UNKNOWN

    def reader(self, run: Run) -> Reader:
        return _GroupReader(self, self.input.reader(run), run)


class _GroupReader(Reader):
    def __init__(self, stage: GroupByWindow, before: Reader, run: Run) -> None:
        self.stage, self.before, self.run = stage, before, run
        self.key, self.reduce, self.window_size = stage.begun()
        self.groups: dict[int, list[Element]] = {}
        self.sizes: dict[int, int] = {}
        self.inner: Reader | None = None
        self.opened: tuple[int, list[Element]] = (0, [])
        self.ended, self.index = False, -1

    def _number(self, found: Element) -> int:
        return int(found[0].numpy())

    def __next__(self) -> Element:
        while True:
            if self.inner is not None:
                try:
                    return self.inner.__next__()
                except StopIteration:
                    self.inner = None
            if self.ended:
                if not self.groups:
                    raise StopIteration
                self._open(min(self.groups))
                continue
            element = next(self.before, None)
            if element is None:
                self.ended = True
                continue
            self.index += 1
            try:
                self._take(element)
            except errors.OpError as error:
                raise self.stage.failed(error, self.index, function=True) from error

    def _take(self, element: Element) -> None:
        key = self._number(self.key(element))
        group = self.groups.setdefault(key, [])
        if not group:
            size = self._number(self.window_size((_key(key),)))
            if size <= 0:
                raise refused(f"Window size must be greater than zero, but got {size}.")
            self.sizes[key] = size
        group.append(element)
        if len(group) == self.sizes[key]:
            self._open(key)

    def _open(self, key: int) -> None:
        self._reduce(key, self.groups.pop(key))

    def _reduce(self, key: int, rows: list[Element]) -> None:
        self.opened = key, rows
        window = dataset(Elements(self.stage.input.spec, rows))
        self.inner = self.reduce((_key(key), window))[0]._stage.reader(self.run)

    def state(self) -> Any:
        groups = [[k, [list(e) for e in rows], self.sizes[k]] for k, rows in self.groups.items()]
        inner = None if self.inner is None else [self.opened[0], [list(e) for e in self.opened[1]], self.inner.state()]
        return [self.before.state(), groups, inner, self.ended, self.index]

    def restore(self, state: Any) -> None:
        self.before.restore(state[0])
        self.groups = {k: [tuple(e) for e in rows] for k, rows, _ in state[1]}
        self.sizes = {k: size for k, _, size in state[1]}
        self.inner = None
        if state[2] is not None:
            self._reduce(state[2][0], [tuple(e) for e in state[2][1]])
            assert self.inner is not None
            self.inner.restore(state[2][2])
        self.ended, self.index = state[3], state[4]


def _key(number: int) -> Any:
    return eager_from_array(np.asarray(number, np.int64), dtypes.int64)


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
        spec, number = self._stage.spec, TensorSpec([], dtypes.int64)

        def whole_number(function: Callable[..., Any]) -> Callable[..., Any]:
            return lambda *given: to_tensor(function(*given), dtypes.int64)

        key = Traced(whole_number(key_func), spec, "group_by_window")
        if not number.is_compatible_with(key.spec):
            raise ValueError(
                "Invalid `key_func`. `key_func` must return a single `tf.int64` scalar tensor but its return type is "
                f"{key.spec}."
            )
        size = Traced(whole_number(size_of), number, "group_by_window")
        if not number.is_compatible_with(size.spec):
            raise ValueError(
                "Invalid `window_size_func`. `window_size_func` must return a single `tf.int64` scalar tensor but its return "
                f"type is {size.spec}."
            )
        reduce = Traced(reduce_func, (number, DatasetSpec(spec)), "group_by_window")
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
