"""Control flow on tensors: at once in Python where their values are at hand, else as nodes that run traced functions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from millstream.base import dtypes, nest
from millstream.base.errors import explain
from millstream.base.shapes import TensorShape
from millstream.base.sizes import fresh_symbol, is_known
from millstream.base.spec import Spec
from millstream.execution.context import current_graph, tracing
from millstream.execution.convert import to_tensor
from millstream.execution.dispatch import apply, apply_flat
from millstream.execution.func_graph import FuncGraph
from millstream.execution.indexed_slices import IndexedSlices
from millstream.execution.operation import Operation
from millstream.execution.specs import spec_of
from millstream.execution.staging_values import leaf_tensor, with_leaves
from millstream.execution.symbolic import SymbolicTensor
from millstream.execution.tensor import Tensor, eager_constant
from millstream.ops import control as ops
from millstream.ops.comparison import less
from millstream.ops.math import add
from millstream.ops.registry import find
from millstream.program.value import Program, Value


class Traced:
    """One function of a control flow op: its graph, and what it gave, flat and as it was."""

    def __init__(
        self,
        name: str,
        function: Callable[..., Any],
        specs: Sequence[Spec] = (),
        like: Any = None,
        done: bool | int | None = None,
    ) -> None:
        """Trace a function; `done` is what it gives in the place of operations."""
        outer = current_graph()
        assert outer is not None
        self.graph = FuncGraph(outer.own_name(name), outer)
        self.placeholders = [self.graph.placeholder(spec) for spec in specs]
        with tracing(self.graph):
            arguments = _arguments(like, self.placeholders) if like is not None else ()
            self.result = function(*arguments)
            if done is not None:
                self.result = _without_operations(self.result, done)
            self.flat = [leaf_tensor(v) for v in nest.flatten(self.result, expand_composites=True)]
            self.values = [self.graph.value_of(v) for v in self.flat if v is not None]

    @classmethod
    def finished(cls, graph: FuncGraph, result: Any) -> Traced:
        """Return a function without arguments that was traced already."""
        made: Traced = cls.__new__(cls)
        made.graph, made.placeholders, made.result = graph, [], result
        with tracing(graph):
            made.flat = [leaf_tensor(v) for v in nest.flatten(result, expand_composites=True)]
            made.values = [graph.value_of(v) for v in made.flat if v is not None]
        return made

    @property
    def captures(self) -> list[tuple[Any, Value]]:
        return self.graph.external_captures()

    def program(self, captured: Sequence[Any]) -> Program:
        """Return the program whose inputs are the placeholders, then `captured`, in this order."""
        own = {id(t): v for t, v in self.captures}
        program = self.graph.program
        program.inputs = [p.value for p in self.placeholders]
        for tensor in captured:
            value = own.get(id(tensor))
            program.inputs.append(Value(spec_of(tensor)) if value is None else value)
        program.outputs = self.values
        return program


def _without_operations(result: Any, done: bool | int) -> Any:
    """Return the results of a branch, with `done` in the place of operations: all that is in a branch runs."""
    leaves = nest.flatten(result, expand_composites=True)
    if not any(isinstance(v, Operation) for v in leaves):
        return result
    kind = dtypes.bool if isinstance(done, bool) else dtypes.int32
    return with_leaves(result, [eager_constant(done, kind) if isinstance(v, Operation) else v for v in leaves])


def _arguments(like: Any, placeholders: Sequence[Any]) -> Any:
    tensors = iter(placeholders)
    return with_leaves(like, [None if v is None else next(tensors) for v in nest.flatten(like, expand_composites=True)])


def captured_by(*traced: Traced) -> list[Any]:
    """Return the outer tensors that any of the functions uses, each once."""
    found: dict[int, Any] = {}
    for item in traced:
        for tensor, _ in item.captures:
            found.setdefault(id(tensor), tensor)
    return list(found.values())


def has_effects(programs: Sequence[Program]) -> bool:
    """Return whether a program does more than give its outputs."""
    return any(n.definition.effects for p in programs for n in p.nodes)


def _types(values: Sequence[Any]) -> tuple[Any, ...]:
    return tuple(v.dtype for v in values)


def _results(result: Any) -> list[Any]:
    if isinstance(result, tuple):
        return list(result)
    return [] if result is None else [result]


def is_true(pred: Any) -> bool | None:
    """Return the value of a condition that is at hand; None for a symbolic one."""
    if isinstance(pred, Tensor):
        return None if isinstance(pred, SymbolicTensor) else bool(pred)
    if hasattr(pred, "__tf_tensor__") or hasattr(pred, "_handle"):
        return is_true(to_tensor(pred))
    return bool(pred)


def cond(pred: Any, true_fn: Callable[[], Any], false_fn: Callable[[], Any]) -> Any:
    """Return what `true_fn` gives where `pred` holds, else what `false_fn` gives."""
    if not callable(true_fn):
        raise TypeError(explain("'true_fn' must be callable."))
    if not callable(false_fn):
        raise TypeError(explain("'false_fn' must be callable."))
    chosen = is_true(pred)
    if chosen is not None:
        return true_fn() if chosen else false_fn()
    return staged_cond(to_tensor(pred), true_fn, false_fn)


def staged_cond(pred: Any, true_fn: Callable[[], Any], false_fn: Callable[[], Any]) -> Any:
    """Add a branch to the graph being traced."""
    if pred.shape.rank not in (0, None):
        raise ValueError(
            explain(
                f"Shape must be rank 0 but is rank {pred.shape.rank} for the condition {pred!r}; reduce it to one bool."
            )
        )
    return finish_cond(pred, [Traced("cond_true", true_fn, done=True), Traced("cond_false", false_fn, done=False)])


def finish_cond(pred: Any, branches: Sequence[Traced]) -> Any:
    """Add the node of a branch whose functions are traced."""
    branches = _widen_indices(branches)
    _check_branches(branches, ("true_fn", "false_fn"))
    captured = captured_by(*branches)
    then_branch, else_branch = (b.program(captured) for b in branches)
    op = ops.if_ if has_effects((then_branch, else_branch)) else ops.stateless_if
    attributes = {
        "Tcond": pred.dtype,
        "Tin": _types(captured),
        "Tout": tuple(v.dtype for v in then_branch.outputs),
        "then_branch": then_branch,
        "else_branch": else_branch,
        "output_shapes": (),
    }
    return _pack(branches[0], apply_flat(op, [pred, *captured], attributes))


def _widen_indices(branches: Sequence[Traced]) -> Sequence[Traced]:
    """Make the indices of IndexedSlices int64 where only some branches have them so."""
    results = [nest.flatten(branch.result) for branch in branches]
    if len({len(flat) for flat in results}) != 1:
        return branches
    changed = False
    for position, given in enumerate(zip(*results, strict=True)):
        if all(isinstance(item, IndexedSlices) for item in given) and len({item.indices.dtype for item in given}) > 1:
            changed = True
            for branch, flat, item in zip(branches, results, given, strict=True):
                with tracing(branch.graph):
                    wide = apply(find("Cast"), item.indices, DstT=dtypes.int64)
                flat[position] = IndexedSlices(item.values, wide, item.dense_sizes)
    if not changed:
        return branches
    packed = [nest.pack_sequence_as(b.result, flat) for b, flat in zip(branches, results, strict=True)]
    return [Traced.finished(b.graph, result) for b, result in zip(branches, packed, strict=True)]


def _pack(first: Traced, result: Any) -> Any:
    tensors = iter(_results(result))
    flat = [None if v is None else next(tensors) for v in first.flat]
    return with_leaves(first.result, flat)


def _check_branches(branches: Sequence[Traced], names: Sequence[str]) -> None:
    first = branches[0]
    for other, name in zip(branches[1:], names[1:], strict=True):
        try:
            nest.assert_same_structure(first.result, other.result, expand_composites=True)
            for a, b in zip(first.flat, other.flat, strict=True):
                if (a is None) != (b is None):
                    raise ValueError(explain(f"one gives None where the other gives {b if a is None else a!r}"))
                if a is not None and a.dtype != b.dtype:
                    raise TypeError(explain(f"{a!r} has element type {a.dtype.name}, {b!r} has {b.dtype.name}"))
        except (TypeError, ValueError) as error:
            raise type(error)(
                f"{names[0]} and {name} arguments to tf.{'cond' if len(names) == 2 else 'switch_case'} must have the same "
                f"number, type, and overall structure of return values.\n\n{names[0]} output: {first.result!r}\n{name} "
                f"output: {other.result!r}\n\nError details:\n{error}"
            ) from None


def switch_case(branch_index: Any, branch_fns: Any, default: Callable[[], Any] | None = None) -> Any:
    """Return what the branch picked by `branch_index` gives; out of range picks the default, or the last one."""
    functions = _indexed(branch_fns)
    if default is not None and not callable(default):
        raise TypeError(explain("'default' must be callable."))
    index = to_tensor(branch_index)
    if index.dtype not in (dtypes.int32,):
        raise TypeError(
            explain(f"branch_index must have element type int32, given {index.dtype.name}; convert it with tf.cast.")
        )
    if not isinstance(index, SymbolicTensor):
        number = int(index)
        fallback = default if default is not None else functions[max(functions)]
        return functions.get(number, fallback)()
    last = default if default is not None else functions[max(functions)]
    count = max(functions) + 1
    listed = [functions.get(i, last) for i in range(count)] + ([default] if default is not None else [])
    branches = [Traced(f"switch_case_{i}", f, done=i) for i, f in enumerate(listed)]
    if len(branches) > 1:
        _check_branches(branches, [f"branch {i}" for i in range(len(branches))])
    captured = captured_by(*branches)
    programs = tuple(b.program(captured) for b in branches)
    op = ops.case if has_effects(programs) else ops.stateless_case
    attributes = {
        "Tin": _types(captured),
        "Tout": tuple(v.dtype for v in programs[0].outputs),
        "branches": programs,
        "output_shapes": (),
    }
    return _pack(branches[0], apply_flat(op, [index, *captured], attributes))


def _indexed(branch_fns: Any) -> dict[int, Callable[[], Any]]:
    if isinstance(branch_fns, dict):
        pairs = list(branch_fns.items())
    elif isinstance(branch_fns, (list, tuple)):
        pairs = list(branch_fns if branch_fns and isinstance(branch_fns[0], tuple) else enumerate(branch_fns))
    else:
        raise TypeError(explain(f"'branch_fns' must be a list, tuple, or dict. Received: {branch_fns!r}."))
    if not pairs:
        raise ValueError(explain("'branch_fns' must not be empty."))
    for key, function in pairs:
        if not isinstance(key, int):
            raise TypeError(explain(f"key must be a Python `int`, got {key!r}."))
        if not callable(function):
            raise TypeError(explain(f"fn for key {key} must be callable."))
    if len({k for k, _ in pairs}) != len(pairs):
        raise ValueError(explain("Found duplicate keys in `branch_fns`."))
    return dict(pairs)


def case(pairs: Sequence[tuple[Any, Callable[[], Any]]], default: Callable[[], Any] | None, exclusive: bool) -> Any:
    """Return what the function of the first pair whose condition holds gives, else the default's."""
    for pair in pairs:
        if not isinstance(pair, tuple) or len(pair) != 2 or not callable(pair[1]):
            raise TypeError(
                explain(f"Each entry of pred_fn_pairs must be a tuple (condition, callable), given {pair!r}.")
            )
    if exclusive:
        _check_exclusive([to_tensor(p) for p, _ in pairs])
    if not pairs:
        if default is None:
            raise ValueError(explain("tf.case was given no pairs and no default."))
        return default()
    (pred, function), rest = pairs[0], pairs[1:]
    if not rest and default is None:
        if is_true(pred) is False:
            raise_none_holds()
        if is_true(pred) is None:
            from millstream.execution.checking import assert_true

            assert_true(
                to_tensor(pred), ["None of the conditions evaluated as True: give a default, or one that holds."]
            )
        return function()
    return cond(pred, function, lambda: case(rest, default, False))


