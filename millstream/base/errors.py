"""The error classes of `tf.errors`, and the user's own line for a message. Refuses codes that TensorFlow does not have."""

from __future__ import annotations

import functools
import linecache
import os
import re
import sys
import traceback
from types import FrameType
from typing import Any, Final

OK: Final = 0
CANCELLED: Final = 1
UNKNOWN: Final = 2
INVALID_ARGUMENT: Final = 3
DEADLINE_EXCEEDED: Final = 4
NOT_FOUND: Final = 5
ALREADY_EXISTS: Final = 6
PERMISSION_DENIED: Final = 7
RESOURCE_EXHAUSTED: Final = 8
FAILED_PRECONDITION: Final = 9
ABORTED: Final = 10
OUT_OF_RANGE: Final = 11
UNIMPLEMENTED: Final = 12
INTERNAL: Final = 13
UNAVAILABLE: Final = 14
DATA_LOSS: Final = 15
UNAUTHENTICATED: Final = 16


class InaccessibleTensorError(ValueError, TypeError):
    """A tensor was used outside the function that made it. TensorFlow raises ValueError or TypeError, by the road taken."""


class OperatorNotAllowedInGraphError(TypeError):
    """A tensor of a traced function was used as a Python value, where its content is not known yet."""


class Statement:
    """What an error says, in parts: each is filled in where it is known, once."""

    __slots__ = ("given", "line", "message", "op")

    def __init__(self, message: str, op: str = "", given: str = "", line: str = "") -> None:
        self.message = message
        self.op = op
        self.given = given
        self.line = line

    def text(self) -> str:
        """The message, the op, what it was given, and the user's line."""
        parts = [self.message]
        if self.op and "[Op:" not in self.message:
            parts[0] += f" [Op:{self.op}]"
        if self.given:
            parts.append(f"  given {self.given}")
        if self.line:
            parts.append(f"  at {self.line}")
        return "\n".join(parts)


class OpError(Exception):
    """What all errors of running ops have in common."""

    def __init__(self, node_def: Any, op: Any, message: str, error_code: int, *args: Any) -> None:
        super().__init__()
        self._node_def = node_def
        self._op = op
        self._message = message
        self._error_code = error_code
        self._experimental_payloads = args[0] if args else {}
        self._stated = Statement(message)

    @property
    def message(self) -> str:
        """The text of the error."""
        return self._message

    def state(self, op: str = "", given: str = "", line: str = "") -> None:
        """Add what is not said yet: the op that failed, what it was given, the user's line."""
        stated = self._stated
        stated.op = stated.op or op
        if stated.op == op:
            stated.given = stated.given or given
        stated.line = stated.line or line
        self._message = stated.text()

    def forget_line(self, op: str) -> None:
        """Take back the line of an error of `op`: its plan knows where it was made, not where it is called."""
        if self._stated.op in ("", op):
            self._stated.line = ""

    def rename_inner(self, op: str) -> None:
        """Say `op` where the message starts with a primitive of its body or a kernel: names that users do not know."""
        stated = self._stated
        inner = stated.message.partition(": ")[0]
        if op and inner.isidentifier() and inner.islower():
            stated.message = op + stated.message[len(inner) :]
            self._message = stated.text()

    @property
    def op(self) -> Any:
        """The graph operation that failed, None when run eagerly."""
        return self._op

    @property
    def error_code(self) -> int:
        """One of the codes of `tf.errors`, such as `INVALID_ARGUMENT`."""
        return self._error_code

    @property
    def node_def(self) -> Any:
        """The NodeDef of the operation that failed, None when run eagerly."""
        return self._node_def

    @property
    def experimental_payloads(self) -> Any:
        """Details about the error, by name."""
        return self._experimental_payloads

    def __reduce__(self) -> Any:
        arguments: tuple[Any, ...] = (self._node_def, self._op, self._message)
        return type(self), arguments if type(self) in _CODES else (*arguments, self._error_code)

    def __str__(self) -> str:
        if self._op is None:
            return self._message
        parts = [f"{self._message}\n\nOriginal stack trace for {self._op.name!r}:\n"]
        parts.extend(traceback.format_list(getattr(self._op, "traceback", None) or []))
        return "".join(parts)


class CancelledError(OpError):
    """The operation was cancelled."""

    def __init__(self, node_def: Any, op: Any, message: str, *args: Any) -> None:
        super().__init__(node_def, op, message, CANCELLED, *args)


class UnknownError(OpError):
    """An error without a known kind."""

    def __init__(self, node_def: Any, op: Any, message: str, *args: Any) -> None:
        super().__init__(node_def, op, message, UNKNOWN, *args)


