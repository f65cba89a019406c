"""tf.compat.v1.ConditionalAccumulator: gradients of several workers, which are taken as one once there are enough of them."""

from __future__ import annotations

import threading
from typing import Any

from millstream.api.public import public, root
from millstream.base import dtypes, errors
from millstream.base.dtypes import as_dtype
from millstream.base.errors import explain
from millstream.base.spec import Spec
from millstream.execution.indexed_slices import IndexedSlices
from millstream.execution.stopping import wait
from millstream.execution.tensor import eager_constant
from millstream.version_1.sessions.in_python import Kept

tf: Any = root()


class _Sum:
    """What was applied since something was last taken. A sparse one keeps rows by their numbers."""

    def __init__(self, dtype: Any, shape: Any, mean: bool, sparse: bool) -> None:
        self.dtype, self.shape, self.mean, self.sparse = dtype, shape, mean, sparse
        self.step = self.count = 0
        self._changed = threading.Condition()
        self._total: Any = None
        self._rows: dict[int, Any] = {}
        self._times: dict[int, int] = {}
        self._whole: list[int] = []

    def _check_step(self, local_step: Any) -> bool:
        """Return whether what was computed at a step still counts."""
        return int(local_step) >= self.step

    def _check_shape(self, shape: Any) -> None:
        if not self.shape.is_compatible_with(shape):
            raise errors.InvalidArgumentError(
                None, None, explain(f"Shape mismatch: expected {self.shape}, got {shape}.")
            )

    def apply(self, gradient: Any, local_step: Any) -> None:
        with self._changed:
            if not self._check_step(local_step):
                return
            self._check_shape(gradient.shape)
            self._total = gradient if self._total is None else self._total + gradient
            self.shape = gradient.shape
            self._more()

    def apply_rows(self, indices: Any, values: Any, shape: Any, local_step: Any) -> None:
        numbers, sizes = [int(n) for n in indices.numpy()], [int(n) for n in shape.numpy()]
        with self._changed:
            if not self._check_step(local_step):
                return
            if values.shape.rank == 0 or len(numbers) != values.shape[0]:
                raise errors.InvalidArgumentError(
                    None, None, explain(f"{len(numbers)} indices were given for values of shape {values.shape}.")
                )
            if sizes:
                self._check_shape(tf.TensorShape(sizes))
                self._whole = sizes
            for number, row in zip(numbers, tf.unstack(values), strict=True):
                held = self._rows.get(number)
                self._rows[number] = row if held is None else held + row
            for number in set(numbers):
                self._times[number] = self._times.get(number, 0) + 1
            self._more()

    def _more(self) -> None:
        self.count += 1
        self._changed.notify_all()

    def _wait_for(self, number: int) -> None:
        if number <= 0:
            raise errors.InvalidArgumentError(None, None, explain(f"Argument num_required={number} must be positive."))
        while self.count < number:
            wait(self._changed, "TakeGrad")

    def take(self, number: Any) -> list[Any]:
        with self._changed:
            self._wait_for(int(number))
            total, count = self._total, self.count
            self._total, self.count = None, 0
            self.step += 1
        return [total / tf.cast(count, self.dtype) if self.mean else total]

    def take_rows(self, number: Any) -> list[Any]:
        with self._changed:
            self._wait_for(int(number))
            rows, times, whole = self._rows, self._times, self._whole
            self._rows, self._times, self.count = {}, {}, 0
            self.step += 1
        order = sorted(rows)
        each = [rows[n] / tf.cast(times[n], self.dtype) if self.mean else rows[n] for n in order]
        if self.shape.rank is not None:
            whole = [-1 if n is None else n for n in self.shape.as_list()]
        elif not whole:
            whole = [-1, *tf.stack(each).shape[1:].as_list()]
        sizes = tf.constant(whole, dtypes.int64)
        return [tf.constant(order, dtypes.int64), tf.stack(each), sizes]

    def set_step(self, step: Any) -> None:
        with self._changed:
            self.step = int(step)


@public("compat.v1.ConditionalAccumulatorBase")
class ConditionalAccumulatorBase:
    """What both accumulators are.

    Args:
      dtype: the element type of gradients.
      shape: their shape, as far as it is known.
      accumulator_ref: what holds them.
    """

    _kept: Kept

    def __init__(self, dtype: Any, shape: Any, accumulator_ref: Any) -> None:
        self._dtype = as_dtype(dtype)
        self._shape = tf.TensorShape(None) if shape is None else tf.TensorShape(shape)
        self._accumulator_ref = accumulator_ref

    def _keep(self, kind: str, shared_name: str | None, name: str, reduction_type: str, sparse: bool) -> None:
        if reduction_type not in ("MEAN", "SUM"):
            raise errors.InvalidArgumentError(
                None, None, explain(f"reduction_type={reduction_type!r}: give 'MEAN' or 'SUM'.")
            )
        dtype, shape = self._dtype, self._shape
        self._kept = Kept(kind, lambda: _Sum(dtype, shape, reduction_type == "MEAN", sparse), shared_name)
        self._name = name

    @property
    def accumulator_ref(self) -> Any:
        """What holds the gradients."""
        return self._accumulator_ref

    @property
    def name(self) -> str:
        """The name."""
        return self._name

    @property
    def dtype(self) -> Any:
        """The element type of gradients."""
        return self._dtype

    def num_accumulated(self, name: str | None = None) -> Any:
        """Return how many gradients there are."""

        def count(total: _Sum) -> list[Any]:
            return [eager_constant(total.count, dtypes.int32)]

        return self._kept.call("AccumulatorNumAccumulated", count, (), (Spec(dtypes.int32, ()),))[0]

    def set_global_step(self, new_global_step: Any, name: str | None = None) -> Any:
        """Return an operation that sets which steps' gradients count: those of this one and later ones."""
        step = tf.cast(tf.convert_to_tensor(new_global_step), dtypes.int64)
        return self._kept.run("AccumulatorSetGlobalStep", _Sum.set_step, step)


