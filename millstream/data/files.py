"""Datasets and files: list_files, and elements saved and read again (save, load, snapshot) in files of our own."""

from __future__ import annotations

import contextlib
import json
import os
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from millstream.base import dtypes, errors
from millstream.base.files import local_path, matching
from millstream.base.specs import RaggedTensorSpec, SparseTensorSpec, TensorSpec
from millstream.data.fingerprint import digest_of
from millstream.data.methods import DatasetMethods, dataset
from millstream.data.optional import NoneTensorSpec
from millstream.data.sources import SourceMethods, TensorSlices
from millstream.data.stage import Element, Reader, Run, Stage, refused
from millstream.data.storage import ElementWriter, element_reader
from millstream.data.traced import Traced
from millstream.execution.convert import to_tensor
from millstream.execution.symbolic import SymbolicTensor

SPEC_FILE = "element_spec.json"
ENDING = ".elements"


class SavedShard(Stage):
    """The elements of one file."""

    name = "SavedElements"

    def __init__(self, spec: Any, path: Any, compression: str) -> None:
        super().__init__(spec, values={"path": path})
        self.compression = compression

    def reader(self, run: Run) -> Reader:
        path = self.values["path"]
        return element_reader(path if isinstance(path, str) else path.numpy(), self.spec, self.name, self.compression)


class Snapshot(Stage):
    """Elements written by the first whole iteration, and read by later ones."""

    name = "Snapshot"

    def __init__(self, before: Stage, path: str, compression: str, shard: Traced | None, reader: Any) -> None:
        super().__init__(before.spec, [before], functions=[] if shard is None else [shard])
        self.path = os.path.join(path, digest_of(before).hex())
        self.compression, self.reader_func = compression, reader

    def size(self, counts: list[int]) -> int:
        return counts[0]

    def reader(self, run: Run) -> Reader:
        if os.path.exists(os.path.join(self.path, SPEC_FILE)):
            return loaded(self.path, self.spec, self.compression, self.reader_func)._stage.reader(run)  # type: ignore[no-any-return]
        return _SnapshotReader(self, self.input.reader(run))


class _SnapshotReader(Reader):
    def __init__(self, stage: Snapshot, before: Reader) -> None:
        self.before = before
        shard = stage.begun()[0] if stage.functions else None
        self.writer: ShardWriter | None = ShardWriter(stage.path, stage.spec, stage.compression, shard)

    def __next__(self) -> Element:
        try:
            element = self.before.__next__()
        except StopIteration:
            if self.writer is not None:
                self.writer.close()
                self.writer = None
            raise
        if self.writer is not None:
            self.writer.write(element)
        return element

    def __del__(self) -> None:
        if self.writer is not None:
            self.writer.discard()


class ShardWriter:
    """Writes elements to the files that a function names by number; the directory says what it holds when it is whole."""

    def __init__(self, path: str, spec: Any, compression: str, shard: Traced | None) -> None:
        self.path, self.spec, self.compression, self.shard = path, spec, compression, shard
        self.description = json.dumps(spec_to_json(spec))
        self.files: dict[int, ElementWriter] = {}

    def write(self, element: Element) -> None:
        """Add an element to its file."""
        number = 0 if self.shard is None else int(self.shard(element)[0].numpy())
        if number not in self.files:
            path = os.path.join(self.path, f"{number:08d}{ENDING}")
            self.files[number] = ElementWriter(path, self.spec, self.compression)
        self.files[number].add(element)

    def close(self) -> None:
        """Finish the files, and say what they hold."""
        os.makedirs(self.path, exist_ok=True)
        for name in os.listdir(self.path):
            if name.endswith(ENDING):
                os.unlink(os.path.join(self.path, name))
        for file in self.files.values():
            file.close()
        partial = os.path.join(self.path, f"{SPEC_FILE}.{os.getpid()}.partial")
        with open(partial, "w", encoding="utf-8") as text:
            text.write(self.description)
        os.replace(partial, os.path.join(self.path, SPEC_FILE))

    def discard(self) -> None:
        """Leave nothing behind."""
        for file in self.files.values():
            file.discard()
        with contextlib.suppress(OSError):
            os.rmdir(self.path)