class InvalidArgumentError(OpError):
    """An operation was given something that it does not take."""

    def __init__(self, node_def: Any, op: Any, message: str, *args: Any) -> None:
        super().__init__(node_def, op, message, INVALID_ARGUMENT, *args)


class DeadlineExceededError(OpError):
    """The operation took longer than allowed."""

    def __init__(self, node_def: Any, op: Any, message: str, *args: Any) -> None:
        super().__init__(node_def, op, message, DEADLINE_EXCEEDED, *args)


class NotFoundError(OpError):
    """A file, variable or other thing does not exist."""

    def __init__(self, node_def: Any, op: Any, message: str, *args: Any) -> None:
        super().__init__(node_def, op, message, NOT_FOUND, *args)


class AlreadyExistsError(OpError):
    """A thing to be made is there already."""

    def __init__(self, node_def: Any, op: Any, message: str, *args: Any) -> None:
        super().__init__(node_def, op, message, ALREADY_EXISTS, *args)


class PermissionDeniedError(OpError):
    """The caller may not do this."""

    def __init__(self, node_def: Any, op: Any, message: str, *args: Any) -> None:
        super().__init__(node_def, op, message, PERMISSION_DENIED, *args)


class UnauthenticatedError(OpError):
    """The caller has not shown who it is."""

    def __init__(self, node_def: Any, op: Any, message: str, *args: Any) -> None:
        super().__init__(node_def, op, message, UNAUTHENTICATED, *args)


class ResourceExhaustedError(OpError):
    """Memory or another resource ran out."""

    def __init__(self, node_def: Any, op: Any, message: str, *args: Any) -> None:
        super().__init__(node_def, op, message, RESOURCE_EXHAUSTED, *args)


class FailedPreconditionError(OpError):
    """The system is not in the state that the operation needs, such as a variable that has no value yet."""

    def __init__(self, node_def: Any, op: Any, message: str, *args: Any) -> None:
        super().__init__(node_def, op, message, FAILED_PRECONDITION, *args)


class AbortedError(OpError):
    """The operation was given up, usually because of another one at the same time."""

    def __init__(self, node_def: Any, op: Any, message: str, *args: Any) -> None:
        super().__init__(node_def, op, message, ABORTED, *args)


class OutOfRangeError(OpError):
    """The operation went past the end, such as of a data set."""

    def __init__(self, node_def: Any, op: Any, message: str, *args: Any) -> None:
        super().__init__(node_def, op, message, OUT_OF_RANGE, *args)


class UnimplementedError(OpError):
    """The operation is not there for these arguments."""

    def __init__(self, node_def: Any, op: Any, message: str, *args: Any) -> None:
        super().__init__(node_def, op, message, UNIMPLEMENTED, *args)


class InternalError(OpError):
    """Something inside the engine is broken."""

    def __init__(self, node_def: Any, op: Any, message: str, *args: Any) -> None:
        super().__init__(node_def, op, message, INTERNAL, *args)


class UnavailableError(OpError):
    """A service cannot be reached now."""

    def __init__(self, node_def: Any, op: Any, message: str, *args: Any) -> None:
        super().__init__(node_def, op, message, UNAVAILABLE, *args)


class DataLossError(OpError):
    """Data are damaged and cannot be had again."""

    def __init__(self, node_def: Any, op: Any, message: str, *args: Any) -> None:
        super().__init__(node_def, op, message, DATA_LOSS, *args)


_CLASSES: Final[dict[int, Any]] = {
    CANCELLED: CancelledError,
    UNKNOWN: UnknownError,
    INVALID_ARGUMENT: InvalidArgumentError,
    DEADLINE_EXCEEDED: DeadlineExceededError,
    NOT_FOUND: NotFoundError,
    ALREADY_EXISTS: AlreadyExistsError,
    PERMISSION_DENIED: PermissionDeniedError,
    UNAUTHENTICATED: UnauthenticatedError,
    RESOURCE_EXHAUSTED: ResourceExhaustedError,
    FAILED_PRECONDITION: FailedPreconditionError,
    ABORTED: AbortedError,
    OUT_OF_RANGE: OutOfRangeError,
    UNIMPLEMENTED: UnimplementedError,
    INTERNAL: InternalError,
    UNAVAILABLE: UnavailableError,
    DATA_LOSS: DataLossError,
}
_CODES: Final = {error_class: code for code, error_class in _CLASSES.items()}


def exception_type_from_error_code(error_code: int) -> Any:
    """The class of a code; KeyError for one that does not exist."""
    return _CLASSES[error_code]


def error_code_from_exception_type(cls: Any) -> Any:
    """The code of a class. For a class that has none, an UnknownError object, as TensorFlow returns."""
    return _CODES.get(cls) or UnknownError(None, None, "Unknown class exception", None)


