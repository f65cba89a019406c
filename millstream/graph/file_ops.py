"""Ops that touch files, in graphs that were loaded: refused, or held to the files that came with the model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from millstream.base import dtypes, errors
from millstream.base.flags import flags
from millstream.base.spec import Spec
from millstream.ops.registry import find
from millstream.program.primitives.control import check
from millstream.program.primitives.shaping import constant
from millstream.program.value import Definition, Value, current_program

READING = {"ReadFile": 0, "InitializeTableFromTextFileV2": 1, "InitializeTableFromTextFile": 1}
"""Ops that read one file, and which of their inputs names it."""

REFUSED = (
    "WriteFile", "MatchingFiles", "SaveV2", "RestoreV2", "Save", "SaveSlices", "Restore", "RestoreSlice", "MergeV2Checkpoints",
    "TFRecordDataset", "TFRecordDatasetV2", "TextLineDataset", "FixedLengthRecordDataset", "FixedLengthRecordDatasetV2",
    "TFRecordReader", "TFRecordReaderV2", "TextLineReader", "TextLineReaderV2", "WholeFileReader", "WholeFileReaderV2",
    "FixedLengthRecordReader", "FixedLengthRecordReaderV2", "DebugIdentityV2", "PrintV2File", "PyFunc", "PyFuncStateless",
    "EagerPyFunc", "CreateSummaryFileWriter", "CreateSummaryDbWriter", "LookupTableExportToFile",
)  # fmt: skip
"""Ops that write, list or read files at will, or run code of the machine that saved them."""


def everything_is_allowed() -> bool:
    """Return whether MILLSTREAM_ALLOW_FILES says that loaded graphs may touch any file."""
    return flags().allow_files


class FileGuard(Definition):
    """Stops where a path is none of those that are allowed. Graphs that are written anew go without it."""

    effects = True

    def __init__(self, op: str, what: str, allowed: frozenset[bytes]) -> None:
        self.name = f"{op}Guard"
        self.allowed = allowed
        self.message = (
            f"{what} is {op}, and would read a file that is not among the model's assets; where you trust the model, load it "
            "with tf.saved_model.LoadOptions(allow_file_ops=True), or set MILLSTREAM_ALLOW_FILES=1. The file is"
        )

    def infer(self, inputs: Sequence[Spec], attributes: Mapping[str, Any]) -> tuple[Spec, ...]:
        return ()

    def run_body(self, inputs: Sequence[Value], attributes: Mapping[str, Any]) -> tuple[Value, ...]:
        # There is no file of an empty name; it stands for none where no file is allowed.
        known = constant(np.array([b"", *sorted(self.allowed)], object), dtypes.string)
        same = find("Any")(find("Equal")(inputs[0], known), constant(np.array([0], np.int32), dtypes.int32))
        check(same, self.message, "PermissionDeniedError", inputs)
        return ()


def guard(node: Any, place: str, inputs: Sequence[Value], allowed: frozenset[bytes]) -> None:
    """Refuse a node that touches files, or make the graph compare what it reads with the files that it may read.

    Raises:
      PermissionDeniedError: it does more than read one file.
    """
    if node.op in REFUSED:
        raise errors.PermissionDeniedError(
            None,
            None,
            f"{node.name} in {place} is {node.op}, which reaches outside of the model; graphs that are loaded may read the "
            "model's own assets only. Where you trust the file, load it with "
            "tf.saved_model.LoadOptions(allow_file_ops=True), or set MILLSTREAM_ALLOW_FILES=1.",
        )
    position = READING.get(node.op)
    if position is None or position >= len(inputs) or inputs[position].dtype != dtypes.string:
        return
    current_program().emit(FileGuard(node.op, f"{node.name} in {place}", allowed), [inputs[position]], {})
