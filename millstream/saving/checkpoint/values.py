"""What one object saves: its attributes, and the tensors under them; and how it takes them back."""

from __future__ import annotations

import abc
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from millstream.base import dtypes, errors
from millstream.base.errors import explain
from millstream.execution.convert import to_tensor
from millstream.execution.graph_variable import GraphVariable
from millstream.execution.tensor import Tensor
from millstream.execution.trackable import DelegatingTrackableMixin, Trackable
from millstream.execution.variable import is_resource_variable
from millstream.saving.checkpoint.in_sessions import Pending
from millstream.saving.slices import Part

VARIABLE_VALUE = "VARIABLE_VALUE"
PYTHON_STATE = "py_state"


class PythonState(Trackable, metaclass=abc.ABCMeta):
    """Base of objects whose state is Python's: a text that checkpoints carry.

    >>> class Count(tf.train.experimental.PythonState):
    ...     number = 3
    ...     def serialize(self): return str(self.number)
    ...     def deserialize(self, string_value): self.number = int(string_value)
    >>> count, prefix = Count(), f"{tempfile.mkdtemp()}/count"
    >>> _ = tf.train.Checkpoint(count=count).write(prefix)
    >>> count.number = 0
    >>> _ = tf.train.Checkpoint(count=count).read(prefix)
    >>> count.number
    3
    """

    @abc.abstractmethod
    def serialize(self) -> str:
        """Return the state as a text."""

    @abc.abstractmethod
    def deserialize(self, string_value: Any) -> None:
        """Take the state from what `serialize` returned, as bytes."""


@dataclass(frozen=True)
class Value:
    """A tensor, or a part of one, under its name in the checkpoint; `owner` is the object that saves it."""

    key: str
    part: str
    tensor: Any
    owner: Any = None


@dataclass(frozen=True)
class Attribute:
    """What the message of a checkpoint says of one thing that an object saves."""

    name: str
    key: str
    full_name: str


@dataclass
class Saved:
    """What one object saves."""

    attributes: list[Attribute] = field(default_factory=list)
    values: list[Value] = field(default_factory=list)
    is_python: bool = False


def escaped(name: str) -> str:
    """Return the name of a child or an attribute as it stands between the slashes of a path.

    >>> escaped("a/b.c")
    'a.Sb..c'
    """
    return name.replace(".", "..").replace("/", ".S")


def plain(name: str) -> str:
    """Return what `escaped` was given."""
    return name.replace("..", "\0").replace(".S", "/").replace("\0", ".")


def key_of(path: str, attribute: str) -> str:
    """Return the name of an attribute's tensor in a checkpoint."""
    return f"{path}/.ATTRIBUTES/{escaped(attribute)}"


def saves_tensors(tracked: Any) -> bool:
    """Return whether an object says itself which tensors it saves."""
    while isinstance(tracked, DelegatingTrackableMixin):
        tracked = tracked._trackable
    method = getattr(tracked, "_serialize_to_tensors", None)
    return method is not None and getattr(method, "__func__", method) is not Trackable._serialize_to_tensors


def saves_anything(tracked: Any) -> bool:
    """Return whether an object has values of its own."""
    return (
        saves_tensors(tracked) or isinstance(tracked, PythonState) or bool(tracked._gather_saveables_for_checkpoint())
    )


def full_name_of(tracked: Any) -> str:
    """Return the name by which name-based checkpoints know a variable; an empty one for other objects."""
    return str(tracked._shared_name) if is_resource_variable(tracked) else ""


def values_of(tracked: Any, path: str) -> Saved:
    """Return what an object at a path saves."""
    saved = Saved()
    if isinstance(tracked, PythonState):
        key = key_of(path, PYTHON_STATE)
        saved.is_python = True
        saved.attributes.append(Attribute(PYTHON_STATE, key, ""))
        saved.values.append(Value(key, "", to_tensor(tracked.serialize(), dtypes.string), tracked))
    elif saves_tensors(tracked):
        _add_tensors(saved, tracked, path)
    else:
        for name, factory in tracked._gather_saveables_for_checkpoint().items():
            key = key_of(path, name)
            saved.attributes.append(Attribute(escaped(name), key, full_name_of(tracked)))
            made = factory(name=key) if callable(factory) and not is_resource_variable(factory) else factory
            if hasattr(made, "specs"):
                saved.values += [Value(s.name, s.slice_spec, to_tensor(_called(s.tensor)), tracked) for s in made.specs]
            else:
                saved.values.append(Value(key, "", tensor_of(made), tracked))
    return saved


