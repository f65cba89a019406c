"""Feature columns against TensorFlow's recorded answers; sequences, parse specs, configurations and refusals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import millstream as tf
from millstream.api.feature_column_kinds import FeatureTransformationCache, StateManager

fc = tf.feature_column
RECORDED = json.loads((Path(__file__).parent / "testdata/feature_columns.json").read_text())
FEATURES = {
    "x": [-1.0, 0.5, 3.0],
    "x2": tf.constant([[1, 2], [3, 4], [5, 6]], tf.int64),
    "y2": [[1.0, 6.0], [20.0, -1.0], [0.0, 5.0]],
    "s": tf.sparse.from_dense([["a", "zz", "c"], ["b", "", ""], ["", "", ""]]),
    "i": tf.constant([[1, 3], [-1, 5], [7, 0]], tf.int64),
    "w": tf.SparseTensor([[0, 0], [0, 1], [0, 2], [1, 0]], [1.0, 2.0, 3.0, 4.0], [3, 3]),
}


@pytest.fixture(scope="module")
def columns(tmp_path_factory: Any) -> dict[str, Any]:
    file = tmp_path_factory.mktemp("columns") / "vocabulary.txt"
    file.write_text("a\nb\nc\n")
    number = fc.numeric_column("x")
    pairs = fc.bucketized_column(fc.numeric_column("y2", shape=2), [0, 5, 10])
    identity = fc.categorical_column_with_identity("i", 8)
    listed = fc.categorical_column_with_vocabulary_list("s", ["a", "b", "c"])
    return {
        "num": number,
        "num2": fc.numeric_column("x2", shape=[2], default_value=[1, 2], dtype=tf.int64, normalizer_fn=lambda v: v * 2),
        "buck": fc.bucketized_column(number, [0.0, 1.0]),
        "buck2": pairs,
        "hsh": fc.categorical_column_with_hash_bucket("s", 10),
        "hi": fc.categorical_column_with_hash_bucket("i", 10, tf.int64),
        "idn": identity,
        "idd": fc.categorical_column_with_identity("i", 4, default_value=1),
        "vl": listed,
        "vlo": fc.categorical_column_with_vocabulary_list("s", ["a", "b"], num_oov_buckets=3),
        "vli": fc.categorical_column_with_vocabulary_list("i", [5, 1, 3], default_value=2),
        "vf": fc.categorical_column_with_vocabulary_file("s", str(file)),
        "vfo": fc.categorical_column_with_vocabulary_file("s", str(file), 2, num_oov_buckets=2),
        "w": fc.weighted_categorical_column(listed, "w"),
        "cr": fc.crossed_column(["s", identity], 20),
        "cr2": fc.crossed_column([pairs, "s", listed], 50, hash_key=7),
    }


def _plain(value: Any) -> Any:
    if isinstance(value, tf.SparseTensor):
        return [_plain(v) for v in (value.indices, value.values, value.dense_shape)]
    if value is None or isinstance(value, (tuple, list)):
        return None if value is None else [_plain(v) for v in value]
    return value.numpy().tolist()


@pytest.mark.parametrize("name", RECORDED)
def test_columns_make_what_tensorflow_makes(columns: dict[str, Any], name: str) -> None:
    column, wanted = columns[name], RECORDED[name]
    assert column.name == wanted["name"]
    cache, states = FeatureTransformationCache(FEATURES), StateManager()
    if "sparse" in wanted:
        assert _plain(column.get_sparse_tensors(cache, states)) == wanted["sparse"]
    if "dense" in wanted:
        assert _plain(column.get_dense_tensor(cache, states)) == wanted["dense"]
    if "indicator" in wanted:
        indicator = fc.indicator_column(column)
        assert _plain(indicator.get_dense_tensor(cache, states)) == wanted["indicator"]
        assert indicator.variable_shape == (1, column.num_buckets)

        def rising(shape: Any, dtype: Any = None) -> Any:
            return tf.reshape(tf.range(shape[0] * shape[1], dtype=tf.float32), shape)

        embedding = fc.embedding_column(column, 2, combiner="sqrtn", initializer=rising)
        embedding.create_state(states)
        np.testing.assert_allclose(embedding.get_dense_tensor(cache, states), wanted["embedding"], atol=1e-4)


def test_columns_are_used_in_a_function_and_learnt(columns: dict[str, Any]) -> None:
    embedding, states = fc.embedding_column(columns["vl"], 3), StateManager()
    embedding.create_state(states)
    table = states.get_variable(embedding, "embedding_weights")

    @tf.function
    def total(texts: Any) -> Any:
        return tf.reduce_sum(embedding.get_dense_tensor(FeatureTransformationCache({"s": texts}), states))

    with tf.GradientTape() as tape:
        y = total(tf.constant([["a"], ["a"], ["c"]]))
    gradient = tf.convert_to_tensor(tape.gradient(y, table))
    assert gradient.numpy().tolist() == [[2.0] * 3, [0.0] * 3, [1.0] * 3]


def test_sequences_have_steps_and_lengths() -> None:
    texts = tf.SparseTensor([[0, 0], [0, 1], [1, 0]], ["a", "b", "c"], [3, 2])
    numbers = tf.SparseTensor([[0, 0], [0, 1], [0, 2], [1, 0]], [1.0, 2.0, 3.0, 4.0], [3, 4])
    cache = FeatureTransformationCache({"s": texts, "n": numbers})
    words = fc.sequence_categorical_column_with_vocabulary_list("s", ["a", "b", "c"])
    pair = fc.indicator_column(words).get_sequence_dense_tensor(cache, None)
    assert pair.dense_tensor.shape == (3, 2, 3) and pair.sequence_length.numpy().tolist() == [2, 1, 0]
    values = fc.sequence_numeric_column("n", shape=2, default_value=-1.0).get_sequence_dense_tensor(cache, None)
    assert values.dense_tensor.numpy().tolist()[0] == [[1.0, 2.0], [3.0, -1.0]]
    assert values.sequence_length.numpy().tolist() == [2, 1, 0]
    with pytest.raises(ValueError, match="SequenceCategoricalColumn"):
        fc.indicator_column(words).get_dense_tensor(cache, None)


def test_parse_specs_read_examples(columns: dict[str, Any]) -> None:
    spec = fc.make_parse_example_spec([columns["num"], columns["w"], columns["cr"]])
    assert set(spec) == {"x", "s", "w", "i"}
    example = tf.train.Example()
    example.features.feature["x"].float_list.value.append(2.0)
    example.features.feature["s"].bytes_list.value.extend([b"a", b"c"])
    example.features.feature["w"].float_list.value.extend([1.0, 3.0])
    parsed = tf.io.parse_example([example.SerializeToString()], spec)
    cache = FeatureTransformationCache(parsed)
    counts = fc.indicator_column(columns["w"]).get_dense_tensor(cache, None)
    assert counts.numpy().tolist() == [[1.0, 0.0, 3.0]]
    with pytest.raises(ValueError, match="different parse_spec"):
        fc.make_parse_example_spec([columns["num"], fc.numeric_column("x", shape=2)])


@pytest.mark.parametrize("name", ["num", "buck", "hsh", "idd", "vlo", "w", "cr2"])
def test_columns_come_back_from_their_configuration(columns: dict[str, Any], name: str) -> None:
    column = columns[name]
    assert type(column).from_config(column.get_config()) == column


@pytest.mark.parametrize(
    "call",
    [
        lambda: fc.numeric_column(3),
        lambda: fc.numeric_column("x", shape=0),
        lambda: fc.numeric_column("x", dtype=tf.string),
        lambda: fc.bucketized_column(fc.numeric_column("x"), [2, 1]),
        lambda: fc.categorical_column_with_hash_bucket("s", 0),
        lambda: fc.categorical_column_with_identity("i", 3, 7),
        lambda: fc.categorical_column_with_vocabulary_list("s", ["a", "a"]),
        lambda: fc.categorical_column_with_vocabulary_list("s", ["a"], default_value=1, num_oov_buckets=2),
        lambda: fc.crossed_column(["a"], 3),
        lambda: fc.crossed_column(["a", fc.categorical_column_with_hash_bucket("s", 5)], 5),
        lambda: fc.embedding_column(fc.numeric_column("x"), 2),
        lambda: FeatureTransformationCache({}).get("x", None),
        lambda: FeatureTransformationCache({"x": 3.0}).get("x", None),
    ],
)
def test_what_does_not_fit_is_refused(call: Any) -> None:
    with pytest.raises(ValueError):
        call()


def test_numbers_outside_and_shared_tables_are_refused() -> None:
    column = fc.categorical_column_with_identity("i", 3)
    with pytest.raises(tf.errors.InvalidArgumentError, match="must be in"):
        column.get_sparse_tensors(FeatureTransformationCache({"i": tf.constant([[9]], tf.int64)}), None)
    with pytest.raises(RuntimeError, match="eager"):
        fc.shared_embeddings([column], 2)
