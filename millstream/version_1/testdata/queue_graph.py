"""A graph of queues, their QueueRunners and summaries, which is written as a MetaGraph and read again."""

from __future__ import annotations

from typing import Any

from millstream.version_1.testdata.programs import Found, plain


def write(tf: Any, path: str) -> None:
    """Write the graph to a file."""
    v1 = tf.compat.v1
    with tf.Graph().as_default():
        a, b = v1.train.slice_input_producer([tf.range(7), tf.range(7) * 2], num_epochs=2, shuffle=False)
        batch = v1.train.batch([a, b], 3, allow_smaller_final_batch=True, name="out")
        drawn = v1.train.shuffle_batch([tf.constant([1.0, 2.0])], 2, 10, 2, seed=3, name="drawn")
        padded = tf.queue.PaddingFIFOQueue(5, [tf.int32], shapes=[[None]], name="padded")
        first = tf.queue.PriorityQueue(5, [tf.string], [[]], name="first")
        values = tf.constant([1.0, 2.0, 4.0])
        v1.summary.histogram("many", values)
        v1.summary.image("picture", tf.reshape(values[:1], [1, 1, 1, 1]))
        v1.summary.audio("sound", tf.constant([[0.0, 0.5]]), 8000.0)
        v1.summary.tensor_summary("whole", values)
        kept = {
            "batch": list(batch),
            "drawn": [drawn],
            "put": [padded.enqueue(tf.constant([1, 2])), padded.enqueue(tf.constant([3]))],
            "padded": [padded.dequeue_many(2)],
            "rank": [first.enqueue_many([tf.constant([2, 1], tf.int64), tf.constant(["b", "a"])])],
            "ranked": list(first.dequeue()),
            "sizes": [padded.size(), tf.cast(first.is_closed(), tf.int32)],
            "close": [first.close()],
            "summary": [v1.summary.merge([s for s in v1.get_collection("summaries") if "full" not in s.name])],
        }
        for name, items in kept.items():
            for item in items:
                v1.add_to_collection(name, item)
        v1.train.export_meta_graph(path)


def read(tf: Any, path: str, scope: str | None = None) -> Found:
    """Read the graph from a file, and run it until its epochs are over."""
    v1, found = tf.compat.v1, {}
    with tf.Graph().as_default(), v1.Session() as session:
        v1.train.import_meta_graph(path, import_scope=scope)
        session.run(v1.local_variables_initializer())
        runners = v1.get_collection("queue_runners")
        coordinator = v1.train.Coordinator()
        threads = v1.train.start_queue_runners(session, coordinator)
        seen: list[Any] = []
        try:
            while True:
                seen.append(plain(session.run(v1.get_collection("batch"))))
        except tf.errors.OutOfRangeError:
            found["batches"] = seen
        found["drawn"] = plain(session.run(v1.get_collection("drawn")[0]))
        for operation in (*v1.get_collection("put"), *v1.get_collection("rank")):
            session.run(operation)
        found["padded"] = plain(session.run(v1.get_collection("padded")[0]))
        found["ranked"] = [str(part) for part in session.run(v1.get_collection("ranked"))]
        session.run(v1.get_collection("close"))
        found["sizes"] = plain(session.run(v1.get_collection("sizes")))
        summary = v1.Summary.FromString(session.run(v1.get_collection("summary")[0]))
        found["summary"] = [[value.tag, value.WhichOneof("value")] for value in summary.value]
        coordinator.request_stop()
        coordinator.join(threads, stop_grace_period_secs=60)
        found["runners"] = [
            [
                len(runner.enqueue_ops),
                [kind.__name__ for kind in runner.queue_closed_exception_types],
                sorted(field.name for field, _ in runner.to_proto().ListFields()),
            ]
            for runner in runners
        ]
    return found
