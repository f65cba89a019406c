"""Feature columns in graphs: more programs for record.py and libraries_test.py."""

from __future__ import annotations

from typing import Any

import numpy as np

from millstream.version_1.testdata.programs import Found, plain


def columns(tf: Any) -> Found:
    """What layers of columns give, with the names of their variables; the classes of errors."""
    v1, fc, found = tf.compat.v1, tf.feature_column, {}
    v1_columns = v1.feature_column

    def halves(shape: Any, dtype: Any = tf.float32, partition_info: Any = None) -> Any:
        return tf.ones(shape, dtype) * 0.5

    def names(kept: Any) -> Any:
        pairs = [(k if isinstance(k, str) else k.name, [v.name for v in vs]) for k, vs in kept.items()]
        return [list(pair) for pair in sorted(pairs)]

    def layers(kept: dict[Any, Any], given: dict[str, Any]) -> dict[str, Any]:
        number, pair = fc.numeric_column("n"), fc.numeric_column("m", shape=[2])
        one = fc.categorical_column_with_vocabulary_list("c", ["a", "b", "c"])
        some = fc.categorical_column_with_vocabulary_list("d", ["a", "b"], num_oov_buckets=1)
        other = fc.categorical_column_with_vocabulary_list("d", ["a", "b", "c"])
        steps, vectors = fc.bucketized_column(number, [1.5]), fc.embedding_column(one, 2, initializer=halves)
        dense = [number, fc.indicator_column(some), vectors, pair, steps]
        all_columns = [number, one, some, pair, steps, fc.crossed_column(["c", "d"], 5)]
        rest: dict[str, Any] = {"trainable": False, "weight_collections": ["mine"]}
        return {
            "input": lambda: v1_columns.input_layer(given, dense, cols_to_vars=kept),
            "linear": lambda: v1_columns.linear_model(given, all_columns, units=2, cols_to_vars=kept),
            "linear of means": lambda: v1_columns.linear_model(given, [some], sparse_combiner="mean"),
            "linear of roots": lambda: v1_columns.linear_model(given, [some], sparse_combiner="sqrtn"),
            "linear of vectors": lambda: v1_columns.linear_model(given, [vectors], cols_to_vars=kept),
            "not trained": lambda: v1_columns.linear_model(given, number, **rest),
            "shared": lambda: v1_columns.input_layer(
                given, v1_columns.shared_embedding_columns([one, other], 3, initializer=halves)
            ),
            "categories alone": lambda: v1_columns.input_layer(given, [one]),
            "no features": lambda: v1_columns.input_layer({}, [number]),
            "no columns": lambda: v1_columns.input_layer(given, []),
            "one column twice": lambda: v1_columns.input_layer(given, [number, number]),
            "shared of other sizes": lambda: v1_columns.shared_embedding_columns(
                [one, fc.categorical_column_with_identity("i", 9)], 3
            ),
        }

    for name in layers({}, {}):
        with tf.Graph().as_default(), v1.Session() as session:
            given = {
                "n": tf.constant([[1.0], [2.0]]),
                "m": tf.constant([[1.0, 2.0], [3.0, 4.0]]),
                "c": tf.constant([["a"], ["b"]]),
                "d": tf.SparseTensor([[0, 0], [0, 1], [1, 0]], ["a", "z", "b"], [2, 2]),
            }
            kept: dict[Any, Any] = {}
            try:
                made = layers(kept, given)[name]()
            except Exception as error:
                found[name] = type(error).__name__
                continue
            session.run([v1.global_variables_initializer(), v1.tables_initializer()])
            first = plain(session.run(made))
            for i, variable in enumerate(v1.global_variables()):
                sizes = variable.shape.as_list()
                session.run(variable.assign(np.arange(np.prod(sizes), dtype="f").reshape(sizes) * (i + 1)))
            counts = [len(v1.trainable_variables()), len(v1.get_collection("mine")), len(v1.model_variables())]
            own = [v.name for v in v1.global_variables()]
            found[name] = [first, plain(session.run(made)), own, names(kept), counts]
    return found
