"""tf.compat.v1.gfile, logging, app, errors, resource_loader and test helpers: what version 1 had beside its ops."""

from __future__ import annotations

import logging
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from millstream.api.public import public, publish, root
from millstream.base import errors

tf: Any = root()


@public("compat.v1.gfile.Copy")
def copy(oldpath: Any, newpath: Any, overwrite: bool = False) -> Any:
    """See `tf.io.gfile.copy`."""
    return tf.io.gfile.copy(oldpath, newpath, overwrite)


@public("compat.v1.gfile.DeleteRecursively")
def delete_recursively(dirname: Any) -> Any:
    """See `tf.io.gfile.rmtree`."""
    return tf.io.gfile.rmtree(dirname)


@public("compat.v1.gfile.Exists")
def exists(filename: Any) -> Any:
    """See `tf.io.gfile.exists`."""
    return tf.io.gfile.exists(filename)


@public("compat.v1.gfile.Glob")
def glob(filename: Any) -> Any:
    """See `tf.io.gfile.glob`."""
    return tf.io.gfile.glob(filename)


@public("compat.v1.gfile.IsDirectory")
def is_directory(dirname: Any) -> Any:
    """See `tf.io.gfile.isdir`."""
    return tf.io.gfile.isdir(dirname)


@public("compat.v1.gfile.ListDirectory")
def list_directory(dirname: Any) -> Any:
    """See `tf.io.gfile.listdir`."""
    return tf.io.gfile.listdir(dirname)


@public("compat.v1.gfile.MakeDirs")
def make_dirs(dirname: Any) -> Any:
    """See `tf.io.gfile.makedirs`."""
    return tf.io.gfile.makedirs(dirname)


@public("compat.v1.gfile.MkDir")
def mk_dir(dirname: Any) -> Any:
    """See `tf.io.gfile.mkdir`."""
    return tf.io.gfile.mkdir(dirname)


@public("compat.v1.gfile.Remove")
def remove(filename: Any) -> Any:
    """See `tf.io.gfile.remove`."""
    return tf.io.gfile.remove(filename)


@public("compat.v1.gfile.Rename")
def rename(oldname: Any, newname: Any, overwrite: bool = False) -> Any:
    """See `tf.io.gfile.rename`."""
    return tf.io.gfile.rename(oldname, newname, overwrite)


@public("compat.v1.gfile.Stat")
def stat(filename: Any) -> Any:
    """See `tf.io.gfile.stat`."""
    return tf.io.gfile.stat(filename)


@public("compat.v1.gfile.Walk")
def walk(top: Any, in_order: bool = True) -> Iterator[Any]:
    """See `tf.io.gfile.walk`; `in_order` gives a folder before what is in it."""
    return tf.io.gfile.walk(top, topdown=in_order)  # type: ignore[no-any-return]


publish("compat.v1.gfile.FastGFile", tf.io.gfile.GFile)

_LEVELS = {
    "DEBUG": logging.DEBUG,
    "INFO": logging.INFO,
    "WARN": logging.WARN,
    "ERROR": logging.ERROR,
    "FATAL": logging.FATAL,
}
for _name, _level in _LEVELS.items():
    publish(f"compat.v1.logging.{_name}", _level)


def _logger() -> logging.Logger:
    return tf.get_logger()  # type: ignore[no-any-return]


def _log_function(name: str, level: int) -> None:
    def function(msg: Any, *args: Any, **kwargs: Any) -> None:
        _logger().log(level, msg, *args, **kwargs)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"Write a message of the level {name.upper()}."
    publish(f"compat.v1.logging.{name}", function)


for _name, _level in (
    ("debug", logging.DEBUG),
    ("info", logging.INFO),
    ("warn", logging.WARN),
    ("warning", logging.WARN),
    ("error", logging.ERROR),
    ("fatal", logging.FATAL),
):
    _log_function(_name, _level)


@public("compat.v1.logging.log")
def log(level: int, msg: Any, *args: Any, **kwargs: Any) -> None:
    """Write a message of a level."""
    _logger().log(level, msg, *args, **kwargs)


@public("compat.v1.logging.vlog")
def vlog(level: int, msg: Any, *args: Any, **kwargs: Any) -> None:
    """Write a message of a level."""
    _logger().log(level, msg, *args, **kwargs)


@public("compat.v1.logging.log_if")
def log_if(level: int, msg: Any, condition: Any, *args: Any) -> None:
    """Write a message where a condition holds."""
    if condition:
        _logger().log(level, msg, *args)


_counts: dict[Any, int] = {}


def _times(msg: Any) -> int:
    """Return how often a message was given before."""
    _counts[msg] = _counts.get(msg, -1) + 1
    return _counts[msg]


@public("compat.v1.logging.log_every_n")
def log_every_n(level: int, msg: Any, n: int, *args: Any) -> None:
    """Write a message each n-th time, from the first on."""
    log_if(level, msg, not _times(msg) % n, *args)


@public("compat.v1.logging.log_first_n")
def log_first_n(level: int, msg: Any, n: int, *args: Any) -> None:
    """Write a message the first n times."""
    log_if(level, msg, _times(msg) < n, *args)


@public("compat.v1.logging.TaskLevelStatusMessage")
def task_level_status_message(msg: Any) -> None:
    """Write a message of the level ERROR."""
    _logger().error(msg)


