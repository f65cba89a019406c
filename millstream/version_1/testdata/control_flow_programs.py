"""Record graphs of version 1's branches, loops and arrays, with what they give:
TENSORFLOW_PYTHON millstream/version_1/testdata/control_flow_programs.py"""

from __future__ import annotations

import base64
import gzip
import json
from pathlib import Path
from typing import Any

FEEDS = ([1.0, 2.0], [-1.0, 2.0], [-1.0, -2.0], [3.0, -1.0])


def programs(tf: Any) -> dict[str, Any]:
    """Functions of a vector of two numbers."""
    v1 = tf.compat.v1
    wide = tf.TensorShape([None])

    def loop(count: int, body: Any, first: Any, **options: Any) -> Any:
        return v1.while_loop(lambda i, a: i < count, lambda i, a: (i + 1, body(i, a)), [0, first], **options)[1]

    def choose(x: Any) -> Any:
        return tf.cond(tf.reduce_sum(x) > 0, lambda: x * 2, lambda: x - 1)

    def within(x: Any) -> Any:
        first = lambda: tf.cond(x[1] > 0, lambda: x * 3, lambda: x * 5)  # noqa: E731
        return tf.cond(x[0] > 0, first, lambda: tf.cond(x[1] > 0, lambda: -x, lambda: x * 7))

    def twice(x: Any) -> Any:
        positive = x[0] > 0
        first = tf.cond(positive, lambda: x * 2, lambda: x)
        return first + tf.cond(positive, lambda: first + 1, lambda: first - 1)

    def switched(x: Any) -> Any:
        no, yes = tf.raw_ops.Switch(data=x, pred=x[0] > 0)
        return tf.raw_ops.Merge(inputs=[no * 2.0, yes * 3.0])[0]

    def array(size: int, dynamic: bool = False) -> Any:
        return tf.TensorArray(tf.float32, size=0 if dynamic else size, dynamic_size=dynamic, infer_shape=True)

    def growing(x: Any) -> Any:
        filled = loop(4, lambda i, t: t.write(i, x * tf.cast(i, tf.float32)), array(4, dynamic=True))
        return filled.stack() + tf.cast(filled.size(), tf.float32)

    def joined(x: Any) -> Any:
        filled = loop(3, lambda i, t: t.write(i, x * tf.cast(i, tf.float32)), array(3))
        return tf.concat([filled.concat(), array(2).split(tf.concat([x, x], 0), [2, 2]).read(1)], 0)

    def recurrent(x: Any) -> Any:
        class Cell:
            state_size = output_size = 2

            def zero_state(self, batch: Any, dtype: Any) -> Any:
                return tf.zeros([batch, 2], dtype)

            def __call__(self, given: Any, state: Any) -> Any:
                new = tf.tanh(given + state)
                return new * 2, new

        steps = tf.reshape(tf.concat([x, x * 0.5, -x, x], 0), [2, 2, 2])
        found = v1.nn.dynamic_rnn(Cell(), steps, sequence_length=[1, 2], dtype=tf.float32)
        return tf.concat([tf.reshape(found[0], [-1]), tf.reshape(found[1], [-1])], 0)

    def several(x: Any) -> Any:
        go_on = lambda i, a, b: tf.logical_and(i < 10, tf.reduce_sum(a) < 50.0)  # noqa: E731
        i, a, b = v1.while_loop(go_on, lambda i, a, b: (i + 1, b, a + b), [0, x, x + 1])
        return tf.concat([a, b, [tf.cast(i, tf.float32)]], 0)

    return {
        "choose": choose,
        "within": within,
        "twice": twice,
        "switched": switched,
        "slope of choose": lambda x: v1.gradients(choose(x), x)[0],
        "slope of within": lambda x: v1.gradients(within(x), x)[0],
        "case": lambda x: v1.case([(x[0] > 0, lambda: x * 2), (x[1] > 0, lambda: x * 3)], default=lambda: -x),
        "loop": lambda x: loop(5, lambda i, a: a * 1.5 + x, x),
        "several": several,
        "choose in a loop": lambda x: loop(
            5, lambda i, a: tf.cond(tf.equal(i % 2, 0), lambda: a + x, lambda: a * 2), x
        ),
        "loop in a branch": lambda x: tf.cond(x[0] > 0, lambda: loop(3, lambda i, a: a + x, x), lambda: x),
        "loop in a loop": lambda x: loop(
            3, lambda i, a: loop(3, lambda j, b: b + x * tf.cast(j * i, tf.float32), a), x
        ),
        "longer": lambda x: loop(3, lambda i, a: tf.concat([a, x], 0), x, shape_invariants=[tf.TensorShape([]), wide]),
        "array": lambda x: loop(4, lambda i, t: t.write(i, x * tf.cast(i, tf.float32)), array(4)).stack(),
        "growing array": growing,
        "joined array": joined,
        "scan": lambda x: v1.scan(lambda a, e: a + e, x),
        "map": lambda x: v1.map_fn(lambda e: e * e + 1, x),
        "recurrent": recurrent,
    }


def main() -> None:
    import tensorflow as tf

    tf.compat.v1.disable_v2_behavior()
    kept = {}
    for name, program in programs(tf).items():
        with tf.Graph().as_default() as graph, tf.compat.v1.Session() as session:
            x = tf.compat.v1.placeholder(tf.float32, [2], name="x")
            y = tf.identity(program(x), name="y")
            values = [session.run(y, {x: feed}).tolist() for feed in FEEDS]
            definition = base64.b64encode(graph.as_graph_def().SerializeToString()).decode()
            kept[name] = [definition, values]
    with gzip.GzipFile(Path(__file__).parent / "control_flow.json.gz", "wb", mtime=0) as file:
        file.write(json.dumps(kept, separators=(",", ":")).encode())


if __name__ == "__main__":
    main()
