"""Declare the ops on lists of tensors, as tf.TensorArray and tf.raw_ops use them."""

from __future__ import annotations

from millstream.base import dtypes
from millstream.base.dtypes import DType
from millstream.base.dtypes import variant as VARIANT
from millstream.base.sizes import Size, fresh_symbol, is_known
from millstream.base.spec import Spec
from millstream.ops.declaration import Known, Tensor, Types, op
from millstream.program.primitives import lists
from millstream.program.primitives.shaping import contents, sizes
from millstream.program.value import Value

E = Types("element_dtype")
S = Types("shape_type", dtypes.int32, dtypes.int64)
P = Types("Tshape", dtypes.int32, dtypes.int64, default=dtypes.int32)


def element(shape: Value, dtype: DType) -> Spec:
    """Return the spec of elements of the shape that an integer vector says; -1 is open, a scalar leaves all open."""
    if shape.spec.shape == ():
        return Spec(dtype, None)
    if shape.spec.shape is None or not is_known(shape.spec.shape[0]):
        return Spec(dtype, None)
    return Spec(dtype, tuple(fresh_symbol("n") if is_known(n) and n < 0 else n for n in contents(shape)))


@op("EmptyTensorList", outputs="handle")
def empty_tensor_list(
    element_shape: Known[Tensor[S]], max_num_elements: Tensor[dtypes.int32], *, element_dtype: DType
) -> Tensor[VARIANT]:
    """Return a list without elements."""
    return lists.list_empty(element(element_shape, element_dtype))


@op("TensorListReserve", outputs="handle")
def tensor_list_reserve(
    element_shape: Known[Tensor[S]], num_elements: Tensor[dtypes.int32], *, element_dtype: DType
) -> Tensor[VARIANT]:
    """Return a list of `num_elements` elements that are not set yet."""
    return lists.list_reserve(num_elements, element(element_shape, element_dtype))


@op("TensorListLength", outputs="length")
def tensor_list_length(input_handle: Tensor[VARIANT]) -> Tensor[dtypes.int32]:
    """Return the number of elements."""
    return lists.list_length(input_handle)


tensor_list_length.no_gradient()


@op("TensorListElementShape", outputs="element_shape")
def tensor_list_element_shape(input_handle: Tensor[VARIANT], *, shape_type: S) -> Tensor["shape_type"]:  # type: ignore[type-arg,valid-type]
    """Return the shape of the elements as far as it is known, -1 where it is open."""
    spec = input_handle.spec.handle
    shape: tuple[Size, ...] = () if spec is None or spec.shape is None else spec.shape
    return sizes([n if is_known(n) else -1 for n in shape], shape_type)


tensor_list_element_shape.no_gradient()


@op("TensorListGetItem", outputs="item")
def tensor_list_get_item(
    input_handle: Tensor[VARIANT], index: Tensor[dtypes.int32], element_shape: Known[Tensor[P]], *, element_dtype: DType
) -> Tensor["element_dtype"]:  # type: ignore[type-arg]
    """Return the element at `index`; one never set is zeros."""
    return lists.list_get(input_handle, index, element(element_shape, element_dtype))


@op("TensorListSetItem", outputs="output_handle")
def tensor_list_set_item(
    input_handle: Tensor[VARIANT],
    index: Tensor[dtypes.int32],
    item: Tensor[E],
    *,
    resize_if_index_out_of_bounds: bool = False,
) -> Tensor[VARIANT]:
    """Return the list with `item` at `index`."""
    return lists.list_set(input_handle, index, item, resize_if_index_out_of_bounds)


@op("TensorListPushBack", outputs="output_handle")
def tensor_list_push_back(input_handle: Tensor[VARIANT], tensor: Tensor[E]) -> Tensor[VARIANT]:
    """Return the list with `tensor` at its end."""
    return lists.list_push(input_handle, tensor)


@op("TensorListPopBack", outputs=("output_handle", "tensor"))
def tensor_list_pop_back(
    input_handle: Tensor[VARIANT], element_shape: Known[Tensor[dtypes.int32]], *, element_dtype: DType
) -> tuple[Tensor[VARIANT], Tensor["element_dtype"]]:  # type: ignore[type-arg]
    """Return the list without its last element, and that element."""
    return lists.list_pop(input_handle, element(element_shape, element_dtype))


