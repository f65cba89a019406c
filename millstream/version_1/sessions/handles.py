"""tf.compat.v1.get_session_handle: tensors that stay in a session, by texts that stand for them."""

from __future__ import annotations

import itertools
import weakref
from typing import Any

from millstream.api.public import public, root
from millstream.base import dtypes, errors
from millstream.base.dtypes import as_dtype
from millstream.base.errors import explain
from millstream.base.spec import Spec
from millstream.execution import session_fetches
from millstream.execution.context import current_graph
from millstream.execution.dispatch import new_operation
from millstream.execution.graph import Graph, GraphTensor
from millstream.execution.host import call_host
from millstream.execution.stopping import running_session
from millstream.execution.tensor import eager_constant

tf: Any = root()
_numbers = itertools.count()


class TensorHandle:
    """What a session gives for a tensor that stays in it."""

    def __init__(self, handle: bytes, dtype: Any, session: Any) -> None:
        self._handle, self._dtype, self._session = handle.decode(), dtype, session

    @property
    def handle(self) -> str:
        """The text that stands for the tensor."""
        return self._handle

    def __str__(self) -> str:
        return self._handle

    def eval(self) -> Any:
        """Return the tensor's value."""
        with self._session.graph.as_default():
            holder, tensor = get_session_tensor(self._handle, self._dtype)
        return self._session.run(tensor, {holder: self._handle})

    def to_numpy_array(self) -> Any:
        """Return the tensor's value."""
        return self.eval()

    def get_raw_handle(self) -> str:
        """Return the text; the tensor stays until the session ends."""
        return self._handle

    def delete(self) -> None:
        """Forget the tensor."""
        with self._session.graph.as_default():
            holder, deleter = delete_session_tensor(self._handle)
        self._session.run(deleter, {holder: self._handle})


class _HandleTensor(GraphTensor):
    """A tensor of a text that stands for another tensor: sessions give a TensorHandle for it."""

    kept_dtype: Any
    plain: Any


def _fetched(tensor: _HandleTensor) -> tuple[list[Any], Any]:
    # Whoever fetches is the session whose run this is.
    return [tensor.plain], lambda found: TensorHandle(found[0], tensor.kept_dtype, _session_of(found[0]))


_sessions: weakref.WeakValueDictionary[str, Any] = weakref.WeakValueDictionary()
"""The sessions by the texts that they gave."""


def _session_of(text: bytes) -> Any:
    return _sessions[text.decode()]


session_fetches.register_expansion(_HandleTensor, _fetched)


def _graph() -> Graph:
    graph = current_graph()
    if not isinstance(graph, Graph):
        raise RuntimeError(explain("Tensors stay in sessions of graphs: use tf.Graph().as_default()."))
    return graph


@public("compat.v1.get_session_handle")
def get_session_handle(data: Any, name: str | None = None) -> Any:
    """Return a tensor for which a session gives a handle of `data`, whose value stays in the session.

    Raises:
      TypeError: `data` is no tensor.
    """
    graph = _graph()
    if not isinstance(data, tf.Tensor):
        raise TypeError(explain("`data` must be of type Tensor."))

    def keep(tensor: Any) -> list[Any]:
        session, text = running_session(), f"GetSessionHandle;{next(_numbers)};0"
        session.set_object(("handle", text), tensor)
        _sessions[text] = session
        return [eager_constant(text.encode(), dtypes.string)]

    (plain,) = call_host("GetSessionHandleV2", keep, [data], (Spec(dtypes.string, ()),))
    made = _HandleTensor(graph, plain.value)
    made.kept_dtype, made.plain = data.dtype, plain
    return made


def _text(handle: Any) -> str:
    return handle.handle if isinstance(handle, TensorHandle) else str(handle)


def _kept(text: Any) -> Any:
    found = running_session().object_of(("handle", text.numpy().decode()), lambda: None)
    if found is None:
        raise errors.InvalidArgumentError(
            None, None, explain(f"The tensor with handle '{text.numpy().decode()}' is not in the session store.")
        )
    return found


@public("compat.v1.get_session_tensor")
def get_session_tensor(handle: Any, dtype: Any, name: str | None = None) -> tuple[Any, Any]:
    """Return a placeholder that is fed a handle, and the tensor that it stands for.

    Args:
      handle: a handle, for the form alone.
      dtype: the element type of the tensor.
      name: accepted and not used.
    """
    _graph()
    holder = tf.compat.v1.placeholder(dtypes.string, [])
    (found,) = call_host("GetSessionTensor", lambda text: [_kept(text)], [holder], (Spec(as_dtype(dtype), None),))
    return holder, found


@public("compat.v1.delete_session_tensor")
def delete_session_tensor(handle: Any, name: str | None = None) -> tuple[Any, Any]:
    """Return a placeholder that is fed a handle, and the operation that forgets the tensor that it stands for."""
    _graph()
    holder = tf.compat.v1.placeholder(dtypes.string, [])

    def forget(text: Any) -> list[Any]:
        _kept(text)
        running_session().set_object(("handle", text.numpy().decode()), None)
        _sessions.pop(text.numpy().decode(), None)
        return []

    call_host("DeleteSessionTensor", forget, [holder], ())
    return holder, new_operation()
