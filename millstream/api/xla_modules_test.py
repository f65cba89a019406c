"""Modules of StableHLO: what is refused, and, where jax is installed, what they give."""

from __future__ import annotations

from typing import Any

import pytest

import millstream as tf
from millstream.api.xla_modules import NEWEST_VERSION, call_module

WORDS: dict[str, Any] = {"version": NEWEST_VERSION, "module": b"", "Tout": [tf.float32], "Sout": [(2,)]}


def test_modules_for_other_platforms_are_refused() -> None:
    with pytest.raises(
        tf.errors.NotFoundError, match=r"CPU is not among the platforms required by the module: \[TPU\]"
    ):
        call_module([], **WORDS, platforms=("TPU",))


@pytest.mark.parametrize("version", [3, NEWEST_VERSION + 1])
def test_versions_that_are_not_known_are_refused(version: int) -> None:
    with pytest.raises(tf.errors.UnimplementedError, match="versions 4 to"):
        call_module([], **{**WORDS, "version": version})


def test_modules_that_call_back_are_refused() -> None:
    with pytest.raises(tf.errors.UnimplementedError, match="export it without"):
        call_module([], **WORDS, function_list=["f"])


def test_a_module_runs_for_each_size_of_its_arguments() -> None:
    jax = pytest.importorskip("jax")
    export = pytest.importorskip("jax.export")
    (rows,) = export.symbolic_shape("rows")
    made = export.export(jax.jit(lambda x, y: (x @ y, x.sum())))(
        jax.ShapeDtypeStruct((rows, 3), "float32"), jax.ShapeDtypeStruct((3, 2), "float32")
    )
    words = {"version": made.calling_convention_version, "module": made.mlir_module_serialized}

    @tf.function(input_signature=[tf.TensorSpec([None, 3])])
    def traced(x: Any) -> Any:
        return call_module(
            [x, tf.ones([3, 2])], **words, Tout=[tf.float32] * 2, Sout=[(None, 2), ()], platforms=["CPU"]
        )

    for count in (1, 4):
        product, total = traced(tf.ones([count, 3]))
        assert product.numpy().tolist() == [[3.0, 3.0]] * count and float(total) == 3.0 * count