def from_runtime(code: int, message: str, source: str = "") -> OpError:
    """The error of a status that the runtime gave; `source` is what `origin` made, or empty."""
    if code not in _CLASSES:
        return InternalError(None, None, f"{message} (the runtime gave the unknown status {code})")
    checked = _CHECKED.search(message)
    if checked is not None:
        # Refused by a kernel's check while the plan was loaded: users know the op, not the instruction.
        message, source = message[: checked.start()], source or checked[1]
    error: OpError = _CLASSES[code](None, None, message)
    line, op = parts_of_origin(source)
    error.rename_inner(op)
    error.state(op, line=with_text(line or user_line()))
    return error


_CHECKED: Final = re.compile(r" \[instruction \d+ \(\w+\) of function '[^']*', from (.*)\]$")


def without_line(error: BaseException) -> str:
    """The text of an error that another one quotes, without the user's line, which that one gives itself."""
    return str(error).partition(_AT)[0]


def origin(line: str | None, op: str) -> str:
    """Where an instruction comes from: the user's line, and the op that stands there."""
    return line if line and line.endswith("]") else f"{line or ''} [Op:{op}]".strip()


def parts_of_origin(source: str) -> tuple[str, str]:
    """The line and the op of an origin."""
    line, _, op = source.partition("[Op:")
    return line.strip(), op.rstrip("]")


def of_python(error: BaseException) -> OpError:
    """Return the error by which TensorFlow reports that Python code called from a graph or dataset raised `error`."""
    kinds: dict[type[BaseException], Any] = {
        ValueError: InvalidArgumentError,
        TypeError: InvalidArgumentError,
        StopIteration: OutOfRangeError,
        MemoryError: ResourceExhaustedError,
        NotImplementedError: UnimplementedError,
    }
    found = next((made for kind, made in kinds.items() if isinstance(error, kind)), UnknownError)
    text = f"{type(error).__name__}: {error}\n{''.join(traceback.format_exception(error))}"
    made: OpError = found(None, None, text)
    if _AT not in text:
        made.state(line=with_text(user_line()))
    return made


_AT: Final = "\n  at "


def explain(given: str, allowed: str = "", fix: str = "", source: str | None = None) -> str:
    """One message from what was given, what is allowed and what to do, ending with the user's line."""
    text = " ".join(part for part in (given, allowed, fix) if part)
    if _AT in text:
        # It quotes an error that has the line already.
        return text
    source = user_line() if source is None else source
    return f"{text}\n  at {with_text(source)}" if source else text


def value_error(text: str) -> ValueError:
    """A ValueError with the user's line."""
    return ValueError(explain(text))


def type_error(text: str) -> TypeError:
    """A TypeError with the user's line."""
    return TypeError(explain(text))


_PACKAGE: Final = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_STANDARD_LIBRARY: Final = os.path.dirname(os.path.abspath(os.__file__)) + os.sep
_SITE_PACKAGES: Final = (os.sep + "site-packages" + os.sep, os.sep + "dist-packages" + os.sep)
_KERAS: Final = (os.sep + "keras" + os.sep + "src" + os.sep, os.sep + "keras" + os.sep + "api" + os.sep)


@functools.lru_cache(maxsize=4096)
def _is_users_file(path: str) -> bool:
    if path.endswith("_test.py"):
        return True
    if path.startswith(("<frozen", _PACKAGE)) or any(part in path for part in _KERAS):
        return False
    return not path.startswith(_STANDARD_LIBRARY) or any(part in path for part in _SITE_PACKAGES)


def user_frame() -> FrameType | None:
    """The innermost frame that is neither ours, Keras's nor the standard library's; None where there is none."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and not _is_users_file(frame.f_code.co_filename):
        frame = frame.f_back
    return frame


def user_line() -> str:
    """Where the user's code is now, as `file.py:12 in call`; empty where no user's code is running."""
    frame = user_frame()
    if frame is None:
        return ""
    code = frame.f_code
    return _line(code.co_filename, frame.f_lineno, code.co_name)


@functools.lru_cache(maxsize=4096)
def _line(path: str, number: int, function: str) -> str:
    return f"{path.removeprefix(os.getcwd() + os.sep)}:{number} in {function}"


def with_text(line: str) -> str:
    """Add what stands at a line that `user_line` gave: `file.py:12 in call: y = tf.matmul(a, b)`."""
    place, _, _ = line.rpartition(" in ")
    path, _, number = place.rpartition(":")
    text = linecache.getline(path, int(number)).strip() if number.isdigit() else ""
    return f"{line}: {text}" if text else line