def loaded(path: str, spec: Any, compression: str, reader_func: Any) -> Any:
    """Return the dataset of what `ShardWriter` wrote."""
    description = os.path.join(path, SPEC_FILE)
    if not os.path.exists(description):
        raise errors.NotFoundError(None, None, f"Could not find the saved dataset {path}: there is no {description}.")
    if spec is None:
        with open(description, encoding="utf-8") as text:
            spec = spec_from_json(json.load(text))
    names = sorted(os.path.join(path, n) for n in os.listdir(path) if n.endswith(ENDING))
    if not names:
        return dataset(SavedShard(spec, "", compression)).take(0)
    paths = dataset(TensorSlices(to_tensor(names)))
    if reader_func is None:
        return paths.flat_map(lambda name: dataset(SavedShard(spec, name, compression)))
    result = reader_func(paths.map(lambda name: dataset(SavedShard(spec, name, compression))))
    if not isinstance(result, DatasetMethods):
        raise TypeError(f"`reader_func` must return a `tf.data.Dataset` object, but got {type(result)}.")
    return result


def spec_to_json(spec: Any) -> Any:
    """Return a structure of specs as JSON has it."""
    if isinstance(spec, tuple) and not hasattr(spec, "_fields"):
        return {"tuple": [spec_to_json(s) for s in spec]}
    if type(spec) in (dict, OrderedDict):
        kind = "dict" if type(spec) is dict else "ordered dict"
        return {kind: [[k, spec_to_json(v)] for k, v in spec.items()]}
    if type(spec) is TensorSpec:
        return {"tensor": [_sizes(spec.shape), spec.dtype.name]}
    if isinstance(spec, SparseTensorSpec):
        return {"sparse": [_sizes(spec.shape), spec.dtype.name]}
    if isinstance(spec, RaggedTensorSpec):
        return {"ragged": [_sizes(spec.shape), spec.dtype.name, spec.ragged_rank, spec.row_splits_dtype.name]}
    if isinstance(spec, NoneTensorSpec):
        return {"none": []}
    raise errors.UnimplementedError(
        None,
        None,
        f"Elements of spec {spec!r} cannot be saved; map them to tuples and dicts of tensors, ragged or sparse tensors.",
    )


def _sizes(shape: Any) -> Any:
    return None if shape.rank is None else shape.as_list()


def spec_from_json(given: Any) -> Any:
    """Return what `spec_to_json` was given."""
    ((kind, rest),) = given.items()
    if kind == "tuple":
        return tuple(spec_from_json(s) for s in rest)
    if kind in ("dict", "ordered dict"):
        made = ((k, spec_from_json(v)) for k, v in rest)
        return dict(made) if kind == "dict" else OrderedDict(made)
    if kind == "none":
        return NoneTensorSpec()
    dtype = dtypes.as_dtype(rest[1])
    if kind == "tensor":
        return TensorSpec(rest[0], dtype)
    if kind == "sparse":
        return SparseTensorSpec(rest[0], dtype)
    return RaggedTensorSpec(rest[0], dtype, rest[2], dtypes.as_dtype(rest[3]))


def _compression(given: Any, default: str = "") -> str:
    if given in (None, "NONE", ""):
        return ""
    if given == "AUTO":
        return default
    if given == "GZIP":
        return "GZIP"
    raise errors.UnimplementedError(None, None, f"The compression {given!r} is not supported; give None or 'GZIP'.")