@public("compat.v1.logging.flush")
def flush() -> None:
    """Return at once: nothing is kept back."""


@public("compat.v1.logging.get_verbosity")
def get_verbosity() -> int:
    """Return the lowest level that is written."""
    return _logger().getEffectiveLevel()


@public("compat.v1.logging.set_verbosity")
def set_verbosity(v: int | str) -> None:
    """Write only messages of this level or above."""
    _logger().setLevel(v)


@public("compat.v1.app.run")
def run(main: Any = None, argv: Any = None) -> None:
    """Run a program: `main(argv)`, with the flags of absl read, and end the process with what it gives."""
    from absl import app

    app.run(main or sys.modules["__main__"].main, argv)


_KINDS: list[Any] = [c for c in vars(errors).values() if isinstance(c, type) and issubclass(c, errors.OpError)]
_CODES = {cls(None, None, "").error_code: cls for cls in _KINDS if cls is not errors.OpError}


@public("compat.v1.errors.exception_type_from_error_code")
def exception_type_from_error_code(error_code: int) -> Any:
    """Return the class of the errors of a code; KeyError where there is none."""
    return _CODES[error_code]


@public("compat.v1.errors.error_code_from_exception_type")
def error_code_from_exception_type(cls: Any) -> int:
    """Return the code of a class of errors; UNKNOWN where it has none."""
    return next((code for code, known in _CODES.items() if known is cls), errors.UNKNOWN)


@public("compat.v1.errors.raise_exception_on_not_ok_status")
@contextmanager
def raise_exception_on_not_ok_status() -> Iterator[None]:
    """Run a block: its errors are raised as they are."""
    yield


def _caller_folder() -> str:
    return os.path.dirname(os.path.abspath(sys._getframe(2).f_code.co_filename))


@public("compat.v1.resource_loader.get_data_files_path")
def get_data_files_path() -> str:
    """Return the folder of the calling file."""
    return _caller_folder()


@public("compat.v1.resource_loader.get_path_to_datafile")
def get_path_to_datafile(path: str) -> str:
    """Return the path of a file beside the calling one."""
    return os.path.join(_caller_folder(), path)


@public("compat.v1.resource_loader.get_root_dir_with_all_resources")
def get_root_dir_with_all_resources() -> str:
    """Return the folder of the package."""
    return str(Path(__file__).resolve().parents[1])


@public("compat.v1.resource_loader.load_resource")
def load_resource(path: str) -> bytes:
    """Return the content of a file of the package; FileNotFoundError where there is none."""
    return Path(get_root_dir_with_all_resources(), path).read_bytes()


@public("compat.v1.resource_loader.readahead_file_path")
def readahead_file_path(path: str, readahead: str = "128M") -> str:
    """Return the path as it is."""
    return path


@public("compat.v1.test.get_temp_dir")
def get_temp_dir() -> str:
    """Return the folder for files of tests."""
    return os.environ.get("TEST_TMPDIR") or tempfile.gettempdir()


@public("compat.v1.test.test_src_dir_path")
def test_src_dir_path(relative_path: str) -> str:
    """Return the path of a file of the package."""
    return os.path.join(get_root_dir_with_all_resources(), relative_path)


@public("compat.v1.test.StubOutForTesting")
class StubOutForTesting:
    """Replaces attributes for the time of a test."""

    def __init__(self) -> None:
        self._kept: list[tuple[Any, str, Any]] = []

    def Set(self, parent: Any, child_name: str, new_child: Any) -> None:
        """Replace an attribute until `UnsetAll`."""
        self._kept.append((parent, child_name, getattr(parent, child_name)))
        setattr(parent, child_name, new_child)

    SmartSet = Set

    def UnsetAll(self) -> None:
        """Put all attributes back."""
        for parent, name, old in reversed(self._kept):
            setattr(parent, name, old)
        self._kept = []

    SmartUnsetAll = UnsetAll

    def CleanUp(self) -> None:
        """Put all attributes back."""
        self.UnsetAll()

    def __enter__(self) -> StubOutForTesting:
        return self

    def __exit__(self, *_: object) -> None:
        self.UnsetAll()


@public("compat.v1.feature_column.categorical_column_with_vocabulary_file")
def categorical_column_with_vocabulary_file(
    key: str,
    vocabulary_file: Any,
    vocabulary_size: int | None = None,
    num_oov_buckets: int = 0,
    default_value: int | None = None,
    dtype: Any = "string",
) -> Any:
    """See `tf.feature_column.categorical_column_with_vocabulary_file`."""
    return tf.feature_column.categorical_column_with_vocabulary_file(
        key, vocabulary_file, vocabulary_size, dtype, default_value, num_oov_buckets
    )


publish("compat.v1.feature_column.make_parse_example_spec", tf.feature_column.make_parse_example_spec)
for _name in ("CXX11_ABI_FLAG", "CXX_VERSION", "MONOLITHIC_BUILD"):
    publish(f"compat.v1.{_name}", getattr(tf.sysconfig, _name))
publish("compat.v1.QUANTIZED_DTYPES", tf.dtypes.QUANTIZED_DTYPES)
publish("compat.v1.__version__", tf.__version__)
publish("compat.v1.newaxis", None)