def _add_tensors(saved: Saved, tracked: Any, path: str) -> None:
    common = tracked._saved_name
    if common is not None:
        saved.attributes.append(Attribute(common, key_of(path, common), ""))
    for name, given in tracked._serialize_to_tensors().items():
        if common is not None:
            key = key_of(path, common) + name
        else:
            local = escaped(name)
            key = key_of(path, local)
            saved.attributes.append(Attribute(local, key, full_name_of(tracked)))
        for part, value in given.items() if isinstance(given, Mapping) else (("", given),):
            saved.values.append(Value(key, part, tensor_of(value), tracked))


def _called(given: Any) -> Any:
    return given() if callable(given) and not isinstance(given, Tensor) and not is_resource_variable(given) else given


def tensor_of(given: Any) -> Any:
    """Return what is to be saved as a tensor: that of a variable, a function's result, a number."""
    given = _called(getattr(given, "tensor", given) if hasattr(given, "slice_spec") else given)
    return given if isinstance(given, Tensor) else to_tensor(given)


def part_of(text: str) -> Part | None:
    """Return the part of a tensor that a text names; None for the whole tensor."""
    return Part.of_text(text) if text else None


class Restored(dict[str, Any]):
    """The tensors of one object by name; asking for one that the checkpoint does not have is a NotFoundError."""

    def __missing__(self, name: str) -> Any:
        raise errors.NotFoundError(
            None, None, f"The checkpoint has {sorted(self)} for an object that needs {name!r}, too."
        )


def give_back(
    tracked: Any, proto: Any, read: Callable[..., Any], names_below: Callable[[str], list[str]], pending: Pending
) -> list[str]:
    """Make an object take the values of its node; return the attributes that it does not know.

    Args:
      tracked: the object.
      proto: its TrackableObject.
      read: gives the tensor of a name, and of a part as text; with `wanted=` its element type.
      names_below: gives the names of tensors that begin with a text.
      pending: takes the values of variables of graphs.
    """
    attributes = list(proto.attributes)
    if not attributes:
        return []
    if isinstance(tracked, PythonState):
        tracked.deserialize(read(attributes[0].checkpoint_key).numpy())
        return []
    if saves_tensors(tracked):
        return _give_tensors(tracked, attributes, read, names_below, pending)
    saveables = tracked._gather_saveables_for_checkpoint()
    unused = []
    for attribute in attributes:
        factory = saveables.get(attribute.name)
        if factory is None:
            unused.append(attribute.name)
            continue
        made = factory
        if callable(factory) and not is_resource_variable(factory):
            made = factory(name=attribute.checkpoint_key)
        if hasattr(made, "specs"):
            made.restore([read(s.name, s.slice_spec) for s in made.specs], None)
        else:
            made.assign(read(attribute.checkpoint_key))
    return unused


def _give_tensors(tracked: Any, attributes: Any, read: Any, names_below: Any, pending: Pending) -> list[str]:
    if tracked._saved_name is not None:
        prefix = attributes[0].checkpoint_key
        tensors = Restored({name[len(prefix) :]: read(name) for name in names_below(prefix)})
        if attributes[0].name != tracked._saved_name or not tensors:
            return [a.name for a in attributes]
        tracked._restore_from_tensors(tensors)
        return []
    if is_resource_variable(tracked):
        for attribute in attributes:
            if attribute.name == VARIABLE_VALUE:
                give_variable(tracked, read(attribute.checkpoint_key, wanted=tracked.dtype), pending)
        return [a.name for a in attributes if a.name != VARIABLE_VALUE]
    tracked._restore_from_tensors(Restored({plain(a.name): read(a.checkpoint_key) for a in attributes}))
    return []


def give_variable(variable: Any, value: Any, pending: Pending) -> None:
    """Make a variable take a value: now, or where sessions hold it, when a session is there.

    Raises:
      ValueError: their shapes do not go together.
    """
    check_shape(variable, value)
    if isinstance(variable, GraphVariable):
        pending.take(variable, value)
    else:
        variable._restore_from_tensors({VARIABLE_VALUE: value})


def check_shape(variable: Any, value: Any) -> None:
    """Refuse a value that a variable cannot hold.

    Raises:
      ValueError: the shapes do not go together.
    """
    if not variable.shape.is_compatible_with(value.shape):
        raise ValueError(
            explain(
                f"Received incompatible tensor with shape {value.shape} when attempting to restore variable with shape "
                f"{variable.shape} and name {variable.name}."
            )
        )
