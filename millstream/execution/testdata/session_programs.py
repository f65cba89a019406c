"""Programs of TensorFlow 1, to be run on TensorFlow and here: each returns what its sessions gave. Runs with either library."""

from __future__ import annotations

import collections
from typing import Any

import numpy as np

PROGRAMS: dict[str, Any] = {}


def program(function: Any) -> Any:
    """Add a program: it is called with the library in a new graph."""
    PROGRAMS[function.__name__] = function
    return function


def raised(call: Any) -> str:
    """Return the name of the class of what a call raises."""
    try:
        call()
    except Exception as error:
        return f"raises {type(error).__name__}"
    return "raises nothing"


def names(graph: Any) -> list[str]:
    """Return names, types and control inputs of all operations."""
    return [f"{o.name} {o.type} {[c.name for c in o.control_inputs]}" for o in graph.get_operations()]


@program
def fetches_of_all_kinds(tf: Any) -> Any:
    v1 = tf.compat.v1
    x = v1.placeholder(tf.float32, [None], name="x")
    y = x * 2.0
    z = tf.reduce_sum(y)
    pair = collections.namedtuple("pair", "a b")
    with v1.Session() as session:
        feed = {x: [1.0, 2.0]}
        return [
            session.run(y, feed), session.run([y, z], feed), session.run((y, [z]), feed), session.run({"a": y, "b": [z, y]}, feed),
            list(session.run(pair(y, z), feed)), session.run("mul:0", {"x:0": [3]}), session.run(z.op, feed), session.run([], feed),
            session.run([z.op, z, z], feed), session.run(y.op.name, feed), session.run(collections.OrderedDict(q=z), feed)["q"],
        ]  # fmt: skip


@program
def errors_of_runs(tf: Any) -> Any:
    v1 = tf.compat.v1
    x = v1.placeholder(tf.float32, [None, 2], name="x")
    i = v1.placeholder(tf.int32, [], name="i")
    y = x + 1.0
    session = v1.Session()
    other = tf.Graph()
    with other.as_default():
        foreign = tf.constant(1.0)
    ones = np.ones((2, 2))
    found = [
        raised(lambda: session.run(y)), raised(lambda: session.run(y, {x: np.ones(3)})), raised(lambda: session.run(y, {x: y})),
        raised(lambda: session.run(y, {x: "text"})), raised(lambda: session.run(None)), raised(lambda: session.run(3)),
        raised(lambda: session.run("nothing")), raised(lambda: session.run("nothing:0")), raised(lambda: session.run("x:5")),
        raised(lambda: session.run(foreign)), raised(lambda: session.run(y, {foreign: 1.0})), raised(lambda: session.run(y, {"x": ones})),
        raised(lambda: session.run(y, {y.op: ones})), raised(lambda: session.run(y, [ones])), raised(lambda: session.run(i, {i: 2**40})),
        raised(lambda: session.run(i, {i: 1.5})), raised(lambda: session.run([y, None], {x: ones})), raised(lambda: y.eval()),
        raised(lambda: y.op.run()), raised(lambda: tf.constant([1.0]) == [1.0]), raised(lambda: bool(y)), raised(lambda: iter(i)),
        raised(lambda: v1.Session(graph=3)), raised(lambda: v1.Session(target=3)), raised(lambda: session.make_callable(y, feed_list=x)),
        raised(lambda: foreign + y), raised(lambda: session.run({"a": 1})),
    ]  # fmt: skip
    session.close()
    found += [raised(lambda: session.run(y, {x: ones})), raised(lambda: v1.Session(graph=tf.Graph()).run("x"))]
    tf.compat.v1.get_default_graph().finalize()
    return [*found, raised(lambda: tf.constant(1.0)), raised(lambda: y + 1.0)]


