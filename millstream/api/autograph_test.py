"""tf.autograph: what to_graph gives decides by tensors, wherever it is called from."""

from __future__ import annotations

from typing import Any

import millstream as tf
from millstream.execution import autograph


def test_rewritten_functions_branch_in_functions_that_are_not_rewritten_themselves() -> None:
    def absolute(x: Any) -> Any:
        if x > 0:
            y = x
        else:
            y = -x
        return y

    before = autograph.installed()
    autograph.install(None)
    try:
        traced = tf.function(lambda x: tf.autograph.to_graph(absolute)(x), autograph=False)
        assert [int(traced(tf.constant(v))) for v in (-3, 4)] == [3, 4]
    finally:
        autograph.install(before)
