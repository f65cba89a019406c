"""tf.cond, tf.case, tf.switch_case, tf.while_loop, and the maps and folds made of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millstream.api.public import public, publish
from millstream.base.errors import explain
from millstream.execution import control_flow, mapping
from millstream.execution.static_value import folded
from millstream.execution.tensor_array import TensorArray

publish("TensorArray", TensorArray)


@public("cond")
def cond(pred: Any, true_fn: Any = None, false_fn: Any = None, name: str | None = None) -> Any:
    """Return `true_fn()` where `pred` holds, else `false_fn()`."""
    return control_flow.cond(pred, true_fn, false_fn)


@public("__internal__.smart_cond.smart_cond")
def smart_cond(pred: Any, true_fn: Any = None, false_fn: Any = None, name: str | None = None) -> Any:
    """Return `true_fn()` or `false_fn()`, without a branch in the graph where the condition is known."""
    if not callable(true_fn):
        raise TypeError(explain(f"Argument `true_fn` must be callable. Received {true_fn}"))
    if not callable(false_fn):
        raise TypeError(explain(f"Argument `false_fn` must be callable. Received {false_fn}"))
    known = folded(pred)
    return control_flow.cond(pred if known is None else bool(known), true_fn, false_fn)


@public("case")
def case(
    pred_fn_pairs: Any, default: Any = None, exclusive: bool = False, strict: bool = False, name: str = "case"
) -> Any:
    """Return what the function of the first condition that holds gives, else the default's."""
    if not isinstance(pred_fn_pairs, (list, tuple, dict)):
        raise TypeError(explain(f"'pred_fn_pairs' must be a list, tuple, or dict. Received: {pred_fn_pairs!r}"))
    return control_flow.case(list(pred_fn_pairs), default, exclusive)


@public("switch_case")
def switch_case(branch_index: Any, branch_fns: Any, default: Any = None, name: str = "switch_case") -> Any:
    """Return what the function that `branch_index` picks gives; out of range picks the default, or the last."""
    return control_flow.switch_case(branch_index, branch_fns, default)


@public("while_loop")
def while_loop(
    cond: Callable[..., Any],
    body: Callable[..., Any],
    loop_vars: Any,
    shape_invariants: Any = None,
    parallel_iterations: int = 10,
    back_prop: bool = True,
    swap_memory: bool = False,
    maximum_iterations: Any = None,
    name: str | None = None,
) -> Any:
    """Repeat `body` while `cond` holds.

    Args:
      cond: takes the loop variables, gives one bool.
      body: takes the loop variables, gives the next ones.
      loop_vars: a sequence of (structures of) tensors.
      shape_invariants: the shape of each loop variable that holds through all iterations, where it varies.
      parallel_iterations: a hint.
      back_prop: no longer has a meaning; use tf.stop_gradient.
      swap_memory: a hint.
      maximum_iterations: stop after so many.
    """
    return control_flow.while_loop(
        cond, body, loop_vars, shape_invariants, maximum_iterations, parallel_iterations, name
    )


@public("map_fn")
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
    """Apply `fn` to each row of `elems` and stack the results; `fn_output_signature` says what they are, if not like elems."""
    return mapping.map_fn(fn, elems, dtype if fn_output_signature is None else fn_output_signature, infer_shape)


@public("vectorized_map")
def vectorized_map(fn: Callable[..., Any], elems: Any, fallback_to_while_loop: bool = True, warn: bool = True) -> Any:
    """Apply `fn` to each row of `elems` and stack the results."""
    return mapping.vectorized_map(fn, elems)


@public("scan")
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
    """Combine the rows of `elems` one after the other by `fn(state, row)`, and stack all states."""
    return mapping.scan(fn, elems, initializer, backwards=reverse, infer_shape=infer_shape)


@public("foldl")
def foldl(
    fn: Callable[..., Any],
    elems: Any,
    initializer: Any = None,
    parallel_iterations: int = 10,
    back_prop: bool = True,
    swap_memory: bool = False,
    name: str | None = None,
) -> Any:
    """Combine the rows of `elems` from the first to the last by `fn(state, row)`."""
    return mapping.fold(fn, elems, initializer, backwards=False)


@public("foldr")
def foldr(
    fn: Callable[..., Any],
    elems: Any,
    initializer: Any = None,
    parallel_iterations: int = 10,
    back_prop: bool = True,
    swap_memory: bool = False,
    name: str | None = None,
) -> Any:
    """Combine the rows of `elems` from the last to the first by `fn(state, row)`."""
    return mapping.fold(fn, elems, initializer, backwards=True)