class FileMethods(DatasetMethods):
    """What `tf.data.Dataset` does with files."""

    @staticmethod
    def list_files(file_pattern: Any, shuffle: Any = None, seed: Any = None, name: str | None = None) -> Any:
        """Return a dataset of the names of files that match patterns.

        Args:
          file_pattern: a pattern as of the shell, or several.
          shuffle: whether they come in random order; None is True.
          seed: a whole number that decides the order.

        Raises:
          tf.errors.InvalidArgumentError: no file and no directory matches.

        >>> folder = tempfile.mkdtemp()
        >>> for name in ("a.txt", "b.txt"):
        ...     open(os.path.join(folder, name), "w").close()
        >>> names = tf.data.Dataset.list_files(os.path.join(folder, "*.txt"), shuffle=False)
        >>> [os.path.basename(n) for n in names.as_numpy_iterator()]
        [b'a.txt', b'b.txt']
        """
        if isinstance(file_pattern, os.PathLike):
            file_pattern = os.fspath(file_pattern)
        tensor = to_tensor(file_pattern)
        if isinstance(tensor, SymbolicTensor):
            raise errors.UnimplementedError(
                None, None, "list_files inside of a traced function is not supported; list the files outside of it."
            )
        patterns = [tensor.numpy()] if tensor.shape.rank == 0 else tensor.numpy().tolist()
        found = sorted(m for p in patterns for m in matching(local_path(p)))
        if not found:
            raise refused(f"No files matched pattern: {', '.join(os.fsdecode(p) for p in patterns)}")
        names = SourceMethods.from_tensor_slices(found)
        return names.shuffle(len(found), seed=seed) if shuffle is None or shuffle else names

    def save(
        self,
        path: Any,
        compression: Any = None,
        shard_func: Callable[..., Any] | None = None,
        checkpoint_args: Any = None,
    ) -> None:
        """Write the elements to files in a directory; `tf.data.Dataset.load` reads them, in Millstream only.

        Args:
          path: the directory; what was saved there before is replaced.
          compression: None or "GZIP".
          shard_func: gives the number of the file of an element, an int64 scalar; all in one where None.
          checkpoint_args: refused: what is written has its name only when it is whole.

        Raises:
          tf.errors.UnimplementedError: the elements or the compression cannot be written.

        >>> path = os.path.join(tempfile.mkdtemp(), "saved")
        >>> tf.data.Dataset.range(3).save(path)
        >>> list(tf.data.Dataset.load(path).as_numpy_iterator())
        [0, 1, 2]
        """
        if checkpoint_args is not None:
            raise errors.UnimplementedError(
                None, None, "Dataset.save with checkpoint_args is not supported; save at once."
            )
        shard = None if shard_func is None else self._shard_function(shard_func)
        writer = ShardWriter(os.fspath(path), self._stage.spec, _compression(compression), shard)
        run = Run(self._options)
        reader = self._stage.unshared().reader(run)
        try:
            while True:
                try:
                    writer.write(run.draw(reader))
                except StopIteration:
                    break
        except BaseException:
            writer.discard()
            raise
        writer.close()

    def _shard_function(self, function: Callable[..., Any]) -> Traced:
        traced = Traced(function, self._stage.spec, "save")
        if not isinstance(traced.spec, TensorSpec) or not TensorSpec([], dtypes.int64).is_compatible_with(traced.spec):
            raise TypeError(
                f"`shard_func` must return a single `tf.int64` scalar, but its return type is {traced.spec}."
            )
        return traced

    @staticmethod
    def load(
        path: Any,
        element_spec: Any = None,
        compression: Any = None,
        reader_func: Callable[..., Any] | None = None,
        wait: bool = False,
    ) -> Any:
        """Return a dataset of the elements that `save` wrote.

        Args:
          path: the directory.
          element_spec: the structure of specs of the elements; what was saved where None.
          compression: as it was given to `save`.
          reader_func: gives one dataset from a dataset of those of the files; they come one after the other where None.
          wait: refused where the dataset is not there yet.

        Raises:
          tf.errors.NotFoundError: there is no saved dataset.
        """
        if wait and not os.path.exists(os.path.join(os.fspath(path), SPEC_FILE)):
            raise errors.UnimplementedError(
                None, None, "Dataset.load with wait is not supported; load when it is saved."
            )
        return loaded(os.fspath(path), element_spec, _compression(compression), reader_func)

    def snapshot(
        self,
        path: Any,
        compression: Any = "AUTO",
        reader_func: Callable[..., Any] | None = None,
        shard_func: Callable[..., Any] | None = None,
        name: str | None = None,
    ) -> Any:
        """Write the elements to files while they are first gone through, and read them later instead of making them.

        Args:
          path: a directory; each pipeline has its own below it.
          compression: "AUTO" and None: none; "GZIP".
          reader_func: as in `load`.
          shard_func: as in `save`.

        >>> kept = tf.data.Dataset.range(3).snapshot(tempfile.mkdtemp())
        >>> list(kept.as_numpy_iterator()), list(kept.as_numpy_iterator())
        ([0, 1, 2], [0, 1, 2])
        """
        shard = None if shard_func is None else self._shard_function(shard_func)
        return self._then(Snapshot(self._stage, os.fspath(path), _compression(compression), shard, reader_func))
