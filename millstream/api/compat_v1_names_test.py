"""Names of tf.compat.v1 and tf.compat.v2 that are those of version 2."""

from __future__ import annotations

import pytest

import millstream as tf
from millstream.api.compat_v1_names import names
from millstream.api.public import PUBLIC, load_later


def test_names_of_version_2_are_the_same_objects() -> None:
    assert tf.compat.v1.abs is tf.abs and tf.compat.v1.manip.roll is tf.roll
    assert tf.compat.v1.raw_ops.Exp is tf.raw_ops.Exp
    assert tf.compat.v2.nn.relu is tf.nn.relu and tf.compat.v2.Variable is tf.Variable


def test_names_with_meanings_of_their_own_are_not_taken_from_version_2() -> None:
    listed = names()
    assert "reduce_sum" not in listed and "nn.dropout" not in listed and "where" not in listed


def test_no_name_is_listed_that_is_published_as_something_else() -> None:
    load_later()
    other = [
        n
        for n, target in names().items()
        if f"compat.v1.{n}" in PUBLIC and target in PUBLIC and PUBLIC[f"compat.v1.{n}"] is not PUBLIC[target]
    ]
    assert not other, other


def test_what_is_nowhere_is_refused_by_its_full_name() -> None:
    with pytest.raises(AttributeError, match=r"tf\.compat\.v1\.nothing"):
        _ = tf.compat.v1.nothing
