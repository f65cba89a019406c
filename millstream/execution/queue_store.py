"""The elements of a queue, with threads that wait for room or for elements, in the order in which they came. Holds no tensors' ops.

A waiting thread gives Python's lock away, so that others go on.
"""

from __future__ import annotations

import heapq
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from millstream.base import errors
from millstream.base.errors import explain
from millstream.execution.stopping import wait
from millstream.program.random_numbers import philox_bits, skip, stateful_start

Element = tuple[Any, ...]


class Store:
    """The elements of a FIFOQueue: what came first goes first."""

    kind = "FIFOQueue"
    kept = 0
    """How many elements stay behind while the queue is open."""
    seeds = (0, 0)
    """What a random order is made from; zeros where any will do."""
    label = ""
    """The name of the queue's node, in a graph of sessions."""
    again: Callable[[], Store] | None = None
    """Makes another, empty one: each session has its own for a queue of a graph."""

    def __init__(self, capacity: int, name: str) -> None:
        self.capacity = capacity if capacity >= 0 else 2**31 - 1
        self.name = name
        self.closed = False
        self.elements: Any = deque()
        self._changed = threading.Condition()
        self._enqueuing: deque[object] = deque()
        self._dequeuing: deque[object] = deque()
        self._cancelled: set[object] = set()

    def put(self, element: Element) -> None:
        """Add one element."""
        self.elements.append(element)

    def take(self) -> Element:
        """Take the next element out."""
        return self.elements.popleft()  # type: ignore[no-any-return]

    def give_back(self, elements: Sequence[Element]) -> None:
        """Put elements back where they were."""
        self.elements.extendleft(reversed(elements))

    @property
    def title(self) -> str:
        """The queue as errors name it."""
        return f"{self.kind} '{self.name}'"

    def size(self) -> int:
        """Return how many elements there are."""
        with self._changed:
            return len(self.elements)

    def enqueue(self, elements: Sequence[Element]) -> None:
        """Add elements one by one, waiting for room.

        Raises:
          tf.errors.CancelledError: where the queue is closed, or is closed with `cancel_pending_enqueues` meanwhile.
        """
        with self._changed:
            ticket = self._join(self._enqueuing)
            try:
                for element in elements:
                    while True:
                        if self.closed or ticket in self._cancelled:
                            raise errors.CancelledError(None, None, explain(f"{self.title} is closed."))
                        if self._enqueuing[0] is ticket and len(self.elements) < self.capacity:
                            break
                        wait(self._changed, "Enqueue")
                    self.put(element)
                    self._changed.notify_all()
            finally:
                self._leave(self._enqueuing, ticket)

    def dequeue(self, count: int, up_to: bool) -> list[Element]:
        """Take `count` elements out, waiting for them; with `up_to` fewer, but one, where the queue is closed.

        Raises:
          tf.errors.OutOfRangeError: where the queue is closed and has not enough of them.
        """
        taken: list[Element] = []
        with self._changed:
            ticket = self._join(self._dequeuing)
            try:
                while len(taken) < count:
                    if self._dequeuing[0] is ticket:
                        while len(taken) < count and len(self.elements) > (0 if self.closed else self.kept):
                            taken.append(self.take())
                            self._changed.notify_all()
                        if len(taken) == count:
                            break
                        if self.closed:
                            if up_to and taken:
                                break
                            found = len(taken)
                            raise errors.OutOfRangeError(
                                None,
                                None,
                                explain(
                                    f"{self.title} is closed and has insufficient elements (requested {count}, current size "
                                    f"{found})"
                                ),
                            )
                    wait(self._changed, "Dequeue")
            except BaseException:
                # Ended while it waits: what it has taken so far goes back.
                self.give_back(taken)
                raise
            finally:
                self._leave(self._dequeuing, ticket)
        return taken

    def close(self, cancel_pending: bool) -> None:
        """Accept no more elements: those that wait are added first, or given up.

        Raises:
          tf.errors.CancelledError: where the queue is closed already, unless waiting ones are given up.
        """
        with self._changed:
            if cancel_pending:
                self._cancelled.update(self._enqueuing)
                self.closed = True
                self._changed.notify_all()
                return
            if self.closed:
                raise errors.CancelledError(None, None, explain(f"Queue '{self.name}' is already closed."))
            ticket = self._join(self._enqueuing)
            try:
                while self._enqueuing[0] is not ticket:
                    wait(self._changed, "Close")
                self.closed = True
            finally:
                self._leave(self._enqueuing, ticket)

    def _join(self, line: deque[object]) -> object:
        ticket = object()
        line.append(ticket)
        return ticket

    def _leave(self, line: deque[object], ticket: object) -> None:
        line.remove(ticket)
        self._cancelled.discard(ticket)
        self._changed.notify_all()


class PaddingStore(Store):
    """The elements of a PaddingFIFOQueue; they are made of one shape when they are joined."""

    kind = "PaddingFIFOQueue"


class PriorityStore(Store):
    """The elements of a PriorityQueue: those of the lowest number go first."""

    kind = "PriorityQueue"

    def __init__(self, capacity: int, name: str) -> None:
        super().__init__(capacity, name)
        self.elements = []
        self._count = 0

    def put(self, element: Element) -> None:
        """Add one element; its first part is its number."""
        self._count += 1
        heapq.heappush(self.elements, (int(element[0].numpy()), self._count, element))

    def take(self) -> Element:
        """Take the element of the lowest number out; of equal ones the first."""
        return heapq.heappop(self.elements)[2]  # type: ignore[no-any-return]

    def give_back(self, elements: Sequence[Element]) -> None:
        """Put elements back."""
        for element in elements:
            self.put(element)


class RandomStore(Store):
    """The elements of a RandomShuffleQueue: any of them goes next. The numbers drawn are TensorFlow's."""

    kind = "RandomShuffleQueue"

    def __init__(self, capacity: int, name: str, kept: int, seed: int, seed2: int) -> None:
        super().__init__(capacity, name)
        self.kept = kept
        self.elements = []
        self._key, self._counter = stateful_start(seed, seed2)
        self._words: list[int] = []

    def _word(self) -> int:
        if not self._words:
            self._words = philox_bits(int(self._key[0]), self._counter, 256).tolist()[::-1]
            self._counter = skip(self._counter, 64)
        return self._words.pop()

    def take(self) -> Element:
        """Take any element out; the last one takes its place."""
        at = self._word() % len(self.elements)
        taken = self.elements[at]
        self.elements[at] = self.elements[-1]
        self.elements.pop()
        return taken  # type: ignore[no-any-return]

    def give_back(self, elements: Sequence[Element]) -> None:
        """Put elements back."""
        self.elements.extend(elements)
