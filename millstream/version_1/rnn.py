"""tf.compat.v1.nn's recurrent networks: a cell is called step by step, in Python or in a loop of the graph.

A cell is called as cell(input, state), gives (output, new state), and has `state_size` and `output_size`. Outputs behind the end
of a sequence are 0, and states stay as they were there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from millstream.api.public import public, root
from millstream.base import dtypes, nest
from millstream.base.errors import explain
from millstream.execution.context import executing_eagerly
from millstream.version_1.variables.scope import variable_scope

tf: Any = root()


def _check_cell(name: str, cell: Any) -> None:
    missing = [what for what in ("output_size", "state_size") if not hasattr(cell, what)]
    if not hasattr(cell, "zero_state") and not hasattr(cell, "get_initial_state"):
        missing.append("zero_state")
    if not callable(cell):
        missing.append("__call__")
    if missing:
        raise TypeError(explain(f"The argument {name!r} ({cell}) is not an RNNCell: it has no {', '.join(missing)}."))


def _first_state(cell: Any, batch: Any, dtype: Any) -> Any:
    if dtype is None:
        raise ValueError(explain("If there is no initial_state, you must give a dtype."))
    if getattr(cell, "get_initial_state", None) is not None:
        try:
            return cell.get_initial_state(inputs=None, batch_size=batch, dtype=dtype)
        except TypeError:
            # Keras's cells do not take inputs.
            return cell.get_initial_state(batch_size=batch, dtype=dtype)
    return cell.zero_state(batch, dtype)


def _pick(condition: Any, x: Any, otherwise: Any) -> Any:
    """Return x in the rows for which a vector is true, else `otherwise`; scalars are always x."""
    if x.shape.rank == 0 or isinstance(x, tf.TensorArray):
        return x
    rank = x.shape.rank
    rows = tf.reshape(condition, [-1, *([1] * (rank - 1))])
    found = tf.where(rows, x, otherwise)
    found.set_shape(x.shape)
    return found


def _transposed(x: Any) -> Any:
    """Return x with its first two axes swapped."""
    x = tf.convert_to_tensor(x)
    return tf.transpose(x, [1, 0, *range(2, x.shape.rank)])


def _lengths(sequence_length: Any, flat: Sequence[Any], batch_axis: int) -> Any:
    if sequence_length is None:
        return None
    found = tf.cast(sequence_length, dtypes.int32)
    if found.shape.rank not in (None, 1):
        raise ValueError(
            explain(f"sequence_length must be a vector of length batch_size, but saw shape: {found.shape}")
        )
    known = flat[0].shape[batch_axis] if flat[0].shape.rank else None
    if known is not None and not found.shape.is_compatible_with([known]):
        raise ValueError(
            explain(f"sequence_length has shape {found.shape}, and the batch has {known} sequences: give one for each.")
        )
    return tf.identity(found, name="sequence_length")


@public("compat.v1.nn.dynamic_rnn")
def dynamic_rnn(
    cell: Any,
    inputs: Any,
    sequence_length: Any = None,
    initial_state: Any = None,
    dtype: Any = None,
    parallel_iterations: int | None = None,
    swap_memory: bool = False,
    time_major: bool = False,
    scope: Any = None,
) -> tuple[Any, Any]:
    """Call a cell for each step of sequences of any length, in a loop.

    Args:
      cell: an RNN cell.
      inputs: a structure of tensors [batch, time, ...], or [time, batch, ...] where `time_major` is true.
      sequence_length: how long each sequence is; all of them are whole without it.
      initial_state: the first state; the cell's zeros of `dtype` without it.
      dtype: the element type of that.
      parallel_iterations: a hint.
      swap_memory: a hint.
      time_major: whether the first axis is time.
      scope: the scope of variables, "rnn" without it.

    Returns:
      The outputs of all steps, and the last state.

    Raises:
      TypeError: `cell` is none.
      ValueError: there is neither a state nor a `dtype`, or an input has fewer than two axes.
    """
    _check_cell("cell", cell)
    with variable_scope(scope or "rnn"):
        flat = [tf.convert_to_tensor(x) for x in nest.flatten(inputs)]
        if any(x.shape.rank is not None and x.shape.rank < 2 for x in flat):
            raise ValueError(explain("Inputs must have at least two axes: batch and time."))
        if not time_major:
            flat = [_transposed(x) for x in flat]
        lengths = _lengths(sequence_length, flat, 1)
        batch = flat[0].shape[1] if flat[0].shape[1] is not None else tf.shape(flat[0])[1]
        state = _first_state(cell, batch, dtype) if initial_state is None else initial_state
        outputs, last = _looped(
            cell, nest.pack_sequence_as(inputs, flat), state, lengths, parallel_iterations, swap_memory, batch
        )
        if not time_major:
            outputs = nest.map_structure(_transposed, outputs)
        return outputs, last


def _looped(
    cell: Any, inputs: Any, state: Any, lengths: Any, parallel: int | None, swap: bool, batch: Any
) -> tuple[Any, Any]:
    flat = nest.flatten(inputs)
    known = flat[0].shape[0]
    steps = tf.shape(flat[0])[0]
    sources = [
        tf.TensorArray(x.dtype, size=steps, element_shape=x.shape[1:], name=f"input_{i}").unstack(x)
        for i, x in enumerate(flat)
    ]
    state = nest.map_structure(tf.convert_to_tensor, state)
    sizes = nest.flatten(cell.output_size)
    kinds = {s.dtype for s in nest.flatten(state)}
    dtype = nest.flatten(state)[0].dtype if len(kinds) == 1 else flat[0].dtype
    static = batch if isinstance(batch, int) else None
    shapes = [tf.TensorShape([static]).concatenate(tf.TensorShape(s if s is not None else None)) for s in sizes]
    sinks = [tf.TensorArray(dtype, size=steps, element_shape=s, name=f"output_{i}") for i, s in enumerate(shapes)]

    def body(time: Any, written: Any, now: Any) -> Any:
        given = nest.pack_sequence_as(inputs, [s.read(time) for s in sources])
        output, new = cell(given, now)
        nest.assert_same_structure(now, new)
        found = nest.flatten(output)
        if lengths is not None:
            goes_on = time < lengths
            found = [_pick(goes_on, o, tf.zeros_like(o)) for o in found]
            new = nest.map_structure(lambda n, o: _pick(goes_on, n, o), new, now)
        return time + 1, [s.write(time, o) for s, o in zip(written, found, strict=True)], new

    _, written, last = tf.while_loop(
        lambda time, *_: time < steps,
        body,
        (tf.constant(0), sinks, state),
        parallel_iterations=parallel or 32,
        swap_memory=swap,
        maximum_iterations=steps,
    )
    found = []
    for array, shape in zip(written, shapes, strict=True):
        stacked = array.stack()
        if not executing_eagerly():
            stacked.set_shape(tf.TensorShape([known]).concatenate(shape))
        found.append(stacked)
    return nest.pack_sequence_as(cell.output_size, found), last


@public("compat.v1.nn.bidirectional_dynamic_rnn")
def bidirectional_dynamic_rnn(
    cell_fw: Any,
    cell_bw: Any,
    inputs: Any,
    sequence_length: Any = None,
    initial_state_fw: Any = None,
    initial_state_bw: Any = None,
    dtype: Any = None,
    parallel_iterations: int | None = None,
    swap_memory: bool = False,
    time_major: bool = False,
    scope: Any = None,
) -> tuple[Any, Any]:
    """Call two cells along sequences, one of them from the end; see `dynamic_rnn`.

    Returns:
      (outputs forward, outputs backward), and (last state forward, last state backward).
    """
    _check_cell("cell_fw", cell_fw)
    _check_cell("cell_bw", cell_bw)
    with variable_scope(scope or "bidirectional_rnn"):
        with variable_scope("fw") as forward:
            outputs, last = dynamic_rnn(
                cell_fw,
                inputs,
                sequence_length,
                initial_state_fw,
                dtype,
                parallel_iterations,
                swap_memory,
                time_major,
                forward,
            )
        time, batch = (0, 1) if time_major else (1, 0)

        def back(x: Any) -> Any:
            if sequence_length is None:
                return tf.reverse(x, [time])
            return tf.reverse_sequence(x, sequence_length, seq_axis=time, batch_axis=batch)

        with variable_scope("bw") as backward:
            turned = nest.map_structure(back, inputs)
            behind, first = dynamic_rnn(
                cell_bw,
                turned,
                sequence_length,
                initial_state_bw,
                dtype,
                parallel_iterations,
                swap_memory,
                time_major,
                backward,
            )
        return (outputs, nest.map_structure(back, behind)), (last, first)


@public("compat.v1.nn.raw_rnn")
def raw_rnn(
    cell: Any,
    loop_fn: Callable[..., Any],
    parallel_iterations: int | None = None,
    swap_memory: bool = False,
    scope: Any = None,
) -> tuple[Any, Any, Any]:
    """Call a cell in a loop that a function steers.

    Args:
      cell: an RNN cell.
      loop_fn: is called as loop_fn(time, cell_output, cell_state, loop_state), at first with None for the last three, and
        gives (which sequences are finished, next input, next state, what is emitted, next loop state). What it emits at first
        says the shapes and types of all; None for the cell's outputs.
      parallel_iterations: a hint.
      swap_memory: a hint.
      scope: the scope of variables, "rnn" without it.

    Returns:
      TensorArrays of what was emitted, the last state, the last loop state.

    Raises:
      TypeError: `cell` is none, or `loop_fn` is no function.
    """
    _check_cell("cell", cell)
    if not callable(loop_fn):
        raise TypeError(explain("Argument `loop_fn` must be a callable."))
    with variable_scope(scope or "rnn"):
        time = tf.constant(0)
        finished, given, state, emitted, loop_state = loop_fn(time, None, None, None)
        has_loop_state = loop_state is not None
        loop_state = loop_state if has_loop_state else tf.constant(0)
        given, state = nest.map_structure(tf.convert_to_tensor, given), nest.map_structure(tf.convert_to_tensor, state)
        first = nest.flatten(given)[0]
        batch = first.shape[0] if first.shape[0] is not None else tf.shape(first)[0]
        structure = cell.output_size if emitted is None else emitted
        if emitted is None:
            kinds = [(tf.TensorShape(s), nest.flatten(state)[0].dtype) for s in nest.flatten(structure)]
        else:
            kinds = [(e.shape, e.dtype) for e in map(tf.convert_to_tensor, nest.flatten(emitted))]
        static = batch if isinstance(batch, int) else None
        arrays = [
            tf.TensorArray(
                dtype,
                size=0,
                dynamic_size=True,
                element_shape=tf.TensorShape([static]).concatenate(shape),
                name=f"output_{i}",
            )
            for i, (shape, dtype) in enumerate(kinds)
        ]

        def body(time: Any, finished: Any, given: Any, arrays: Any, state: Any, loop_state: Any) -> Any:
            output, new = cell(given, state)
            nest.assert_same_structure(state, new)
            after, next_given, next_state, emits, next_loop_state = loop_fn(time + 1, output, new, loop_state)
            next_loop_state = loop_state if next_loop_state is None else next_loop_state
            goes_on = tf.logical_not(finished)
            written = [
                array.write(time, _pick(goes_on, tf.convert_to_tensor(e), tf.zeros_like(e)))
                for array, e in zip(arrays, nest.flatten(output if emitted is None else emits), strict=True)
            ]
            kept = nest.map_structure(lambda n, o: _pick(goes_on, tf.convert_to_tensor(n), o), next_state, state)
            return time + 1, tf.logical_or(finished, after), next_given, written, kept, next_loop_state

        _, _, _, arrays, state, loop_state = tf.while_loop(
            lambda time, finished, *_: tf.logical_not(tf.reduce_all(finished)),
            body,
            (time, tf.convert_to_tensor(finished), given, arrays, state, loop_state),
            parallel_iterations=parallel_iterations or 32,
            swap_memory=swap_memory,
        )
        return nest.pack_sequence_as(structure, arrays), state, loop_state if has_loop_state else None


@public("compat.v1.nn.static_rnn")
def static_rnn(
    cell: Any,
    inputs: Sequence[Any],
    initial_state: Any = None,
    dtype: Any = None,
    sequence_length: Any = None,
    scope: Any = None,
) -> tuple[list[Any], Any]:
    """Call a cell for each of a list of inputs [batch, ...].

    Args:
      cell: an RNN cell.
      inputs: a list with an input, or a structure of inputs, for each step.
      initial_state: the first state; the cell's zeros of `dtype` without it.
      dtype: the element type of that.
      sequence_length: how long each sequence is; all of them are whole without it.
      scope: the scope of variables, "rnn" without it.

    Returns:
      A list of outputs, and the last state.

    Raises:
      TypeError: `cell` is none, or `inputs` no list.
      ValueError: there are no inputs, or there is neither a state nor a `dtype`.
    """
    _check_cell("cell", cell)
    if not isinstance(inputs, (list, tuple)):
        raise TypeError(explain("Argument `inputs` must be a sequence."))
    if not inputs:
        raise ValueError(explain("Argument `inputs` must not be empty."))
    with variable_scope(scope or "rnn") as inside:
        first = tf.convert_to_tensor(nest.flatten(inputs[0])[0])
        batch = first.shape[0] if first.shape[0] is not None else tf.shape(first)[0]
        lengths = _lengths(sequence_length, [first], 0)
        state = _first_state(cell, batch, dtype) if initial_state is None else initial_state
        outputs = []
        for time, given in enumerate(inputs):
            if time > 0:
                inside.reuse_variables()
            output, new = cell(given, state)
            if lengths is not None:
                goes_on = time < lengths
                output = nest.map_structure(lambda o, goes_on=goes_on: _pick(goes_on, o, tf.zeros_like(o)), output)
                new = nest.map_structure(lambda n, o, goes_on=goes_on: _pick(goes_on, n, o), new, state)
            state = new
            outputs.append(output)
        return outputs, state


@public("compat.v1.nn.static_bidirectional_rnn")
def static_bidirectional_rnn(
    cell_fw: Any,
    cell_bw: Any,
    inputs: Sequence[Any],
    initial_state_fw: Any = None,
    initial_state_bw: Any = None,
    dtype: Any = None,
    sequence_length: Any = None,
    scope: Any = None,
) -> tuple[list[Any], Any, Any]:
    """Call two cells along a list of inputs, one of them from the end; see `static_rnn`.

    Returns:
      A list of outputs, forward and backward put together along the second axis; and both last states.
    """
    _check_cell("cell_fw", cell_fw)
    _check_cell("cell_bw", cell_bw)
    with variable_scope(scope or "bidirectional_rnn"):
        with variable_scope("fw") as forward:
            outputs, last = static_rnn(cell_fw, inputs, initial_state_fw, dtype, sequence_length, forward)
        with variable_scope("bw") as backward:
            turned = _turned(inputs, sequence_length)
            behind, first = static_rnn(cell_bw, turned, initial_state_bw, dtype, sequence_length, backward)
        both = [
            nest.map_structure(lambda f, b: tf.concat([f, b], 1), f, b)
            for f, b in zip(outputs, _turned(behind, sequence_length), strict=True)
        ]
        return both, last, first


def _turned(steps: Sequence[Any], lengths: Any) -> list[Any]:
    """Return a list of steps from the end, each sequence from its own."""
    if lengths is None:
        return list(reversed(steps))
    columns = [
        tf.unstack(tf.reverse_sequence(tf.stack(column), lengths, seq_axis=0, batch_axis=1), len(steps))
        for column in zip(*(nest.flatten(step) for step in steps), strict=True)
    ]
    return [nest.pack_sequence_as(steps[0], list(row)) for row in zip(*columns, strict=True)]


@public("compat.v1.nn.static_state_saving_rnn")
def static_state_saving_rnn(
    cell: Any, inputs: Sequence[Any], state_saver: Any, state_name: Any, sequence_length: Any = None, scope: Any = None
) -> tuple[list[Any], Any]:
    """Call a cell for each of a list of inputs; states are read from `state_saver.state(name)` and given to its
    `save_state(name, state)`. See `static_rnn`.

    Raises:
      ValueError: there are not as many names as states.
    """
    names, sizes = nest.flatten(state_name), nest.flatten(cell.state_size)
    if len(names) != len(sizes):
        raise ValueError(
            explain(f"There are {len(names)} names of states and {len(sizes)} states: give a name for each.")
        )
    state = nest.pack_sequence_as(cell.state_size, [state_saver.state(name) for name in names])
    outputs, last = static_rnn(cell, inputs, state, sequence_length=sequence_length, scope=scope)
    saved = [state_saver.save_state(n, s) for n, s in zip(names, nest.flatten(last), strict=True)]
    with tf.control_dependencies([s for s in saved if s is not None]):
        outputs[-1] = nest.map_structure(tf.identity, outputs[-1])
    return outputs, last
