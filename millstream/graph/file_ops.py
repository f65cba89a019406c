"""Ops that touch files, in graphs that were loaded or imported: refused, or held to the files that came with the model."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from millstream.base import dtypes, errors
from millstream.base.flags import flags
from millstream.base.spec import Spec
from millstream.ops.registry import find
from millstream.program.primitives.control import check
from millstream.program.primitives.shaping import constant
from millstream.program.value import Definition, Node, Value, current_program

READING = {"ReadFile": 0, "InitializeTableFromTextFileV2": 1, "InitializeTableFromTextFile": 1}
"""Ops that read one file, and which of their inputs names it."""

NAMING = {"FixedUnigramCandidateSampler": "vocab_file", "Skipgram": "filename"}
"""Ops that read a file where an attribute names one; PrintV2 writes to one, too, but not only."""

SAVING = ("SaveV2", "RestoreV2", "MergeV2Checkpoints", "Save", "SaveSlices", "Restore", "RestoreSlice")
"""Ops that graphs carry for their checkpoints. Loading reads these itself, so that the ops are not run."""

REFUSED = (
    *SAVING, "WriteFile", "MatchingFiles", "DistributedSave", "LoadAndRemapMatrix", "GenerateVocabRemapping", "ImmutableConst", "RecordInput",
    "TFRecordDataset", "TFRecordDatasetV2", "TextLineDataset", "FixedLengthRecordDataset", "FixedLengthRecordDatasetV2",
    "CSVDataset", "CSVDatasetV2", "LMDBDataset", "SqlDataset", "MatchingFilesDataset", "CacheDataset", "CacheDatasetV2",
    "SaveDataset", "SaveDatasetV2", "LoadDataset", "SnapshotDataset", "SnapshotDatasetV2", "SnapshotDatasetReader",
    "SnapshotChunkDataset", "SnapshotNestedDatasetReader", "ListSnapshotChunksDataset", "DatasetToTFRecord",
    "ExperimentalCSVDataset", "ExperimentalLMDBDataset", "ExperimentalSqlDataset", "ExperimentalMatchingFilesDataset",
    "ExperimentalDatasetToTFRecord",
    "TFRecordReader", "TFRecordReaderV2", "TextLineReader", "TextLineReaderV2", "WholeFileReader", "WholeFileReaderV2",
    "FixedLengthRecordReader", "FixedLengthRecordReaderV2", "LMDBReader", "FileSystemSetConfiguration",
    "DebugIdentity", "DebugIdentityV2", "DebugIdentityV3", "DebugNanCount", "DebugNumericSummary",
    "CreateSummaryFileWriter", "CreateSummaryDbWriter", "PyFunc", "PyFuncStateless", "EagerPyFunc",
)  # fmt: skip
"""Ops that write, list or read files at will, or run code of the machine that saved them."""


def allowed_files(assets: Iterable[str], allow_file_ops: bool) -> frozenset[bytes] | None:
    """Return the files that ops of a graph may read which was loaded with these assets; None for any.

    Any is what the caller allows, or MILLSTREAM_ALLOW_FILES=1.
    """
    return None if allow_file_ops or flags().allow_files else frozenset(map(os.fsencode, assets))


_HOW_TO_ALLOW = (
    "Where you trust the graph, load it with allow_file_ops=True (an argument of tf.import_graph_def, and of "
    "tf.saved_model.LoadOptions), or set MILLSTREAM_ALLOW_FILES=1."
)


class FileGuard(Definition):
    """Stops where a path is none of those that are allowed. Graphs that are written anew go without it."""

    effects = True

    def __init__(self, op: str, what: str, allowed: frozenset[bytes]) -> None:
        self.name = f"{op}Guard"
        self.allowed = allowed
        self.message = (
            f"{what} is {op}, and would read a file that is not among the model's assets. {_HOW_TO_ALLOW} The file is"
        )

    def infer(self, inputs: Sequence[Spec], attributes: Mapping[str, Any]) -> tuple[Spec, ...]:
        return ()

    def run_body(self, inputs: Sequence[Value], attributes: Mapping[str, Any]) -> tuple[Value, ...]:
        # There is no file of an empty name; it stands for none where no file is allowed.
        known = constant(np.array([b"", *sorted(self.allowed)], object), dtypes.string)
        same = find("Any")(find("Equal")(inputs[0], known), constant(np.array([0], np.int32), dtypes.int32))
        check(same, self.message, "PermissionDeniedError", inputs)
        return ()


def _names_a_file(node: Any) -> bool:
    """Whether an attribute says which file an op reads or writes."""
    name = "output_stream" if node.op == "PrintV2" else NAMING.get(node.op)
    # Asking a message for what it does not have adds it.
    text = node.attr[name].s if name is not None and name in node.attr else b""
    return bool(text.startswith(b"file://") if node.op == "PrintV2" else text)


def guard(node: Any, place: str, inputs: Sequence[Value], allowed: frozenset[bytes]) -> Node | None:
    """Refuse a node that touches files, or make the graph compare what it reads with the files that it may read.

    Returns:
      The node that compares, for which the one that reads must wait; None where there is nothing to compare.

    Raises:
      PermissionDeniedError: it does more than read one file.
    """
    if node.op in REFUSED or _names_a_file(node):
        raise errors.PermissionDeniedError(
            None,
            None,
            f"{node.name} in {place} is {node.op}, which reaches outside of the model; graphs that are loaded may read the "
            f"model's own assets only. {_HOW_TO_ALLOW}",
        )
    position = READING.get(node.op)
    if position is None or position >= len(inputs) or inputs[position].dtype != dtypes.string:
        return None
    program = current_program()
    program.emit(FileGuard(node.op, f"{node.name} in {place}", allowed), [inputs[position]], {})
    return program.nodes[-1]
