"""More programs of TensorFlow 1, as in `session_programs`: names in graphs, their definitions, and what sessions keep."""

from __future__ import annotations

from typing import Any

from .session_programs import names, program, raised


@program
def names_of_ordinary_code(tf: Any) -> Any:
    v1 = tf.compat.v1
    x = v1.placeholder(tf.float32, [None, 3])
    with tf.name_scope("outer"):
        with tf.name_scope("inner"):
            w = tf.Variable([[1.0], [2.0], [3.0]], name="w")
            y = tf.matmul(x, w, name="product")
        b = tf.constant(1.0, name="b")
        z = y + b
    with tf.name_scope("outer"):
        tf.nn.relu(z)
        tf.nn.relu(z)
    with tf.control_dependencies([z]):
        tf.no_op(name="after")
        tf.identity(x)
    tf.group(z, y)
    tf.reduce_mean(z, axis=0)
    tf.concat([x, x], 1)
    _ = x[0], x - 1.0, 2.0 / x, -x
    tf.cast(x, tf.int32)
    tf.reshape(x, [-1])
    tf.nn.softmax(x)
    tf.transpose(x)
    tf.zeros([2])
    tf.ones([2], name="mine")
    tf.shape(x)
    tf.square(x)
    tf.argmax(x, 1)
    tf.equal(x, 1.0)
    tf.stack([x, x])
    tf.expand_dims(x, 0)
    tf.squeeze(x)
    tf.gather(x, [0])
    tf.nn.bias_add(x, [1.0, 2.0, 3.0])
    tf.tile(x, [1, 2])
    tf.where(x > 0.0, x, x)
    tf.nn.l2_loss(x)
    tf.add_n([x, x])
    tf.identity(x, name="outer/inner/again")
    return names(v1.get_default_graph())


@program
def names_of_variables(tf: Any) -> Any:
    v1 = tf.compat.v1
    v = tf.Variable([1.0], name="v")
    tf.Variable(lambda: tf.constant([1.0]), name="v")
    tf.Variable(2.0)
    v.assign_add([1.0])
    v.assign([2.0], read_value=False)
    v1.global_variables_initializer()
    return names(v1.get_default_graph())


@program
def names_of_references(tf: Any) -> Any:
    v1 = tf.compat.v1
    v = v1.Variable([1.0], name="v", use_resource=False)
    v1.Variable(lambda: tf.constant([1.0]), name="v", use_resource=False)
    v1.assign_add(v, [1.0])
    v1.assign(v, [2.0])
    v1.global_variables_initializer()
    _ = v + 1.0
    return names(v1.get_default_graph())


@program
def tables(tf: Any) -> Any:
    v1 = tf.compat.v1
    table = tf.lookup.StaticHashTable(
        tf.lookup.KeyValueTensorInitializer(["a", "b"], tf.constant([1, 2], tf.int64)), -1
    )
    found = table.lookup(tf.constant(["b", "c"]))
    vocabulary = tf.lookup.StaticVocabularyTable(
        tf.lookup.KeyValueTensorInitializer(["x"], tf.constant([0], tf.int64)), 1
    )
    mutable = tf.lookup.experimental.MutableHashTable(tf.string, tf.int64, -1) if False else None
    session = v1.Session()
    before = raised(lambda: session.run(found))
    session.run(v1.tables_initializer())
    return [
        before,
        session.run(found),
        session.run(vocabulary.lookup(tf.constant(["x", "y"]))),
        session.run(table.size()),
        mutable,
    ]


@program
def one_shot_iterators(tf: Any) -> Any:
    v1 = tf.compat.v1
    dataset = tf.data.Dataset.range(5).map(lambda i: i * i).batch(2)
    item = v1.data.make_one_shot_iterator(dataset).get_next()
    one, two = v1.Session(), v1.Session()
    return [
        one.run(item),
        one.run(item),
        two.run(item),
        one.run(item + 1),
        raised(lambda: one.run(item)),
        raised(lambda: one.run(item)),
        two.run(item),
    ]


@program
def initializable_iterators(tf: Any) -> Any:
    v1 = tf.compat.v1
    limit = v1.placeholder(tf.int64, [])
    data = v1.placeholder(tf.float32, [None])
    a = v1.data.make_initializable_iterator(tf.data.Dataset.range(limit))
    b = v1.data.make_initializable_iterator(tf.data.Dataset.from_tensor_slices({"x": data, "y": data * 2.0}).batch(2))
    c = v1.data.Iterator.from_structure(tf.int64, tf.TensorShape([]))
    first, second = c.make_initializer(tf.data.Dataset.range(2)), c.make_initializer(tf.data.Dataset.range(5, 7))
    next_a, next_b, next_c = a.get_next(), b.get_next(), c.get_next()
    session = v1.Session()
    found: list[Any] = [raised(lambda: session.run(next_a))]
    session.run([a.initializer, b.initializer], {limit: 2, data: [1.0, 2.0, 3.0]})
    found += [
        session.run(next_a),
        session.run([next_a, next_b]),
        raised(lambda: session.run(next_a)),
        session.run(next_b),
        raised(lambda: session.run(next_b)),
    ]
    session.run(a.initializer, {limit: 1})
    found += [session.run(next_a), raised(lambda: session.run(next_a))]
    session.run(first)
    found += [session.run(next_c), session.run(next_c), raised(lambda: session.run(next_c))]
    session.run(second)
    return [*found, session.run(next_c)]