@program
def feeds_of_all_kinds(tf: Any) -> Any:
    v1 = tf.compat.v1
    x = v1.placeholder(tf.float32, [], name="x")
    y = x + 1.0
    z = y * 2.0
    sparse = v1.sparse_placeholder(tf.float32)
    dense = tf.sparse.to_dense(sparse)
    text = v1.placeholder(tf.string, [None])
    default = v1.placeholder_with_default([1.0, 2.0], [None])
    constant = tf.constant(3.0)
    session = v1.Session()
    value = v1.SparseTensorValue(np.array([[0, 1]], np.int64), np.array([2.0], np.float32), np.array([1, 2], np.int64))
    got = session.run(sparse, {sparse: value})
    return [
        session.run([y, z], {y: 10.0}), session.run([x, y, z], {x: 1, y: 5.0}), session.run(dense, {sparse: value}),
        session.run(dense, {sparse: (value.indices, value.values, value.dense_shape)}), list(got),
        session.run(text, {text: ["a", b"b"]}), session.run(tf.strings.join([text, text]), {text: ["a"]}),
        session.run(default * 2.0), session.run(default * 2.0, {default: [4.0]}), session.run(constant + 1.0, {constant: 7.0}),
        session.run((x, y), {(x, y): (1.0, 2.0)}), session.run(x, {x: np.float64(2.5)}), session.run(x, {x: True}),
    ]  # fmt: skip


@program
def state_of_sessions(tf: Any) -> Any:
    v1 = tf.compat.v1
    v = tf.Variable([1.0, 2.0], name="v")
    add = v.assign_add([1.0, 1.0])
    with tf.control_dependencies([add]):
        after = v.read_value() * 10.0
    initialize = v1.global_variables_initializer()
    missing = v1.report_uninitialized_variables()
    set_ready = v1.is_variable_initialized(v)
    one, two = v1.Session(), v1.Session()
    found = [
        one.run(missing),
        one.run(set_ready),
        raised(lambda: one.run(v)),
        one.run(initialize),
        one.run(v),
        one.run(after),
    ]
    found += [
        two.run(missing),
        two.run(v.initializer),
        two.run([v, missing, set_ready]),
        one.run(v),
        one.run(add),
        two.run(v),
    ]
    found += [one.run(v), v.eval(session=one), one.run(v.initial_value), two.run(v + 1.0)]
    found += [
        one.run(v.assign([0.0, 0.0])),
        one.run(v.assign_sub([1.0, 2.0])),
        one.run(v.assign([5.0, 5.0], read_value=False)),
        one.run(v),
    ]
    return found


@program
def references(tf: Any) -> Any:
    v1 = tf.compat.v1
    v = v1.Variable([1.0, 2.0], name="v", use_resource=False)
    w = v1.Variable(lambda: tf.ones([2]), name="w", use_resource=False)
    a = v.assign_add([1.0, 1.0])
    b = v1.assign(w, a * 2.0)
    y = v * w
    (dv,) = tf.gradients(y, [v])
    text = [
        str(v.dtype),
        v.name,
        v.op.name,
        v.value().name,
        a.name,
        b.name,
        str(a),
        v.initializer.name,
        type(v).__name__,
    ]
    session = v1.Session()
    found: list[Any] = [raised(lambda: session.run(v)), session.run(v1.report_uninitialized_variables())]
    session.run(v1.global_variables_initializer())
    found += [session.run(v), session.run(y), session.run(dv), session.run(b), session.run([v, w]), session.run(a)]
    v.load([0.0, 0.0], session)
    found += [session.run(v), session.run(v1.scatter_add(v, [0], [10.0])), session.run(v)]
    return [*text, *found]


@program
def control_edges(tf: Any) -> Any:
    v1 = tf.compat.v1
    v = tf.Variable(0.0)
    first = v.assign_add(1.0, read_value=False)
    with tf.control_dependencies([first]):
        second = v.assign(v * 10.0, read_value=False)
        with tf.control_dependencies(None):
            free = tf.constant(5.0) + 1.0
    third = v1.tuple([tf.constant(1.0)], control_inputs=[second])
    session = v1.Session()
    session.run(v.initializer)
    found = [session.run(free), session.run(v), session.run(second), session.run(v), session.run(third), session.run(v)]
    return [*found, session.run(tf.group(first, second)), session.run(v), [c.name for c in second.control_inputs]]


