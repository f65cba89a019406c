"""tf.queue: queues of tensors between threads, eagerly and in graphs. Refuses elements of other shapes and types than stated."""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from millstream.api.public import public
from millstream.base import dtypes, errors
from millstream.base.dtypes import DType, as_dtype
from millstream.base.errors import explain
from millstream.base.shapes import TensorShape, as_shape
from millstream.base.spec import Spec
from millstream.execution.context import current_graph
from millstream.execution.convert import to_tensor
from millstream.execution.dispatch import apply, new_operation
from millstream.execution.host import call_host
from millstream.execution.name_scope import scoped
from millstream.execution.queue_operations import USES, add_queue, node_type
from millstream.execution.queue_store import PaddingStore, PriorityStore, RandomStore, Store
from millstream.execution.random_seeds import op_seeds
from millstream.execution.static_value import static_value
from millstream.execution.stopping import running_session
from millstream.execution.tensor import eager_constant
from millstream.ops.registry import find

_numbers = itertools.count()
_shared: weakref.WeakValueDictionary[str, Store] = weakref.WeakValueDictionary()
"""Elements of queues that were made with `shared_name`."""


def _shape_list(shapes: Any, partial: bool = False) -> list[TensorShape] | None:
    """Return shapes as a list; None where there are none."""
    if partial and (
        not isinstance(shapes, Sequence) or not shapes or any(s is None or isinstance(s, int) for s in shapes)
    ):
        raise ValueError(explain("When providing partial shapes, a list of shapes must be provided."))
    if shapes is None:
        return None
    if isinstance(shapes, TensorShape):
        shapes = [shapes]
    if not isinstance(shapes, (tuple, list)):
        raise TypeError(
            explain(f"Shapes must be a TensorShape or a list or tuple of TensorShapes, got {type(shapes)} instead.")
        )
    if all(s is None or isinstance(s, int) for s in shapes):
        shapes = [shapes]
    found = [as_shape(s) for s in shapes]
    if not partial and not all(s.is_fully_defined() for s in found):
        raise ValueError(explain(f"All shapes must be fully defined: {found}"))
    if any(s.rank is None for s in found):
        raise ValueError(explain(f"All shapes must have a defined rank: {found}"))
    return found


def _name_list(names: Any, types: Sequence[DType]) -> list[str] | None:
    if names is None:
        return None
    names = list(names) if isinstance(names, (list, tuple)) else [names]
    if len(names) != len(types):
        raise ValueError(
            explain(
                "List of names must have the same length as the list of dtypes, received "
                f"len(names)={len(names)},len(dtypes)={len(types)}"
            )
        )
    return names


def _shared_store(shared_name: str | None, name: str, make: Callable[[str], Store]) -> Store:
    """Return a queue's elements: those of an earlier queue where it shares its name.

    In the graph of a session they stand for those that each session has.
    """
    graph = current_graph()
    if graph is not None and not graph.building_function:
        label = graph.own_name(scoped(name))
        own = make(shared_name if shared_name else label)
        own.label = label
        own.again = lambda: make(own.name)
        return own
    if shared_name is None:
        return make(f"_{next(_numbers)}_{name}")
    known = _shared.get(shared_name)
    made = make(shared_name) if known is None else known
    if made.kind != make(shared_name).kind:
        raise errors.InvalidArgumentError(
            None, None, explain(f"Shared queue '{shared_name}' is a {made.kind}; give another shared_name.")
        )
    _shared[shared_name] = made
    return made


def _here(store: Store) -> Store:
    """Return the elements that a queue has in the session that is running."""
    session = running_session()
    if store.again is None or session is None:
        return store
    return session.object_of(("queue", store.name), store.again)  # type: ignore[no-any-return]