@program
def queues(tf: Any) -> Any:
    v1 = tf.compat.v1
    queue = v1.FIFOQueue(10, [tf.int32], shapes=[()])
    x = v1.placeholder(tf.int32, [])
    put, put_many, take, take_many = (
        queue.enqueue(x),
        queue.enqueue_many([[1, 2, 3]]),
        queue.dequeue(),
        queue.dequeue_many(2),
    )
    size, close = queue.size(), queue.close()
    one, two = v1.Session(), v1.Session()
    found = [
        one.run(put, {x: 7}),
        one.run(size),
        one.run(put_many),
        one.run(take),
        one.run(take_many),
        one.run(size),
        two.run(size),
    ]
    found += [one.run(close), one.run(take), raised(lambda: one.run(take)), raised(lambda: one.run(put, {x: 1}))]
    shuffled = v1.RandomShuffleQueue(10, 0, [tf.int32], [()], seed=3)
    fill, drawn = shuffled.enqueue_many([[0, 1, 2, 3, 4]]), shuffled.dequeue_many(5)
    one.run(fill)
    return [*found, sorted(one.run(drawn).tolist())]


@program
def summaries(tf: Any) -> Any:
    v1 = tf.compat.v1
    x = v1.placeholder(tf.float32, [])
    v1.summary.scalar("loss", x)
    with tf.name_scope("scope"):
        v1.summary.scalar("other", x * 2.0, family="f")
    v1.summary.histogram("h", tf.stack([x, x + 1.0, x]))
    v1.summary.text("t", tf.constant("words"))
    merged = v1.summary.merge_all()
    session = v1.Session()
    found = v1.Summary.FromString(session.run(merged, {x: 1.5}))
    values = sorted(
        (v.tag, v.simple_value, list(v.histo.bucket), v.metadata.plugin_data.plugin_name) for v in found.value
    )
    return [[list(v) for v in values], merged.name, v1.summary.merge_all("nothing") is None]


@program
def graph_definitions(tf: Any) -> Any:
    v1 = tf.compat.v1
    x = v1.placeholder(tf.float32, [None], name="x")
    y = tf.add(x, 1.0, name="y")
    z = tf.multiply(y, 2.0, name="z")
    tf.identity(z, name="unused")
    with tf.control_dependencies([z]):
        tf.identity(x, name="late")
    definition = v1.get_default_graph().as_graph_def()
    part = v1.graph_util.extract_sub_graph(definition, ["y"])
    graph = tf.Graph()
    with graph.as_default():
        a, b = tf.import_graph_def(definition, return_elements=["z:0", "late"], name="again")
        c = tf.import_graph_def(definition, {"x:0": tf.constant([5.0])}, ["y:0"], name="")[0]
        with v1.Session() as session:
            found = [session.run(a, {"again/x:0": [1.0]}), session.run(c), [i.name for i in b.control_inputs]]
    return [
        [f"{n.name} {n.op} {list(n.input)}" for n in definition.node],
        [n.name for n in part.node],
        found,
        names(graph),
    ]


@program
def views_of_a_graph(tf: Any) -> Any:
    v1 = tf.compat.v1
    graph = v1.get_default_graph()
    a = tf.constant(1.0, name="a")
    with graph.name_scope("s") as scope:
        b = tf.identity(a, name="b")
        unique = graph.unique_name("b"), graph.unique_name("c", mark_as_used=False), graph.unique_name("c")
    v1.add_to_collection("mine", a)
    v1.add_to_collection("mine", b)
    with graph.device("/cpu:0"):
        c = tf.identity(a)
    with v1.colocate_with(a):
        tf.identity(b)
    inner = tf.Graph()
    with inner.as_default():
        same = v1.get_default_graph() is inner
    return [
        scope, list(unique), [t.name for t in graph.get_collection("mine")], [t.name for t in graph.get_collection("mine", "s")],
        graph.get_tensor_by_name("s/b:0").name, graph.get_operation_by_name("a").type, graph.as_graph_element("a:0").name, c.device, same,
        raised(lambda: graph.get_tensor_by_name("a")), raised(lambda: graph.get_tensor_by_name("a:1")), raised(lambda: graph.get_operation_by_name("q")),
        raised(lambda: graph.as_graph_element(3)), raised(lambda: tf.constant(1.0, name="a b")), [o.name for o in b.consumers()],
        a.op.node_def.name, graph.building_function, b.graph is graph, str(b.shape), b.op.inputs[0].name, len(a.consumers()),
        graph.is_feedable(a), graph.is_fetchable(a), v1.get_default_session() is None, tf.executing_eagerly(),
    ]  # fmt: skip


@program
def containers_and_shared_names(tf: Any) -> Any:
    v1 = tf.compat.v1
    a = tf.raw_ops.VarHandleOp(dtype=tf.float32, shape=[], shared_name="s")
    b = tf.raw_ops.VarHandleOp(dtype=tf.float32, shape=[], shared_name="s")
    c = tf.raw_ops.VarHandleOp(dtype=tf.float32, shape=[], shared_name="s", container="other")
    put = tf.raw_ops.AssignVariableOp(resource=a, value=3.0)
    session = v1.Session()
    session.run(put)
    return [
        session.run(tf.raw_ops.ReadVariableOp(resource=b, dtype=tf.float32)),
        raised(lambda: session.run(tf.raw_ops.ReadVariableOp(resource=c, dtype=tf.float32))),
    ]


@program
def devices(tf: Any) -> Any:
    v1 = tf.compat.v1
    x = tf.constant(1.0) + 1.0
    session = v1.Session(config=v1.ConfigProto(allow_soft_placement=True, intra_op_parallelism_threads=1))
    metadata = v1.RunMetadata()
    value = session.run(x, options=v1.RunOptions(trace_level=v1.RunOptions.FULL_TRACE), run_metadata=metadata)
    found = session.list_devices()[0]
    return [
        found.name,
        found.device_type,
        value,
        len(metadata.step_stats.dev_stats) > 0,
        raised(lambda: session.partial_run_setup([], []))[:6],
    ]
