"""tf.debugging: checks of values, shapes and element types. What is known while tracing is checked at once, the rest when it runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from millstream.api import array
from millstream.api.public import public
from millstream.base import dtypes, errors
from millstream.base.dtypes import as_dtype
from millstream.execution import numerics_check, placement_log
from millstream.execution.checking import nothing
from millstream.execution.convert import to_tensor
from millstream.execution.dispatch import apply
from millstream.execution.static_value import static_value
from millstream.execution.tensor import EagerTensor, Tensor, eager_constant
from millstream.ops.registry import find


def _refused(message: str) -> errors.InvalidArgumentError:
    return errors.InvalidArgumentError(None, None, errors.explain(message))


def _words(text: str) -> Any:
    return eager_constant(text, dtypes.string)


def _all(condition: Any) -> Any:
    rank = condition.shape.rank
    axes = list(range(rank)) if rank is not None else array.range_(apply(find("Rank"), condition))
    return apply(find("All"), condition, array.index_tensor(axes), keep_dims=False)


def _require(condition: Any, message: str, data: list[Any], summarize: int | None) -> Any:
    """Stop with the message where `condition` does not hold: now if that is known, else when the graph runs."""
    holds = _all(condition)
    known = static_value(holds)
    if known is not None:
        if not bool(known):
            raise _refused(message)
        return nothing()
    return apply(find("Assert"), holds, [_words(message), *data], summarize=3 if summarize is None else summarize)


def _shown(x: Any) -> str:
    return str(np.asarray(x.numpy())) if isinstance(x, EagerTensor) else str(getattr(x, "name", x))


_RELATIONS = {
    "equal": ("Equal", "==", "debugging.assert_equal assert_equal"),
    "less": ("Less", "<", "debugging.assert_less assert_less"),
    "less_equal": ("LessEqual", "<=", "debugging.assert_less_equal"),
    "greater": ("Greater", ">", "debugging.assert_greater assert_greater"),
    "greater_equal": ("GreaterEqual", ">=", "debugging.assert_greater_equal"),
}


def _compare(op_name: str, sign: str, x: Any, y: Any, message: str | None, summarize: int | None) -> Any:
    if x is y and sign in ("==", "<=", ">="):
        return nothing()
    x = to_tensor(x, None, y.dtype if isinstance(y, Tensor) else None)
    y = to_tensor(y, None, x.dtype)
    holds = apply(find(op_name), x, y)
    head = f"{message}\n" if message else ""
    text = f"{head}Condition x {sign} y did not hold.\nx (shape={x.shape} dtype={x.dtype.name}) = {_shown(x)}\ny (shape={y.shape} dtype={y.dtype.name}) = {_shown(y)}"
    return _require(holds, text, [x, y], summarize)


def _relation(name: str, op_name: str, sign: str, names: str) -> Callable[..., Any]:
    def function(
        x: Any, y: Any, message: str | None = None, summarize: int | None = None, name: str | None = None
    ) -> Any:
        return _compare(op_name, sign, x, y, message, summarize)

    function.__name__ = function.__qualname__ = f"assert_{name}"
    function.__doc__ = f"Stop where x {sign} y does not hold elementwise."
    return public(*names.split())(function)


for _name, (_op, _sign, _names) in _RELATIONS.items():
    globals()[f"assert_{_name}"] = _relation(_name, _op, _sign, _names)


@public("debugging.assert_none_equal")
def assert_none_equal(
    x: Any, y: Any, summarize: int | None = None, message: str | None = None, name: str | None = None
) -> Any:
    """Stop where x != y does not hold elementwise."""
    return _compare("NotEqual", "!=", x, y, message, summarize)


def _sign_check(name: str, op_name: str, words: str) -> None:
    def function(x: Any, message: str | None = None, summarize: int | None = None, name: str | None = None) -> Any:
        x = to_tensor(x)
        return _compare(
            op_name,
            {"Less": "<", "Greater": ">", "LessEqual": "<=", "GreaterEqual": ">="}[op_name],
            x,
            eager_constant(0, x.dtype),
            message,
            summarize,
        )

    function.__name__ = function.__qualname__ = f"assert_{name}"
    function.__doc__ = f"Stop where an element is not {words}."
    public(f"debugging.assert_{name}")(function)


_sign_check("negative", "Less", "below 0")
_sign_check("positive", "Greater", "above 0")
_sign_check("non_negative", "GreaterEqual", "0 or above")
_sign_check("non_positive", "LessEqual", "0 or below")


@public("debugging.assert_near")
def assert_near(
    x: Any,
    y: Any,
    rtol: Any = None,
    atol: Any = None,
    message: str | None = None,
    summarize: int | None = None,
    name: str | None = None,
) -> Any:
    """Stop where abs(x - y) > atol + rtol * abs(y)."""
    x = to_tensor(x)
    y = to_tensor(y, None, x.dtype)
    real = x.dtype.real_dtype
    # 10 units in the last place, unless given.
    eps = 10.0 * float(np.finfo(real.as_numpy_dtype).eps if real.is_floating and real is not dtypes.bfloat16 else 2**-7)
    relative = to_tensor(eps if rtol is None else rtol, real)
    absolute = to_tensor(eps if atol is None else atol, real)
    holds = apply(find("LessEqual"), abs(x - y), absolute + relative * abs(y))
    head = f"{message}\n" if message else ""
    return _require(
        holds,
        f"{head}x and y not equal to tolerance rtol = {_shown(relative)}, atol = {_shown(absolute)}",
        [x, y],
        summarize,
    )


@public("debugging.check_numerics")
def check_numerics(tensor: Any, message: str, name: str | None = None) -> Any:
    """Return the tensor; stop with `message` where an element is NaN or infinite."""
    return apply(find("CheckNumerics"), tensor, message=message)


@public("debugging.assert_all_finite")
def assert_all_finite(x: Any, message: str, name: str | None = None) -> Any:
    """Return the tensor; stop with `message` where an element is NaN or infinite."""
    return check_numerics(x, message)


@public("debugging.assert_type")
def assert_type(tensor: Any, tf_type: Any, message: str | None = None, name: str | None = None) -> Any:
    """Stop where the element type is another."""
    wanted, found = as_dtype(tf_type), to_tensor(tensor).dtype
    if found is not wanted:
        raise TypeError(errors.explain(f"{message or ''} Tensor must be of type {wanted!r}; got {found!r}"))
    return nothing()


@public("debugging.assert_integer")
def assert_integer(x: Any, message: str | None = None, name: str | None = None) -> Any:
    """Stop where the elements are no integers."""
    found = to_tensor(x).dtype
    if not found.is_integer:
        raise TypeError(
            errors.explain(f'{message + " " if message else ""}Expected "x" to be integer type. Found: {found}')
        )
    return nothing()


@public("debugging.is_numeric_tensor")
def is_numeric_tensor(tensor: Any) -> bool:
    """Return whether this is a tensor of numbers."""
    if not isinstance(tensor, Tensor):
        return False
    d = tensor.dtype
    return bool(d.is_floating or d.is_complex or d.is_integer)


@public("debugging.assert_proper_iterable")
def assert_proper_iterable(values: Any) -> None:
    """Stop where `values` is a tensor, text or nothing to iterate over."""
    if isinstance(values, (Tensor, np.ndarray, bytes, str)):
        raise TypeError(errors.explain(f"Expected argument 'values' to be a 'proper' iterable. Found: {type(values)}"))
    if not hasattr(values, "__iter__"):
        raise TypeError(errors.explain(f"Expected argument 'values' to be iterable. Found: {type(values)}"))


@public("debugging.assert_same_float_dtype")
def assert_same_float_dtype(tensors: Any = None, dtype: Any = None) -> Any:
    """Return the one floating element type of the tensors; stop where they differ."""
    wanted = None if dtype is None else as_dtype(dtype)
    for tensor in tensors or []:
        if tensor is None:
            continue
        if wanted is not None and tensor.dtype.base_dtype is not wanted:
            raise ValueError(errors.explain(f"Expected {wanted}, got {tensor.dtype.base_dtype} of {tensor}."))
        wanted = tensor.dtype.base_dtype
    wanted = dtypes.float32 if wanted is None else wanted
    if not wanted.is_floating:
        raise ValueError(errors.explain(f"Expected floating point type, got {wanted}."))
    return wanted


@public("debugging.enable_check_numerics", "compat.v1.debugging.enable_check_numerics")
def enable_check_numerics(stack_height_limit: int | None = 30, path_length_limit: int | None = 50) -> None:
    """Stop where an op's result holds NaN or infinity, with the op, its inputs and the user's line in the message.

    It counts for this thread: for what it runs eagerly, and for functions it traces, from now on.

    Args:
      stack_height_limit: accepted and not used: the message names the user's line.
      path_length_limit: how many letters of that line's path are shown at most; None for all.

    >>> tf.debugging.enable_check_numerics()
    >>> try:
    ...     tf.math.log(-1.0)
    ... except tf.errors.InvalidArgumentError as error:
    ...     print("Log" in error.message)
    True
    >>> tf.debugging.disable_check_numerics()
    """
    numerics_check.enable(path_length_limit)


@public("debugging.disable_check_numerics", "compat.v1.debugging.disable_check_numerics")
def disable_check_numerics() -> None:
    """Take back `enable_check_numerics`. Functions that were traced meanwhile keep their checks."""
    numerics_check.disable()


@public("debugging.experimental.enable_dump_debug_info", "compat.v1.debugging.experimental.enable_dump_debug_info")
def enable_dump_debug_info(
    dump_root: str,
    tensor_debug_mode: str = "NO_TENSOR",
    circular_buffer_size: int = 1000,
    op_regex: str | None = None,
    tensor_dtypes: Any = None,
) -> None:
    """Refuse: TensorFlow's debugger files are read by its own debugger, and are not written.

    Raises:
      tf.errors.UnimplementedError: always. Use `tf.debugging.enable_check_numerics`, `tf.print`, or
        `MILLSTREAM_SHOW=graph,program,plan`, which prints what is traced and compiled.
    """
    raise errors.UnimplementedError(
        None,
        None,
        errors.explain(
            "tf.debugging.experimental.enable_dump_debug_info is not supported: the files of TensorFlow's debugger are not "
            "written.",
            fix="Use tf.debugging.enable_check_numerics, tf.print, or MILLSTREAM_SHOW=graph,program,plan.",
        ),
    )


@public("debugging.experimental.disable_dump_debug_info", "compat.v1.debugging.experimental.disable_dump_debug_info")
def disable_dump_debug_info() -> None:
    """Return at once: nothing is ever written."""


@public("debugging.set_log_device_placement", "compat.v1.debugging.set_log_device_placement")
def set_log_device_placement(enabled: bool) -> None:
    """Write the device of each op to stderr, when it is run eagerly or traced.

    Args:
      enabled: whether it is written.
    """
    placement_log.enable(bool(enabled))


@public("debugging.get_log_device_placement", "compat.v1.debugging.get_log_device_placement")
def get_log_device_placement() -> bool:
    """Return whether the device of each op is written."""
    return placement_log.enabled()


_state = {"filtering": True}


@public("debugging.enable_traceback_filtering")
def enable_traceback_filtering() -> None:
    """Leave Millstream's own lines out of tracebacks."""
    _state["filtering"] = True


@public("debugging.disable_traceback_filtering")
def disable_traceback_filtering() -> None:
    """Show Millstream's own lines in tracebacks."""
    _state["filtering"] = False


@public("debugging.is_traceback_filtering_enabled")
def is_traceback_filtering_enabled() -> bool:
    """Return whether Millstream's own lines are left out of tracebacks."""
    return _state["filtering"]
