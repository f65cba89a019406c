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
    """Plans of only such kernels as a build of the fuzzer has."""
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

    offered = {
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
