"""Draws chains of transformations, and records what real TensorFlow makes of them: `python record_chains.py` in this folder.

In templates `{1..5}` is a whole number, `{a|b}` one of several words. Run by a Python that has TensorFlow; takes minutes.
"""

# mypy: ignore-errors

import json
import pathlib
import random
import re

SOURCES = [
    ("numbers", "D.range({0..14})"),
    ("numbers", "D.range({-3..3}, {-5..14}, {1|2|3|-1})"),
    ("pairs", "D.zip(D.range({1..9}), D.from_tensor_slices(np.array(list('abcdefghi'))))"),
    ("vectors", "D.range({1..10}).map(lambda x: tf.fill([x % {2..5}], x))"),
    ("records", "D.range({1..9}).map(lambda x: dict(a=x, b=tf.fill([2], 1.0)))"),
]

ANY = [
    ".shuffle({1..12}, seed={0..5}, reshuffle_each_iteration={True|False})",
    ".repeat({0..3})",
    ".take({-1|0|1|3|7|30})",
    ".skip({-1|0|1|4})",
    ".shard({1..4}, {0..3})",
    ".prefetch({0|1|3|-1})",
    ".cache()",
    ".ignore_errors()",
]

STEPS = [
    ("numbers", "numbers", ".map(lambda x: 2 * x + 1, num_parallel_calls={None|2|-1})"),
    ("numbers", "numbers", ".map(lambda x: x // 3).unique()"),
    ("numbers", "numbers", ".filter(lambda x: x % {2..4} != 0)"),
    ("numbers", "numbers", ".flat_map(lambda x: D.range(x, x + x % {2..4}))"),
    ("numbers", "numbers", ".interleave(lambda x: D.range(10 * x, 10 * x + x % {2..6}), {1..6}, {1..4})"),
    (
        "numbers",
        "numbers",
        ".interleave(lambda x: D.range(10 * x, 10 * x + x % {2..6}), {2..6}, {1..4}, num_parallel_calls={1|2|-1})",
    ),
    ("numbers", "numbers", ".concatenate(D.range({0..5}))"),
    ("numbers", "numbers", ".scan(np.int64(1), lambda s, x: (s + x, s * x))"),
    ("numbers", "numbers", ".take_while(lambda x: x < {0..9})"),
    (
        "numbers",
        "numbers",
        ".map(lambda x: tf.debugging.check_numerics(1 / (x - {0..4}), 'm')).map(lambda x: tf.cast(x, tf.int64))",
    ),
    (
        "numbers",
        "numbers",
        ".apply(lambda d: D.sample_from_datasets([d, D.range({0..6})], [0.3, 0.7], {0..4}, {True|False}))",
    ),
    (
        "numbers",
        "numbers",
        ".apply(lambda d: D.choose_from_datasets([d, D.range({0..6})], D.range({0..9}).map(lambda x: x % 2)))",
    ),
    ("numbers", "vectors", ".map(lambda x: tf.fill([tf.math.floormod(x, {2..5})], x))"),
    ("numbers", "vectors", ".batch({1..5}, {True|False}, num_parallel_calls={None|2})"),
    ("numbers", "vectors", ".window({1..4}, {None|1|2|5}, {1..3}, {True|False}).flat_map(lambda w: w.batch(9))"),
    ("numbers", "vectors", ".group_by_window(lambda x: x % {1..4}, lambda k, w: w.batch({1..3}), {1..5})"),
    ("numbers", "pairs", ".enumerate({0..5})"),
    ("numbers", "pairs", ".apply(lambda d: D.zip(d, D.range({0..9})))"),
    ("vectors", "numbers", ".unbatch()"),
    ("vectors", "numbers", ".map(tf.reduce_sum)"),
    ("vectors", "vectors", ".filter(lambda x: tf.size(x) > 0)"),
    ("vectors", "vectors", ".rebatch({1|2|5|[1, 2]|[2, 3, 1]}, {True|False})"),
    ("vectors", "last", ".batch({1..3})"),
    ("vectors", "last", ".ragged_batch({1..4}, {True|False})"),
    ("vectors", "last", ".padded_batch({1..4}, {None|[None]|[4]|[2]}, np.int64({0..3}), {True|False})"),
    ("vectors", "last", ".bucket_by_sequence_length(lambda x: tf.shape(x)[0], [{1..2}, {3..4}], [{1..3}, 2, {1..3}])"),
    ("vectors", "last", ".bucket_by_sequence_length(tf.size, [2, 5], [2, 1, 3], pad_to_bucket_boundary=True)"),
    ("vectors", "last", ".apply(tf.data.experimental.dense_to_sparse_batch({1..3}, [{2..5}]))"),
    ("pairs", "pairs", ".map(lambda a, b: (b, a))"),
    ("pairs", "pairs", ".filter(lambda a, b: a == a)"),
    ("pairs", "pairs", ".batch({1..3}).unbatch()"),
    ("pairs", "last", ".padded_batch({1..4})"),
    ("pairs", "last", ".window({1..3}).map(lambda a, b: a.batch(3).get_single_element())"),
    ("records", "records", ".batch({1..4}).unbatch()"),
    ("records", "records", ".filter(lambda e: e['a'] % 2 == 0)"),
    ("records", "last", ".rebatch({1..3})"),
    ("records", "last", ".group_by_window(lambda e: e['a'] % 2, lambda k, w: w.batch({1..3}), {1..3})"),
    ("records", "last", ".interleave(lambda e: D.from_tensors(e).repeat({0..3}), {1..3}, {1..2})"),
]


def drawn(draw, template):
    """Return a template with its places filled."""

    def fill(place):
        first, dots, last = place[1].partition("..")
        return str(draw.randint(int(first), int(last))) if dots else draw.choice(place[1].split("|"))

    return re.sub(r"\{([^{}]+)\}", fill, template)


def chain(draw):
    """Return an expression of a source and two to five transformations."""
    kind, template = draw.choice(SOURCES)
    text = drawn(draw, template)
    for _ in range(draw.randint(2, 5)):
        steps = [(to, step) for of, to, step in STEPS if of == kind]
        kind, template = (kind, draw.choice(ANY)) if not steps or draw.random() < 0.3 else draw.choice(steps)
        text += drawn(draw, template)
    return text


def made(tf, np, text):
    """Return the function that makes the dataset of an expression."""
    return lambda: eval(text, {"tf": tf, "np": np, "D": tf.data.Dataset})


if __name__ == "__main__":
    import numpy as np
    import tensorflow as tf
    from pipeline_cases import described

    draw = random.Random(7)
    with open(pathlib.Path(__file__).parent / "chains.jsonl", "w") as file:
        for text in dict.fromkeys(chain(draw) for _ in range(200)):
            # TensorFlow fuses these two, and then refuses the 0 that it takes of each alone.
            if re.search(r"shuffle[^.]*\.repeat\(0\)", text):
                continue
            file.write(json.dumps([text, described(tf, made(tf, np, text))]) + "\n")
            file.flush()
