"""What a primitive knows of its result before it runs."""

from __future__ import annotations

from millstream.base.dtypes import int32, uint8
from millstream.program.primitives import elementwise as e
from millstream.program.primitives.shaping import constant
from millstream.program.value import Program, building


def test_small_integers_are_known_before_the_run() -> None:
    with building(Program("known")):
        assert (constant([3, 4], int32) * constant([2, 5], int32)).spec.value == (6, 20)


def test_what_wraps_around_in_its_element_type_is_not_known_before_the_run() -> None:
    with building(Program("wrapped")):
        assert (constant([2**31 - 1], int32) * constant([2], int32)).spec.value is None
        assert e.convert(constant(-5, int32), uint8).spec.value is None