def raise_none_holds() -> None:
    """Raise what `tf.case` raises where no condition holds and there is no default."""
    from millstream.base import errors

    raise errors.InvalidArgumentError(
        None, None, explain("None of the conditions evaluated as True: give a default, or one that holds.")
    )


def _check_exclusive(preds: Sequence[Any]) -> None:
    from millstream.execution.checking import assert_true

    if len(preds) < 2:
        return
    count = apply(find("Cast"), preds[0], DstT=dtypes.int32)
    for pred in preds[1:]:
        count = apply(add, count, apply(find("Cast"), pred, DstT=dtypes.int32))
    assert_true(apply(less, count, to_tensor(2)), ["More than one condition evaluated as True but exclusive=True."])


def while_loop(
    cond: Callable[..., Any],
    body: Callable[..., Any],
    loop_vars: Any,
    shape_invariants: Any = None,
    maximum_iterations: Any = None,
    parallel_iterations: int = 10,
    name: str | None = None,
) -> Any:
    """Repeat `body` while `cond` holds; both take the loop variables, `body` gives the next ones."""
    if not callable(cond):
        raise TypeError(explain("'cond' must be callable."))
    if not callable(body):
        raise TypeError(explain("'body' must be callable."))
    if current_graph() is None:
        return _eager_loop(cond, body, loop_vars, maximum_iterations)
    return staged_loop(
        cond, body, loop_vars, shape_invariants, maximum_iterations, parallel_iterations, name or "while"
    )


