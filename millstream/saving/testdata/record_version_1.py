"""Record with TensorFlow: version-1 saved models, and graphs with version-1 control flow, in version_1.zip. Run: python FILE."""

from __future__ import annotations

import io
import os
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

CALLS = (([1.0, 2.0], 1), ([1.0, 2.0], 4), ([-1.0, 0.5], 3), ([-3.0, 0.5], 6), ([2.0, 0.5], 0))
"""What each graph is called with."""


def simple(tf: Any, folder: str) -> dict[str, Any]:
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.float32, [None, 3], name="x")
        w = v1.get_variable("layer/w", initializer=np.arange(6, dtype=np.float32).reshape(3, 2), use_resource=False)
        b = v1.get_variable("layer/b", [2], initializer=v1.zeros_initializer(), use_resource=False)
        y = tf.nn.relu(tf.matmul(x, w) + b, name="y")
        count = v1.get_variable("count", [], tf.int32, v1.zeros_initializer(), trainable=False, use_resource=False)
        v1.assign_add(count, 1, name="more")
        session.run(v1.global_variables_initializer())
        session.run(v1.assign(b, [1.0, -20.0]))
        v1.saved_model.simple_save(session, folder, {"x": x}, {"y": y})
        return {"y": session.run(y, {x: np.ones((2, 3))})}


def flow(tf: Any, folder: str) -> dict[str, Any]:
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        x, words = v1.placeholder(tf.float32, [None], name="x"), v1.placeholder(tf.string, [None], name="words")
        w = v1.get_variable("w", initializer=2.0, use_resource=True)
        path = os.path.join(tempfile.mkdtemp(), "vocabulary.txt")
        Path(path).write_text("a\nb\nc\n")
        start = tf.lookup.TextFileInitializer(path, tf.string, -2, tf.int64, -1)
        ids = tf.lookup.StaticHashTable(start, -1).lookup(words)
        y = tf.cond(tf.reduce_sum(x) > 0, lambda: x * w, lambda: x - w)
        _, z = tf.while_loop(lambda i, z: i < 3, lambda i, z: (i + 1, z * z + 1.0), [tf.constant(0), y])
        session.run([v1.global_variables_initializer(), v1.tables_initializer()])
        builder = v1.saved_model.Builder(folder)
        signature = v1.saved_model.predict_signature_def({"x": x, "words": words}, {"y": y, "z": z, "ids": ids})
        assets = v1.get_collection(v1.GraphKeys.ASSET_FILEPATHS)
        tables = v1.tables_initializer()
        builder.add_meta_graph_and_variables(session, ["serve"], {"serving_default": signature}, assets, main_op=tables)
        builder.save()
        given = {x: [1.0, 2.0], words: ["b", "q"]}
        return dict(zip(["y", "z", "ids"], session.run([y, z, ids], given), strict=True))


def graphs(tf: Any) -> dict[str, Callable[[Any, Any], Any]]:
    cond, loop, number = tf.compat.v1.cond, tf.compat.v1.while_loop, tf.float32

    def branches_in_branches(x, n):
        inner = lambda: cond(n > 2, lambda: x * 2.0, lambda: x + tf.cast(n, number))  # noqa: E731
        return cond(tf.reduce_sum(x) > 0, inner, lambda: (x - 1.0) * tf.constant([3.0, 4.0]))

    def branches_in_loops(x, n):
        def turn(i, a):
            return i + 1, cond(tf.equal(i % 2, 0), lambda: a * x, lambda: a - tf.cast(i, number))

        return loop(lambda i, a: i < n, turn, [tf.constant(0), x])

    def loops_in_loops(x, n):
        def turn(i, a):
            inner = loop(lambda j, b: j < i, lambda j, b: (j + 1, b * 0.5 + x), [tf.constant(0), a])
            return i + 1, inner[1] + tf.cast(n, number)

        return loop(lambda i, a: i < n, turn, [tf.constant(0), x])[1]

    def one_condition_twice(x, n):
        a, b = cond(n > 3, lambda: (x * 2.0, tf.constant(1)), lambda: (x, n))
        return a, b, cond(n > 3, lambda: a + 1.0, lambda: a * a)

    def cases(x, n):
        return tf.compat.v1.case([(n > 5, lambda: x * 5.0), (n > 2, lambda: x * 2.0)], default=lambda: x * 0.0)

    def gradient_of_branches(x, n):
        return tf.gradients(cond(n > 2, lambda: tf.sin(x) * x, lambda: x * x * x), x)[0]

    return {
        f.__name__: f
        for f in (
            branches_in_branches,
            branches_in_loops,
            loops_in_loops,
            one_condition_twice,
            cases,
            gradient_of_branches,
        )
    }


def main() -> None:
    import tensorflow as tf

    v1 = tf.compat.v1
    v1.disable_control_flow_v2()
    files: dict[str, bytes] = {}
    for name, function in graphs(tf).items():
        with tf.Graph().as_default() as graph, v1.Session() as session:
            x, n = v1.placeholder(tf.float32, [2], name="x"), v1.placeholder(tf.int32, [], name="n")
            found = tf.nest.flatten(function(x, n))
            wanted = [tf.identity(t, name=f"out{i}") for i, t in enumerate(found)]
            results = {}
            for i, (a, b) in enumerate(CALLS):
                for j, result in enumerate(session.run(wanted, {x: a, n: b})):
                    results[f"{i}_{j}"] = result
            files[f"graphs/{name}.pb"] = graph.as_graph_def().SerializeToString(deterministic=True)
            files[f"graphs/{name}.npz"] = _packed(results)
    with tempfile.TemporaryDirectory() as folder:
        for build in (simple, flow):
            files[f"models/{build.__name__}.npz"] = _packed(build(tf, os.path.join(folder, build.__name__)))
        for path in sorted(p for p in Path(folder).rglob("*") if p.is_file()):
            data = path.read_bytes()
            if path.name == "saved_model.pb":
                from tensorflow.core.protobuf import saved_model_pb2

                saved = saved_model_pb2.SavedModel.FromString(data)
                saved.meta_graphs[0].meta_info_def.ClearField("stripped_op_list")
                data = saved.SerializeToString(deterministic=True)
            files[f"models/{path.relative_to(folder)}"] = data
    with zipfile.ZipFile(Path(__file__).with_name("version_1.zip"), "w") as archive:
        for name, data in sorted(files.items()):
            archive.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), data, zipfile.ZIP_DEFLATED)


def _packed(arrays: dict[str, Any]) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


if __name__ == "__main__":
    main()
