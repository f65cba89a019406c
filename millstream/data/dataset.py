"""tf.data.Dataset: sources and transformations. Functions of users are traced once and run as plans."""

from __future__ import annotations

import itertools
import queue
import threading
from collections.abc import Callable, Iterable, Sequence
from collections.abc import Iterator as PythonIterator
from typing import Any

import numpy as np

from millstream.base import dtypes, nest
from millstream.base.composite import CompositeTensor
from millstream.base.dtypes import as_dtype
from millstream.base.errors import explain
from millstream.base.shapes import TensorShape
from millstream.base.specs import TensorSpec, TypeSpec
from millstream.data.iterator import OwnedIterator
from millstream.data.optional import NoneTensorSpec, spec_of_element
from millstream.data.options import Options
from millstream.execution.context import init_scope
from millstream.execution.convert import to_tensor
from millstream.execution.function import Function
from millstream.execution.tensor import EagerTensor, Tensor, eager_constant

AUTOTUNE = -1
INFINITE, UNKNOWN = -1, -2


class Dataset(CompositeTensor):
    """A sequence of elements, each a nested structure of tensors. Made anew by each iteration."""

    def __init__(self, element_spec: Any, iterate: Callable[[], PythonIterator[Any]], count: int = UNKNOWN) -> None:
        self._spec = element_spec
        self._iterate = iterate
        self._count = count
        self._options = Options()

    @property
    def _type_spec(self) -> DatasetSpec:
        return DatasetSpec(self)

    @property
    def element_spec(self) -> Any:
        """The structure of type specs of the elements."""
        return self._spec

    def __iter__(self) -> OwnedIterator:
        return OwnedIterator(self._iterate(), self._spec)

    def __len__(self) -> int:
        if self._count == INFINITE:
            raise TypeError(explain("The dataset is infinite."))
        if self._count == UNKNOWN:
            raise TypeError(explain("The dataset length is unknown."))
        return self._count

    def __bool__(self) -> bool:
        return True

    def cardinality(self, name: str | None = None) -> Any:
        """Return the number of elements as int64: -1 for infinitely many, -2 where unknown."""
        return to_tensor(self._count, dtypes.int64)

    def options(self) -> Options:
        """Return the options in force."""
        return self._options

    def with_options(self, options: Options, name: str | None = None) -> Dataset:
        """Return the dataset with options set."""
        result = Dataset(self._spec, self._iterate, self._count)
        result._options = self._options.merge(options)
        return result

    def _then(self, spec: Any, iterate: Callable[[], PythonIterator[Any]], count: int = UNKNOWN) -> Dataset:
        result = Dataset(spec, iterate, count)
        result._options = self._options
        return result

    def as_numpy_iterator(self) -> PythonIterator[Any]:
        """Iterate over the elements as NumPy arrays."""
        for element in self:
            yield nest.map_structure(lambda t: None if t is None else t.numpy(), element)

    @staticmethod
    def from_tensors(tensors: Any, name: str | None = None) -> Dataset:
        """Return a dataset of one element."""
        element = _to_tensors(tensors)
        return Dataset(spec_of_element(element), lambda: iter((element,)), 1)

    @staticmethod
    def from_tensor_slices(tensors: Any, name: str | None = None) -> Dataset:
        """Return a dataset of the rows of tensors along their first axis."""
        element = _to_tensors(tensors)
        leaves = nest.flatten(element)
        flat = [t for t in leaves if t is not None]
        if any(t.shape.rank == 0 for t in flat):
            raise ValueError(explain("Unbatching a tensor is only supported for rank >= 1"))
        sizes: set[Any] = {t.shape.as_list()[0] if t.shape.rank else None for t in flat} - {None}
        if len(sizes) > 1:
            raise ValueError(explain(f"Dimensions {' and '.join(map(str, sorted(sizes)))} are not compatible"))
        count: int = sizes.pop() if sizes else UNKNOWN
        spec = nest.map_structure(
            lambda t: NoneTensorSpec() if t is None else TensorSpec(t.shape[1:], t.dtype), element
        )

        def iterate() -> PythonIterator[Any]:
            arrays = [None if t is None else t._array() for t in leaves]
            for i in range(flat[0].shape[0]):
                rows = [
                    None if a is None else eager_constant(a[i], t.dtype) for a, t in zip(arrays, leaves, strict=True)
                ]
                yield nest.pack_sequence_as(element, rows)

        return Dataset(spec, iterate, count)

    @staticmethod
    def range(*args: Any, **kwargs: Any) -> Dataset:
        """Return a dataset of numbers, as Python's range; `output_type` is int64."""
        dtype = as_dtype(kwargs.pop("output_type", dtypes.int64))
        kwargs.pop("name", None)
        numbers = range(*(int(a) for a in args))
        spec = TensorSpec([], dtype)
        return Dataset(spec, lambda: (eager_constant(n, dtype) for n in numbers), len(numbers))

    @staticmethod
    def zip(*args: Any, datasets: Any = None, name: str | None = None) -> Dataset:
        """Return a dataset of elements of several datasets side by side; ends with the shortest."""
        structure = datasets if datasets is not None else args[0] if len(args) == 1 else args
        flat = nest.flatten(structure)
        spec = nest.pack_sequence_as(structure, [d.element_spec for d in flat])
        counts = [d._count for d in flat]
        finite = [c for c in counts if c != INFINITE]
        count = INFINITE if not finite else UNKNOWN if UNKNOWN in finite else min(finite)

        def iterate() -> PythonIterator[Any]:
            for row in zip(*(d._iterate() for d in flat), strict=False):
                yield nest.pack_sequence_as(structure, row)

        return Dataset(spec, iterate, count)

    @staticmethod
    def from_generator(
        generator: Callable[..., Iterable[Any]],
        output_types: Any = None,
        output_shapes: Any = None,
        args: Any = None,
        output_signature: Any = None,
        name: str | None = None,
    ) -> Dataset:
        """Return a dataset of what a Python generator yields."""
        if not callable(generator):
            raise TypeError(explain("`generator` must be a Python callable."))
        if output_signature is None:
            if output_types is None:
                raise TypeError(explain("Either `output_signature` or `output_types` must be specified."))
            shapes = (
                nest.map_structure(lambda _: TensorShape(None), output_types)
                if output_shapes is None
                else output_shapes
            )
            output_signature = nest.map_structure_up_to(
                output_types, lambda t, s: TensorSpec(s, t), output_types, shapes
            )
        given = () if args is None else tuple(to_tensor(a).numpy() for a in args)

        def iterate() -> PythonIterator[Any]:
            for element in generator(*given):
                yield _conform(element, output_signature)

        return Dataset(output_signature, iterate)

    def map(
        self,
        map_func: Callable[..., Any],
        num_parallel_calls: Any = None,
        deterministic: bool | None = None,
        synchronous: bool | None = None,
        use_unbounded_threadpool: bool | None = None,
        name: str | None = None,
    ) -> Dataset:
        """Apply a function to each element."""
        traced = _Mapped(map_func, self._spec)

        def iterate() -> PythonIterator[Any]:
            for element in self._iterate():
                yield traced(element)

        return self._then(traced.spec, iterate, self._count)

    def flat_map(self, map_func: Callable[..., Dataset], name: str | None = None) -> Dataset:
        """Apply a function that gives a dataset to each element, and join the datasets."""
        spec = _inner_spec(map_func, self._spec)

        def iterate() -> PythonIterator[Any]:
            for element in self._iterate():
                yield from _call(map_func, element)._iterate()

        return self._then(spec, iterate)

    def filter(self, predicate: Callable[..., Any], name: str | None = None) -> Dataset:
        """Keep the elements for which a function gives True."""
        traced = _Mapped(predicate, self._spec)
        return self._then(self._spec, lambda: (e for e in self._iterate() if bool(traced(e))))

    def batch(
        self,
        batch_size: Any,
        drop_remainder: bool = False,
        num_parallel_calls: Any = None,
        deterministic: bool | None = None,
        name: str | None = None,
    ) -> Dataset:
        """Join `batch_size` elements along a new first axis."""
        size = int(batch_size)
        lead = size if drop_remainder else None
        spec = nest.map_structure(lambda s: _batched_spec(s, lead), self._spec)

        def iterate() -> PythonIterator[Any]:
            elements = self._iterate()
            while rows := list(itertools.islice(elements, size)):
                if len(rows) == size or not drop_remainder:
                    yield _stacked(rows)

        count = self._count
        if count >= 0:
            count = count // size if drop_remainder else -(-count // size)
        return self._then(spec, iterate, count)

    def unbatch(self, name: str | None = None) -> Dataset:
        """Cut each element along its first axis."""
        spec = nest.map_structure(
            lambda s: s if isinstance(s, NoneTensorSpec) else TensorSpec(s.shape[1:], s.dtype), self._spec
        )

        def iterate() -> PythonIterator[Any]:
            for element in self._iterate():
                yield from Dataset.from_tensor_slices(element)._iterate()

        return self._then(spec, iterate)

    def repeat(self, count: Any = None, name: str | None = None) -> Dataset:
        """Go through the dataset `count` times; without end for None or -1."""
        times = -1 if count is None else int(count)

        def iterate() -> PythonIterator[Any]:
            for _ in itertools.count() if times < 0 else range(times):
                empty = True
                for element in self._iterate():
                    empty = False
                    yield element
                if empty:
                    return

        total = INFINITE if times < 0 and self._count != 0 else self._count * times if self._count >= 0 else self._count
        return self._then(self._spec, iterate, total)

    def take(self, count: Any, name: str | None = None) -> Dataset:
        """Keep the first `count` elements; all for -1."""
        n = int(count)
        if n < 0:
            return self
        total = n if self._count == INFINITE else min(n, self._count) if self._count >= 0 else UNKNOWN
        return self._then(self._spec, lambda: itertools.islice(self._iterate(), n), total)

    def skip(self, count: Any, name: str | None = None) -> Dataset:
        """Leave the first `count` elements out; all for -1."""
        n = int(count)
        if n < 0:
            return self._then(self._spec, lambda: iter(()), 0)
        total = max(0, self._count - n) if self._count >= 0 else self._count
        return self._then(self._spec, lambda: itertools.islice(self._iterate(), n, None), total)

    def enumerate(self, start: int = 0, name: str | None = None) -> Dataset:
        """Pair each element with its number."""
        spec = (TensorSpec([], dtypes.int64), self._spec)
        return self._then(
            spec,
            lambda: ((eager_constant(i, dtypes.int64), e) for i, e in enumerate(self._iterate(), start)),
            self._count,
        )

    def concatenate(self, dataset: Dataset, name: str | None = None) -> Dataset:
        """Go through another dataset after this one."""
        counts = (self._count, dataset._count)
        total = INFINITE if INFINITE in counts else UNKNOWN if UNKNOWN in counts else sum(counts)
        spec = nest.map_structure(_common_spec, self._spec, dataset._spec)
        return self._then(spec, lambda: itertools.chain(self._iterate(), dataset._iterate()), total)

    def cache(self, filename: str = "", name: str | None = None) -> Dataset:
        """Keep the elements of the first whole iteration in memory."""
        if filename:
            raise NotImplementedError(
                explain("Dataset.cache on a file is not supported yet; call cache() to keep elements in memory.")
            )
        kept: list[Any] = []
        done = [False]

        def iterate() -> PythonIterator[Any]:
            if done[0]:
                yield from kept
                return
            fresh = []
            for element in self._iterate():
                fresh.append(element)
                yield element
            kept[:] = fresh
            done[0] = True

        return self._then(self._spec, iterate, self._count)

    def prefetch(self, buffer_size: Any, name: str | None = None) -> Dataset:
        """Make up to `buffer_size` elements ahead in a thread (2 for AUTOTUNE)."""
        size = int(buffer_size)
        return self._then(self._spec, lambda: _Prefetched(self._iterate, 2 if size < 0 else max(size, 1)), self._count)

    def shuffle(
        self, buffer_size: Any, seed: Any = None, reshuffle_each_iteration: bool | None = None, name: str | None = None
    ) -> Dataset:
        """Give elements in random order, drawn from a buffer of `buffer_size`."""
        size = int(buffer_size)
        chosen = np.random.SeedSequence().entropy if seed is None else int(seed)
        source = np.random.default_rng(chosen)
        again = reshuffle_each_iteration is None or reshuffle_each_iteration

        def iterate() -> PythonIterator[Any]:
            random = source if again else np.random.default_rng(chosen)
            buffer: list[Any] = []
            for element in self._iterate():
                buffer.append(element)
                if len(buffer) >= size:
                    i = int(random.integers(len(buffer)))
                    buffer[i], buffer[-1] = buffer[-1], buffer[i]
                    yield buffer.pop()
            random.shuffle(buffer)  # type: ignore[arg-type]
            yield from buffer

        return self._then(self._spec, iterate, self._count)

    def shard(self, num_shards: Any, index: Any, name: str | None = None) -> Dataset:
        """Keep every `num_shards`-th element from `index` on."""
        n, at = int(num_shards), int(index)
        total = len(range(at, self._count, n)) if self._count >= 0 else self._count
        return self._then(self._spec, lambda: itertools.islice(self._iterate(), at, None, n), total)

    def reduce(self, initial_state: Any, reduce_func: Callable[..., Any], name: str | None = None) -> Any:
        """Fold the elements into a state."""
        state = _to_tensors(initial_state)
        for element in self._iterate():
            state = reduce_func(state, element)
        return state

    def apply(self, transformation_func: Callable[[Dataset], Dataset]) -> Dataset:
        """Return transformation_func(self)."""
        return transformation_func(self)

    def get_single_element(self, name: str | None = None) -> Any:
        """Return the only element."""
        rows = list(itertools.islice(self._iterate(), 2))
        if len(rows) != 1:
            from millstream.base import errors

            raise errors.InvalidArgumentError(
                None,
                None,
                explain(f"Dataset had {'no' if not rows else 'more than one'} element(s); it must have exactly one."),
            )
        return rows[0]