def _packed(result: Any, like: Any) -> Any:
    """Return what a body gave as the sequence of loop variables."""
    if len(like) == 1 and not (isinstance(result, (list, tuple)) and len(result) == 1):
        return (result,)
    if not isinstance(result, (list, tuple)):
        return (result,)
    return result


def _eager_loop(cond: Callable[..., Any], body: Callable[..., Any], loop_vars: Any, maximum_iterations: Any) -> Any:
    single = not isinstance(loop_vars, (list, tuple))
    values = [loop_vars] if single else loop_vars
    limit = None if maximum_iterations is None else int(maximum_iterations)
    turns = 0
    while (limit is None or turns < limit) and bool(cond(*values)):
        result = _packed(body(*values), values)
        nest.assert_same_structure(list(values), list(result), check_types=False)
        values = (
            result
            if isinstance(result, type(values))
            else type(values)(result)
            if type(values) in (list, tuple)
            else result
        )
        turns += 1
    values = nest.map_structure(lambda v: to_tensor(v) if not _is_object(v) else v, values)
    return values[0] if single or (len(values) == 1 and not isinstance(loop_vars, (list, tuple))) else values


def _is_object(value: Any) -> bool:
    return value is None or isinstance(value, Tensor) or hasattr(value, "flow") or hasattr(value, "_type_spec")


