"""Readers, accumulators and tensors that stay in sessions: more programs for record.py and libraries_test.py."""

from __future__ import annotations

import os
import tempfile
from typing import Any

import numpy as np

from millstream.version_1.testdata.programs import Found, plain

_CONTENTS = {
    "a.txt": b"one\r\ntwo\n\nfour",
    "b.txt": b"five\nsix\n",
    "c.txt": b"",
    "d.txt": b"0123456789abcdef!",
}


def _texts(value: Any, folder: str) -> Any:
    """Return texts without the folder's name."""
    return [
        _texts(v, folder) if isinstance(v, list) else v.decode().replace(folder, "") for v in np.asarray(value).tolist()
    ]


def readers(tf: Any) -> Found:
    """Records and their keys, until the queue is empty; counts; the classes of errors."""
    v1, found = tf.compat.v1, {}
    with tempfile.TemporaryDirectory() as folder:
        for name, content in _CONTENTS.items():
            with open(os.path.join(folder, name), "wb") as file:
                file.write(content)
        records = os.path.join(folder, "r.tfrecord")
        with tf.io.TFRecordWriter(records) as writer:
            for text in (b"x", b"", b"longer"):
                writer.write(text)
        texts = [os.path.join(folder, name) for name in ("a.txt", "b.txt", "c.txt", "a.txt")]
        kinds = {
            "lines": (lambda: v1.TextLineReader(), texts),
            "lines behind a header": (lambda: v1.TextLineReader(skip_header_lines=2), texts),
            "whole": (lambda: v1.WholeFileReader(), texts),
            "names": (lambda: v1.IdentityReader(), texts),
            "records": (lambda: v1.TFRecordReader(), [records, records]),
            "pieces": (lambda: v1.FixedLengthRecordReader(4), [os.path.join(folder, "d.txt")]),
            "pieces within": (lambda: v1.FixedLengthRecordReader(3, 1, 2, 5), [os.path.join(folder, "d.txt")] * 2),
        }
        for name, (make, paths) in kinds.items():
            for many in (None, 3):
                with tf.Graph().as_default(), v1.Session() as session:
                    queue = tf.queue.FIFOQueue(10, tf.string)
                    reader = make()
                    record = reader.read(queue) if many is None else reader.read_up_to(queue, many)
                    counts = [reader.num_records_produced(), reader.num_work_units_completed()]
                    session.run(queue.enqueue_many([paths]))
                    session.run(queue.close())
                    kept: list[Any] = []
                    try:
                        while True:
                            kept.append(_texts(session.run(record), folder))
                            kept.append(plain(session.run(counts)))
                    except tf.errors.OutOfRangeError:
                        kept.append(plain(session.run(counts)))
                    session.run(reader.reset())
                    kept.append(plain(session.run(counts)))
                    kept.append([reader.supports_serialize, str(record[0].shape)])
                    found[f"{name}, {many}"] = kept
    return found


def accumulators(tf: Any) -> Found:
    """Means and sums, in sessions and at once; gradients of old steps; the classes of errors."""
    v1, found = tf.compat.v1, {}

    def tried(compute: Any) -> Any:
        try:
            return plain(compute())
        except Exception as error:
            return type(error).__name__

    for kind in ("MEAN", "SUM"):
        with tf.Graph().as_default(), v1.Session() as session:
            total = v1.ConditionalAccumulator(tf.float32, [2], reduction_type=kind)
            given, step = v1.placeholder(tf.float32, [2]), v1.placeholder(tf.int64, [])
            apply, take, count = total.apply_grad(given, step), total.take_grad(2), total.num_accumulated()
            kept: list[Any] = []
            for number, at in ((1.0, 0), (2.0, 0), (3.0, 1)):
                session.run(apply, {given: [number, 1.0], step: at})
                kept.append(plain(session.run(count)))
            kept += [plain(session.run(take)), plain(session.run(count))]
            session.run(apply, {given: [9.0, 1.0], step: 0})
            kept.append(plain(session.run(count)))
            session.run(total.set_global_step(5))
            session.run(apply, {given: [9.0, 1.0], step: 4})
            session.run(apply, {given: [4.0, 1.0], step: 5})
            kept += [plain(session.run(count)), str(take.shape)]
            kept.append(tried(lambda t=total: t.apply_grad([1.0, 2.0, 3.0])))
            found[f"dense {kind}"] = kept
        with tf.Graph().as_default(), v1.Session() as session:
            rows = v1.SparseConditionalAccumulator(tf.float32, [None, 2], reduction_type=kind)
            first = rows.apply_grad([0, 2], [[1.0, 1.0], [2.0, 2.0]], [3, 2])
            second = rows.apply_indexed_slices_grad(tf.IndexedSlices(tf.constant([[5.0, 7.0]]), tf.constant([2])))
            taken = rows.take_indexed_slices_grad(2)
            session.run(first)
            session.run(second)
            kept = [plain(session.run(rows.num_accumulated()))]
            kept += [plain(part) for part in session.run([taken.indices, taken.values, taken.dense_shape])]
            kept.append(plain(session.run(rows.num_accumulated())))
            found[f"sparse {kind}"] = kept
    total = v1.ConditionalAccumulator(tf.float32, [])
    total.apply_grad(1.0)
    total.apply_grad(4.0)
    found["at once"] = [plain(total.num_accumulated()), plain(total.take_grad(2)), plain(total.num_accumulated())]
    found["refused"] = [tried(lambda: v1.ConditionalAccumulator(tf.float32, reduction_type="MAX"))]
    return found


def handles(tf: Any) -> Found:
    """Tensors that stay in a session and come back."""
    v1, found = tf.compat.v1, {}
    with tf.Graph().as_default(), v1.Session() as session:
        handle = session.run(v1.get_session_handle(tf.constant([1.0, 2.0]) * 3.0))
        holder, tensor = v1.get_session_tensor(handle.handle, tf.float32)
        found["again"] = plain(session.run(tensor * 2.0, {holder: handle.handle}))
        found["value"] = plain(handle.eval())
        both = session.run([v1.get_session_handle(tf.constant(5)), tf.constant(6)])
        found["beside others"] = [plain(both[0].eval()), plain(both[1])]
        handle.delete()
        try:
            session.run(tensor, {holder: handle.handle})
        except tf.errors.InvalidArgumentError as error:
            found["gone"] = type(error).__name__
    return found