@program
def linear_regression(tf: Any) -> Any:
    v1 = tf.compat.v1
    random = np.random.RandomState(0)
    inputs = random.randn(32, 3).astype(np.float32)
    targets = inputs @ np.array([[1.0], [2.0], [3.0]], np.float32) + 0.5
    x, t = v1.placeholder(tf.float32, [None, 3]), v1.placeholder(tf.float32, [None, 1])
    w, b = tf.Variable(tf.zeros([3, 1])), tf.Variable(0.0)
    loss = tf.reduce_mean(tf.square(tf.matmul(x, w) + b - t))
    dw, db = v1.gradients(loss, [w, b])
    train = tf.group(v1.assign_sub(w, 0.1 * dw), v1.assign_sub(b, 0.1 * db))
    session = v1.Session()
    session.run(v1.global_variables_initializer())
    losses = [session.run([loss, train], {x: inputs[i : i + 16], t: targets[i : i + 16]})[0] for i in (0, 16, 0, 16, 0)]
    return [losses, session.run([w, b])]


@program
def gradients(tf: Any) -> Any:
    v1 = tf.compat.v1
    x = v1.placeholder(tf.float32, [2])
    y = x * x
    z = tf.reduce_sum(y * x)
    unused = tf.Variable(1.0)
    table = tf.Variable([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    rows = tf.gather(table, [0, 2, 0])
    (slices,) = v1.gradients(rows, [table])
    session = v1.Session()
    session.run(v1.global_variables_initializer())
    feed = {x: [1.0, 2.0]}
    found = [
        session.run(v1.gradients(z, [x, y]), feed), session.run(v1.gradients(y, x, grad_ys=[[2.0, 3.0]]), feed),
        session.run(v1.gradients(z, x, stop_gradients=[y]), feed), session.run(v1.hessians(z, x), feed),
        session.run(tf.gradients([y, z], [x]), feed), session.run(v1.gradients(v1.gradients(z, x)[0], x), feed),
        v1.gradients(z, [unused])[0] is None, session.run(v1.gradients(z, [unused], unconnected_gradients="zero")),
        session.run(tf.convert_to_tensor(slices)), list(session.run(slices)[:2]), raised(lambda: v1.gradients(z, [x], grad_ys=[1.0, 2.0])),
        raised(lambda: v1.gradients(z, x, unconnected_gradients="other")),
    ]  # fmt: skip
    return found


@program
def loops_and_branches(tf: Any) -> Any:
    v1 = tf.compat.v1
    x = v1.placeholder(tf.float32, [])
    n = v1.placeholder(tf.int32, [])
    power = v1.while_loop(lambda i, a: i < n, lambda i, a: (i + 1, a * x), [tf.constant(0), tf.constant(1.0)])
    single = v1.while_loop(lambda i: i < 10, lambda i: i + 3, [0])
    same = v1.while_loop(lambda i: i < 10, lambda i: [i + 3], [tf.constant(0)], return_same_structure=True)
    limited = v1.while_loop(
        lambda i: True, lambda i: i + 1, [tf.constant(0)], maximum_iterations=4, parallel_iterations=2, swap_memory=True
    )
    grown = v1.while_loop(
        lambda i, a: i < 3, lambda i, a: (i + 1, tf.concat([a, [x]], 0)), [tf.constant(0), tf.zeros([0])],
        shape_invariants=[tf.TensorShape([]), tf.TensorShape([None])], back_prop=False,
    )[1]  # fmt: skip
    branch = v1.cond(x > 0.0, lambda: x * 2.0, lambda: -x)
    strict = v1.cond(x > 0.0, lambda: [x], lambda: [-x], strict=True)
    chosen = v1.case(
        [(x > 2.0, lambda: tf.constant(2)), (x > 1.0, lambda: tf.constant(1))], default=lambda: tf.constant(0)
    )
    array = tf.TensorArray(tf.float32, 3).unstack([1.0, 2.0, 3.0])
    folded = v1.while_loop(lambda i, a: i < 3, lambda i, a: (i + 1, a + array.read(i) * x), [0, 0.0])[1]
    v = tf.Variable(1.0)
    changed = v1.cond(x > 0.0, lambda: v.assign_add(1.0).value(), lambda: v.read_value())
    slopes = [v1.gradients(power[1], x), v1.gradients(branch, x), v1.gradients(folded, x)]
    session = v1.Session()
    session.run(v.initializer)
    feed = {x: 3.0, n: 4}
    return [
        session.run(power, feed), session.run(single), session.run(same), session.run(limited), session.run(grown, feed),
        session.run([branch, strict, chosen], feed), session.run([branch, strict, chosen], {x: -1.5}), session.run(folded, feed),
        session.run(slopes[0], feed), session.run(slopes[1], {x: -1.0}), session.run(slopes[2:], feed),
        session.run(changed, feed), session.run(changed, {x: -1.0}), session.run(v),
    ]  # fmt: skip


@program
def scans_and_maps(tf: Any) -> Any:
    v1 = tf.compat.v1
    x = v1.placeholder(tf.float32, [None])
    session = v1.Session()
    feed = {x: [1.0, 2.0, 3.0]}
    return [
        session.run(v1.map_fn(lambda v: v * v, x), feed), session.run(v1.scan(lambda a, v: a + v, x), feed),
        session.run(v1.foldl(lambda a, v: a * 2.0 + v, x), feed), session.run(v1.foldr(lambda a, v: a * 2.0 + v, x), feed),
    ]  # fmt: skip


@program
def random_numbers(tf: Any) -> Any:
    v1 = tf.compat.v1
    v1.set_random_seed(7)
    a, b = tf.random.uniform([3]), v1.random_normal([3])
    c = v1.truncated_normal([2], seed=3)
    d = v1.random_uniform([4], 0, 100, dtype=tf.int32, seed=5)
    e = v1.random_shuffle(tf.range(6), seed=2)
    f = tf.nn.dropout(tf.ones([6]), rate=0.5, seed=1)
    g = v1.multinomial([[0.0, 1.0, 2.0]], 5, seed=4)
    h = tf.random.gamma([2], 2.0, seed=9)
    one, two = v1.Session(), v1.Session()
    all_ = [a, b, c, d, e, f, g, h]
    return [
        one.run(all_),
        one.run(all_),
        two.run([c]),
        two.run([a, c]),
        two.run(a),
        two.run(b + a),
        v1.get_default_graph().seed,
    ]


@program
def random_numbers_without_a_graph_seed(tf: Any) -> Any:
    v1 = tf.compat.v1
    a = tf.random.uniform([3], seed=1)
    b = v1.random_normal([3], seed=1)
    w = tf.Variable(v1.random_uniform([2, 2], seed=3))
    loop = v1.while_loop(lambda i, t: i < 3, lambda i, t: (i + 1, t + tf.random.uniform([], seed=8)), [0, 0.0])[1]
    session = v1.Session()
    session.run(w.initializer)
    return [session.run([a, b]), session.run(a), session.run(w), session.run(a), session.run(b), session.run(loop)]


@program
def python_functions(tf: Any) -> Any:
    v1 = tf.compat.v1
    x = v1.placeholder(tf.float32, [None])
    calls: list[Any] = []

    def note(value: Any) -> Any:
        calls.append(type(value).__name__)
        return value + 1.0

    a = v1.py_func(note, [x], tf.float32)
    b = tf.numpy_function(lambda v: (v * 2.0, np.int64(len(v))), [x], [tf.float32, tf.int64])
    c = tf.py_function(lambda v: v * v, [x], tf.float32)
    c.set_shape([None])
    unused = v1.py_func(lambda v: note(v), [x], tf.float32)
    (dc,) = v1.gradients(c, x)
    session = v1.Session()
    feed = {x: np.array([1.0, 2.0], np.float32)}
    assert unused is not None
    found = [
        session.run(a, feed),
        session.run(b, feed),
        session.run(c, feed),
        session.run(dc, feed),
        session.run(tf.reduce_sum(a) + 1.0, feed),
    ]
    failing = v1.py_func(lambda v: 1 / 0, [x], tf.float32)
    return [*found, list(calls), raised(lambda: session.run(failing, feed))]


@program
def assertions_and_prints(tf: Any) -> Any:
    v1 = tf.compat.v1
    x = v1.placeholder(tf.float32, [])
    check = v1.Assert(x > 0.0, [x])
    with tf.control_dependencies([check, v1.assert_less(x, 5.0)]):
        y = x * 2.0
    session = v1.Session()
    shown = tf.compat.v1.Print(x, [x], "x is ")
    return [
        session.run(y, {x: 1.0}), raised(lambda: session.run(y, {x: -1.0})), raised(lambda: session.run(y, {x: 6.0})),
        session.run(check, {x: 1.0}), session.run(shown, {x: 1.0}), session.run(tf.print("x", x, output_stream="file:///dev/null"), {x: 2.0}),
    ]  # fmt: skip


@program
def callables(tf: Any) -> Any:
    v1 = tf.compat.v1
    x, y = v1.placeholder(tf.float32, []), v1.placeholder(tf.float32, [2])
    z = x * y
    v = tf.Variable(0.0)
    session = v1.Session()
    session.run(v.initializer)
    f = session.make_callable([z, {"a": x}], feed_list=[x, y])
    g = session.make_callable(v.assign_add(1.0))
    h = session.make_callable(z.op, feed_list=[x, y.name])
    return [
        f(2.0, [1.0, 2.0]),
        f(np.float32(3.0), np.ones(2)),
        g(),
        g(),
        h(1.0, [1.0, 1.0]),
        raised(lambda: f(1.0)),
        raised(lambda: f(1.0, 2.0)),
    ]


@program
def ragged_values(tf: Any) -> Any:
    v1 = tf.compat.v1
    rows = tf.RaggedTensor.from_row_splits(tf.constant([1, 2, 3]), tf.constant([0, 2, 3], tf.int64))
    x = v1.ragged.placeholder(tf.int32, 1, [])
    session = v1.Session()
    a = session.run(rows)
    b = session.run(x + 1, {x: v1.ragged.RaggedTensorValue(np.array([5, 6], np.int32), np.array([0, 0, 2], np.int64))})
    return [a.to_list(), b.to_list(), type(a).__name__, session.run(tf.reduce_sum(rows, axis=1))]


@program
def interactive_sessions(tf: Any) -> Any:
    v1 = tf.compat.v1
    x = tf.constant(2.0)
    v = tf.Variable(3.0)
    session = v1.InteractiveSession()
    v.initializer.run()
    found = [x.eval(), (x * v).eval(), v.eval(), v1.get_default_session() is session, (x * v).eval({x: 5.0})]
    session.close()
    return [*found, v1.get_default_session() is None, raised(lambda: x.eval())]


@program
def functions_in_graphs(tf: Any) -> Any:
    v1 = tf.compat.v1
    v = tf.Variable(2.0)

    @tf.function
    def scaled(x: Any) -> Any:
        v.assign_add(1.0)
        return x * v

    x = v1.placeholder(tf.float32, [None])
    y = scaled(x)
    (dx,) = v1.gradients(y, x)
    session = v1.Session()
    session.run(v1.global_variables_initializer())
    return [
        session.run(y, {x: [1.0, 2.0]}),
        session.run(y, {x: [1.0]}),
        session.run(v),
        session.run(dx, {x: [1.0]}).shape,
    ]