class DatasetSpec(TypeSpec):
    """The type of a dataset: structures of its elements. A dataset is passed through as it is."""

    __slots__ = ["_dataset"]

    def __init__(self, dataset: Any) -> None:
        self._dataset = dataset

    @property
    def value_type(self) -> type:
        return Dataset

    def _serialize(self) -> tuple[Any, ...]:
        return (id(self._dataset),)

    @property
    def _component_specs(self) -> Any:
        return []

    def _to_components(self, value: Any) -> list[Any]:
        return []

    def _from_components(self, components: Sequence[Any]) -> Any:
        return self._dataset


class _Mapped:
    """A function of elements, traced once."""

    def __init__(self, function: Callable[..., Any], spec: Any) -> None:
        self.spread = isinstance(spec, tuple) and not hasattr(spec, "_fields")
        self.function = Function(function)
        arguments = spec if self.spread else (spec,)
        with init_scope():
            concrete = self.function.get_concrete_function(*arguments)
        self.spec = nest.map_structure(_output_spec, concrete.structured_outputs)

    def __call__(self, element: Any) -> Any:
        return self.function(*element) if self.spread else self.function(element)


def _output_spec(value: Any) -> Any:
    return value if isinstance(value, TypeSpec) else spec_of_element(value)


def _batched_spec(spec: Any, lead: int | None) -> Any:
    if isinstance(spec, NoneTensorSpec):
        return spec
    return TensorSpec([lead, *spec.shape.as_list()] if spec.shape.rank is not None else None, spec.dtype)