@public("queue.QueueBase")
class QueueBase:
    """What all queues are: elements of one or more tensors that threads put in and take out.

    Args:
      dtypes: the element types of an element's tensors.
      shapes: their shapes, None where elements may be of any.
      names: a name for each; elements are then dictionaries.
      queue_ref: what holds the elements.
    """

    def __init__(self, dtypes: Any, shapes: Any, names: Any, queue_ref: Any) -> None:
        self._dtypes = [as_dtype(d) for d in (dtypes if isinstance(dtypes, (list, tuple)) else [dtypes])]
        if shapes is not None and len(shapes) != len(self._dtypes):
            raise ValueError(
                explain(
                    f"Queue shapes must have the same length as dtypes, received len(shapes)={len(shapes)}, "
                    f"len(dtypes)={len(self._dtypes)}"
                )
            )
        self._open = shapes is None
        self._shapes = [TensorShape(None)] * len(self._dtypes) if shapes is None else list(map(TensorShape, shapes))
        self._names = _name_list(names, self._dtypes)
        self._queue_ref = queue_ref
        self._stores: list[Store] = [queue_ref] if isinstance(queue_ref, Store) else list(queue_ref)
        self._index: Any = None
        self._handle: Any = None
        graph = current_graph()
        if isinstance(queue_ref, Store) and queue_ref.again is not None and graph is not None:
            self._handle = add_queue(graph, queue_ref, self._dtypes, None if shapes is None else self._shapes)
            graph.__dict__.setdefault("queues", {})[self._handle.value] = self

    @staticmethod
    def from_list(index: Any, queues: Sequence[QueueBase]) -> QueueBase:
        """Return the queue of a number.

        Args:
          index: the number, an integer tensor.
          queues: queues of the same element types and names.

        Raises:
          TypeError: where these differ, or there are none.
        """
        if not queues or not isinstance(queues, list) or not all(isinstance(q, QueueBase) for q in queues):
            raise TypeError(explain("A list of queues expected"))
        if any(q.dtypes != queues[0].dtypes for q in queues):
            raise TypeError(explain("Queues do not have matching component dtypes."))
        if any(q.names != queues[0].names for q in queues):
            raise TypeError(explain("Queues do not have matching component names."))
        shapes = [
            parts[0] if all(p == parts[0] for p in parts) else TensorShape(None)
            for parts in zip(*(q.shapes for q in queues), strict=True)
        ]
        made = QueueBase(queues[0].dtypes, shapes, queues[0].names, [q._stores[0] for q in queues])
        made._open = any(q._open for q in queues)
        made._index = to_tensor(index)
        return made

    @property
    def queue_ref(self) -> Any:
        """What holds the elements."""
        return self._queue_ref

    @property
    def name(self) -> str:
        """The queue's name."""
        return self._stores[0].name

    @property
    def queue_node(self) -> Any:
        """The operation that makes the queue, in a graph of sessions; None elsewhere."""
        return None if self._handle is None else self._handle.op

    @property
    def dtypes(self) -> list[DType]:
        """The element types of an element's tensors."""
        return self._dtypes

    @property
    def shapes(self) -> list[TensorShape]:
        """The shapes of an element's tensors."""
        return self._shapes

    @property
    def names(self) -> list[str] | None:
        """The names of an element's tensors, None where they have none."""
        return self._names

    def enqueue(self, vals: Any, name: str | None = None) -> Any:
        """Put one element in; wait for room.

        Args:
          vals: a tensor, a list of as many tensors as an element has, or a dictionary of them where the queue has names.
          name: accepted and not used.

        Raises:
          ValueError: where tensors are of other shapes than the queue's.
          tf.errors.CancelledError: where the queue is closed.
        """
        tensors = self._tensors(vals)
        for tensor, shape in zip(tensors, self._shapes, strict=True):
            _check_shape(tensor.shape, shape)
        self._call("Enqueue", lambda store, *parts: store.enqueue([parts]), tensors, ())
        return new_operation()

    def enqueue_many(self, vals: Any, name: str | None = None) -> Any:
        """Put the rows of tensors in, one element each; wait for room.

        Args:
          vals: tensors as `enqueue` takes them, with one more axis in front.
          name: accepted and not used.

        Raises:
          ValueError: where tensors are of other shapes than the queue's, or of different numbers of rows.
          tf.errors.CancelledError: where the queue is closed.
        """
        tensors = self._tensors(vals)
        rows = TensorShape([None])
        for tensor, shape in zip(tensors, self._shapes, strict=True):
            found = tensor.shape.with_rank_at_least(1)
            if not rows.is_compatible_with(found[:1]):
                raise ValueError(explain(f"Dimensions {rows.as_list()[0]} and {found.as_list()[0]} are not compatible"))
            rows = rows.merge_with(found[:1])
            _check_shape(found[1:], shape)

        def put(store: Store, *parts: Any) -> None:
            unstacked = [apply(find("Unpack"), p, num=p.shape[0], axis=0) for p in parts]
            store.enqueue(list(zip(*unstacked, strict=True)))

        self._call("EnqueueMany", put, tensors, ())
        return new_operation()

    def dequeue(self, name: str | None = None) -> Any:
        """Take one element out; wait for it.

        Returns:
          A tensor, a list of tensors, or a dictionary of them where the queue has names.

        Raises:
          tf.errors.OutOfRangeError: where the queue is closed and empty.
        """
        return self._element(self._call("Dequeue", lambda store: list(store.dequeue(1, False)[0]), (), self._shapes))

    def take_now(self) -> tuple[Any, ...]:
        """Take one element out now, of the session that runs, and return its tensors: for functions in Python; wait for it."""
        return _here(self._stores[0]).dequeue(1, False)[0]

    def dequeue_many(self, n: Any, name: str | None = None) -> Any:
        """Take n elements out and stack them; wait for them.

        Args:
          n: how many, an integer or integer tensor.
          name: accepted and not used.

        Raises:
          tf.errors.InvalidArgumentError: where n is below 0, or the queue states no shapes.
          tf.errors.OutOfRangeError: where the queue is closed and has fewer.
        """
        return self._many(n, "DequeueMany", up_to=False)

    def dequeue_up_to(self, n: Any, name: str | None = None) -> Any:
        """Take n elements out and stack them, or those that are left where the queue is closed.

        Args:
          n: how many, an integer or integer tensor.
          name: accepted and not used.

        Raises:
          tf.errors.InvalidArgumentError: where n is below 0, or the queue states no shapes.
          tf.errors.OutOfRangeError: where the queue is closed and empty.
        """
        return self._many(n, "DequeueUpTo", up_to=True)

    def close(self, cancel_pending_enqueues: bool = False, name: str | None = None) -> Any:
        """Accept no more elements; what is in the queue may still be taken out.

        Args:
          cancel_pending_enqueues: whether elements that wait for room are given up, with CancelledError where they wait.
          name: accepted and not used.

        Raises:
          tf.errors.CancelledError: where the queue is closed already and nothing is to be given up.
        """
        use = "CloseAll" if cancel_pending_enqueues else "Close"
        self._call(use, lambda store: store.close(bool(cancel_pending_enqueues)), (), ())
        return new_operation()

    def is_closed(self, name: str | None = None) -> Any:
        """Return whether the queue is closed, a bool tensor."""
        return self._value("IsClosed", lambda store: store.closed, dtypes.bool)

    def size(self, name: str | None = None) -> Any:
        """Return how many elements there are, an int32 tensor."""
        return self._value("Size", lambda store: store.size(), dtypes.int32)

    def _value(self, what: str, read: Callable[[Store], Any], dtype: DType) -> Any:
        def call(store: Store) -> list[Any]:
            return [eager_constant(read(store), dtype)]

        return self._call(what, call, (), [TensorShape([])], [dtype])[0]

    def _call(
        self,
        what: str,
        function: Callable[..., Any],
        tensors: Sequence[Any],
        shapes: Sequence[TensorShape],
        types: Sequence[DType] | None = None,
    ) -> list[Any]:
        """Call `function` on the elements and tensors, now or when the graph runs."""
        types = self._dtypes if types is None else types
        specs = [
            Spec(d, [n or 0 for n in s.as_list()] if s.is_fully_defined() else None)
            for d, s in zip(types, shapes, strict=bool(shapes))
        ]
        index = [] if self._index is None else [self._index]
        # The handle says in the graph which queue is meant.
        handle = [self._handle] if self._handle is not None and self._handle.graph is current_graph() else []

        def run(*arguments: Any) -> Any:
            store = _here(self._stores[int(arguments[0]) if index else 0])
            return function(store, *arguments[len(index) + len(handle) :])

        given = [*handle, *index, *tensors]
        found = call_host(node_type(what), run, given, specs, USES[what](tuple(self._dtypes)))
        if current_graph() is not None:
            for tensor, shape in zip(found, shapes, strict=True):
                tensor.set_shape(shape)
        return found

    def _many(self, n: Any, what: str, up_to: bool) -> Any:
        kind = self._stores[0].kind
        if self._open:
            raise errors.InvalidArgumentError(
                None,
                None,
                explain(f"{kind}'s DequeueMany and DequeueUpTo require the components to have specified shapes."),
            )
        count = to_tensor(n, dtypes.int32)
        known = static_value(count)
        lead = TensorShape([None if known is None or up_to else max(int(known), 0)])

        def take(store: Store, number: Any) -> list[Any]:
            wanted = int(number)
            if wanted < 0:
                raise errors.InvalidArgumentError(None, None, explain(f"{what}Op requested {wanted} < 0 elements"))
            rows = store.dequeue(wanted, up_to)
            columns = zip(*rows, strict=True) if rows else [()] * len(self._dtypes)
            pairs = zip(columns, self._dtypes, self._shapes, strict=True)
            return [_stacked(column, d, s) for column, d, s in pairs]

        shapes = [lead.concatenate(s) for s in self._shapes]
        return self._element(self._call(what, take, [count], shapes))

    def _tensors(self, vals: Any) -> list[Any]:
        if isinstance(vals, dict):
            if not self._names:
                raise ValueError(explain("Queue must have names to enqueue a dictionary"))
            if sorted(self._names, key=str) != sorted(vals, key=str):
                raise ValueError(
                    explain(
                        f"Keys in dictionary to enqueue do not match names of Queue.  Dictionary: {sorted(vals)},Queue: "
                        f"{sorted(self._names)}"
                    )
                )
            vals = [vals[name] for name in self._names]
        else:
            if self._names:
                raise ValueError(explain("You must enqueue a dictionary in a Queue with names"))
            vals = list(vals) if isinstance(vals, (list, tuple)) else [vals]
        if len(vals) != len(self._dtypes):
            raise errors.InvalidArgumentError(
                None,
                None,
                explain(
                    f"An element of this queue is {len(self._dtypes)} tensors, given {len(vals)}.",
                    fix="A list is taken as the tensors of an element: make a tensor of it first.",
                ),
            )
        return [to_tensor(v, d) for v, d in zip(vals, self._dtypes, strict=True)]

    def _element(self, tensors: Sequence[Any]) -> Any:
        if self._names:
            return dict(zip(self._names, tensors, strict=True))
        return tensors[0] if len(tensors) == 1 else list(tensors)


