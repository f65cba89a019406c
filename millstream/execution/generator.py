"""tf.random.Generator: random numbers whose counter and key are a tf.Variable, so that it can be saved and traced."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from millstream.base import dtypes, nest
from millstream.base.dtypes import as_dtype
from millstream.base.errors import explain
from millstream.base.shapes import TensorShape
from millstream.execution.autotrackable import AutoTrackable
from millstream.execution.context import init_scope
from millstream.execution.convert import to_tensor
from millstream.execution.dispatch import apply
from millstream.execution.tensor import Tensor, TensorType, eager_constant
from millstream.execution.variable import Variable
from millstream.ops import random as stateless
from millstream.ops import random_stateful as stateful
from millstream.ops.registry import find
from millstream.program.random_numbers import fresh

STATE_SIZES = {1: 3, 2: 2, 3: 3}
"""Words of the state by algorithm: the counter, then the key."""

_SEED_BITS = 64


def _signed(value: Any) -> Any:
    return value - 2**_SEED_BITS if isinstance(value, int) and value > 2 ** (_SEED_BITS - 1) - 1 else value


def _state_tensor(state: Any) -> Any:
    """Return numbers as an int64 tensor; those beyond int64 are taken as unsigned."""
    if isinstance(state, TensorType):
        return _cast(to_tensor(state), dtypes.int64)
    return _cast(to_tensor(nest.map_structure(_signed, state)), dtypes.int64)


def _cast(tensor: Any, dtype: dtypes.DType) -> Any:
    return tensor if tensor.dtype == dtype else apply(find("Cast"), tensor, DstT=dtype)


def state_size(algorithm: int) -> int:
    """Return how many words the state of an algorithm has."""
    if algorithm not in STATE_SIZES:
        raise ValueError(
            explain(
                f"Argument `alg` got unsupported value {algorithm}. Supported values are 1 for the Philox algorithm, 2 for the "
                "ThreeFry algorithm, and 3 for auto-selection."
            )
        )
    return STATE_SIZES[algorithm]


def state_of_seed(seed: Any, algorithm: int) -> Any:
    """Return the state that a seed (a number of any length, or words) says: cut, or filled with zeros in front."""
    count = state_size(algorithm)
    if isinstance(seed, int):
        seed = [(seed >> (_SEED_BITS * i)) & (2**_SEED_BITS - 1) for i in range(count)]
    words = apply(find("Reshape"), _state_tensor(seed), [-1])[:count]
    have = words.shape[0]
    if have is None:
        have = count
    if have < count:
        zeros = eager_constant(np.zeros(count - have, np.int64), dtypes.int64)
        words = apply(find("ConcatV2"), [zeros, words], 0)
    return words


def vector_of_sizes(shape: Any) -> Any:
    """Return a shape as a vector; an empty one is of int64."""
    if isinstance(shape, TensorShape):
        shape = shape.as_list()
    if isinstance(shape, (list, tuple)) and not shape:
        return eager_constant(np.zeros(0, np.int64), dtypes.int64)
    return to_tensor(shape)


class Generator(AutoTrackable):
    """See tf.random.Generator."""

    algorithm_number: Callable[[Any], Any]
    """How a name of an algorithm becomes its number; set by the public module."""

    placed: Callable[[], tuple[Any, int | None]] = staticmethod(lambda: (None, None))
    """The strategy in force, if there is one, and the number of the replica that runs; set by the strategies."""

    def __init__(self, copy_from: Any = None, state: Any = None, alg: Any = None) -> None:
        self._strategy = type(self).placed()[0]
        if copy_from is not None:
            if state is not None or alg is not None:
                raise ValueError(explain("copy_from stands alone: give no state and no alg beside it."))
            self._state_var = self._variable(copy_from.state.value())
            self._alg = copy_from.algorithm
            return
        if state is None or alg is None:
            raise ValueError(
                explain("A generator begins at a state: give state and alg, or use Generator.from_seed(seed).")
            )
        algorithm = type(self).algorithm_number(alg)
        if isinstance(state, Variable):
            self._state_var = state
        else:
            words = _state_tensor(state)
            words.shape.assert_is_compatible_with([state_size(int(algorithm))])
            self._state_var = self._variable(words)
        self._state_var.shape.assert_is_compatible_with([state_size(int(algorithm))])
        self._alg = algorithm

    @staticmethod
    def _variable(state: Any) -> Variable:
        return Variable(state, dtype=dtypes.int64, trainable=False, name="StateVar")

    @classmethod
    def from_state(cls, state: Any, alg: Any) -> Generator:
        """Return a generator that begins at `state`."""
        return cls(state=state, alg=alg)

    @classmethod
    def from_seed(cls, seed: Any, alg: Any = None) -> Generator:
        """Return a generator that begins at a seed."""
        number = 1 if alg is None else cls.algorithm_number(alg)
        return cls(state=state_of_seed(seed, number), alg=number)

    @classmethod
    def from_non_deterministic_state(cls, alg: Any = None) -> Generator:
        """Return a generator that begins anywhere."""
        number = 1 if alg is None else cls.algorithm_number(alg)
        words = [fresh(64) - 2**63 for _ in range(state_size(number))]
        return cls(state=eager_constant(np.array(words, np.int64), dtypes.int64), alg=number)

    @classmethod
    def from_key_counter(cls, key: Any, counter: Any, alg: Any) -> Generator:
        """Return a generator that begins at a key and a counter."""
        number = cls.algorithm_number(alg)
        return cls(state=_joined(key, counter, number), alg=number)

    def reset(self, state: Any) -> None:
        """Begin again at `state`."""
        words = _state_tensor(state)
        words.shape.assert_is_compatible_with([state_size(self._alg)])
        self._state_var.assign(words)

    def reset_from_seed(self, seed: Any) -> None:
        """Begin again at a seed."""
        self._state_var.assign(state_of_seed(seed, self._alg))

    def reset_from_key_counter(self, key: Any, counter: Any) -> None:
        """Begin again at a key and a counter."""
        self._state_var.assign(_joined(key, counter, self._alg))

    @property
    def state(self) -> Variable:
        """The variable that holds counter and key."""
        return self._state_var

    @property
    def algorithm(self) -> Any:
        """The number of the algorithm."""
        return self._alg

    @property
    def key(self) -> Any:
        """The key, a scalar."""
        return self._state_var.value()[-1]

    def skip(self, delta: Any) -> Any:
        """Move on as if `delta` numbers were drawn; return the state from before."""
        count = _cast(to_tensor(delta), dtypes.uint64)
        return apply(stateful.read_and_skip, self._state_var.handle, self._alg_tensor(), count)

    def _alg_tensor(self) -> Any:
        return to_tensor(self._alg, dtypes.int32)

    def _stream(self, shape: Any) -> tuple[Any, Any, Any]:
        """Return key, counter and algorithm for numbers of this shape, and move on."""
        axis = eager_constant(np.zeros(1, np.int32), dtypes.int32)
        outputs = apply(find("Prod"), shape, axis)
        before = _cast(self.skip(outputs), dtypes.uint64)
        words = state_size(self._alg) - 1
        return self._key_here(before[words : words + 1]), before[:words], self._alg_tensor()

    def _key_here(self, key: Any) -> Any:
        """Return the key of the replica that runs: of a generator of several replicas, each draws other numbers."""
        replica = None if self._strategy is None else type(self).placed()[1]
        if replica is None:
            return key
        one, counter = to_tensor([1], dtypes.int32), to_tensor([replica, 0], dtypes.uint64)
        return apply(stateless.uniform_full_int, one, key, counter, self._alg_tensor(), dtype=dtypes.uint64)

    def _scaled(self, op: Any, shape: Any, mean: Any, stddev: Any, dtype: Any) -> Any:
        dtype = as_dtype(dtype)
        sizes, mean, stddev = vector_of_sizes(shape), to_tensor(mean, dtype), to_tensor(stddev, dtype)
        return apply(op, sizes, *self._stream(sizes), dtype=dtype) * stddev + mean

    def normal(
        self, shape: Any, mean: Any = 0.0, stddev: Any = 1.0, dtype: Any = dtypes.float32, name: str | None = None
    ) -> Any:
        """Return normal numbers."""
        return self._scaled(stateless.normal, shape, mean, stddev, dtype)

    def truncated_normal(
        self, shape: Any, mean: Any = 0.0, stddev: Any = 1.0, dtype: Any = dtypes.float32, name: str | None = None
    ) -> Any:
        """Return normal numbers, those beyond two deviations drawn again."""
        return self._scaled(stateless.truncated_normal, shape, mean, stddev, dtype)

    def uniform(
        self, shape: Any, minval: Any = 0, maxval: Any = None, dtype: Any = dtypes.float32, name: str | None = None
    ) -> Any:
        """Return uniform numbers in [minval, maxval); whole numbers of the whole range where both are None."""
        dtype = as_dtype(dtype)
        if dtype.is_integer:
            if (minval is None) != (maxval is None):
                raise ValueError(
                    explain(
                        f"For integer dtype {dtype}, minval and maxval must be both `None` or both non-`None`; got "
                        f"minval={minval} and maxval={maxval}"
                    )
                )
        elif maxval is None:
            maxval = 1
        sizes = vector_of_sizes(shape)
        if dtype.is_integer and minval is None:
            return self._full(sizes, dtype)
        low, high = to_tensor(minval, dtype), to_tensor(maxval, dtype)
        if dtype.is_integer:
            return apply(stateless.uniform_int, sizes, *self._stream(sizes), low, high)
        return apply(stateless.uniform, sizes, *self._stream(sizes), dtype=dtype) * (high - low) + low

    def _full(self, sizes: Any, dtype: Any) -> Any:
        return apply(stateless.uniform_full_int, sizes, *self._stream(sizes), dtype=dtype)

    def uniform_full_int(self, shape: Any, dtype: Any = dtypes.uint64, name: str | None = None) -> Any:
        """Return whole numbers of the whole range of `dtype`."""
        return self._full(vector_of_sizes(shape), as_dtype(dtype))

    def binomial(self, shape: Any, counts: Any, probs: Any, dtype: Any = dtypes.int32, name: str | None = None) -> Any:
        """Return how many of `counts` trials succeed; `shape` ends with the broadcast shape of counts and probs."""
        chances = to_tensor(probs, preferred=dtypes.float32)
        trials = _cast(to_tensor(counts), chances.dtype)
        algorithm = to_tensor(self._alg, dtypes.int64)
        sizes = vector_of_sizes(shape)
        handle = self._state_var.handle
        return apply(stateful.stateful_binomial, handle, algorithm, sizes, trials, chances, dtype=as_dtype(dtype))

    def make_seeds(self, count: Any = 1) -> Any:
        """Return seeds for the stateless functions, as columns: int64 [2, count]."""
        keys = self.uniform_full_int([count], dtypes.int64)
        return apply(find("Pack"), [keys, apply(find("ZerosLike"), keys)], axis=0)

    def split(self, count: int = 1) -> list[Generator]:
        """Return `count` generators that have nothing to do with each other or with this one."""
        keys = self.uniform_full_int([count], dtypes.int64)
        zeros = [0] * (state_size(self._alg) - 1)
        return [Generator(state=[*zeros, keys[i]], alg=self._alg) for i in range(count)]


def _joined(key: Any, counter: Sequence[int] | Tensor, algorithm: int) -> Any:
    words, last = _state_tensor(counter), _state_tensor(key)
    words.shape.assert_is_compatible_with([state_size(algorithm) - 1])
    last.shape.assert_is_compatible_with([])
    return apply(find("ConcatV2"), [words, apply(find("Reshape"), last, [1])], 0)


_global: list[Generator] = []


def global_generator() -> Generator:
    """Return the generator of the process, made at the first call."""
    if not _global:
        with init_scope():
            _global.append(Generator.from_non_deterministic_state())
    return _global[0]


def set_global_generator(generator: Generator) -> None:
    """Make `generator` the generator of the process."""
    _global[:] = [generator]
