"""Functions of one section exclude each other, in threads and graphs; what they give comes out."""

from __future__ import annotations

import threading
from typing import Any

import pytest

import millstream as tf


def test_threads_do_not_run_a_section_together() -> None:
    section, inside, most = tf.CriticalSection(), [0], [0]

    def work() -> Any:
        inside[0] += 1
        most[0] = max(most[0], inside[0])
        for _ in range(200):
            pass
        inside[0] -= 1
        return 1

    threads = [threading.Thread(target=lambda: [section.execute(work) for _ in range(50)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1]


def test_a_graph_reads_and_changes_variables_in_a_section() -> None:
    section, count = tf.CriticalSection(), tf.Variable(1)

    @tf.function
    def step(x: Any) -> Any:
        before = count.read_value()
        found = section.execute(lambda: count.assign_add(x * 2) + 0)
        return before, found, count.read_value()

    assert [int(v) for v in step(tf.constant(3))] == [1, 7, 7]
    assert [int(v) for v in step(tf.constant(1))] == [7, 9, 9] and int(count) == 9


def test_an_error_leaves_the_section_open_again() -> None:
    section = tf.CriticalSection()

    @tf.function
    def failing(x: Any) -> Any:
        return section.execute(lambda: tf.debugging.check_numerics(x, "bad"))

    with pytest.raises(tf.errors.InvalidArgumentError, match="bad"):
        failing(tf.constant(float("nan")))
    assert failing(tf.constant(1.0)).numpy() == 1.0
    with pytest.raises(ZeroDivisionError):
        section.execute(lambda: 1 / 0)
    assert section.execute(lambda: 2).numpy() == 2


def test_a_section_inside_of_itself_is_refused() -> None:
    section = tf.CriticalSection(shared_name="critical_section_test")
    same = tf.CriticalSection(shared_name="critical_section_test")
    with pytest.raises(ValueError, match="already running"):
        section.execute(lambda: same.execute(lambda: 1))