def _check_shape(found: TensorShape, wanted: TensorShape) -> None:
    if not found.is_compatible_with(wanted):
        raise ValueError(explain(f"Shapes {found} and {wanted} are incompatible"))


def _stacked(column: Sequence[Any], dtype: DType, shape: TensorShape) -> Any:
    """Return tensors as one; sizes that the queue leaves open are those of the longest, filled up with zeros."""
    if not column:
        sizes = [n or 0 for n in shape.as_list()]
        kind = object if dtype is dtypes.string else dtype.as_numpy_dtype
        return eager_constant(np.zeros([0, *sizes], kind), dtype)
    if shape.is_fully_defined():
        return apply(find("Pack"), list(column), axis=0)
    largest = np.max([t.shape.as_list() for t in column], axis=0).tolist()
    string = dtype is dtypes.string
    whole: Any = np.full([len(column), *largest], b"" if string else 0, object if string else dtype.as_numpy_dtype)
    for i, tensor in enumerate(column):
        part = whole[i]
        part[tuple(slice(n) for n in tensor.shape.as_list())] = tensor.numpy()
    return eager_constant(whole, dtype)


def drawn_seeds(first: int, second: int) -> tuple[int, int]:
    """Return two seeds; any, where both are 0."""
    if first or second:
        return first, second
    first, second = (int(n) for n in np.random.default_rng().integers(1, 2**31, 2))
    return first, second


