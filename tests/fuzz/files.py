"""Show the readers of Python files that were damaged on purpose: each is read, or refused with an error of ours, soon.

Run: python -m tests.fuzz.files [--seconds S] [--most N] [--random K] [--target NAME]. Messages are changed field by field, others
byte by byte.
"""

from __future__ import annotations

import argparse
import io
import os
import random
import resource
import shutil
import signal
import struct
import sys
import tempfile
import time
import traceback
import wave
import zipfile
import zlib
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

import millstream
from millstream.commands.check import complaints
from millstream.commands.files import CommandError, open_file
from millstream.saving.bundle_reader import BundleReader
from millstream.saving.files import read_saved_model
from millstream.saving.snappy import decompressed

tf: Any = millstream

VERSION_1 = Path(tf.__file__).parent / "saving" / "testdata" / "version_1.zip"
SLOWEST_SECONDS = 20
"""Of the processor: others may use the machine, too."""
MOST_BYTES = 1 << 30


def is_ours(error: BaseException) -> bool:
    """Whether an error says what is wrong with the file, rather than where the reader fell over it."""
    if isinstance(error, (tf.errors.OpError, CommandError, OSError)):
        return True
    if isinstance(error, UnicodeError) or not isinstance(error, (ValueError, TypeError, RuntimeError)):
        return False
    last = traceback.extract_tb(error.__traceback__)[-1]
    return "millstream" in last.filename and (last.line or "").startswith("raise ")


