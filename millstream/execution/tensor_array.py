"""tf.TensorArray: a Python list of tensors where ops run at once, a list value in a graph being traced."""

from __future__ import annotations

from typing import Any

import numpy as np

from millstream.base import dtypes, errors
from millstream.base.dtypes import DType, as_dtype
from millstream.base.shapes import TensorShape
from millstream.base.trace_types import installed
from millstream.execution.checking import nothing
from millstream.execution.context import current_graph
from millstream.execution.convert import constant_of, to_tensor
from millstream.execution.dispatch import apply
from millstream.execution.specs import spec_of
from millstream.execution.symbolic import SymbolicTensor
from millstream.execution.tensor import Tensor
from millstream.ops import lists as ops
from millstream.ops.registry import find


class _Shape:
    """The shape of the elements, shared by all arrays made from one: what is written says more of it."""

    def __init__(self, shape: TensorShape) -> None:
        self.shape = shape


class TensorArray:
    """An array of tensors that are written one by one. See tf.TensorArray."""

    def __init__(
        self,
        dtype: Any,
        size: Any = None,
        dynamic_size: bool | None = None,
        clear_after_read: bool | None = None,
        tensor_array_name: str | None = None,
        handle: Any = None,
        flow: Any = None,
        infer_shape: bool = True,
        element_shape: Any = None,
        colocate_with_first_write_call: bool = True,
        name: str | None = None,
    ) -> None:
        if handle is not None:
            raise ValueError(errors.explain("TensorArray handles are of version 1; give flow instead."))
        self._dtype = as_dtype(dtype)
        self._dynamic_size = bool(dynamic_size)
        self._clear_after_read = True if clear_after_read is None else clear_after_read
        self._infer_shape = infer_shape
        self._element = _Shape(TensorShape(element_shape))
        self._items: list[Any] | None = None
        self._cleared: set[int] = set()
        self._size: Any = None
        self._flow: Any = flow
        if flow is not None:
            return
        if size is None:
            size = 0
        if current_graph() is None:
            self._items = [None] * int(size)
        else:
            count = to_tensor(size, dtypes.int32) if not isinstance(size, Tensor) else size
            self._size = (
                None
                if self._dynamic_size
                else (int(size) if not isinstance(size, SymbolicTensor) else spec_of(size).value)
            )
            self._flow = apply(ops.tensor_list_reserve, self._shape_tensor(), count, element_dtype=self._dtype)

    def _shape_tensor(self, shape: TensorShape | None = None) -> Any:
        shape = self._element.shape if shape is None else shape
        if shape.rank is None:
            return constant_of(np.asarray(-1, np.int32), dtypes.int32)
        return constant_of(np.asarray([-1 if n is None else n for n in shape.as_list()], np.int32), dtypes.int32)

    def with_flow(self, flow: Any) -> TensorArray:
        """Return an array like this one over another list."""
        other: TensorArray = TensorArray.__new__(TensorArray)
        other.__dict__.update(self.__dict__)
        other._flow, other._items, other._cleared = flow, None, set()
        return other

    def traced_flow(self) -> Any:
        """Return the list value; an array that was written eagerly becomes one."""
        if self._items is None:
            return self._flow
        flow = apply(
            ops.tensor_list_reserve,
            self._shape_tensor(),
            constant_of(np.asarray(len(self._items), np.int32), dtypes.int32),
            element_dtype=self._dtype,
        )
        for i, item in enumerate(self._items):
            if item is not None:
                flow = apply(ops.tensor_list_set_item, flow, constant_of(i, dtypes.int32), item)
        return flow

    def _staged(self) -> Any:
        """Return the list value where this call is part of a graph; None where it runs at once."""
        if self._items is None:
            return self._flow
        if current_graph() is not None:
            return self.traced_flow()
        return None

    def __tf_tracing_type__(self, context: Any) -> Any:
        return installed("TensorArraySpec").from_value(self)

    @property
    def dtype(self) -> DType:
        """The element type."""
        return self._dtype

    @property
    def flow(self) -> Any:
        """The list value; without a meaning for an eager array."""
        return self._flow if self._items is None else constant_of(0, dtypes.int32)

    @property
    def handle(self) -> Any:
        """None: arrays have no handles in version 2."""
        return None

    @property
    def element_shape(self) -> TensorShape:
        """The shape that all elements have, as far as it is known."""
        return self._element.shape

    @property
    def dynamic_size(self) -> bool:
        """Whether writing behind the end makes the array longer."""
        return self._dynamic_size

    def identity(self) -> TensorArray:
        """Return an array with the same content."""
        return self if self._items is not None else self.with_flow(self._flow)

    def grad(self, source: Any, flow: Any = None, name: Any = None) -> Any:
        """Refuse: gradients of arrays are taken by tapes."""
        raise NotImplementedError(
            errors.explain(
                "TensorArray.grad is not supported when executing eagerly; eager's gradient implementation does not use/need this function to compute gradients of operations that use TensorArrays."
            )
        )

    def _merge(self, shape: TensorShape) -> None:
        if not self._infer_shape:
            return
        if not self._element.shape.is_compatible_with(shape):
            raise ValueError(errors.explain(f"Inconsistent shapes: saw {shape} but expected {self._element.shape} "))
        self._element.shape = self._element.shape.merge_with(shape)

    def _value(self, value: Any) -> Any:
        if isinstance(value, Tensor):
            if value.dtype is not self._dtype:
                raise errors.InvalidArgumentError(
                    None,
                    None,
                    errors.explain(
                        f"TensorArray dtype is {self._dtype.name} but Op is trying to write dtype {value.dtype.name} "
                    ),
                )
            return value
        return to_tensor(value, self._dtype)

    def write(self, index: Any, value: Any, name: str | None = None) -> TensorArray:
        """Return the array with `value` at `index`; use what is returned from then on."""
        flow = self._staged()
        value = self._value(value)
        if flow is None and isinstance(value, SymbolicTensor):
            flow = self.traced_flow()
        if flow is None:
            return self._write_now(int(index), value)
        self._merge(value.shape)
        flow = apply(
            ops.tensor_list_set_item, flow, _index(index), value, resize_if_index_out_of_bounds=self._dynamic_size
        )
        return self.with_flow(flow)

    def _write_now(self, index: int, value: Any) -> TensorArray:
        assert self._items is not None
        if index < 0:
            raise errors.OutOfRangeError(
                None, None, errors.explain(f"Writing to negative indices (index {index}) is not allowed.")
            )
        size = len(self._items)
        if index >= size:
            if not self._dynamic_size:
                raise errors.OutOfRangeError(
                    None,
                    None,
                    errors.explain(f"Tried to write to index {index} but array is not resizeable and size is: {size} "),
                )
            self._items.extend([None] * (index - size + 1))
        if self._infer_shape and not self._element.shape.is_compatible_with(value.shape):
            raise ValueError(
                errors.explain(f"Incompatible shape for value ({value.shape}), expected ({self._element.shape})")
            )
        self._merge(value.shape)
        self._items[index] = value
        self._cleared.discard(index)
        return self

    def read(self, index: Any, name: str | None = None) -> Any:
        """Return the element at `index`; one never written is zeros."""
        flow = self._staged()
        if flow is None and isinstance(index, SymbolicTensor):
            flow = self.traced_flow()
        if flow is not None:
            return apply(ops.tensor_list_get_item, flow, _index(index), self._shape_tensor(), element_dtype=self._dtype)
        assert self._items is not None
        i = int(index)
        if i < 0:
            raise errors.OutOfRangeError(
                None, None, errors.explain(f"Reading from negative indices (index {i}) is not allowed.")
            )
        if i >= len(self._items):
            raise errors.OutOfRangeError(
                None, None, errors.explain(f"Tried to read from index {i} but array size is: {len(self._items)} ")
            )
        if i in self._cleared:
            raise errors.InvalidArgumentError(
                None,
                None,
                errors.explain(
                    f"Could not read index {i} twice because it was cleared after a previous read (perhaps try setting "
                    "clear_after_read = false?)"
                ),
            )
        value = self._filled(i)
        if self._clear_after_read:
            self._items[i] = None
            self._cleared.add(i)
        return value

    def _filled(self, index: int) -> Any:
        assert self._items is not None
        value = self._items[index]
        if value is not None:
            return value
        if not self._element.shape.is_fully_defined():
            raise errors.InvalidArgumentError(
                None,
                None,
                errors.explain(
                    f"Could not read index {index}: it was never written, and the shape of the elements, {self._element.shape}, is "
                    "not known; give element_shape."
                ),
            )
        return constant_of(np.zeros(self._element.shape.as_list(), self._dtype.stored), self._dtype)

    def stack(self, name: str | None = None) -> Any:
        """Return all elements as one tensor."""
        flow = self._staged()
        if flow is not None:
            count = -1 if self._size is None else self._size
            return apply(
                ops.tensor_list_stack, flow, self._shape_tensor(), element_dtype=self._dtype, num_elements=count
            )
        assert self._items is not None
        if not self._items:
            shape = (
                [0 if n is None else n for n in self._element.shape.as_list()]
                if self._element.shape.rank is not None
                else []
            )
            return constant_of(np.zeros([0, *shape], self._dtype.stored), self._dtype)
        return apply(find("Pack"), [self._filled(i) for i in range(len(self._items))], axis=0)

    def gather(self, indices: Any, name: str | None = None) -> Any:
        """Return the elements at `indices` as one tensor."""
        flow = self._staged()
        if flow is not None:
            return apply(ops.tensor_list_gather, flow, _index(indices), self._shape_tensor(), element_dtype=self._dtype)
        places = [int(i) for i in np.ravel(to_tensor(indices).numpy())]
        count = len(self._items or ())
        if any(not -count <= i < count for i in places):
            raise IndexError(errors.explain(f"list index out of range: {places} of a TensorArray of {count} elements"))
        found = [self._filled(i) for i in places]
        return apply(find("Pack"), found, axis=0)

    def concat(self, name: str | None = None) -> Any:
        """Return the elements joined along their first axis."""
        flow = self._staged()
        if flow is not None:
            lengths = constant_of(np.zeros([0], np.int64), dtypes.int64)
            shape = self._element.shape
            if shape.rank is not None and shape.rank:
                shape = TensorShape([None, *shape.as_list()[1:]])
            return apply(ops.tensor_list_concat, flow, self._shape_tensor(shape), lengths, element_dtype=self._dtype)[0]
        assert self._items is not None
        parts = [self._filled(i) for i in range(len(self._items))]
        for i, part in enumerate(parts):
            if part.shape.rank == 0:
                raise errors.InvalidArgumentError(
                    None, None, errors.explain(f"Concat saw a scalar shape at index {i} but requires at least vectors.")
                )
        return apply(find("ConcatV2"), parts, constant_of(0, dtypes.int32))

    def unstack(self, value: Any, name: str | None = None) -> TensorArray:
        """Return the array whose elements are the parts of `value` along its first axis."""
        value = self._value(value)
        if value.shape.rank == 0:
            raise ValueError(errors.explain("Argument `axis` = 0 not in range [0, 0)"))
        if value.shape.rank is not None:
            self._merge(TensorShape(value.shape.as_list()[1:]))
        if self._items is None or current_graph() is not None or isinstance(value, SymbolicTensor):
            unstacked = self.with_flow(apply(ops.tensor_list_from_tensor, value, self._shape_tensor()))
            unstacked._size = None
            return unstacked
        count = value.shape.as_list()[0]
        if count > len(self._items) and not self._dynamic_size:
            raise ValueError(
                errors.explain(f"Cannot unstack {count} tensors into a TensorArray of static size {len(self._items)} ")
            )
        self._items = list(apply(find("Unpack"), value, num=count, axis=0)) if count else []
        self._cleared = set()
        return self

    def scatter(self, indices: Any, value: Any, name: str | None = None) -> TensorArray:
        """Return the array with the parts of `value` at `indices`."""
        value = self._value(value)
        flow = self._staged()
        if flow is not None or isinstance(value, SymbolicTensor):
            if value.shape.rank is not None:
                self._merge(TensorShape(value.shape.as_list()[1:]))
            flow = self.traced_flow() if flow is None else flow
            if self._dynamic_size:
                places = _index(indices)
                one = constant_of(1, dtypes.int32)
                top = apply(find("Max"), places, constant_of(np.asarray([0], np.int32), dtypes.int32))
                size = apply(find("Maximum"), apply(ops.tensor_list_length, flow), apply(find("AddV2"), top, one))
                flow = apply(ops.tensor_list_resize, flow, size)
            return self.with_flow(apply(ops.tensor_list_scatter_into, flow, value, _index(indices)))
        places = np.ravel(to_tensor(indices).numpy())
        for i, part in zip(places, apply(find("Unpack"), value, num=len(places), axis=0), strict=True):
            self._write_now(int(i), part)
        return self

    def split(self, value: Any, lengths: Any, name: str | None = None) -> TensorArray:
        """Return the array whose elements are the parts of `value`, of these lengths, along its first axis."""
        value = self._value(value)
        lengths = apply(find("Cast"), to_tensor(lengths), DstT=dtypes.int64)
        if self._items is None or current_graph() is not None:
            shape = TensorShape(None)
            if value.shape.rank is not None:
                shape = TensorShape([None, *value.shape.as_list()[1:]])
                self._merge(shape)
            self._size = None
            return self.with_flow(apply(ops.tensor_list_split, value, self._shape_tensor(shape), lengths))
        sizes = [int(n) for n in lengths.numpy()]
        parts = apply(find("SplitV"), value, lengths, constant_of(0, dtypes.int32), num_split=len(sizes))
        self._items = list(parts)
        self._cleared = set()
        return self

    def size(self, name: str | None = None) -> Any:
        """Return the number of elements, an int32 scalar."""
        flow = self._staged()
        if flow is not None:
            return apply(ops.tensor_list_length, flow)
        assert self._items is not None
        return constant_of(len(self._items), dtypes.int32)

    def close(self, name: str | None = None) -> Any:
        """Do nothing: what nobody holds is freed. In the graph of a session, it is an operation."""
        return nothing()


def _index(index: Any) -> Any:
    tensor = to_tensor(index, None if isinstance(index, Tensor) else dtypes.int32)
    return tensor if tensor.dtype is dtypes.int32 else apply(find("Cast"), tensor, DstT=dtypes.int32)