def _common_spec(first: Any, second: Any) -> Any:
    common = first.most_specific_common_supertype([second])
    if common is None:
        raise TypeError(
            explain(
                f"Incompatible dataset elements: {first} cannot be joined with {second}: give datasets of the same structure "
                "and element types."
            )
        )
    return common


def _inner_spec(function: Callable[..., Any], spec: Any) -> Any:
    found: list[Any] = []

    def probe(*arguments: Any) -> Any:
        found.append(function(*arguments).element_spec)
        return to_tensor(0)

    arguments = spec if isinstance(spec, tuple) and not hasattr(spec, "_fields") else (spec,)
    with init_scope():
        Function(probe).get_concrete_function(*arguments)
    return found[-1]


def _call(function: Callable[..., Any], element: Any) -> Any:
    return function(*element) if isinstance(element, tuple) and not hasattr(element, "_fields") else function(element)


def _to_tensors(value: Any) -> Any:
    kept = (CompositeTensor, type(None))
    return nest.map_structure(lambda v: v if isinstance(v, kept) else to_tensor(v), _lists_as_tensors(value))


def _lists_as_tensors(value: Any) -> Any:
    if isinstance(value, list):
        return to_tensor(value)
    if isinstance(value, tuple) and not hasattr(value, "_fields"):
        return tuple(_lists_as_tensors(v) for v in value)
    if isinstance(value, dict):
        return type(value)((k, _lists_as_tensors(v)) for k, v in value.items())
    return value


