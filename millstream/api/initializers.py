"""tf.constant_initializer and its like: callables that make a tensor of a shape. Keras has its own, which are no part of this."""

from __future__ import annotations

from typing import Any

import numpy as np

from millstream.api import array, random, random_stateless
from millstream.api.public import public
from millstream.api.tensors import constant
from millstream.base import dtypes
from millstream.base.dtypes import DType, as_dtype
from millstream.base.errors import explain

_PARTITION = ("partition_shape", "partition_offset")


class Initializer:
    """What makes the first value of a variable: called with a shape and an element type."""

    _of_one_part = True

    def __call__(self, shape: Any, dtype: Any = None, **kwargs: Any) -> Any:
        """Return a tensor.

        Args:
          shape: its sizes.
          dtype: its element type.
          **kwargs: `partition_shape` and `partition_offset`, where one part of a divided variable is made; `layout` is
            accepted and not used.
        """
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that this was made with."""
        return {}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """Return an initializer from what `get_config` gave."""
        config.pop("dtype", None)
        return cls(**config)

    def _shape(self, shape: Any, kwargs: dict[str, Any]) -> Any:
        for name in kwargs:
            if name not in (*_PARTITION, "layout"):
                raise TypeError(explain(f"Keyword argument should be one of {list(_PARTITION)}. Received: {name}"))
            if not self._of_one_part and name in _PARTITION:
                raise ValueError(
                    explain(f"{type(self).__name__} initializer doesn't support partition-related arguments")
                )
        return kwargs.get("partition_shape", shape)

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and vars(self) == vars(other)

    __hash__ = object.__hash__


def _number_type(dtype: Any) -> DType:
    wanted = as_dtype(dtype)
    if wanted is dtypes.string or not (wanted.is_floating or wanted.is_integer or wanted.is_complex or wanted.is_bool):
        raise ValueError(explain(f"Argument `dtype` expected to be numeric or boolean. Received {wanted}."))
    return wanted


def _floating_type(dtype: Any) -> DType:
    wanted = as_dtype(dtype)
    if not wanted.is_floating:
        raise ValueError(explain(f"Argument `dtype` is expected to be floating point. Received: {wanted}."))
    return wanted


@public("zeros_initializer")
class Zeros(Initializer):
    """Makes tensors of zeros.

    >>> tf.zeros_initializer()([2]).numpy()
    array([0., 0.], dtype=float32)
    """

    def __call__(self, shape: Any, dtype: Any = dtypes.float32, **kwargs: Any) -> Any:
        """Return zeros of a shape; ValueError where `dtype` is of no numbers."""
        return array.zeros(self._shape(shape, kwargs), _number_type(dtype))


@public("ones_initializer")
class Ones(Initializer):
    """Makes tensors of ones.

    >>> tf.ones_initializer()([2]).numpy()
    array([1., 1.], dtype=float32)
    """

    def __call__(self, shape: Any, dtype: Any = dtypes.float32, **kwargs: Any) -> Any:
        """Return ones of a shape; ValueError where `dtype` is of no numbers."""
        return array.ones(self._shape(shape, kwargs), _number_type(dtype))


@public("constant_initializer")
class Constant(Initializer):
    """Makes tensors of given values.

    Args:
      value: a scalar, or as many values as the tensors have.
      support_partition: whether one part of a divided variable may be made.

    Raises TypeError where `value` is no scalar, list, tuple or array, or does not fit the shape.

    >>> tf.constant_initializer([1, 2])([1, 2]).numpy()
    array([[1, 2]], dtype=int32)
    """

    def __init__(self, value: Any = 0, support_partition: bool = False) -> None:
        if not (np.isscalar(value) or isinstance(value, (list, tuple, np.ndarray))):
            raise TypeError(
                explain(
                    f"Invalid type for initial value: {type(value).__name__}. Expected Python scalar, list or tuple of values, "
                    "or numpy.ndarray."
                )
            )
        self.value = value
        self.support_partition = self._of_one_part = support_partition

    def __call__(self, shape: Any, dtype: Any = None, **kwargs: Any) -> Any:
        """Return the values in a shape."""
        sizes = self._shape(shape, kwargs)
        return constant(self.value, None if dtype is None else as_dtype(dtype), sizes)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that this was made with."""
        return {"value": self.value}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Constant) and np.array_equal(self.value, other.value)

    __hash__ = object.__hash__


class _Random(Initializer):
    """Draws of the same numbers at each call where there is a seed, of others where there is none."""

    seed: Any

    def _draw(self, distribution: str, *arguments: Any) -> Any:
        if self.seed is None:
            return getattr(random, distribution)(*arguments)
        sizes, *rest = arguments
        return getattr(random_stateless, f"stateless_{distribution}")(sizes, [self.seed, 0], *rest)


@public("random_uniform_initializer")
class RandomUniform(_Random):
    """Makes tensors of evenly distributed numbers in [minval, maxval).

    Args:
      minval: the lowest number.
      maxval: the end; 1 for floating element types without it.
      seed: a number from which the same tensors are made at each call.

    >>> tf.random_uniform_initializer(seed=1)([2]).shape.as_list()
    [2]
    """

    def __init__(self, minval: Any = -0.05, maxval: Any = 0.05, seed: Any = None) -> None:
        self.minval, self.maxval, self.seed = minval, maxval, seed

    def __call__(self, shape: Any, dtype: Any = dtypes.float32, **kwargs: Any) -> Any:
        """Return random numbers in a shape; ValueError where `dtype` is neither floating nor integer."""
        sizes, wanted = self._shape(shape, kwargs), as_dtype(dtype)
        if not wanted.is_floating and not wanted.is_integer:
            raise ValueError(explain(f"Argument `dtype` expected to be numeric or boolean. Received {wanted}."))
        return self._draw("uniform", sizes, self.minval, self.maxval, wanted)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that this was made with."""
        return {"minval": self.minval, "maxval": self.maxval, "seed": self.seed}


@public("random_normal_initializer")
class RandomNormal(_Random):
    """Makes tensors of normally distributed numbers.

    Args:
      mean: their mean.
      stddev: their standard deviation.
      seed: a number from which the same tensors are made at each call.

    >>> tf.random_normal_initializer(seed=1)([2]).shape.as_list()
    [2]
    """

    def __init__(self, mean: Any = 0.0, stddev: Any = 0.05, seed: Any = None) -> None:
        self.mean, self.stddev, self.seed = mean, stddev, seed

    def __call__(self, shape: Any, dtype: Any = dtypes.float32, **kwargs: Any) -> Any:
        """Return random numbers in a shape; ValueError where `dtype` is not floating."""
        sizes = self._shape(shape, kwargs)
        return self._draw("normal", sizes, self.mean, self.stddev, _floating_type(dtype))

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that this was made with."""
        return {"mean": self.mean, "stddev": self.stddev, "seed": self.seed}