def _type_list(types: Any) -> list[DType]:
    return [as_dtype(d) for d in (types if isinstance(types, (list, tuple)) else [types])]


@public("queue.FIFOQueue")
class FIFOQueue(QueueBase):
    """A queue whose first element comes out first.

    Args:
      capacity: how many elements it holds at most; any number where it is below 0.
      dtypes: the element types of an element's tensors.
      shapes: their shapes, fully known; elements may be of any where it is None.
      names: names of the tensors, for elements that are dictionaries.
      shared_name: queues of the same one share their elements.
      name: how errors name it.

    >>> q = tf.queue.FIFOQueue(2, tf.int32)
    >>> q.enqueue(1)
    >>> int(q.dequeue())
    1
    """

    def __init__(
        self,
        capacity: int,
        dtypes: Any,
        shapes: Any = None,
        names: Any = None,
        shared_name: str | None = None,
        name: str = "fifo_queue",
    ) -> None:
        types = _type_list(dtypes)
        listed, called = _shape_list(shapes), _name_list(names, types)
        _check_count(types, listed)
        super().__init__(types, listed, called, _shared_store(shared_name, name, lambda n: Store(int(capacity), n)))


@public("queue.PaddingFIFOQueue")
class PaddingFIFOQueue(QueueBase):
    """A FIFOQueue of elements whose sizes may differ: where several are taken out, they are filled up with zeros.

    Args:
      capacity: how many elements it holds at most; any number where it is below 0.
      dtypes: the element types of an element's tensors.
      shapes: a list of their shapes, None for sizes that differ.
      names: names of the tensors, for elements that are dictionaries.
      shared_name: queues of the same one share their elements.
      name: how errors name it.

    >>> q = tf.queue.PaddingFIFOQueue(2, tf.int32, shapes=[[None]])
    >>> q.enqueue([[1]]), q.enqueue(tf.constant([2, 3]))
    (None, None)
    >>> q.dequeue_many(2).numpy().tolist()
    [[1, 0], [2, 3]]
    """

    def __init__(
        self,
        capacity: int,
        dtypes: Any,
        shapes: Any,
        names: Any = None,
        shared_name: str | None = None,
        name: str = "padding_fifo_queue",
    ) -> None:
        types = _type_list(dtypes)
        listed, called = _shape_list(shapes, partial=True) or [], _name_list(names, types)
        if len(types) != len(listed):
            raise ValueError(
                explain(
                    f"Shapes must be provided for all components, but received {len(types)} dtypes and {len(listed)} shapes."
                )
            )
        store = _shared_store(shared_name, name, lambda n: PaddingStore(int(capacity), n))
        super().__init__(types, listed, called, store)


