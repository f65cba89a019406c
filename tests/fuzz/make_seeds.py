"""Write the seeds of the fuzzers anew: small plans, examples, records, rows, patterns. Run: python -m tests.fuzz.make_seeds."""

from __future__ import annotations

import struct
import tempfile
from pathlib import Path
from typing import Any

import millstream
from millstream.base.checksums import crc32c, masked
from millstream.saving import export_plan

tf: Any = millstream

SEEDS = Path(__file__).parent / "seeds"


def plans() -> dict[str, bytes]:
    """Plans of text, tables, state and loops, and of the larger families of kernels for numbers."""
    table = tf.lookup.StaticHashTable(
        tf.lookup.KeyValueTensorInitializer(["a", "b"], tf.constant([1, 2], tf.int64)), -1
    )
    held = tf.Variable([1.0, 2.0])

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def words(x: Any) -> Any:
        return {"numbers": table.lookup(x), "upper": tf.strings.upper(x), "joined": tf.concat([x, ["end"]], 0)}

    @tf.function(input_signature=[tf.TensorSpec([None, 2]), tf.TensorSpec([], tf.bool)])
    def choose(x: Any, which: Any) -> Any:
        if which:
            held.assign(x[0])
        return tf.gather(tf.reshape(x, [-1]), [0]), held.read_value()

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def loop(x: Any) -> Any:
        parts = tf.TensorArray(tf.string, 0, dynamic_size=True, infer_shape=False, element_shape=[])
        for i in tf.range(2):
            parts = parts.write(i, x[0])
        return parts.stack()

    filters = tf.Variable(tf.reshape(tf.range(24.0), [2, 2, 2, 3]) / 24.0)

    @tf.function(input_signature=[tf.TensorSpec([None, 6, 6, 2])])
    def picture(x: Any) -> Any:
        x = tf.nn.relu(tf.nn.conv2d(x, filters, 2, "SAME") * 0.5 + 1.0)
        x = tf.nn.depthwise_conv2d(
            tf.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]]), tf.ones([2, 2, 3, 1]), [1, 1, 1, 1], "VALID"
        )
        y = tf.nn.max_pool2d(x, 2, 1, "VALID") + tf.nn.avg_pool2d(x, 2, 1, "VALID")
        return tf.nn.softmax(tf.reduce_mean(y, [1, 2])), tf.image.resize(x, [3, 3]), tf.argmax(y, -1)

    @tf.function(input_signature=[tf.TensorSpec([None, 4])])
    def matrix(x: Any) -> Any:
        product = tf.matmul(x, x, transpose_a=True)
        values, places = tf.math.top_k(tf.reshape(x, [-1]), 2)
        sums = tf.math.unsorted_segment_sum(x, tf.cast(x[:, 0], tf.int32), 3)
        kept, where = tf.unique(places)
        several = tf.cumsum(tf.sort(x, 1), 1), tf.transpose(x), tf.scatter_nd([[1]], x[:1], [3, 4]), tf.where(x > 0.0)
        return product, tf.linalg.cholesky(tf.linalg.eye(4) + product), values, sums, kept, where, *several

    @tf.function(input_signature=[tf.TensorSpec([2], tf.int64)])
    def drawn(seed: Any) -> Any:
        numbers = tf.random.stateless_normal([8], seed)
        return tf.signal.rfft(numbers), tf.random.stateless_uniform([3], seed, maxval=9, dtype=tf.int32)

    offered = {
        "picture": {"picture": picture},
        "matrix": {"matrix": matrix},
        "drawn": {"drawn": drawn},
        "words": {"words": words},
        "choose": {"choose": choose},
        "both": {"a": words, "b": choose},
        "loop": {"l": loop},
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "seed.plan"
        made = {}
        for name, functions in offered.items():
            export_plan(functions, path)
            made[name] = path.read_bytes()
    return made


def record(data: bytes) -> bytes:
    """Return bytes framed as a TFRecord."""
    length = struct.pack("<Q", len(data))
    return b"".join(part + struct.pack("<I", masked(crc32c(part))) for part in (length, data))


def examples() -> dict[str, bytes]:
    """Serialized examples with the features that the target asks for, and others."""
    one = tf.train.Example()
    one.features.feature["f"].float_list.value.extend([1.0, 2.0])
    one.features.feature["t"].bytes_list.value.append(b"text")
    one.features.feature["n"].int64_list.value.extend([1, -2, 300])
    two = tf.train.Example()
    two.features.feature["other"].int64_list.value.append(7)
    two.features.feature["f"].int64_list.value.append(1)
    return {"whole": one.SerializeToString(), "wrong": two.SerializeToString()}


def main() -> None:
    """Write all seeds."""
    framed = b"\1" + record(b"one") + record(b"") + record(bytes(200))
    found = {
        "plan": plans(),
        "examples": examples(),
        "records": {"records": framed, "lines": b"\0one\r\ntwo\n\nlast", "fixed": b"\2" + bytes(range(40))},
        "csv": {"quoted": b'\1a,"b ""c"", d",\n1,2,3\r\n', "plain": b"\2a;b;c\n;;\n", "missing": b"\5NA,1\n"},
        "regex": {
            "classes": b"[a-c\\d]+(x|y)*?$\0abc12xy",
            "counted": b"^(?:a{2,5}|\\pL)[^b]\\b(?P<n>.)\0aaab c",
            "flags": b"(?s)(?:.|\\n){3}\\x{41}\0ab\nA",
        },
    }
    for target, seeds in found.items():
        (SEEDS / target).mkdir(parents=True, exist_ok=True)
        for name, data in seeds.items():
            (SEEDS / target / name).write_bytes(data)


if __name__ == "__main__":
    main()
