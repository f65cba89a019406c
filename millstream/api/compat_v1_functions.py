"""tf.compat.v1's functions whose parameters are others than version 2's: names that were given up, and their order.

They call version 2's functions. Refuses an old and a new name of one parameter together.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millstream.api.older_names import either
from millstream.api.public import public, root
from millstream.base import dtypes
from millstream.base.errors import explain

tf: Any = root()


def _reduction(name: str) -> None:
    own = getattr(tf, name, None) or getattr(tf.math, name)

    def function(
        input_tensor: Any,
        axis: Any = None,
        keepdims: Any = None,
        name: str | None = None,
        reduction_indices: Any = None,
        keep_dims: Any = None,
    ) -> Any:
        axes = either(axis, reduction_indices, "axis", "reduction_indices")
        return own(input_tensor, axes, bool(either(keepdims, keep_dims, "keepdims", "keep_dims")), name)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"See `tf.{name}`; `reduction_indices` and `keep_dims` are older names of `axis` and `keepdims`."
    public(f"compat.v1.{name}", f"compat.v1.math.{name}")(function)


for _name in ("all", "any", "logsumexp", "max", "mean", "min", "prod", "sum"):
    _reduction(f"reduce_{_name}")


def _relation(name: str) -> None:
    own = getattr(tf.debugging, name)

    def function(
        x: Any,
        y: Any,
        data: Any = None,
        summarize: int | None = None,
        message: str | None = None,
        name: str | None = None,
    ) -> Any:
        return own(x, y, message=message, summarize=summarize, name=name)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"See `tf.debugging.{name}`; `data` is accepted and not used: the message shows the tensors."
    public(f"compat.v1.{name}", f"compat.v1.debugging.{name}")(function)


for _name in ("equal", "greater", "greater_equal", "less", "less_equal", "none_equal"):
    _relation(f"assert_{_name}")


def _sign(name: str) -> None:
    own = getattr(tf.debugging, name)

    def function(
        x: Any, data: Any = None, summarize: int | None = None, message: str | None = None, name: str | None = None
    ) -> Any:
        return own(x, message=message, summarize=summarize, name=name)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"See `tf.debugging.{name}`; `data` is accepted and not used: the message shows the tensor."
    public(f"compat.v1.{name}", f"compat.v1.debugging.{name}")(function)


for _name in ("negative", "non_negative", "non_positive", "positive"):
    _sign(f"assert_{_name}")


def _rank(name: str, parameter: str) -> None:
    own = getattr(tf.debugging, name)

    def by_rank(
        x: Any,
        rank: Any,
        data: Any = None,
        summarize: int | None = None,
        message: str | None = None,
        name: str | None = None,
    ) -> Any:
        return own(x, rank, message=message, name=name)

    def by_ranks(
        x: Any,
        ranks: Any,
        data: Any = None,
        summarize: int | None = None,
        message: str | None = None,
        name: str | None = None,
    ) -> Any:
        return own(x, ranks, message=message, name=name)

    function = by_rank if parameter == "rank" else by_ranks
    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"See `tf.debugging.{name}`; `data` and `summarize` are accepted and not used."
    public(f"compat.v1.{name}", f"compat.v1.debugging.{name}")(function)


_rank("assert_rank", "rank")
_rank("assert_rank_at_least", "rank")
_rank("assert_rank_in", "ranks")


@public("compat.v1.assert_near", "compat.v1.debugging.assert_near")
def assert_near(
    x: Any,
    y: Any,
    rtol: Any = None,
    atol: Any = None,
    data: Any = None,
    summarize: int | None = None,
    message: str | None = None,
    name: str | None = None,
) -> Any:
    """See `tf.debugging.assert_near`; `data` is accepted and not used."""
    return tf.debugging.assert_near(x, y, rtol, atol, message, summarize, name)


@public("compat.v1.assert_integer", "compat.v1.debugging.assert_integer")
def assert_integer(x: Any, message: str | None = None, name: str | None = None) -> Any:
    """See `tf.debugging.assert_integer`."""
    return tf.debugging.assert_integer(x, message, name)


@public("compat.v1.assert_scalar", "compat.v1.debugging.assert_scalar")
def assert_scalar(tensor: Any, name: str | None = None, message: str | None = None) -> Any:
    """See `tf.debugging.assert_scalar`; returns the tensor."""
    tf.debugging.assert_scalar(tensor, message, name)
    return tf.convert_to_tensor(tensor)


@public("compat.v1.assert_type", "compat.v1.debugging.assert_type")
def assert_type(tensor: Any, tf_type: Any, message: str | None = None, name: str | None = None) -> Any:
    """See `tf.debugging.assert_type`."""
    return tf.debugging.assert_type(tensor, tf_type, message, name)


@public("compat.v1.debugging.assert_shapes")
def assert_shapes(
    shapes: Any, data: Any = None, summarize: int | None = None, message: str | None = None, name: str | None = None
) -> Any:
    """See `tf.debugging.assert_shapes`."""
    return tf.debugging.assert_shapes(shapes, data, summarize, message, name)


@public("compat.v1.verify_tensor_all_finite", "compat.v1.debugging.assert_all_finite")
def verify_tensor_all_finite(
    t: Any = None, msg: str | None = None, name: str | None = None, x: Any = None, message: str | None = None
) -> Any:
    """See `tf.debugging.assert_all_finite`; `t` and `msg` are older names of `x` and `message`."""
    return tf.debugging.assert_all_finite(either(x, t, "x", "t"), either(message, msg, "message", "msg") or "", name)


def _extreme(name: str) -> None:
    own = getattr(tf, name)

    def function(
        input: Any, axis: Any = None, name: str | None = None, dimension: Any = None, output_type: Any = dtypes.int64
    ) -> Any:
        place = either(axis, dimension, "axis", "dimension")
        return own(input, 0 if place is None else place, output_type, name)

    def older(input: Any, dimension: Any, output_type: Any = dtypes.int64, name: str | None = None) -> Any:
        return own(input, dimension, output_type, name)

    function.__name__ = function.__qualname__ = name
    older.__name__ = older.__qualname__ = f"arg_{name[3:]}"
    function.__doc__ = older.__doc__ = f"See `tf.{name}`; `dimension` is an older name of `axis`."
    public(f"compat.v1.{name}", f"compat.v1.math.{name}")(function)
    public(f"compat.v1.{older.__name__}")(older)


_extreme("argmax")
_extreme("argmin")


@public("compat.v1.expand_dims")
def expand_dims(input: Any, axis: Any = None, name: str | None = None, dim: Any = None) -> Any:
    """See `tf.expand_dims`; `dim` is an older name of `axis`."""
    place = either(axis, dim, "axis", "dim")
    if place is None:
        raise ValueError(explain("Must specify an axis argument to tf.expand_dims()"))
    return tf.expand_dims(input, place, name)


@public("compat.v1.squeeze")
def squeeze(input: Any, axis: Any = None, name: str | None = None, squeeze_dims: Any = None) -> Any:
    """See `tf.squeeze`; `squeeze_dims` is an older name of `axis`."""
    return tf.squeeze(input, either(axis, squeeze_dims, "axis", "squeeze_dims"), name)


@public("compat.v1.where")
def where(condition: Any, x: Any = None, y: Any = None, name: str | None = None) -> Any:
    """Return x where the condition holds, else y, of one shape; a condition of one axis chooses rows.

    Without x and y, return where the condition holds.

    Raises:
      ValueError: where only one of x and y is given.
    """
    if (x is None) != (y is None):
        raise ValueError(explain("x and y must both be non-None or both be None."))
    if x is None:
        return tf.where(condition, name=name)
    return tf.raw_ops.Select(condition=condition, x=x, y=y)


@public("compat.v1.transpose")
def transpose(a: Any, perm: Any = None, name: str = "transpose", conjugate: bool = False) -> Any:
    """See `tf.transpose`."""
    return tf.transpose(a, perm, conjugate, name)


def _out_type(out_type: Any) -> Any:
    return dtypes.int32 if out_type is None else out_type


@public("compat.v1.size")
def size(input: Any, name: str | None = None, out_type: Any = None) -> Any:
    """See `tf.size`."""
    return tf.size(input, _out_type(out_type), name)


@public("compat.v1.shape")
def shape(input: Any, name: str | None = None, out_type: Any = None) -> Any:
    """See `tf.shape`."""
    return tf.shape(input, _out_type(out_type), name)


@public("compat.v1.zeros_like")
def zeros_like(tensor: Any, dtype: Any = None, name: str | None = None, optimize: bool = True) -> Any:
    """See `tf.zeros_like`; `optimize` is accepted and not used."""
    return tf.zeros_like(tensor, dtype, name)


@public("compat.v1.ones_like")
def ones_like(tensor: Any, dtype: Any = None, name: str | None = None, optimize: bool = True) -> Any:
    """See `tf.ones_like`; `optimize` is accepted and not used."""
    return tf.ones_like(tensor, dtype, name)


@public("compat.v1.count_nonzero", "compat.v1.math.count_nonzero")
def count_nonzero(
    input_tensor: Any = None,
    axis: Any = None,
    keepdims: Any = None,
    dtype: Any = dtypes.int64,
    name: str | None = None,
    reduction_indices: Any = None,
    keep_dims: Any = None,
    input: Any = None,
) -> Any:
    """See `tf.math.count_nonzero`; `input_tensor`, `reduction_indices` and `keep_dims` are older names."""
    return tf.math.count_nonzero(
        either(input, input_tensor, "input", "input_tensor"),
        either(axis, reduction_indices, "axis", "reduction_indices"),
        bool(either(keepdims, keep_dims, "keepdims", "keep_dims")),
        dtype,
        name,
    )


@public("compat.v1.gather")
def gather(
    params: Any,
    indices: Any,
    validate_indices: Any = None,
    name: str | None = None,
    axis: Any = None,
    batch_dims: int = 0,
) -> Any:
    """See `tf.gather`."""
    return tf.gather(params, indices, validate_indices, axis, batch_dims, name)


@public("compat.v1.gather_nd", "compat.v1.manip.gather_nd")
def gather_nd(
    params: Any, indices: Any, name: str | None = None, batch_dims: int = 0, bad_indices_policy: str = ""
) -> Any:
    """See `tf.gather_nd`."""
    return tf.gather_nd(params, indices, batch_dims, name, bad_indices_policy)


@public("compat.v1.boolean_mask")
def boolean_mask(tensor: Any, mask: Any, name: str = "boolean_mask", axis: Any = None) -> Any:
    """See `tf.boolean_mask`."""
    return tf.boolean_mask(tensor, mask, axis, name)


@public("compat.v1.pad")
def pad(tensor: Any, paddings: Any, mode: str = "CONSTANT", name: str | None = None, constant_values: Any = 0) -> Any:
    """See `tf.pad`."""
    return tf.pad(tensor, paddings, mode, constant_values, name)


@public("compat.v1.reverse_sequence")
def reverse_sequence(
    input: Any,
    seq_lengths: Any,
    seq_axis: Any = None,
    batch_axis: Any = None,
    name: str | None = None,
    seq_dim: Any = None,
    batch_dim: Any = None,
) -> Any:
    """See `tf.reverse_sequence`; `seq_dim` and `batch_dim` are older names of `seq_axis` and `batch_axis`."""
    sequence = either(seq_axis, seq_dim, "seq_axis", "seq_dim")
    return tf.reverse_sequence(
        input, seq_lengths, sequence, either(batch_axis, batch_dim, "batch_axis", "batch_dim"), name
    )


@public("compat.v1.map_fn")
def map_fn(
    fn: Callable[..., Any],
    elems: Any,
    dtype: Any = None,
    parallel_iterations: int | None = None,
    back_prop: bool = True,
    swap_memory: bool = False,
    infer_shape: bool = True,
    name: str | None = None,
    fn_output_signature: Any = None,
) -> Any:
    """See `tf.map_fn`."""
    wanted = fn_output_signature if dtype is None else dtype
    return tf.map_fn(fn, elems, infer_shape=infer_shape, name=name, fn_output_signature=wanted)


def _fold(name: str) -> None:
    own = getattr(tf, name)

    def function(
        fn: Callable[..., Any],
        elems: Any,
        initializer: Any = None,
        parallel_iterations: int = 10,
        back_prop: bool = True,
        swap_memory: bool = False,
        name: str | None = None,
    ) -> Any:
        return own(fn, elems, initializer, name=name)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"See `tf.{name}`."
    public(f"compat.v1.{name}")(function)


_fold("foldl")
_fold("foldr")


@public("compat.v1.scan")
def scan(
    fn: Callable[..., Any],
    elems: Any,
    initializer: Any = None,
    parallel_iterations: int = 10,
    back_prop: bool = True,
    swap_memory: bool = False,
    infer_shape: bool = True,
    reverse: bool = False,
    name: str | None = None,
) -> Any:
    """See `tf.scan`."""
    return tf.scan(fn, elems, initializer, infer_shape=infer_shape, reverse=reverse, name=name)


@public("compat.v1.while_loop")
def while_loop(
    cond: Callable[..., Any],
    body: Callable[..., Any],
    loop_vars: Any,
    shape_invariants: Any = None,
    parallel_iterations: int = 10,
    back_prop: bool = True,
    swap_memory: bool = False,
    name: str | None = None,
    maximum_iterations: Any = None,
    return_same_structure: bool = False,
) -> Any:
    """See `tf.while_loop`; a single loop variable comes out of its list unless `return_same_structure`."""
    found = tf.while_loop(
        cond, body, loop_vars, shape_invariants, parallel_iterations, maximum_iterations=maximum_iterations, name=name
    )
    single = isinstance(found, (list, tuple)) and len(found) == 1 and not return_same_structure
    return found[0] if single else found


@public("compat.v1.cond")
def cond(
    pred: Any,
    true_fn: Any = None,
    false_fn: Any = None,
    strict: bool = False,
    name: str | None = None,
    fn1: Any = None,
    fn2: Any = None,
) -> Any:
    """See `tf.cond`; `fn1` and `fn2` are older names. A list of one tensor comes out as the tensor, unless `strict`."""
    found = tf.cond(pred, either(true_fn, fn1, "true_fn", "fn1"), either(false_fn, fn2, "false_fn", "fn2"), name)
    return found[0] if not strict and isinstance(found, (list, tuple)) and len(found) == 1 else found


@public("compat.v1.case")
def case(
    pred_fn_pairs: Any, default: Any = None, exclusive: bool = False, strict: bool = False, name: str = "case"
) -> Any:
    """See `tf.case`; a dictionary of functions by their conditions is taken too."""
    pairs = list(pred_fn_pairs.items()) if isinstance(pred_fn_pairs, dict) else pred_fn_pairs
    return tf.case(pairs, default, exclusive, strict, name)


@public("compat.v1.tuple")
def tuple_(tensors: Any, name: str | None = None, control_inputs: Any = None) -> Any:
    """See `tf.tuple`."""
    return tf.tuple(tensors, control_inputs, name)


@public("compat.v1.space_to_depth", "compat.v1.nn.space_to_depth")
def space_to_depth(input: Any, block_size: int, name: str | None = None, data_format: str = "NHWC") -> Any:
    """See `tf.nn.space_to_depth`."""
    return tf.nn.space_to_depth(input, block_size, data_format, name)


@public("compat.v1.depth_to_space", "compat.v1.nn.depth_to_space")
def depth_to_space(input: Any, block_size: int, name: str | None = None, data_format: str = "NHWC") -> Any:
    """See `tf.nn.depth_to_space`."""
    return tf.nn.depth_to_space(input, block_size, data_format, name)


@public("compat.v1.confusion_matrix", "compat.v1.math.confusion_matrix")
def confusion_matrix(
    labels: Any,
    predictions: Any,
    num_classes: Any = None,
    dtype: Any = dtypes.int32,
    name: str | None = None,
    weights: Any = None,
) -> Any:
    """See `tf.math.confusion_matrix`."""
    return tf.math.confusion_matrix(labels, predictions, num_classes, weights, dtype, name)


@public("compat.v1.constant")
def constant(value: Any, dtype: Any = None, shape: Any = None, name: str = "Const", verify_shape: bool = False) -> Any:
    """See `tf.constant`; with `verify_shape` the value must be of the shape.

    Raises:
      TypeError: where it is not.
    """
    made = tf.constant(value, dtype, None if verify_shape else shape, name)
    if verify_shape and shape is not None and not made.shape.is_compatible_with(shape):
        raise TypeError(explain(f"Expected Tensor's shape: {shape}, but got {made.shape}."))
    return made


@public("compat.v1.convert_to_tensor")
def convert_to_tensor(
    value: Any, dtype: Any = None, name: str | None = None, preferred_dtype: Any = None, dtype_hint: Any = None
) -> Any:
    """See `tf.convert_to_tensor`; `preferred_dtype` is an older name of `dtype_hint`."""
    return tf.convert_to_tensor(
        value, dtype, either(dtype_hint, preferred_dtype, "dtype_hint", "preferred_dtype"), name
    )


@public("compat.v1.executing_eagerly")
def executing_eagerly() -> bool:
    """See `tf.executing_eagerly`."""
    return bool(tf.executing_eagerly())


def _of_logits(name: str) -> None:
    own = getattr(tf.nn, name)

    def function(logits: Any, axis: Any = None, name: str | None = None, dim: Any = None) -> Any:
        place = either(axis, dim, "axis", "dim")
        return own(logits, -1 if place is None else place, name)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"See `tf.nn.{name}`; `dim` is an older name of `axis`."
    public(f"compat.v1.nn.{name}", f"compat.v1.math.{name}")(function)


_of_logits("softmax")
_of_logits("log_softmax")