@op("TensorListStack", outputs="tensor")
def tensor_list_stack(
    input_handle: Tensor[VARIANT],
    element_shape: Known[Tensor[dtypes.int32]],
    *,
    element_dtype: DType,
    num_elements: int = -1,
) -> Tensor["element_dtype"]:  # type: ignore[type-arg]
    """Return all elements as one tensor."""
    count = None if is_known(num_elements) and num_elements < 0 else num_elements
    return lists.list_stack(input_handle, element(element_shape, element_dtype), count)


@op("TensorListFromTensor", outputs="output_handle")
def tensor_list_from_tensor(tensor: Tensor[E], element_shape: Known[Tensor[S]]) -> Tensor[VARIANT]:
    """Return the list of the parts of `tensor` along its first axis."""
    return lists.list_from_tensor(tensor, element(element_shape, tensor.dtype))


@op("TensorListGather", outputs="values")
def tensor_list_gather(
    input_handle: Tensor[VARIANT],
    indices: Tensor[dtypes.int32],
    element_shape: Known[Tensor[dtypes.int32]],
    *,
    element_dtype: DType,
) -> Tensor["element_dtype"]:  # type: ignore[type-arg]
    """Return the elements at `indices` as one tensor."""
    return lists.list_gather(input_handle, indices, element(element_shape, element_dtype))


@op("TensorListScatter", outputs="output_handle")
def tensor_list_scatter(
    tensor: Tensor[E], indices: Tensor[dtypes.int32], element_shape: Known[Tensor[S]]
) -> Tensor[VARIANT]:
    """Return the list with the parts of `tensor` at `indices`, as long as needed."""
    return lists.list_scatter(tensor, indices, None, element(element_shape, tensor.dtype))


@op("TensorListScatterV2", outputs="output_handle")
def tensor_list_scatter_v2(
    tensor: Tensor[E],
    indices: Tensor[dtypes.int32],
    element_shape: Known[Tensor[S]],
    num_elements: Tensor[dtypes.int32],
) -> Tensor[VARIANT]:
    """Return the list of `num_elements` elements (-1: as long as needed) with the parts of `tensor` at `indices`."""
    return lists.list_scatter(tensor, indices, num_elements, element(element_shape, tensor.dtype))


@op("TensorListScatterIntoExistingList", outputs="output_handle")
def tensor_list_scatter_into(
    input_handle: Tensor[VARIANT], tensor: Tensor[E], indices: Tensor[dtypes.int32]
) -> Tensor[VARIANT]:
    """Return the list with the parts of `tensor` at `indices`."""
    return lists.list_scatter_into(input_handle, tensor, indices)


@op("TensorListConcatV2", outputs=("tensor", "lengths"))
def tensor_list_concat(
    input_handle: Tensor[VARIANT],
    element_shape: Known[Tensor[S]],
    leading_dims: Tensor[dtypes.int64],
    *,
    element_dtype: DType,
) -> tuple[Tensor["element_dtype"], Tensor[dtypes.int64]]:  # type: ignore[type-arg]
    """Return the elements joined along their first axis, and the size of each along it."""
    return lists.list_concat(input_handle, element(element_shape, element_dtype))


@op("TensorListSplit", outputs="output_handle")
def tensor_list_split(
    tensor: Tensor[E], element_shape: Known[Tensor[S]], lengths: Tensor[dtypes.int64]
) -> Tensor[VARIANT]:
    """Return the list of the parts of `tensor` along its first axis that have these lengths."""
    return lists.list_split(tensor, lengths, element(element_shape, tensor.dtype))


@op("TensorListResize", outputs="output_handle")
def tensor_list_resize(input_handle: Tensor[VARIANT], size: Tensor[dtypes.int32]) -> Tensor[VARIANT]:
    """Return the list cut or lengthened to `size` elements."""
    return lists.list_resize(input_handle, size)
