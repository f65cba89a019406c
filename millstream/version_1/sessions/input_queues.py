"""tf.compat.v1.train's input queues: what puts strings, numbers and slices into queues, and batches what comes out of them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from millstream.api.public import public, root
from millstream.base import dtypes
from millstream.base.errors import explain
from millstream.execution.context import executing_eagerly
from millstream.execution.sparse_tensor import SparseTensor
from millstream.version_1.sessions.queue_runners import QueueRunner, add_queue_runner
from millstream.version_1.variables.keys import GraphKeys
from millstream.version_1.variables.name_scope import name_scope

tf: Any = root()


def _refuse_at_once() -> None:
    if executing_eagerly():
        raise RuntimeError(
            explain(
                "Input pipelines based on Queues are not supported when eager execution is enabled. Please use tf.data to ingest "
                "data into your model instead."
            )
        )


@public("compat.v1.train.limit_epochs")
def limit_epochs(tensor: Any, num_epochs: int | None = None, name: str | None = None) -> Any:
    """Return `tensor` as often as `num_epochs` says, then raise OutOfRangeError; a local variable counts.

    Raises:
      ValueError: `num_epochs` is not positive.
    """
    if num_epochs is None:
        return tensor
    if num_epochs <= 0:
        raise ValueError(explain(f"num_epochs must be > 0 not {num_epochs}."))
    with name_scope(name, "limit_epochs", [tensor]) as scope:
        epochs = tf.compat.v1.Variable(
            tf.zeros([], dtypes.int64),
            name="epochs",
            trainable=False,
            collections=[GraphKeys.LOCAL_VARIABLES],
        )
        counter = epochs.count_up_to(num_epochs)
        with tf.control_dependencies([counter]):
            return tf.identity(tensor, name=scope)


@public("compat.v1.train.input_producer")
def input_producer(
    input_tensor: Any,
    element_shape: Any = None,
    num_epochs: int | None = None,
    shuffle: bool = True,
    seed: int | None = None,
    capacity: int = 32,
    shared_name: str | None = None,
    summary_name: str | None = None,
    name: str | None = None,
    cancel_op: Any = None,
) -> Any:
    """Return a queue of the rows of a tensor, which a QueueRunner of the graph fills.

    Args:
      input_tensor: the rows.
      element_shape: of one row, where the tensor does not say.
      num_epochs: how often all rows come; without end where it is None.
      shuffle: whether they are shuffled anew each time.
      seed: of the shuffling.
      capacity: of the queue.
      shared_name: see `tf.queue.FIFOQueue`.
      summary_name: of a summary of how full the queue is.
      name: put before names.
      cancel_op: ends waiting threads.

    Raises:
      RuntimeError: ops run at once.
      ValueError: the shape of a row is not known.
    """
    _refuse_at_once()
    with name_scope(name, "input_producer", [input_tensor]):
        rows = tf.convert_to_tensor(input_tensor, name="input_tensor")
        shape = rows.shape[1:].merge_with(element_shape)
        if not shape.is_fully_defined():
            raise ValueError(
                explain("Either `input_tensor` must have a fully defined shape or `element_shape` must be specified")
            )
        if shuffle:
            rows = tf.random.shuffle(rows, seed=seed)
        rows = limit_epochs(rows, num_epochs)
        queue = tf.queue.FIFOQueue(
            capacity=capacity,
            dtypes=[rows.dtype.base_dtype],
            shapes=[shape],
            shared_name=shared_name,
            name="input_producer",
        )
        add_queue_runner(QueueRunner(queue, [queue.enqueue_many([rows])], cancel_op=cancel_op))
        if summary_name is not None:
            _summarise(summary_name, queue, capacity)
        return queue


def _summarise(name: str, queue: Any, capacity: int) -> None:
    tf.compat.v1.summary.scalar(name, tf.cast(queue.size(), dtypes.float32) * (1.0 / capacity))


@public("compat.v1.train.string_input_producer")
def string_input_producer(
    string_tensor: Any,
    num_epochs: int | None = None,
    shuffle: bool = True,
    seed: int | None = None,
    capacity: int = 32,
    shared_name: str | None = None,
    name: str | None = None,
    cancel_op: Any = None,
) -> Any:
    """Return a queue of texts, such as names of files; see `input_producer`.

    Raises:
      ValueError: there are none.
    """
    _refuse_at_once()
    reason = "string_input_producer requires a non-null input tensor"
    if not isinstance(string_tensor, tf.Tensor) and not list(string_tensor):
        raise ValueError(explain(reason))
    with name_scope(name, "input_producer", [string_tensor]) as scope:
        texts = tf.convert_to_tensor(string_tensor, dtype=dtypes.string)
        check = tf.compat.v1.Assert(tf.greater(tf.size(texts), 0), [reason])
        with tf.control_dependencies([check]):
            texts = tf.identity(texts)
        return input_producer(
            texts,
            [],
            num_epochs,
            shuffle,
            seed,
            capacity,
            shared_name,
            f"fraction_of_{capacity}_full",
            scope,
            cancel_op,
        )


@public("compat.v1.train.range_input_producer")
def range_input_producer(
    limit: Any,
    num_epochs: int | None = None,
    shuffle: bool = True,
    seed: int | None = None,
    capacity: int = 32,
    shared_name: str | None = None,
    name: str | None = None,
) -> Any:
    """Return a queue of the numbers below `limit`; see `input_producer`."""
    with name_scope(name, "input_producer", [limit]) as scope:
        summary = f"fraction_of_{capacity}_full"
        return input_producer(tf.range(limit), [], num_epochs, shuffle, seed, capacity, shared_name, summary, scope)


@public("compat.v1.train.slice_input_producer")
def slice_input_producer(
    tensor_list: Sequence[Any],
    num_epochs: int | None = None,
    shuffle: bool = True,
    seed: int | None = None,
    capacity: int = 32,
    shared_name: str | None = None,
    name: str | None = None,
) -> list[Any]:
    """Return a row of each tensor, another one at each run; see `input_producer`.

    Raises:
      ValueError: there are no tensors.
    """
    with name_scope(name, "input_producer", tensor_list):
        tensors = [tf.convert_to_tensor(t) for t in tensor_list]
        if not tensors:
            raise ValueError(explain("Expected at least one tensor in slice_input_producer()."))
        queue = range_input_producer(tf.shape(tensors[0])[0], num_epochs, shuffle, seed, capacity, shared_name)
        place = queue.dequeue()
        return [tf.gather(t, place) for t in tensors]


class _Form:
    """How tensors are given: a list, a dictionary or one; and which of them are to be put together again."""

    def __init__(self, tensors: Any) -> None:
        self.keys = sorted(tensors) if isinstance(tensors, Mapping) else None
        self.is_one = not isinstance(tensors, (Mapping, Sequence))
        self.flat = self.of(tensors)
        if not self.flat:
            raise ValueError(explain("Expected at least one tensor in batch()."))

    def of(self, tensors: Any) -> list[Any]:
        """Return the tensors as a list."""
        given = [tensors] if self.is_one else [tensors[k] for k in self.keys] if self.keys is not None else tensors
        for tensor in given:
            if isinstance(tensor, SparseTensor):
                raise NotImplementedError(
                    explain("Queues of sparse tensors are not supported; batch them with tf.data.")
                )
        return [tf.convert_to_tensor(t) for t in given]

    def back(self, flat: Any) -> Any:
        """Return the results in the form of what was given."""
        if self.keys is None:
            # One tensor is given back as such, also where it came in a list.
            return flat
        return dict(zip(self.keys, list(flat) if isinstance(flat, (list, tuple)) else [flat], strict=True))


def _shapes(lists: Sequence[Sequence[Any]], shapes: Any, enqueue_many: bool) -> list[Any]:
    if shapes is not None:
        return [tf.TensorShape(s) for s in shapes]
    found = []
    for column in zip(*lists, strict=True):
        shape = column[0].shape
        for other in column[1:]:
            shape = tf.TensorShape(
                [a if a == b else None for a, b in zip(shape.as_list(), other.shape.as_list(), strict=True)]
            )
        found.append(shape[1:] if enqueue_many else shape)
    return found


def _keep(keep_input: Any) -> Any:
    """Return whether to keep as a constant where it is known, else as a tensor."""
    if keep_input is True or keep_input is False:
        return keep_input
    found = tf.convert_to_tensor(keep_input, dtypes.bool)
    if found.shape.rank is None:
        raise ValueError(explain("`keep_input` dimensions must be known at graph construction."))
    return found


def _enqueued(queue: Any, tensors: Sequence[Any], keep: Any, enqueue_many: bool) -> Any:
    """Return the operation that enqueues what is to be kept."""
    if keep is True:
        return queue.enqueue_many(tensors) if enqueue_many else queue.enqueue(tensors)
    if keep is False:
        return tf.compat.v1.no_op()
    if enqueue_many and keep.shape.rank == 1:
        return queue.enqueue_many([tf.boolean_mask(t, keep) for t in tensors])
    if keep.shape.rank != 0:
        raise ValueError(explain("`keep_input` must be a scalar, or a vector where `enqueue_many` is true."))
    # A queue takes nothing where there are no rows.
    rows = [t if enqueue_many else tf.expand_dims(t, 0) for t in tensors]
    return queue.enqueue_many([t[: tf.where(keep, tf.shape(t)[0], 0)] for t in rows])


def _batched(
    lists: Sequence[Any],
    keep_input: Any,
    batch_size: Any,
    make_queue: Callable[[list[Any], list[Any]], Any],
    threads: int,
    enqueue_many: bool,
    shapes: Any,
    allow_smaller_final_batch: bool,
    capacity: int,
    name: str | None,
    scope_name: str,
    summary: Callable[[Any], None] | None = None,
) -> Any:
    _refuse_at_once()
    forms = [_Form(tensors) for tensors in lists]
    keep = _keep(keep_input)
    with name_scope(name, scope_name, forms[0].flat) as scope:
        flats = [form.flat for form in forms]
        types = [t.dtype.base_dtype for t in flats[0]]
        for flat in flats[1:]:
            if [t.dtype.base_dtype for t in flat] != types:
                raise TypeError(explain("Expected types to be consistent in all lists of tensors."))
        queue = make_queue(types, _shapes(flats, shapes, enqueue_many))
        operations = [_enqueued(queue, flat, keep, enqueue_many) for flat in flats for _ in range(threads)]
        add_queue_runner(QueueRunner(queue, operations))
        if summary is None:
            _summarise(f"fraction_of_{capacity}_full", queue, capacity)
        else:
            summary(queue)
        take = queue.dequeue_up_to if allow_smaller_final_batch else queue.dequeue_many
        return forms[0].back(take(batch_size, name=scope))


def _plain_queue(capacity: int, dynamic_pad: bool, shared_name: str | None) -> Callable[[list[Any], list[Any]], Any]:
    kind = tf.queue.PaddingFIFOQueue if dynamic_pad else tf.queue.FIFOQueue
    return lambda types, shapes: kind(capacity=capacity, dtypes=types, shapes=shapes, shared_name=shared_name)


def _shuffling_queue(
    capacity: int, least: int, seed: int | None, shared_name: str | None
) -> tuple[Callable[[list[Any], list[Any]], Any], Callable[[Any], None]]:
    def make(types: list[Any], shapes: list[Any]) -> Any:
        return tf.queue.RandomShuffleQueue(
            capacity=capacity, min_after_dequeue=least, dtypes=types, shapes=shapes, seed=seed, shared_name=shared_name
        )

    def summary(queue: Any) -> None:
        over = tf.cast(tf.maximum(0, queue.size() - least), dtypes.float32) * (1.0 / (capacity - least))
        tf.compat.v1.summary.scalar(f"fraction_over_{least}_of_{capacity - least}_full", over)

    return make, summary


def _keeping_all(name: str, maybe: Any, says: str) -> None:
    """Publish what `maybe` does where every tensor is kept: without its parameter `keep_input`."""
    signature = inspect.signature(maybe)
    signature = signature.replace(parameters=[p for p in signature.parameters.values() if p.name != "keep_input"])

    def batches(*args: Any, **kwargs: Any) -> Any:
        given = signature.bind(*args, **kwargs).arguments
        return maybe(**{**given, "name": given.get("name") or name}, keep_input=True)

    batches.__name__ = batches.__qualname__ = name
    batches.__doc__ = says
    batches.__signature__ = signature  # type: ignore[attr-defined]
    public(f"compat.v1.train.{name}")(batches)


@public("compat.v1.train.maybe_batch")
def maybe_batch(
    tensors: Any,
    keep_input: Any,
    batch_size: Any,
    num_threads: int = 1,
    capacity: int = 32,
    enqueue_many: bool = False,
    shapes: Any = None,
    dynamic_pad: bool = False,
    allow_smaller_final_batch: bool = False,
    shared_name: str | None = None,
    name: str | None = None,
) -> Any:
    """Return what `batch` does, of those tensors only for which `keep_input` is true: a scalar, or one for each row."""
    make = _plain_queue(capacity, dynamic_pad, shared_name)
    return _batched(
        [tensors], keep_input, batch_size, make, num_threads, enqueue_many, shapes, allow_smaller_final_batch, capacity,
        name, "maybe_batch",
    )  # fmt: skip


_keeping_all(
    "batch",
    maybe_batch,
    """Return batches of what tensors are at each run, by way of a queue that threads fill.

    Args:
      tensors: a list or dictionary of tensors.
      batch_size: how many there are in one batch.
      num_threads: how many threads fill the queue.
      capacity: of the queue.
      enqueue_many: whether each tensor is already a batch of some size.
      shapes: of one element, where the tensors do not say.
      dynamic_pad: whether elements of unknown sizes are padded in each batch.
      allow_smaller_final_batch: whether the last batch may have fewer.
      shared_name: see `tf.queue.FIFOQueue`.
      name: of the operation.

    Returns:
      Tensors in the same form.

    Raises:
      RuntimeError: ops run at once.
      ValueError: there are no tensors, or their shapes are not known.
    """,
)


@public("compat.v1.train.maybe_batch_join")
def maybe_batch_join(
    tensors_list: Sequence[Any],
    keep_input: Any,
    batch_size: Any,
    capacity: int = 32,
    enqueue_many: bool = False,
    shapes: Any = None,
    dynamic_pad: bool = False,
    allow_smaller_final_batch: bool = False,
    shared_name: str | None = None,
    name: str | None = None,
) -> Any:
    """Return what `batch_join` does, of those tensors only for which `keep_input` is true."""
    make = _plain_queue(capacity, dynamic_pad, shared_name)
    return _batched(
        tensors_list, keep_input, batch_size, make, 1, enqueue_many, shapes, allow_smaller_final_batch, capacity, name,
        "maybe_batch_join",
    )  # fmt: skip


_keeping_all(
    "batch_join",
    maybe_batch_join,
    "Return what `batch` does, from several lists of tensors, each of which has a thread.",
)


@public("compat.v1.train.maybe_shuffle_batch")
def maybe_shuffle_batch(
    tensors: Any,
    batch_size: Any,
    capacity: int,
    min_after_dequeue: int,
    keep_input: Any,
    num_threads: int = 1,
    seed: int | None = None,
    enqueue_many: bool = False,
    shapes: Any = None,
    allow_smaller_final_batch: bool = False,
    shared_name: str | None = None,
    name: str | None = None,
) -> Any:
    """Return what `shuffle_batch` does, of those tensors only for which `keep_input` is true."""
    make, summary = _shuffling_queue(capacity, min_after_dequeue, seed, shared_name)
    return _batched(
        [tensors], keep_input, batch_size, make, num_threads, enqueue_many, shapes, allow_smaller_final_batch, capacity,
        name, "maybe_shuffle_batch", summary,
    )  # fmt: skip


_keeping_all(
    "shuffle_batch",
    maybe_shuffle_batch,
    "Return batches drawn from a queue that keeps at least `min_after_dequeue` elements to draw from; see `batch`.",
)


@public("compat.v1.train.maybe_shuffle_batch_join")
def maybe_shuffle_batch_join(
    tensors_list: Sequence[Any],
    batch_size: Any,
    capacity: int,
    min_after_dequeue: int,
    keep_input: Any,
    seed: int | None = None,
    enqueue_many: bool = False,
    shapes: Any = None,
    allow_smaller_final_batch: bool = False,
    shared_name: str | None = None,
    name: str | None = None,
) -> Any:
    """Return what `shuffle_batch_join` does, of those tensors only for which `keep_input` is true."""
    make, summary = _shuffling_queue(capacity, min_after_dequeue, seed, shared_name)
    return _batched(
        tensors_list, keep_input, batch_size, make, 1, enqueue_many, shapes, allow_smaller_final_batch, capacity, name,
        "maybe_shuffle_batch_join", summary,
    )  # fmt: skip


_keeping_all(
    "shuffle_batch_join",
    maybe_shuffle_batch_join,
    "Return what `shuffle_batch` does, from several lists of tensors, each of which has a thread.",
)