VARYING: Any = object()
"""In the place of shape invariants: all loop variables may change their shapes; what the turns have in common is found out."""


def staged_loop(
    cond: Callable[..., Any],
    body: Callable[..., Any],
    loop_vars: Any,
    shape_invariants: Any,
    maximum_iterations: Any,
    parallel_iterations: int,
    name: str,
) -> Any:
    """Add a loop to the graph being traced."""
    single = not isinstance(loop_vars, (list, tuple))
    values = (loop_vars,) if single else loop_vars
    counted = maximum_iterations is not None
    if counted:
        limit = to_tensor(maximum_iterations)
        values, cond, body = _counted(values, cond, body, limit)
        if shape_invariants is not None:
            shape_invariants = (None, *(shape_invariants if not single else (shape_invariants,)))
    flat, tensors, specs = _entering(values, shape_invariants)
    for _ in range(8):
        try:
            turn = _trace_body(body, values, flat, tensors, specs, name)
        except (TypeError, ValueError):
            # The body may say what an empty tf.experimental.Optional among the loop variables would hold.
            if len(nest.flatten(values, expand_composites=True)) == len(flat):
                raise
            flat, tensors, specs = _entering(values, shape_invariants)
            continue
        widened = [
            _check_turn(s, v.spec, t, shape_invariants) for s, v, t in zip(specs, turn.values, tensors, strict=True)
        ]
        if widened == specs:
            break
        specs = widened
    test = Traced(f"{name}_cond", _one_bool(cond), specs, values)
    captured = captured_by(test, turn)
    test_program, turn_program = test.program(captured), turn.program(captured)
    turn_program.outputs = [*turn_program.outputs, *turn_program.inputs[len(specs) :]]
    op = ops.while_ if has_effects((test_program, turn_program)) else ops.stateless_while
    attributes = {
        "T": _types([*tensors, *captured]),
        "cond": test_program,
        "body": turn_program,
        "output_shapes": (),
        "parallel_iterations": parallel_iterations,
    }
    outputs = iter(_results(apply_flat(op, [*tensors, *captured], attributes))[: len(tensors)])
    result = with_leaves(values, [None if v is None else next(outputs) for v in flat])
    if counted:
        result = result[1:]
    return result[0] if single else _as_given(loop_vars, result)


