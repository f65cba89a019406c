"""More programs of TensorFlow 1, as in `session_programs`: what graphs hold that runs functions, gradients of users, errors."""

from __future__ import annotations

from typing import Any

import numpy as np

from .session_programs import program, raised


@program
def functions_inside_of_branches(tf: Any) -> Any:
    v1 = tf.compat.v1
    v = tf.Variable(1.0)
    x = v1.placeholder(tf.float32, [])
    add = v.assign_add(1.0)

    def wait() -> Any:
        with tf.control_dependencies([add]):
            return v.read_value() * 10.0

    branch = tf.cond(x > 0.0, lambda: v.assign(x).value() + 0.0, lambda: v.value())
    loop = tf.while_loop(lambda i: i < 3, lambda i: [i + tf.cast(v.assign_add(1.0) > 0.0, tf.int32)], [0])
    session = v1.Session()
    session.run(v.initializer)
    found = [
        session.run(branch, {x: 5.0}),
        session.run(v),
        session.run(branch, {x: -1.0}),
        session.run(loop),
        session.run(v),
    ]
    return [*found, session.run(wait()), session.run(v)]


@program
def wrapped_functions(tf: Any) -> Any:
    v1 = tf.compat.v1
    with tf.Graph().as_default():
        y = v1.wrap_function(
            lambda a, b: a * b + 1.0, [tf.TensorSpec([None], tf.float32), tf.TensorSpec([], tf.float32)]
        )
        x = v1.placeholder(tf.float32, [None])
        z = y(x, tf.constant(2.0))
        with v1.Session() as session:
            return [session.run(z, {x: [1.0, 2.0]}), [t.shape.rank for t in y.inputs]]


@program
def gradients_of_users(tf: Any) -> Any:
    v1 = tf.compat.v1

    @tf.custom_gradient
    def clipped(x: Any) -> Any:
        return x * 2.0, lambda dy: dy * 100.0

    x = v1.placeholder(tf.float32, [])
    y = clipped(x) * 3.0
    z = tf.stop_gradient(x) * x
    with tf.GradientTape() as tape:
        tape.watch(x)
        w = x * x * x
    dw = tape.gradient(w, x)
    session = v1.Session()
    slopes = [v1.gradients(y, x), v1.gradients(z, x), [dw]]
    return [session.run(slopes, {x: 3.0}), session.run([y, z, w], {x: 3.0})]


@program
def feedable_iterators(tf: Any) -> Any:
    v1 = tf.compat.v1
    a = v1.data.make_one_shot_iterator(tf.data.Dataset.range(3))
    b = v1.data.make_initializable_iterator(tf.data.Dataset.range(10, 12))
    handle = v1.placeholder(tf.string, [])
    item = v1.data.Iterator.from_string_handle(handle, tf.int64, tf.TensorShape([])).get_next()
    names = a.string_handle(), b.string_handle()
    session = v1.Session()
    session.run(b.initializer)
    first, second = session.run(names)
    found = [session.run(item, {handle: h}) for h in (first, second, first, second)]
    return [*found, raised(lambda: session.run(item, {handle: second})), session.run(item, {handle: first})]


@program
def variables_of_all_kinds(tf: Any) -> Any:
    v1 = tf.compat.v1
    text = tf.Variable(["a", "b"], name="text")
    count = v1.Variable(0, name="count", trainable=False, use_resource=False)
    free = tf.Variable([1.0], shape=tf.TensorShape(None), name="free")
    local = v1.Variable(2.0, collections=[v1.GraphKeys.LOCAL_VARIABLES], name="local")
    half = tf.Variable(1.5, dtype=tf.float16)
    flag = tf.Variable(True)
    up = count.count_up_to(2)
    session = v1.Session()
    found: list[Any] = [
        [v.name for v in v1.global_variables()],
        [v.name for v in v1.trainable_variables()],
        [v.name for v in v1.local_variables()],
    ]
    session.run([v1.global_variables_initializer(), v1.local_variables_initializer()])
    found += [
        session.run([text, count, free, local, half, flag]),
        session.run(up),
        session.run(up),
        raised(lambda: session.run(up)),
    ]
    found += [str(free.shape), session.run(free.assign([1.0, 2.0, 3.0])), session.run(free)]
    found += [
        raised(lambda: half.assign([1.0, 2.0])),
        raised(lambda: tf.Variable(None)),
        raised(lambda: v1.assign(count, "x")),
    ]
    return [
        *found,
        count.trainable,
        text.dtype.name,
        half.dtype.name,
        session.run(half.assign_add(1.0)),
        flag.shape.rank,
    ]


@program
def contexts(tf: Any) -> Any:
    v1 = tf.compat.v1
    found: list[Any] = []
    a, b = tf.Graph(), tf.Graph()
    with a.as_default():
        x = tf.constant(1.0, name="x")
        with b.as_default():
            y = tf.constant(2.0, name="x")
        found += [x.name, y.name, v1.get_default_graph() is a, raised(lambda: x + y)]
        with v1.Session() as session:
            found += [x.eval(), v1.get_default_session() is session, raised(lambda: y.eval())]
            with v1.Session(graph=b) as other:
                found += [
                    y.eval(),
                    v1.get_default_graph() is b,
                    v1.get_default_session() is other,
                    y.eval(session=other),
                ]
            found += [v1.get_default_session() is session, raised(lambda: other.run(y))]
        found += [
            v1.get_default_session() is None,
            raised(lambda: session.run(x)),
            raised(lambda: v1.reset_default_graph()),
        ]
        with tf.init_scope():
            found.append(tf.constant(1.0).graph is a)
    session = v1.Session(graph=b)
    with session.as_default(), b.as_default():
        found.append(y.eval())
    found.append(session.run(y))
    with v1.Session(graph=a).as_default():
        found.append(x.eval())
    return found


