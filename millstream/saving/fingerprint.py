"""Numbers that tell one saved model from another: FarmHash of its file, of its parts and of its checkpoint's index."""

from __future__ import annotations

import os
import uuid
from pathlib import Path
from typing import Any

import numpy as np

from millstream.api.public import public
from millstream.backends.cpu.device import load as load_plan
from millstream.base import dtypes, messages
from millstream.base.errors import explain
from millstream.base.spec import Spec
from millstream.execution.tensor import eager_constant
from millstream.program.primitives.text import fingerprint as text_fingerprint
from millstream.program.value import Program, building
from millstream.saving import constants
from millstream.saving.bundle_reader import index_path

_VERSION = 3


def hash_of(data: bytes) -> int:
    """Return FarmHash's Fingerprint64 of bytes."""
    program = Program("fingerprint")
    with building(program):
        program.outputs = [text_fingerprint(program.input(Spec(dtypes.string, ())))]
    tensor = eager_constant(data, dtypes.string)
    return int(np.asarray(load_plan(program, [Spec(dtypes.string, ())]).run(0, (tensor,))[0].numpy()).view(np.uint64))


def fingerprint_of(saved: Any, data: bytes, prefix: str) -> Any:
    """Return the FingerprintDef of a saved model, given its message, the bytes of its file and its checkpoint."""
    meta_graph = saved.meta_graphs[0]
    index = Path(index_path(prefix))
    signatures = b"".join(
        name.encode() + meta_graph.signature_def[name].SerializeToString(deterministic=True)
        for name in sorted(meta_graph.signature_def)
    )
    made = messages.message("FingerprintDef")(
        saved_model_checksum=hash_of(data),
        graph_def_program_hash=hash_of(meta_graph.graph_def.SerializeToString(deterministic=True)),
        signature_def_hash=hash_of(signatures),
        saved_object_graph_hash=hash_of(meta_graph.object_graph_def.SerializeToString(deterministic=True)),
        checkpoint_hash=hash_of(index.read_bytes()) if index.exists() else 0,
        uuid=str(uuid.uuid4()),
    )
    made.version.producer = _VERSION
    return made


@public("saved_model.experimental.Fingerprint")
class Fingerprint:
    """The numbers of a saved model.

    Attributes:
      saved_model_checksum: of the bytes of its file.
      graph_def_program_hash, signature_def_hash, saved_object_graph_hash: of its parts.
      checkpoint_hash: of the index of its checkpoint.
      version: how they were computed.
    """

    def __init__(
        self,
        saved_model_checksum: int | None = None,
        graph_def_program_hash: int | None = None,
        signature_def_hash: int | None = None,
        saved_object_graph_hash: int | None = None,
        checkpoint_hash: int | None = None,
        version: int | None = None,
    ) -> None:
        self.saved_model_checksum = saved_model_checksum
        self.graph_def_program_hash = graph_def_program_hash
        self.signature_def_hash = signature_def_hash
        self.saved_object_graph_hash = saved_object_graph_hash
        self.checkpoint_hash = checkpoint_hash
        self.version = version

    @classmethod
    def from_proto(cls, proto: Any) -> Fingerprint:
        """Return the numbers of a FingerprintDef, or of its bytes.

        Raises:
          ValueError: the bytes are none.
        """
        if isinstance(proto, bytes):
            proto = messages.read("FingerprintDef", proto)
            if proto is None:
                raise ValueError(explain("Given proto could not be deserialized as fingerprint."))
        return cls(
            proto.saved_model_checksum,
            proto.graph_def_program_hash,
            proto.signature_def_hash,
            proto.saved_object_graph_hash,
            proto.checkpoint_hash,
            proto.version,
        )

    def singleprint(self) -> str:
        """Return one text of all numbers but the first.

        Raises:
          ValueError: one of them is missing or 0.
        """
        parts = (
            self.graph_def_program_hash,
            self.signature_def_hash,
            self.saved_object_graph_hash,
            self.checkpoint_hash,
        )
        if not all(parts):
            raise ValueError(explain("Encounted invalid fingerprint values when constructing singleprint."))
        return "/".join(str(part) for part in parts)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Fingerprint):
            return False
        names = ("graph_def_program_hash", "signature_def_hash", "saved_object_graph_hash", "checkpoint_hash")
        return all(getattr(self, n) == getattr(other, n) for n in names)

    __hash__ = None  # type: ignore[assignment]

    def __str__(self) -> str:
        return (
            f"SavedModel Fingerprint\n  saved_model_checksum: {self.saved_model_checksum}\n"
            f"  graph_def_program_hash: {self.graph_def_program_hash}\n  signature_def_hash: {self.signature_def_hash}\n"
            f"  saved_object_graph_hash: {self.saved_object_graph_hash}\n  checkpoint_hash: {self.checkpoint_hash}"
        )

    __repr__ = __str__


@public("saved_model.experimental.read_fingerprint")
def read_fingerprint(export_dir: str) -> Fingerprint:
    """Read the numbers of the saved model in a folder.

    Raises:
      FileNotFoundError: it has none.
      RuntimeError: the file is damaged.

    >>> folder = tempfile.mkdtemp()
    >>> tf.saved_model.save(tf.Module(), folder)
    >>> tf.saved_model.experimental.read_fingerprint(folder).saved_model_checksum > 0
    True
    """
    path = Path(os.fspath(export_dir), constants.FINGERPRINT_FILENAME)
    if not path.exists():
        raise FileNotFoundError(explain(f"SavedModel Fingerprint Error: there is no file {path}."))
    found = messages.read("FingerprintDef", path.read_bytes())
    if found is None:
        raise RuntimeError(explain(f"SavedModel Fingerprint Error: {path} is damaged."))
    return Fingerprint.from_proto(found)