def _entering(values: Any, shape_invariants: Any) -> tuple[list[Any], list[Any], list[Spec]]:
    """Return the leaves of loop variables, the tensors among them, and the specs that the first turn is traced for."""
    flat = [leaf_tensor(v) for v in nest.flatten(values, expand_composites=True)]
    tensors = [v for v in flat if v is not None]
    return flat, tensors, _starting_specs(tensors, values, shape_invariants)


def _as_given(loop_vars: Any, result: Sequence[Any]) -> Any:
    if isinstance(loop_vars, tuple) and hasattr(loop_vars, "_fields"):
        return type(loop_vars)(*result)
    return type(loop_vars)(result) if type(loop_vars) in (list, tuple) else list(result)


def _trace_body(
    body: Callable[..., Any], values: Any, flat: Sequence[Any], tensors: Sequence[Any], specs: Sequence[Spec], name: str
) -> Traced:
    wanted = [v.dtype for v in tensors]

    def checked(*arguments: Any) -> Any:
        result = _packed(body(*arguments), values)
        try:
            nest.assert_same_structure(list(values), list(result), check_types=False, expand_composites=True)
        except (TypeError, ValueError) as error:
            raise type(error)(
                "The two structures don't have the same nested structure: the body of a while loop must return values of the "
                f"structure of its loop variables.\n{error}"
            ) from None
        leaves = nest.flatten(result, expand_composites=True)
        converted, at = [], 0
        for leaf, start in zip(leaves, flat, strict=True):
            if (leaf is None) != (start is None):
                raise ValueError(
                    explain("A loop variable is None at one time and a tensor at another; give it one kind.")
                )
            tensor = None if leaf is None else leaf_tensor(leaf, wanted[at])
            if tensor is not None:
                if tensor.dtype != wanted[at]:
                    raise TypeError(
                        explain(
                            f"A loop variable enters the loop with element type {wanted[at].name}, but has {tensor.dtype.name} after "
                            "one iteration; convert it with tf.cast."
                        )
                    )
                at += 1
            converted.append(tensor)
        return converted

    return Traced(f"{name}_body", checked, specs, values)


def _one_bool(cond: Callable[..., Any]) -> Callable[..., Any]:
    def checked(*arguments: Any) -> Any:
        answer = to_tensor(cond(*arguments))
        if answer.dtype != dtypes.bool or answer.shape.rank not in (0, None):
            raise TypeError(explain(f"The condition of a while loop must give one bool, given {answer!r}."))
        return answer

    return checked