@public("compat.v1.ConditionalAccumulator")
class ConditionalAccumulator(ConditionalAccumulatorBase):
    """Adds gradients up, and gives their mean or sum once there are enough.

    Args:
      dtype: the element type of gradients.
      shape: their shape, as far as it is known.
      shared_name: accumulators of one name are the same one in a session.
      name: how it is called.
      reduction_type: "MEAN" or "SUM".

    >>> sums = tf.compat.v1.ConditionalAccumulator(tf.float32, [])
    >>> sums.apply_grad(1.0)
    >>> sums.apply_grad(2.0)
    >>> float(sums.take_grad(2))
    1.5
    """

    def __init__(
        self,
        dtype: Any,
        shape: Any = None,
        shared_name: str | None = None,
        name: str = "conditional_accumulator",
        reduction_type: str = "MEAN",
    ) -> None:
        super().__init__(dtype, shape, None)
        self._keep("ConditionalAccumulator", shared_name, name, reduction_type, sparse=False)

    def apply_grad(self, grad: Any, local_step: Any = 0, name: str | None = None) -> Any:
        """Return an operation that adds a gradient; one of a step before the global one is left out.

        Raises:
          ValueError: its shape cannot be that of the accumulator.
        """
        gradient = tf.convert_to_tensor(grad, self._dtype)
        gradient.shape.assert_is_compatible_with(self._shape)
        step = tf.cast(tf.convert_to_tensor(local_step), dtypes.int64)
        return self._kept.run("AccumulatorApplyGradient", _Sum.apply, gradient, step)

    def take_grad(self, num_required: Any, name: str | None = None) -> Any:
        """Return the mean or sum of the gradients, once there are `num_required`; they are gone then, and a step is done."""
        count = tf.convert_to_tensor(num_required, dtypes.int32)
        (found,) = self._kept.call("AccumulatorTakeGradient", _Sum.take, [count], (Spec(self._dtype, None),))
        if not tf.executing_eagerly():
            found.set_shape(self._shape)
        return found


@public("compat.v1.SparseConditionalAccumulator", "compat.v1.sparse.SparseConditionalAccumulator")
class SparseConditionalAccumulator(ConditionalAccumulatorBase):
    """Adds gradients of some rows up, and gives each row's mean or sum once there are enough gradients.

    Args:
      dtype: the element type of gradients.
      shape: the shape of the whole, as far as it is known.
      shared_name: accumulators of one name are the same one in a session.
      name: how it is called.
      reduction_type: "MEAN" or "SUM".
    """

    def __init__(
        self,
        dtype: Any,
        shape: Any = None,
        shared_name: str | None = None,
        name: str = "sparse_conditional_accumulator",
        reduction_type: str = "MEAN",
    ) -> None:
        super().__init__(dtype, shape, None)
        self._keep("SparseConditionalAccumulator", shared_name, name, reduction_type, sparse=True)

    def apply_indexed_slices_grad(self, grad: IndexedSlices, local_step: Any = 0, name: str | None = None) -> Any:
        """Return an operation that adds a gradient that is IndexedSlices."""
        return self.apply_grad(grad.indices, grad.values, grad.dense_shape, local_step, name)

    def apply_grad(
        self, grad_indices: Any, grad_values: Any, grad_shape: Any = None, local_step: Any = 0, name: str | None = None
    ) -> Any:
        """Return an operation that adds the rows `grad_indices`; of a step before the global one they are left out.

        Args:
          grad_indices: the numbers of the rows.
          grad_values: the rows.
          grad_shape: the shape of the whole, where it is known.
          local_step: the step at which they were computed.
          name: accepted and not used.
        """
        shape = [] if grad_shape is None else grad_shape
        return self._kept.run(
            "SparseAccumulatorApplyGradient",
            _Sum.apply_rows,
            tf.cast(tf.convert_to_tensor(grad_indices), dtypes.int64),
            tf.convert_to_tensor(grad_values, self._dtype),
            tf.cast(tf.convert_to_tensor(shape, None if grad_shape is not None else dtypes.int64), dtypes.int64),
            tf.cast(tf.convert_to_tensor(local_step), dtypes.int64),
        )

    def take_grad(self, num_required: Any, name: str | None = None) -> tuple[Any, Any, Any]:
        """Return the numbers of rows, the rows, and the shape of the whole, once there are `num_required` gradients."""
        count = tf.convert_to_tensor(num_required, dtypes.int32)
        specs = (Spec(dtypes.int64, None), Spec(self._dtype, None), Spec(dtypes.int64, None))
        indices, values, shape = self._kept.call("SparseAccumulatorTakeGradient", _Sum.take_rows, [count], specs)
        if not tf.executing_eagerly():
            indices.set_shape([None])
            values.set_shape(tf.TensorShape([None]).concatenate(self._shape[1:]))
        return indices, values, shape

    def take_indexed_slices_grad(self, num_required: Any, name: str | None = None) -> IndexedSlices:
        """Return what `take_grad` does, as IndexedSlices."""
        indices, values, shape = self.take_grad(num_required, name)
        return IndexedSlices(values, indices, shape)
