"""Where elements come from: tensors, numbers, Python generators, random words. Files are in `readers`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from collections.abc import Iterator as PythonIterator
from typing import Any

import numpy as np

from millstream import _runtime as runtime
from millstream.base import dtypes, errors, nest
from millstream.base.dtypes import as_dtype
from millstream.base.shapes import TensorShape, as_shape
from millstream.base.specs import TensorSpec
from millstream.data.leaves import (
    Rows,
    components,
    leaf_specs,
    leaves_of,
    normalized,
    row_count,
    row_spec,
    spec_of,
)
from millstream.data.methods import DatasetMethods, dataset, whole
from millstream.data.native import NativeReader, is_stackable
from millstream.data.optional import NoneTensorSpec
from millstream.data.randomness import SeedSource
from millstream.data.randomness import Words as Random
from millstream.data.stage import INFINITE, UNKNOWN, Element, Reader, Run, Stage, refused
from millstream.execution.convert import to_tensor
from millstream.execution.symbolic import SymbolicTensor
from millstream.execution.tensor import EagerTensor, eager_constant, eager_from_array


class Tensors(Stage):
    """One element."""

    name = "Tensor"

    def __init__(self, element: Any) -> None:
        spec = spec_of(element)
        leaves = nest.flatten(element)
        super().__init__(spec)
        self.datasets = {i: leaf for i, leaf in enumerate(leaves) if hasattr(leaf, "_stage")}
        self.values = {"components": _components(spec, leaves)}

    def count(self) -> int:
        return 1

    def reader(self, run: Run) -> Reader:
        return _Once(_leaves(self.spec, self.values["components"]))


def _components(spec: Any, leaves: list[Any]) -> list[Any]:
    return [c for s, leaf in zip(leaf_specs(spec), leaves, strict=True) for c in components(s, leaf)]


def _leaves(spec: Any, tensors: list[Any]) -> Element:
    return tuple(leaves_of(leaf_specs(spec), tensors))


class _Once(Reader):
    def __init__(self, element: Element) -> None:
        self.element, self.done = element, False

    def __next__(self) -> Element:
        if self.done:
            raise StopIteration
        self.done = True
        return self.element

    def state(self) -> Any:
        return self.done

    def restore(self, state: Any) -> None:
        self.done = state


class TensorSlices(Stage):
    """The rows of tensors."""

    name = "TensorSlice"

    def __init__(self, element: Any) -> None:
        leaves = nest.flatten(element)
        self.whole_spec = spec_of(element)
        specs = leaf_specs(self.whole_spec)
        if not [s for s in specs if not isinstance(s, NoneTensorSpec)]:
            raise ValueError(errors.explain("Unbatching needs at least one tensor; give tensors, lists or arrays."))
        super().__init__(nest.map_structure(row_spec, self.whole_spec))
        leads: set[Any] = {s.shape[0] for s in specs if hasattr(s, "shape") and s.shape.rank} - {None}
        if len(leads) > 1:
            first, second = sorted(leads)[:2]
            raise ValueError(errors.explain(f"Dimensions {first} and {second} are not compatible"))
        self.values = {"components": _components(self.whole_spec, leaves)}
        self.rows_known: int = leads.pop() if leads else UNKNOWN

    def count(self) -> int:
        if self.rows_known >= 0 or self.symbolic():
            return self.rows_known
        return self._count(_leaves(self.whole_spec, self.values["components"]))

    def _count(self, leaves: Element) -> int:
        counts = {row_count(s, leaf) for s, leaf in zip(leaf_specs(self.whole_spec), leaves, strict=True)} - {None}
        if len(counts) > 1:
            raise ValueError(errors.explain(f"Dimensions {' and '.join(map(str, sorted(counts)))} are not compatible"))  # type: ignore[type-var]
        found = counts.pop()
        assert found is not None
        return found

    def reader(self, run: Run) -> Reader:
        leaves = _leaves(self.whole_spec, self.values["components"])
        count = self._count(leaves)
        if is_stackable(self.whole_spec):
            return NativeReader(runtime.read_rows(leaves, count), self.spec)
        return SliceReader([Rows(s, v) for s, v in zip(leaf_specs(self.whole_spec), leaves, strict=True)], count)


class SliceReader(Reader):
    """Reads the rows of leaves."""

    def __init__(self, columns: list[Rows], count: int) -> None:
        self.columns, self.count, self.at = columns, count, 0

    def __next__(self) -> Element:
        if self.at >= self.count:
            raise StopIteration
        self.at += 1
        return tuple([c[self.at - 1] for c in self.columns])

    def state(self) -> Any:
        return self.at

    def restore(self, state: Any) -> None:
        self.at = state


def _refuse_standing(step: int) -> None:
    if step == 0:
        raise refused("step must be a non-zero integer.")


class Range(Stage):
    """Numbers from start to stop in steps."""

    name = "Range"

    def __init__(self, start: Any, stop: Any, step: Any, dtype: Any) -> None:
        super().__init__(TensorSpec([], dtype), values={"start": start, "stop": stop, "step": step})
        self.dtype = dtype
        if isinstance(step, int):
            _refuse_standing(step)

    def numbers(self) -> range:
        """Return what is gone through."""
        step = self.number("step")
        _refuse_standing(step)
        return range(self.number("start"), self.number("stop"), step)

    def size(self, counts: list[int]) -> int:
        return len(self.numbers())

    def reader(self, run: Run) -> Reader:
        numbers = self.numbers()
        number = self.dtype.as_datatype_enum
        return NativeReader(runtime.read_range(number, numbers.start, numbers.step, len(numbers)), self.spec)


class Counter(Stage):
    """Numbers without end."""

    name = "Counter"

    def __init__(self, start: Any, step: Any, dtype: Any) -> None:
        super().__init__(TensorSpec([], dtype), values={"start": start, "step": step})
        self.dtype = dtype

    def count(self) -> int:
        return INFINITE

    def reader(self, run: Run) -> Reader:
        return _CounterReader(self.values["start"], self.values["step"], self.dtype)


class _CounterReader(Reader):
    def __init__(self, start: Any, step: Any, dtype: Any) -> None:
        self.start = np.asarray(start, dtype.as_numpy_dtype)
        self.step, self.dtype = np.asarray(step, dtype.as_numpy_dtype), dtype

    def __next__(self) -> Element:
        result = eager_constant(self.start, self.dtype)
        with np.errstate(over="ignore"):
            self.start = np.asarray(self.start + self.step)
        return (result,)

    def state(self) -> Any:
        return self.start.tolist()

    def restore(self, state: Any) -> None:
        self.start = np.asarray(state, self.start.dtype)


class Generator(Stage):
    """What a Python generator yields. It is called anew by each iteration."""

    name = "Generator"

    def __init__(self, generator: Callable[..., Iterable[Any]], given: list[Any], signature: Any) -> None:
        super().__init__(signature, values={"args": given})
        self.generator = generator

    def reader(self, run: Run) -> Reader:
        return _GeneratorReader(self)


class _GeneratorReader(Reader):
    def __init__(self, stage: Generator) -> None:
        self.stage, self.index = stage, 0
        self.iterator: PythonIterator[Any] | None = None
        self.specs = leaf_specs(stage.spec)

    def __next__(self) -> Element:
        # The user's code is no part of the dataset's random streams.
        scope = runtime.set_random_scope(0)
        try:
            if self.iterator is None:
                self.iterator = iter(self.stage.generator(*(a.numpy() for a in self.stage.values["args"])))
            value = next(self.iterator)
        except StopIteration:
            raise
        except Exception as error:
            raise self.stage.failed(errors.of_python(error), self.index) from error
        finally:
            runtime.set_random_scope(scope)
        try:
            element = self._conformed(value)
        except (TypeError, ValueError) as error:
            raise self.stage.failed(errors.of_python(error), self.index) from error
        self.index += 1
        return element

    def _conformed(self, value: Any) -> Element:
        spec = self.stage.spec
        try:
            flat = nest.flatten_up_to(spec, value) if nest.is_nested(spec) else [value]
        except (TypeError, ValueError):
            types = nest.map_structure(lambda s: getattr(s, "dtype", s), spec)
            raise TypeError(
                errors.explain(
                    "`generator` yielded an element that did not match the expected structure. The expected structure was "
                    f"{types}, but the yielded element was {value}."
                )
            ) from None
        if type(spec) is tuple and len(flat) != len(spec) and not any(nest.is_nested(s) for s in spec):
            raise TypeError(
                errors.explain(
                    "`generator` yielded an element that did not match the expected structure. The expected structure was "
                    f"{nest.map_structure(lambda s: getattr(s, 'dtype', s), spec)}, but the yielded element was {value}."
                )
            )
        return tuple([self._leaf(s, v) for s, v in zip(self.specs, flat, strict=True)])

    def _leaf(self, spec: Any, value: Any) -> Any:
        if type(spec) is not TensorSpec:
            if not spec.is_compatible_with(value):
                raise TypeError(
                    errors.explain(
                        f"`generator` yielded an element of {type(value)} where an element of {spec} was expected."
                    )
                )
            return value
        if isinstance(value, EagerTensor) and value.dtype is not spec.dtype:
            raise TypeError(
                errors.explain(
                    f"`generator` yielded an element of TensorSpec(shape={value.shape}, dtype={value.dtype}) where an element of "
                    f"{spec} was expected."
                )
            )
        if not isinstance(value, EagerTensor):
            try:
                value = _converted(value, spec.dtype)
            except (TypeError, ValueError, OverflowError):
                raise TypeError(
                    errors.explain(
                        "`generator` yielded an element that could not be converted to the expected type. The expected type was "
                        f"{spec.dtype.name}, but the yielded element was {value}."
                    )
                ) from None
        if not spec.shape.is_compatible_with(value.shape):
            raise TypeError(
                errors.explain(
                    f"`generator` yielded an element of shape {value.shape} where an element of shape {spec.shape} was expected."
                )
            )
        return value


def _converted(value: Any, dtype: Any) -> EagerTensor:
    if dtype is dtypes.string:
        return eager_constant(value, dtype)
    array = np.asarray(value, dtype.as_numpy_dtype)
    return eager_from_array(array, dtype)


class RandomWords(Stage):
    """Random whole numbers below 2^32 without end."""

    name = "Random"

    def __init__(self, source: SeedSource) -> None:
        super().__init__(TensorSpec([], dtypes.int64))
        self.source = source

    def bound(self, known: dict[int, Any]) -> Stage:
        result = super().bound(known)
        assert isinstance(result, RandomWords)
        result.source = self.source.bound()
        return result

    def count(self) -> int:
        return INFINITE

    def reader(self, run: Run) -> Reader:
        return _RandomReader(*self.source.draw())


class _RandomReader(Reader):
    def __init__(self, seed: int, seed2: int) -> None:
        self.words = Random(seed, seed2)

    def __next__(self) -> Element:
        return (eager_from_array(np.asarray(self.words.next(), np.int64), dtypes.int64),)

    def state(self) -> Any:
        return [*self.words.seeds, self.words.used]

    def restore(self, state: Any) -> None:
        self.words = Random(state[0], state[1])
        self.words.used = state[2]


class SourceMethods(DatasetMethods):
    """The sources of `tf.data.Dataset`."""

    @staticmethod
    def from_tensors(tensors: Any, name: str | None = None) -> Any:
        """Return a dataset of one element.

        Args:
          tensors: a structure of tensors, or of what can be made tensors; lists are tensors.

        >>> list(tf.data.Dataset.from_tensors([1, 2, 3]).as_numpy_iterator())
        [array([1, 2, 3], dtype=int32)]
        """
        return dataset(Tensors(normalized(tensors)))

    @staticmethod
    def from_tensor_slices(tensors: Any, name: str | None = None) -> Any:
        """Return a dataset of the rows of tensors along their first axis.

        Args:
          tensors: a structure of tensors, ragged and sparse tensors of the same first size.

        Raises:
          ValueError: a tensor is a scalar, or the first sizes differ.

        >>> list(tf.data.Dataset.from_tensor_slices(([1, 2], ["a", "b"])).as_numpy_iterator())
        [(1, b'a'), (2, b'b')]
        """
        return dataset(TensorSlices(normalized(tensors)))

    @staticmethod
    def range(*args: Any, **kwargs: Any) -> Any:
        """Return a dataset of numbers as Python's range gives them.

        Args:
          *args: stop; start, stop; or start, stop, step.
          **kwargs: output_type (int64), name.

        >>> list(tf.data.Dataset.range(1, 7, 2).as_numpy_iterator())
        [1, 3, 5]
        """
        unknown = set(kwargs) - {"output_type", "name"}
        if unknown:
            raise TypeError(
                errors.explain(
                    f"Dataset.range() got unexpected keyword arguments {sorted(unknown)}; it takes output_type and name."
                )
            )
        dtype = as_dtype(kwargs.get("output_type", dtypes.int64))
        if not 1 <= len(args) <= 3:
            raise ValueError(
                errors.explain(f"Invalid `args`. The length of `args` should be between 1 and 3 but was {len(args)}.")
            )
        numbers = [whole(a) for a in args]
        start, stop = (0, numbers[0]) if len(numbers) == 1 else numbers[:2]
        return dataset(Range(start, stop, numbers[2] if len(numbers) == 3 else 1, dtype))

    @staticmethod
    def counter(start: Any = 0, step: Any = 1, dtype: Any = dtypes.int64, name: str | None = None) -> Any:
        """Return a dataset that counts without end.

        >>> list(tf.data.Dataset.counter(2, step=5).take(3).as_numpy_iterator())
        [2, 7, 12]
        """
        kind = as_dtype(dtype)
        given = [v if isinstance(v, SymbolicTensor) else to_tensor(v, kind).numpy().item() for v in (start, step)]
        return dataset(Counter(given[0], given[1], kind))

    @staticmethod
    def random(seed: Any = None, rerandomize_each_iteration: bool | None = None, name: str | None = None) -> Any:
        """Return a dataset of random int64 numbers in [0, 2^32) without end.

        Args:
          seed: a whole number. With `tf.random.set_seed` it decides the numbers.
          rerandomize_each_iteration: whether each iteration has other numbers; False where it is None.

        >>> tf.random.set_seed(None)
        >>> list(tf.data.Dataset.random(seed=4).take(2).as_numpy_iterator())
        [3128586565, 2023892699]
        """
        return dataset(RandomWords(SeedSource.of(seed, bool(rerandomize_each_iteration))))

    @staticmethod
    def from_generator(
        generator: Callable[..., Iterable[Any]],
        output_types: Any = None,
        output_shapes: Any = None,
        args: Any = None,
        output_signature: Any = None,
        name: str | None = None,
    ) -> Any:
        """Return a dataset of what a Python generator yields; it is called anew for each iteration.

        Args:
          generator: a function that returns something to iterate over.
          output_types: the structure of element types; deprecated, as is `output_shapes`.
          output_shapes: the structure of shapes; all unknown where it is None.
          args: tensors that `generator` is called with, as NumPy arrays.
          output_signature: the structure of specs of the elements.

        Raises:
          TypeError: neither `output_signature` nor `output_types` is given, or both.
          tf.errors.InvalidArgumentError: while iterating, where an element does not fit.

        >>> spec = tf.TensorSpec([], tf.int32)
        >>> list(tf.data.Dataset.from_generator(lambda: range(3), output_signature=spec).as_numpy_iterator())
        [0, 1, 2]
        """
        if not callable(generator):
            raise TypeError(errors.explain("`generator` must be a Python callable."))
        if output_signature is not None and (output_types is not None or output_shapes is not None):
            raise TypeError(
                errors.explain(
                    "The `output_signature` argument can not be used together with the `output_types` or `output_shapes` arguments."
                )
            )
        if output_signature is None and output_types is None:
            raise TypeError(
                errors.explain("To specify the type of the elements, give either `output_signature` or `output_types`.")
            )
        if output_signature is None:
            output_signature = _signature(output_types, output_shapes)
        for spec in nest.flatten(output_signature):
            if not hasattr(spec, "_serialize"):
                raise TypeError(
                    errors.explain(
                        f"`output_signature` must contain objects that are subclass of `tf.TypeSpec` but found {type(spec)}."
                    )
                )
        given = [] if args is None else [to_tensor(a) for a in args]
        return dataset(Generator(generator, given, output_signature))


def _signature(output_types: Any, output_shapes: Any) -> Any:
    types = nest.map_structure(as_dtype, _tuples(output_types))
    if output_shapes is None:
        return nest.map_structure(lambda t: TensorSpec(TensorShape(None), t), types)
    return nest.map_structure_up_to(types, lambda t, s: TensorSpec(as_shape(s), t), types, output_shapes)


def _tuples(value: Any) -> Any:
    return tuple(_tuples(v) for v in value) if isinstance(value, list) else value