@public("queue.PriorityQueue")
class PriorityQueue(QueueBase):
    """A queue whose elements come out by their number, the lowest first: elements are (number, tensors …).

    Args:
      capacity: how many elements it holds at most; any number where it is below 0.
      types: the element types of the tensors behind the number.
      shapes: their shapes, fully known.
      names: names of number and tensors, for elements that are dictionaries.
      shared_name: queues of the same one share their elements.
      name: how errors name it.

    >>> q = tf.queue.PriorityQueue(3, tf.string, [()])
    >>> q.enqueue((2, "b")), q.enqueue((1, "a"))
    (None, None)
    >>> q.dequeue()[1].numpy()
    b'a'
    """

    def __init__(
        self,
        capacity: int,
        types: Any,
        shapes: Any = None,
        names: Any = None,
        shared_name: str | None = None,
        name: str = "priority_queue",
    ) -> None:
        kinds = _type_list(types)
        listed = _shape_list(shapes)
        _check_count(kinds, listed)
        whole = None if listed is None else [TensorShape([]), *listed]
        store = _shared_store(shared_name, name, lambda n: PriorityStore(int(capacity), n))
        super().__init__([dtypes.int64, *kinds], whole, names, store)
        self._shapes[0] = TensorShape([])


@public("queue.RandomShuffleQueue")
class RandomShuffleQueue(QueueBase):
    """A queue whose elements come out in random order.

    Args:
      capacity: how many elements it holds at most; any number where it is below 0.
      min_after_dequeue: how many stay behind while the queue is open, so that there is a choice.
      dtypes: the element types of an element's tensors.
      shapes: their shapes, fully known; elements may be of any where it is None.
      names: names of the tensors, for elements that are dictionaries.
      seed: a number from which the same order is made; see `tf.random.set_seed`.
      shared_name: queues of the same one share their elements.
      name: how errors name it.

    >>> q = tf.queue.RandomShuffleQueue(3, 0, tf.int32, shapes=[()])
    >>> q.enqueue_many(tf.constant([1, 2, 3]))
    >>> sorted(q.dequeue_many(3).numpy().tolist())
    [1, 2, 3]
    """

    def __init__(
        self,
        capacity: int,
        min_after_dequeue: int,
        dtypes: Any,
        shapes: Any = None,
        names: Any = None,
        seed: int | None = None,
        shared_name: str | None = None,
        name: str = "random_shuffle_queue",
    ) -> None:
        types = _type_list(dtypes)
        listed, called = _shape_list(shapes), _name_list(names, types)
        _check_count(types, listed)
        if min_after_dequeue < 0:
            raise errors.InvalidArgumentError(
                None, None, explain(f"min_after_dequeue {min_after_dequeue} must be >= 0")
            )
        if 0 <= capacity <= min_after_dequeue:
            raise errors.InvalidArgumentError(
                None, None, explain(f"min_after_dequeue {min_after_dequeue} must be < capacity {capacity}")
            )
        first, second = op_seeds(seed)
        given = (first or 0, second or 0)
        drawn = drawn_seeds(*given)
        store = _shared_store(
            shared_name, name, lambda n: RandomStore(int(capacity), n, int(min_after_dequeue), *drawn)
        )
        store.seeds = given
        super().__init__(types, listed, called, store)


def _check_count(types: Sequence[DType], shapes: Sequence[TensorShape] | None) -> None:
    if shapes is not None and len(shapes) != len(types):
        raise errors.InvalidArgumentError(
            None,
            None,
            explain(
                f"Different number of component types.  Types: {', '.join(d.name for d in types)}, Shapes: "
                f"{[s.as_list() for s in shapes]}"
            ),
        )