class Mutator:
    """Changes bytes and messages at random."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def bytes(self, data: bytes) -> bytes:
        """Return bytes with a few changes."""
        made, pick = bytearray(data), self.random
        for _ in range(1 << pick.randrange(4)):
            at = pick.randrange(len(made)) if made else 0
            kind = pick.randrange(6)
            if kind == 0 and made:
                made[at] ^= 1 << pick.randrange(8)
            elif kind == 1 and made:
                made[at] = pick.choice((0, 1, 127, 128, 255, pick.randrange(256)))
            elif kind == 2:
                del made[at : at + 1 + pick.randrange(16)]
            elif kind == 3:
                made[at:at] = pick.randbytes(1 + pick.randrange(8))
            elif kind == 4:
                made[at:at] = made[at : at + 1 + pick.randrange(64)]
            elif len(made) > 8:
                number = pick.choice((0, 1, -1, 2**31 - 1, -(2**31), 2**63 - 1, -(2**63), 2**40))
                place = pick.randrange(len(made) - 8)
                made[place : place + 8] = struct.pack("<q", number)
        return bytes(made)

    def message(self, message: Any) -> None:
        """Change a few fields of a message, wherever they are."""
        for _ in range(1 + self.random.randrange(4)):
            self._field(message, 0)

    def _field(self, message: Any, depth: int) -> None:
        pick = self.random
        fields = message.ListFields()
        if not fields or pick.random() < 0.1:
            fields = [(f, getattr(message, f.name)) for f in message.DESCRIPTOR.fields]
        if not fields:
            return
        field, value = pick.choice(fields)
        if _is_map(field):
            keys = list(value)
            if not keys or pick.random() < 0.2:
                if keys:
                    del value[pick.choice(keys)]
            elif field.message_type.fields_by_name["value"].message_type is not None:
                self._field(value[pick.choice(keys)], depth + 1)
            else:
                value[pick.choice(keys)] = self._scalar(field.message_type.fields_by_name["value"], "")
        elif _is_repeated(field):
            if not len(value):
                value.add() if field.message_type is not None else value.append(self._scalar(field, ""))
            elif pick.random() < 0.15:
                del value[pick.randrange(len(value))]
            elif field.message_type is not None:
                if pick.random() < 0.1:
                    value.add().CopyFrom(pick.choice(value))
                else:
                    self._field(pick.choice(value), depth + 1)
            else:
                at = pick.randrange(len(value))
                value[at] = self._scalar(field, value[at])
        elif field.message_type is not None:
            if depth and pick.random() < 0.1:
                message.ClearField(field.name)
            else:
                value.SetInParent()
                self._field(value, depth + 1)
        else:
            setattr(message, field.name, self._scalar(field, value))

    def _scalar(self, field: Any, value: Any) -> Any:
        pick = self.random
        kind = field.cpp_type
        if kind == field.CPPTYPE_STRING:
            texts = [
                "",
                "x",
                "../../etc/passwd",
                "/etc/passwd",
                "^x",
                "x:0",
                "x:9",
                ":",
                "Const",
                "VarHandleOp",
                "While",
                "If",
            ]
            if field.type == field.TYPE_BYTES:
                return pick.choice([*(t.encode() for t in texts), self.bytes(value or b"x")])
            return pick.choice([*texts, value or "", (value or "")[:-1], (value or "") + "1"])
        if kind == field.CPPTYPE_BOOL:
            return not value
        if kind in (field.CPPTYPE_FLOAT, field.CPPTYPE_DOUBLE):
            return pick.choice((0.0, -1.0, 1e30, float("nan")))
        if kind == field.CPPTYPE_ENUM:
            return pick.choice([v.number for v in field.enum_type.values])
        low, high = {
            field.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
            field.CPPTYPE_UINT32: (0, 2**32 - 1),
            field.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
        }.get(kind, (0, 2**64 - 1))
        number = pick.choice((0, 1, -1, 2, 3, 7, 1000, 2**31 - 1, low, high, (value or 0) + 1, (value or 0) - 1, 2**40))
        return min(max(number, low), high)


def _is_map(field: Any) -> bool:
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def _is_repeated(field: Any) -> bool:
    return bool(field.is_repeated) if hasattr(field, "is_repeated") else field.label == field.LABEL_REPEATED


Show = Callable[[Mutator], None]


def _saved_model(folder: Path) -> Path:
    class Model(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weights = tf.Variable(tf.ones([2, 3]))
            self.parts = [tf.Variable(1.0), {"a": tf.Variable(2)}, (tf.Variable(3.0), 4)]
            pairs = tf.lookup.KeyValueTensorInitializer(["a"], tf.constant([1], tf.int64))
            self.table = tf.lookup.StaticHashTable(pairs, -1)

        @tf.function(input_signature=[tf.TensorSpec([None, 2])], autograph=False)
        def f(self, x: Any) -> Any:
            y = tf.while_loop(lambda i, _: i < 2, lambda i, v: (i + 1, v * 2.0), [0, x @ self.weights])[1]
            return tf.cond(tf.reduce_sum(y) > 0.0, lambda: y, lambda: -y)

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string)], autograph=False)
        def g(self, words: Any) -> Any:
            return self.table.lookup(words)

    tf.saved_model.save(Model(), folder / "model", signatures=None)
    return folder / "model"


def targets(folder: Path) -> dict[str, Show]:
    """Return what is fuzzed: each changes its seed and reads it."""
    model = _saved_model(folder)
    saved = read_saved_model(str(model))
    raw = (model / "saved_model.pb").read_bytes()
    bundle = {p.name: p.read_bytes() for p in (model / "variables").iterdir()}
    damaged = folder / "damaged"

    def write(content: bytes) -> None:
        (damaged / "saved_model.pb").write_bytes(content)
        loaded: Any = tf.saved_model.load(damaged)
        for name, argument in (("f", tf.ones([1, 2])), ("g", tf.constant(["a"]))):
            function = getattr(loaded, name, None)
            if function is not None:
                function(argument)

    def messages(mutator: Mutator) -> None:
        made = type(saved)()
        made.CopyFrom(saved)
        mutator.message(made)
        write(made.SerializeToString())

    with zipfile.ZipFile(VERSION_1) as archive:
        archive.extractall(folder / "version_1")
    older = sorted(p.parent for p in (folder / "version_1").rglob("saved_model.pb"))
    older_saved = [read_saved_model(str(place)) for place in older]

    def older_model(mutator: Mutator) -> Path:
        number = mutator.random.randrange(len(older))
        made = type(saved)()
        made.CopyFrom(older_saved[number])
        mutator.message(made)
        (older[number] / "saved_model.pb").write_bytes(made.SerializeToString())
        return older[number]

    def into_sessions(mutator: Mutator) -> None:
        with tf.Graph().as_default(), tf.compat.v1.Session() as session:
            tf.compat.v1.saved_model.load(session, ["serve"], str(older_model(mutator)))

    def version_1(mutator: Mutator) -> None:
        loaded: Any = tf.saved_model.load(older_model(mutator))
        if not hasattr(loaded, "signatures"):
            return
        for signature in loaded.signatures.values():
            _ = signature.structured_outputs

    def model_bytes(mutator: Mutator) -> None:
        write(mutator.bytes(raw))

    def checkpoint(mutator: Mutator) -> None:
        place = folder / "bundle"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        chosen = mutator.random.choice(sorted(bundle))
        for name, data in bundle.items():
            (place / name).write_bytes(mutator.bytes(data) if name == chosen else data)
        reader = BundleReader(str(place / "variables"))
        for name in reader.names:
            reader.array(name)

    def graph(mutator: Mutator) -> None:
        made = type(saved.meta_graphs[0].graph_def)()
        made.CopyFrom(saved.meta_graphs[0].graph_def)
        mutator.message(made)
        (folder / "g.pb").write_bytes(made.SerializeToString())
        list(complaints(open_file(str(folder / "g.pb"))))
        with tf.Graph().as_default():
            tf.import_graph_def(made, name="")

    def compressed(mutator: Mutator) -> None:
        decompressed(mutator.bytes(_SNAPPY))

    records = folder / "r.tfrecord"
    with tf.io.TFRecordWriter(str(records)) as writer:
        for text in (b"one", b"", bytes(300)):
            writer.write(text)
    record_bytes = records.read_bytes()

    def record_files(mutator: Mutator) -> None:
        records.write_bytes(mutator.bytes(record_bytes))
        for text in tf.data.TFRecordDataset(str(records)):
            text.numpy()

    pictures = [
        tf.io.encode_png(tf.zeros([3, 4, 3], tf.uint8)).numpy(),
        tf.io.encode_jpeg(tf.zeros([8, 8, 3], tf.uint8)).numpy(),
    ]

    def images(mutator: Mutator) -> None:
        tf.io.decode_image(_resealed(mutator.bytes(mutator.random.choice(pictures))))

    sound = io.BytesIO()
    with wave.open(sound, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(64))

    def sounds(mutator: Mutator) -> None:
        tf.audio.decode_wav(mutator.bytes(sound.getvalue()))

    shutil.copytree(model, damaged)
    return {
        f.__name__: f
        for f in (
            messages,
            version_1,
            into_sessions,
            model_bytes,
            checkpoint,
            graph,
            compressed,
            record_files,
            images,
            sounds,
        )
    }


_SNAPPY = bytes([60]) + bytes([8 << 2]) + b"abcdefghi" + bytes([(50 << 2) | 2, 9, 0, 0])


def _resealed(data: bytes) -> bytes:
    """Return a PNG with its sums written anew, so that what lies behind them is reached."""
    if data[:8] != b"\x89PNG\r\n\x1a\n":
        return data
    made, at = bytearray(data), 8
    while at + 12 <= len(made):
        (size,) = struct.unpack_from(">I", made, at)
        if size > len(made) - at - 12:
            break
        struct.pack_into(">I", made, at + 8 + size, zlib.crc32(bytes(made[at + 4 : at + 8 + size])))
        at += 12 + size
    return bytes(made)


class Slow(BaseException):
    """One file took too long."""


def fuzz(seconds: float, seed: int, chosen: str | None = None, most: int = 1 << 60) -> tuple[int, list[str]]:
    """Show each target damaged files for so long together, or so many; return how many, and what was found."""

    def too_slow(*_: Any) -> None:
        raise Slow(f"more than {SLOWEST_SECONDS} s of the processor")

    def set_limit(limit: int) -> None:
        signal.setitimer(signal.ITIMER_PROF, limit)

    signal.signal(signal.SIGPROF, too_slow)
    # Whoever started this process may have blocked it.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGPROF])
    found: list[str] = []
    seen: set[str] = set()
    count = 0
    with tempfile.TemporaryDirectory() as folder:
        shows = targets(Path(folder))
        if chosen is not None:
            shows = {chosen: shows[chosen]}
        end = time.monotonic() + seconds
        while time.monotonic() < end and count < most:
            for name, show in islice(shows.items(), most - count):
                mutator = Mutator(seed + count)
                count += 1
                set_limit(SLOWEST_SECONDS)
                try:
                    show(mutator)
                except BaseException as error:
                    set_limit(0)
                    if isinstance(error, KeyboardInterrupt):
                        raise
                    if not is_ours(error):
                        where = traceback.extract_tb(error.__traceback__)[-1]
                        key = f"{name} {type(error).__name__} {where.filename}:{where.lineno}"
                        if key not in seen:
                            seen.add(key)
                            found.append(
                                f"{name} with --random {seed + count - 1}: {''.join(traceback.format_exception(error)[-12:])}"
                            )
                finally:
                    set_limit(0)
    return count, found


def main() -> int:
    """Fuzz for as long as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--random", type=int, default=1)
    parser.add_argument("--target")
    parser.add_argument("--most", type=int, default=1 << 60)
    given = parser.parse_args()
    held = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    resource.setrlimit(resource.RLIMIT_AS, (held + MOST_BYTES, held + MOST_BYTES))
    begun = time.monotonic()
    count, found = fuzz(given.seconds, given.random, given.target, given.most)
    print(f"fuzz files: {count} files in {time.monotonic() - begun:.1f} s, {len(found)} findings", flush=True)
    for text in found:
        print(text, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    np.seterr(all="ignore")
    sys.exit(main())