def _conform(element: Any, signature: Any) -> Any:
    flat = nest.flatten_up_to(signature, element)
    leaves = []
    for spec, value in zip(nest.flatten(signature), flat, strict=True):
        leaves.append(
            to_tensor(value, spec.dtype) if isinstance(spec, TensorSpec) and not isinstance(value, Tensor) else value
        )
    return nest.pack_sequence_as(signature, leaves)


def _stacked(rows: list[Any]) -> Any:
    columns = zip(*(nest.flatten(r) for r in rows), strict=True)
    joined = []
    for column in columns:
        first: EagerTensor | None = column[0]
        joined.append(None if first is None else eager_constant(np.stack([t._array() for t in column]), first.dtype))
    return nest.pack_sequence_as(rows[0], joined)


class _Prefetched:
    """Elements made ahead by a thread, at most `size` of them. The thread ends with the iterator."""

    def __init__(self, iterate: Callable[[], PythonIterator[Any]], size: int) -> None:
        self.ready: queue.Queue[Any] = queue.Queue(size)
        self.stopped = threading.Event()
        self.ended = False
        self.thread = threading.Thread(target=_fill, args=(iterate, self.ready, self.stopped), daemon=True)
        self.thread.start()

    def __iter__(self) -> _Prefetched:
        return self

    def __next__(self) -> Any:
        if self.ended:
            raise StopIteration
        kind, value = self.ready.get()
        if kind == "element":
            return value
        self.ended = True
        if kind == "error":
            raise value
        raise StopIteration

    def __del__(self) -> None:
        self.stopped.set()


def _fill(iterate: Callable[[], PythonIterator[Any]], ready: queue.Queue[Any], stopped: threading.Event) -> None:
    def put(item: Any) -> bool:
        while not stopped.is_set():
            try:
                ready.put(item, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False

    try:
        for element in iterate():
            if not put(("element", element)):
                return
        put(("end", None))
    except BaseException as error:  # handed to the reader
        put(("error", error))
