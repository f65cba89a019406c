"""Random numbers of datasets: Philox words one by one, as TensorFlow's tf.data draws them, and the seeds of iterations."""

from __future__ import annotations

import secrets
import threading
from typing import Any

import numpy as np

from millstream.execution.context import current_graph
from millstream.execution.random_seeds import op_seeds
from millstream.program.random_numbers import philox_bits

_BLOCK = 1024


def dataset_seeds(seed: Any) -> tuple[int, int]:
    """Return the two seeds of a dataset whose caller gave `seed`; (0, 0) where any will do."""
    first, second = op_seeds(None if seed is None else int(seed))
    return (0, 0) if first is None or second is None else (first, second)


class Words:
    """The 32-bit words that a pair of seeds gives, from the beginning."""

    def __init__(self, seed: int, seed2: int) -> None:
        self.seeds = seed, seed2
        self.used = 0
        self._words: list[int] = []
        self._first = 0

    def next(self) -> int:
        """Return the next word."""
        at = self.used - self._first
        if not 0 <= at < len(self._words):
            self._first = self.used // 4 * 4
            low = self._first // 4
            counter = np.array([low, self.seeds[1] % 2**64], np.uint64)
            self._words = philox_bits(self.seeds[0] % 2**64, counter, _BLOCK if self.used else 64).tolist()
            at = self.used - self._first
        self.used += 1
        return self._words[at]


class SeedSource:
    """Gives each iteration its seeds: always the same, or new ones. Belongs to the dataset, so iterations go on."""

    def __init__(self, seed: int, seed2: int, again: bool) -> None:
        if (seed, seed2) == (0, 0):
            seed, seed2 = secrets.randbits(63), secrets.randbits(63)
        self.seeds = seed, seed2
        self.again = again
        self.words = Words(seed, seed2)
        self.lock = threading.Lock()

    @classmethod
    def of(cls, seed: Any, again: bool) -> SeedSource:
        """Return the seeds of a dataset whose caller gave `seed`."""
        seeds = dataset_seeds(seed)
        made = cls(*seeds, again)
        made.per_call = seeds if current_graph() is not None else None
        return made

    per_call: tuple[int, int] | None = None
    """The seeds of a dataset made inside of a traced function: each call makes it anew."""

    def bound(self) -> SeedSource:
        """Return the seeds of the dataset that one call of the traced function around it makes."""
        return self if self.per_call is None else SeedSource(*self.per_call, self.again)

    def draw(self) -> tuple[int, int]:
        """Return the seeds of one more iteration."""
        if not self.again:
            return self.seeds
        with self.lock:
            return self.words.next(), self.words.next()
