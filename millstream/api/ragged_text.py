"""Ragged tensors as text, of which the content need not be known yet: for tf.print and tf.strings.format."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from millstream.api.public import PUBLIC, composite_rule
from millstream.api.ragged import is_ragged
from millstream.api.ragged_broadcast import number
from millstream.base import dtypes, nest
from millstream.execution.dispatch import apply
from millstream.execution.ragged_slicing import take_rows
from millstream.execution.ragged_tensor import RaggedTensor
from millstream.execution.row_partition import RowPartition
from millstream.execution.tensor import TensorType, eager_constant
from millstream.ops import row_partition as ops
from millstream.ops.registry import find


def strings() -> Any:
    """Return the functions of strings, which are loaded when first asked for."""
    return importlib.import_module("millstream.api.strings")


def _words(text: str) -> Any:
    return eager_constant(np.asarray(text, object), dtypes.string)


def text_of(ragged: Any, summarize: int) -> Any:
    """Return a ragged tensor as one text; of rows longer than twice `summarize` only the ends, unless that is -1."""
    rows = _texts_of_rows(ragged, summarize)
    count = apply(find("Size"), rows, out_type=dtypes.int64)
    whole = RowPartition.from_uniform_row_length(count, None, number(1, dtypes.int64), validate=False)
    return PUBLIC["reshape"](_joined(rows, whole, summarize), [])


def _texts_of_rows(ragged: Any, summarize: int) -> Any:
    values = ragged.values
    if not is_ragged(values) and values.shape.rank > 1:
        values = RaggedTensor.from_tensor(values, ragged_rank=values.shape.rank - 1)
    if is_ragged(values):
        elements = _texts_of_rows(values, summarize)
    elif values.dtype is dtypes.string:
        elements = strings().join([_words("'"), values, _words("'")])
    else:
        elements = strings().as_string(values)
    return _joined(elements, ragged._row_partition.with_dtype(dtypes.int64), summarize)


def _joined(elements: Any, partition: RowPartition, summarize: int) -> Any:
    """Return the texts of the elements of each row, with commas between them and brackets around."""
    rows, ids = partition.nrows(), partition.value_rowids()
    if summarize != -1:
        elements, ids = _shortened(elements, partition, summarize)
    inside = strings().unsorted_segment_join(elements, ids, rows, separator=", ")
    return strings().join([_words("["), inside, _words("]")])


def _shortened(elements: Any, partition: RowPartition, summarize: int) -> tuple[Any, Any]:
    """Return the elements with dots for what is between the ends of long rows, and the row of each."""
    kind = partition.dtype
    lengths, starts, ends = partition.row_lengths(), partition.row_starts(), partition.row_limits()
    shown = number(summarize, kind)
    long = apply(find("Greater"), lengths, shown + shown)
    front = apply(find("Minimum"), lengths, shown)
    back = apply(find("SelectV2"), long, ends - shown, starts + front)
    dots = PUBLIC["cast"](long, kind)
    parts = []
    for begin, count in ((starts, front), (None, dots), (back, ends - back)):
        if begin is None:
            splits = RowPartition.from_row_lengths(count, validate=False)
            held = PUBLIC["fill"]([splits.nvals()], _words("..."))
        else:
            made, places = apply(ops.ROW_RANGES, begin, count)
            splits = RowPartition.from_row_splits(made, validate=False)
            held = take_rows(elements, places)
        parts.append(RaggedTensor._from_row_partition(held, splits, validate=False))
    joined = PUBLIC["concat"](parts, 1)
    return joined.values, joined.value_rowids()


class _Place:
    """Stands for a tensor in a template."""

    def __repr__(self) -> str:
        return _PLACE


_PLACE = "\0"


@composite_rule("print")
def _print(*inputs: Any, **kwargs: Any) -> Any:
    tensors: list[Any] = []

    def take(leaf: Any) -> Any:
        if not is_ragged(leaf) and not isinstance(leaf, TensorType):
            return leaf
        tensors.append(leaf)
        return _Place()

    shown = [nest.map_structure(take, value) for value in inputs]
    if not any(is_ragged(v) for v in tensors):
        return NotImplemented
    template = kwargs.get("sep", " ").join(str(value) for value in shown)
    text = filled(template, tensors, _PLACE, kwargs.get("summarize", 3))
    return PUBLIC["print"](text, **kwargs)


@composite_rule("strings.format")
def _format(template: str, inputs: Any, placeholder: str = "{}", summarize: int = 3, name: str | None = None) -> Any:
    given = [inputs] if is_ragged(inputs) else list(inputs)
    if not any(is_ragged(v) for v in given) or template.count(placeholder) != len(given):
        return NotImplemented
    return filled(template, given, placeholder, summarize)


def filled(template: str, values: Sequence[Any], placeholder: str, summarize: int) -> Any:
    """Return a template with values, ragged ones among them, in place of its placeholders."""
    pieces = template.split(placeholder)
    texts = [_words(pieces[0])]
    for value, piece in zip(values, pieces[1:], strict=True):
        text = text_of(value, summarize) if is_ragged(value) else strings().format("{}", value, "{}", summarize)
        texts += [text, _words(piece)]
    return strings().join(texts)
