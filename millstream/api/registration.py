"""tf.RegisterGradient, tf.no_gradient, the logger, and the loading of foreign ops, which is refused."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from typing import Any, TypeVar

from millstream.api.public import public
from millstream.base import errors
from millstream.execution.convert import to_tensor
from millstream.execution.gradient_override import registered
from millstream.ops.registry import all_ops

_Function = TypeVar("_Function", bound=Callable[..., Any])


def _register(op_type: Any, function: Callable[..., Any] | None) -> None:
    if not isinstance(op_type, str):
        raise TypeError(errors.explain("op_type must be a string"))
    if op_type in all_ops() or op_type in registered:
        where = "the declaration of the op" if op_type in all_ops() else "an earlier call"
        raise KeyError(
            errors.explain(f"Registering two gradient with name {op_type!r}! (Previous registration was in {where})")
        )
    registered[op_type] = function


@public("RegisterGradient", "compat.v1.RegisterGradient")
class RegisterGradient:
    """A decorator that registers the gradient of an op.

    Millstream's own ops have theirs, and foreign ops cannot be loaded: what is registered here is for
    `tf.Graph.gradient_override_map`. Use `tf.custom_gradient` for a gradient of your own.

    Args:
      op_type: the name of the op.

    Raises:
      TypeError: where it is no text.
      KeyError (when decorating): where the op has a gradient already.

    >>> @tf.RegisterGradient("MyOwnScale")
    ... def scale_gradient(op, grad):
    ...     return 2.0 * grad
    """

    __slots__ = ("_op_type",)

    def __init__(self, op_type: str) -> None:
        if not isinstance(op_type, str):
            raise TypeError(errors.explain("op_type must be a string"))
        self._op_type = op_type

    def __call__(self, f: _Function) -> _Function:
        """Register the decorated function `f(op, *grads)` and return it."""
        _register(self._op_type, f)
        return f


@public("no_gradient", "compat.v1.NoGradient", "compat.v1.NotDifferentiable", "compat.v1.no_gradient")
def no_gradient(op_type: str) -> None:
    """Say that nothing flows back through ops of this name. See `tf.RegisterGradient`.

    Args:
      op_type: the name of the op.

    Raises:
      TypeError: where it is no text.
      KeyError: where the op has a gradient, or was named already.
    """
    _register(op_type, None)


@public("get_logger", "compat.v1.get_logger")
def get_logger() -> logging.Logger:
    """Return the logger through which warnings are written; without handlers of its own it gets one for stderr.

    >>> tf.get_logger().setLevel("ERROR")
    """
    logger = logging.getLogger("millstream")
    if not logger.handlers and not logging.getLogger().handlers:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter(logging.BASIC_FORMAT, None))
        logger.addHandler(handler)
    return logger


def _refuse_library(path: Any) -> None:
    if not os.path.exists(path):
        raise errors.NotFoundError(
            None, None, errors.explain(f"{path}: cannot open shared object file: No such file or directory")
        )
    raise errors.UnimplementedError(
        None,
        None,
        errors.explain(
            f"{path}: libraries of kernels for TensorFlow cannot be loaded: they are bound to TensorFlow's own runtime.",
            fix="Write the op as a composite of TensorFlow's functions, or call it by tf.numpy_function.",
        ),
    )


@public("load_op_library", "compat.v1.load_op_library")
def load_op_library(library_filename: Any) -> Any:
    """Refuse to load a library of ops: such libraries are bound to TensorFlow's own runtime.

    Args:
      library_filename: the file.

    Raises:
      tf.errors.NotFoundError: where there is no such file.
      tf.errors.UnimplementedError: where there is one.
    """
    _refuse_library(library_filename)


@public("load_library", "compat.v1.load_library")
def load_library(library_location: Any) -> None:
    """Refuse to load a library of kernels: such libraries are bound to TensorFlow's own runtime.

    Args:
      library_location: the file, or a folder of such files.

    Raises:
      FileNotFoundError: where there is no such file or folder.
      tf.errors.UnimplementedError: where there is one.
    """
    if not os.path.exists(library_location):
        raise FileNotFoundError(
            2, "The file or folder to load kernel libraries from does not exist.", os.fspath(library_location)
        )
    _refuse_library(library_location)


@public("check_pinned")
def check_pinned(tensor: Any, name: str | None = None) -> Any:
    """Raise: memory is pinned for GPUs of CUDA only, and this build has none.

    Args:
      tensor: any tensor.
      name: accepted and not used.

    Raises:
      tf.errors.FailedPreconditionError: always.
    """
    to_tensor(tensor)
    raise errors.FailedPreconditionError(
        None, None, errors.explain("CheckPinned: to check pinnedness, must be built with `--config=cuda`")
    )