def _counted(values: Any, cond: Callable[..., Any], body: Callable[..., Any], limit: Any) -> tuple[Any, Any, Any]:
    zero, one = to_tensor(0, limit.dtype), to_tensor(1, limit.dtype)

    def counted_cond(turn: Any, *rest: Any) -> Any:
        within = apply(less, turn, limit)
        more = cond(*rest)
        if isinstance(more, Tensor):
            return apply(find("LogicalAnd"), within, more)
        return within if more else to_tensor(False)

    def counted_body(turn: Any, *rest: Any) -> Any:
        return (apply(add, turn, one), *_packed(body(*rest), values))

    return (zero, *values), counted_cond, counted_body


def _starting_specs(tensors: Sequence[Any], values: Any, invariants: Any) -> list[Spec]:
    specs = [spec_of(t).with_value(None) for t in tensors]
    if invariants is None or invariants is VARYING:
        return specs
    shapes = _flat_invariants(values, invariants)
    for i, shape in enumerate(shapes[: len(specs)]):
        if shape is not None:
            specs[i] = _invariant_spec(specs[i], shape)
    return specs


def _flat_invariants(values: Any, invariants: Any) -> list[Any]:
    found: list[Any] = []
    given = invariants if isinstance(invariants, (list, tuple)) else (invariants,)
    if len(given) != len(values):
        raise ValueError(
            explain(f"shape_invariants has {len(given)} entries for {len(values)} loop variables; give one each.")
        )
    for value, invariant in zip(values, given, strict=True):
        leaves = nest.flatten(value, expand_composites=True)
        if invariant is None or isinstance(invariant, TensorShape) or hasattr(invariant, "_component_specs"):
            shape = getattr(invariant, "shape", invariant)
            found += [shape] * len(leaves) if len(leaves) == 1 else [None] * len(leaves)
        else:
            found += [getattr(s, "shape", s) for s in nest.flatten(invariant)]
    return found


def _invariant_spec(spec: Spec, shape: Any) -> Spec:
    shape = TensorShape(shape)
    if spec.dtype == dtypes.variant:
        return spec
    given = TensorShape(None) if spec.shape is None else TensorShape([n if is_known(n) else None for n in spec.shape])
    if shape.rank is None:
        return Spec(spec.dtype, None, None, spec.handle)
    if given.rank is not None and not given.is_subtype_of(shape):
        raise ValueError(
            explain(
                f"The shape invariant specified for a loop variable is not compatible with its initial shape: got {shape}, "
                f"starts with {given}."
            )
        )
    old = spec.shape if spec.shape is not None else [None] * shape.rank
    sizes = [fresh_symbol("n") if n is None else n for n, _ in zip(shape.as_list(), old, strict=True)]
    return Spec(spec.dtype, sizes, None, spec.handle)


def _check_turn(start: Spec, after: Spec, tensor: Any, invariants: Any) -> Spec:
    """Return the spec that covers a loop variable before and after a turn; ValueError where its shape varies unasked."""
    if start.shape is None or start.dtype in (dtypes.variant, dtypes.resource):
        return start
    if after.shape is None:
        return Spec(start.dtype, None, None, start.handle)
    if len(after.shape) != len(start.shape) and invariants is VARYING:
        return Spec(start.dtype, None, None, start.handle)
    if invariants is not VARYING and (
        len(after.shape) != len(start.shape)
        or any(is_known(m) and is_known(n) and m != n for m, n in zip(start.shape, after.shape, strict=False))
    ):
        before = TensorShape([n if is_known(n) else None for n in start.shape])
        now = TensorShape([n if is_known(n) else None for n in after.shape])
        name = getattr(tensor, "name", "") if isinstance(tensor, SymbolicTensor) else "loop variable"
        raise ValueError(
            explain(
                f"Input tensor {name} enters the loop with shape {before}, but has shape {now} after one iteration. To allow the "
                "shape to vary across iterations, use the `shape_invariants` argument of tf.while_loop to specify a less-specific "
                "shape."
            )
        )
    sizes = []
    stated = invariants is not None and invariants is not VARYING
    for m, n in zip(start.shape, after.shape, strict=True):
        if m == n or (not is_known(m) and (stated or str(m).startswith("loop"))):
            sizes.append(m)
        else:
            sizes.append(fresh_symbol("loop"))
    return Spec(start.dtype, sizes, None, start.handle)
