"""Queues: order, waiting threads, closing, padding, priorities, random order as TensorFlow draws it, and graphs."""

from __future__ import annotations

import threading
from typing import Any

import pytest

import millstream as tf


def test_elements_come_out_in_order_and_several_are_stacked() -> None:
    q = tf.queue.FIFOQueue(10, [tf.int32, tf.string], shapes=[[2], []])
    q.enqueue(([1, 2], "a"))
    q.enqueue_many(([[3, 4], [5, 6]], ["b", "c"]))
    numbers, texts = q.dequeue_many(2)
    assert numbers.numpy().tolist() == [[1, 2], [3, 4]] and texts.numpy().tolist() == [b"a", b"b"]
    assert int(q.size()) == 1 and not q.is_closed()


def test_elements_with_names_are_dictionaries() -> None:
    q = tf.queue.FIFOQueue(3, [tf.int32, tf.float32], names=["a", "b"], shapes=[[], []])
    q.enqueue({"a": 1, "b": 2.0})
    assert q.dequeue()["b"].numpy() == 2.0
    with pytest.raises(ValueError, match="must enqueue a dictionary"):
        q.enqueue((1, 2.0))


def test_what_does_not_fit_is_refused() -> None:
    q = tf.queue.FIFOQueue(10, tf.int32, shapes=[[2]])
    with pytest.raises(ValueError, match="incompatible"):
        q.enqueue(tf.constant([1, 2, 3]))
    with pytest.raises(TypeError):
        q.enqueue(["a"])
    with pytest.raises(tf.errors.InvalidArgumentError, match="< 0 elements"):
        q.dequeue_many(-1)
    with pytest.raises(tf.errors.InvalidArgumentError, match="specified shapes"):
        tf.queue.FIFOQueue(10, tf.int32).dequeue_many(1)
    with pytest.raises(ValueError, match="fully defined"):
        tf.queue.FIFOQueue(10, tf.int32, shapes=[[None]])


def test_a_closed_queue_gives_what_is_left_and_takes_nothing() -> None:
    q = tf.queue.FIFOQueue(10, tf.int32, shapes=[()])
    q.enqueue_many(tf.range(3))
    q.close()
    with pytest.raises(tf.errors.CancelledError, match="closed"):
        q.enqueue(1)
    with pytest.raises(tf.errors.OutOfRangeError, match="requested 5, current size 3"):
        q.dequeue_many(5)
    assert q.dequeue_up_to(5).numpy().tolist() == [0, 1, 2]
    with pytest.raises(tf.errors.OutOfRangeError):
        q.dequeue_up_to(5)


def _thread(function: Any) -> tuple[threading.Thread, list[Any]]:
    found: list[Any] = []

    def run() -> None:
        try:
            found.append(function())
        except tf.errors.OpError as error:
            found.append(type(error))

    thread = threading.Thread(target=run)
    thread.start()
    return thread, found


def test_threads_wait_for_room_and_for_elements() -> None:
    q = tf.queue.FIFOQueue(2, tf.int32, shapes=[()])
    thread, _ = _thread(lambda: [q.enqueue(i) for i in range(6)])
    assert [int(q.dequeue()) for _ in range(6)] == list(range(6))
    thread.join()
    thread, found = _thread(lambda: q.dequeue_many(5).numpy().tolist())
    q.enqueue_many(tf.range(5))
    thread.join()
    assert found == [[0, 1, 2, 3, 4]]


def test_closing_ends_waiting() -> None:
    q = tf.queue.FIFOQueue(2, tf.int32, shapes=[()])
    thread, found = _thread(lambda: q.enqueue_many(tf.range(4)))
    while int(q.size()) < 2:
        pass
    q.close(cancel_pending_enqueues=True)
    thread.join()
    assert found == [tf.errors.CancelledError] and int(q.size()) == 2
    empty = tf.queue.FIFOQueue(2, tf.int32)
    thread, found = _thread(empty.dequeue)
    empty.close()
    thread.join()
    assert found == [tf.errors.OutOfRangeError]


def test_padding_makes_elements_of_one_shape() -> None:
    q = tf.queue.PaddingFIFOQueue(10, [tf.string, tf.int32], shapes=[[None, 2], [None]])
    q.enqueue(([["a", "b"]], [1]))
    q.enqueue(([["a", "b"], ["c", "d"]], [1, 2, 3]))
    texts, numbers = q.dequeue_many(2)
    assert texts.numpy().tolist() == [[[b"a", b"b"], [b"", b""]], [[b"a", b"b"], [b"c", b"d"]]]
    assert numbers.numpy().tolist() == [[1, 0, 0], [1, 2, 3]]


def test_the_lowest_number_comes_first() -> None:
    q = tf.queue.PriorityQueue(10, tf.string, [()])
    q.enqueue_many(([3, 1, 2, 1], ["c", "a", "b", "z"]))
    assert q.dequeue_many(4)[1].numpy().tolist() == [b"a", b"z", b"b", b"c"]


def test_random_order_is_tensorflows() -> None:
    tf.random.set_seed(1)
    q = tf.queue.RandomShuffleQueue(100, 0, tf.int32, shapes=[()], seed=3)
    q.enqueue_many(tf.range(20))
    # Recorded from TensorFlow 2.21.
    assert int(q.dequeue()) == 7 and q.dequeue_many(5).numpy().tolist() == [2, 17, 6, 19, 3]
    kept = tf.queue.RandomShuffleQueue(100, 5, tf.int32, shapes=[()])
    kept.enqueue_many(tf.range(6))
    assert int(kept.dequeue()) in range(6)
    thread, found = _thread(lambda: int(kept.dequeue()))
    assert thread.is_alive()
    kept.close()
    thread.join()
    assert found[0] in range(6)


def test_graphs_put_in_and_take_out() -> None:
    q = tf.queue.FIFOQueue(10, [tf.int32, tf.float32], shapes=[(), [2]])

    @tf.function
    def put(x: Any) -> Any:
        q.enqueue((x, [1.0, 2.0]))
        return q.size()

    take = tf.function(lambda n: q.dequeue_many(n))
    assert [int(put(tf.constant(i))) for i in (4, 5)] == [1, 2]
    assert take(tf.constant(2))[0].numpy().tolist() == [4, 5]
    assert take.get_concrete_function(tf.constant(2)).structured_outputs[1].shape.as_list() == [None, 2]
    q.close()
    with pytest.raises(tf.errors.OutOfRangeError):
        take(tf.constant(1))
    with pytest.raises(tf.errors.CancelledError):
        put(tf.constant(1))


def test_one_of_several_queues_is_chosen_and_names_are_shared() -> None:
    queues = [tf.queue.FIFOQueue(3, tf.int32, shapes=[()]) for _ in range(3)]
    for i, q in enumerate(queues):
        q.enqueue(i * 10)
    assert int(tf.queue.QueueBase.from_list(tf.constant(2), queues).dequeue()) == 20
    first = tf.queue.FIFOQueue(3, tf.int32, shared_name="queue_test")
    first.enqueue(3)
    assert int(tf.queue.FIFOQueue(3, tf.int32, shared_name="queue_test").size()) == 1