@program
def errors_of_building(tf: Any) -> Any:
    v1 = tf.compat.v1
    x = v1.placeholder(tf.float32, [2, 3])
    y = v1.placeholder(tf.float32, [None, None])
    session = v1.Session()
    found = [
        raised(lambda: tf.matmul(x, x)), raised(lambda: x + tf.constant([1, 2])), raised(lambda: tf.reshape(x, [4])),
        raised(lambda: tf.concat([x, tf.zeros([2, 2])], 0)), raised(lambda: x + "a"),
        raised(lambda: x[5]), raised(lambda: tf.nn.conv2d(x, x, 1, "SAME")), raised(lambda: tf.cast(x, "nothing")), raised(lambda: len(x)),
        raised(lambda: [*x]), raised(lambda: np.asarray(x)), raised(lambda: x.numpy()), raised(lambda: float(x)),
        raised(lambda: session.run(tf.matmul(y, y), {y: np.ones((2, 3))})), raised(lambda: session.run(tf.gather(tf.constant([1.0]), [3]))),
        raised(lambda: session.run(tf.debugging.check_numerics(tf.math.log(y), "m"), {y: [[-1.0]]})), raised(lambda: v1.placeholder(None)),
        raised(lambda: session.run(tf.strings.to_number(tf.constant("x")))), raised(lambda: session.run(y, {y: [[1.0], [2.0, 3.0]]})),
        raised(lambda: tf.cond(1, lambda: 1, lambda: 2)), raised(lambda: tf.cond(x[0, 0] > 0, 1, 2)), raised(lambda: v1.cond(x[0, 0] > 0, lambda: 1, lambda: 2.0)),
        raised(lambda: tf.while_loop(lambda i: i < 3, lambda i: tf.constant(1.0), [0])), raised(lambda: tf.device(3)), raised(lambda: tf.name_scope(3)),
        raised(lambda: v1.get_default_graph().control_dependencies(3)), raised(lambda: tf.group(3)),
    ]  # fmt: skip
    try:
        session.run(tf.gather(tf.constant([1.0]), [3], name="picked"))
    except tf.errors.InvalidArgumentError as error:
        found.append("picked" in str(error))
    return found


@program
def training_of_an_embedding(tf: Any) -> Any:
    v1 = tf.compat.v1
    table = tf.Variable(np.arange(8, dtype=np.float32).reshape(4, 2), name="table")
    ids = v1.placeholder(tf.int32, [None])
    rows = tf.nn.embedding_lookup(table, ids)
    (slope,) = v1.gradients(tf.reduce_sum(tf.square(rows)), [table])
    train = table.scatter_sub(tf.IndexedSlices(0.1 * slope.values, slope.indices))
    session = v1.Session()
    session.run(table.initializer)
    found = [session.run(rows, {ids: [1, 1]}), session.run(train, {ids: [1, 1, 3]}), session.run(table)]
    return [*found, session.run(slope, {ids: [0]}).values, session.run(slope, {ids: [2, 0]}).indices]


@program
def views_of_tensors(tf: Any) -> Any:
    v1 = tf.compat.v1
    x = v1.placeholder(tf.float32, [None, 3], name="x")
    y = tf.identity(x, name="y")
    a, b = tf.split(tf.zeros([4]), 2, name="parts")
    y.set_shape([2, None])
    z = y * 2.0
    session = v1.Session()
    return [
        str(x), repr(y), str(y.shape), z.shape.as_list(), y.op.type, [t.name for t in y.op.inputs], [o.name for o in y.consumers()], a.name, b.name,
        b.value_index, y.op.outputs[0] is y, y.dtype.name, x.op.get_attr("dtype").name, x.get_shape().ndims, y.op.graph is v1.get_default_graph(),
        session.run(b), {x: 1}[x], x == y, x == x, x in [x], hash(x) == id(x), len({x, y, x}), y.op.name, repr(y.op), b.op.values()[1].name,
        session.run(tf.shape(x), {x: np.ones((2, 3))}), session.run(tf.rank(x)), session.run(tf.size(x), {x: np.ones((2, 3))}), x.device, x.graph is y.graph,
        z.op.node_def.op, list(z.op.node_def.input), tf.get_static_value(tf.constant([1, 2])), tf.is_tensor(x), tf.executing_eagerly(), tf.inside_function(),
    ]  # fmt: skip


@program
def operations_in_order(tf: Any) -> Any:
    v1 = tf.compat.v1
    v = tf.Variable(0, name="v")
    steps = []
    before: list[Any] = []
    for i in range(4):
        with tf.control_dependencies(before):
            steps.append(v.assign(v * 2 + i, read_value=False))
            before = [steps[-1]]
    with tf.control_dependencies(steps):
        last = v.read_value()
    session = v1.Session()
    session.run(v.initializer)
    found = [session.run(last), session.run(v), session.run(steps[1]), session.run(v), session.run([steps[3], last])[1]]
    return [*found, [[c.name for c in s.control_inputs] for s in steps], last.op.inputs[0].op.control_inputs[0].name]


@program
def tests_of_users(tf: Any) -> Any:
    v1 = tf.compat.v1
    found: list[Any] = []

    class Case(tf.test.TestCase):
        def runTest(self) -> None:
            with self.cached_session() as session:
                x = tf.constant([1.0, 2.0])
                found.append(session.run(x))
                found.append(self.evaluate(x * 2.0))
                v = tf.Variable(3.0)
                self.evaluate(v1.global_variables_initializer())
                found.append(self.evaluate(v))
            with tf.Graph().as_default(), self.session() as session:
                found.append(session.run(tf.constant(1.0)))

    result = Case().run()
    return [*found, [str(e) for e in result.errors + result.failures]]
