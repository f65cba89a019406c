"""tf.strings whose results are ragged: parts of strings, their characters, runs of neighbours; and strings of code points."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from millstream.api.public import public
from millstream.api.ragged import is_ragged, ragged_or_tensor
from millstream.api.strings import text, text_tensor
from millstream.base import dtypes
from millstream.base.errors import explain
from millstream.execution.convert import to_tensor
from millstream.execution.dispatch import apply
from millstream.execution.ragged_structure import merge_dims
from millstream.execution.ragged_tensor import RaggedTensor
from millstream.execution.sparse_tensor import SparseTensor
from millstream.ops import strings as ops
from millstream.ops import unicode as unicode_ops
from millstream.ops.registry import find


def _per_string(input: Any, function: Any) -> Any:
    """Return function(vector of strings), which adds a ragged axis, for strings of any shape."""
    x = ragged_or_tensor(input, dtypes.string)
    if x.dtype != dtypes.string:
        raise TypeError(explain(f"Strings are needed, given is {x.dtype.name}."))
    if is_ragged(x):
        return x.with_flat_values(_per_string(x.flat_values, function))
    rank = x.shape.rank
    if rank is None:
        raise ValueError(explain("input must have a statically-known rank."))
    if rank == 0:
        return function(apply(find("ExpandDims"), x, 0)).values
    if rank == 1:
        return function(x)
    return RaggedTensor.from_tensor(x, ragged_rank=rank - 1).with_flat_values(function(merge_dims(x, 0, rank - 1)))


def _rows(found: Any, count: Any) -> Any:
    indices, values, _ = found
    rowids = apply(find("Reshape"), indices[:, 0], [-1])
    return RaggedTensor.from_value_rowids(values, rowids, count, validate=False)


def _count(x: Any) -> Any:
    return apply(find("Shape"), x, out_type=dtypes.int64)[0]


@public("strings.bytes_split", "compat.v1.strings.bytes_split")
def bytes_split(input: Any, name: str | None = None) -> Any:
    """Return each string as its bytes: a ragged tensor with one more axis, or a vector for a scalar.

    >>> tf.strings.bytes_split(["ab", "", "c"]).to_list()
    [[b'a', b'b'], [], [b'c']]
    """
    return _per_string(input, lambda x: _rows(apply(ops.string_split, x, "", skip_empty=False), _count(x)))


@public("strings.split")
def split(input: Any, sep: Any = None, maxsplit: int = -1, name: str | None = None) -> Any:
    """Return the parts of each string: a ragged tensor with one more axis, or a vector for a scalar.

    Args:
      input: strings of any known rank.
      sep: what stands between parts; white space, of any length and none at the ends, where it is None or "".
      maxsplit: the most cuts of a string; -1 for no limit.
      name: accepted and not used.

    Raises:
      ValueError: where the rank is unknown.

    >>> tf.strings.split(["hello world", "a b c"]).to_list()
    [[b'hello', b'world'], [b'a', b'b', b'c']]
    """
    separator = text_tensor("" if sep is None else sep)
    return _per_string(input, lambda x: _rows(apply(ops.string_split_v2, x, separator, maxsplit=maxsplit), _count(x)))


@public("compat.v1.strings.split")
def _split_v1(
    input: Any = None,
    sep: Any = None,
    maxsplit: int = -1,
    result_type: str = "SparseTensor",
    source: Any = None,
    name: str | None = None,
) -> Any:
    """Return the parts of each string as a sparse, or with result_type="RaggedTensor" a ragged, tensor."""
    x = input if source is None else source
    if result_type not in ("SparseTensor", "RaggedTensor"):
        raise ValueError(explain("result_type must be 'RaggedTensor' or 'SparseTensor'."))
    ragged = ragged_or_tensor(x, dtypes.string)
    if not is_ragged(ragged) and ragged.shape.rank == 0:
        ragged = apply(find("ExpandDims"), ragged, 0)
    found = split(ragged, sep, maxsplit)
    return found.to_sparse() if result_type == "SparseTensor" else found


@public("compat.v1.string_split")
def _string_split_v1(
    source: Any,
    sep: Any = None,
    skip_empty: bool = True,
    delimiter: Any = None,
    result_type: str = "SparseTensor",
    name: str | None = None,
) -> Any:
    """Return the parts of each string between any bytes of a delimiter as a sparse tensor."""
    between = delimiter if sep is None else sep
    x = text_tensor(source)
    found = apply(ops.string_split, x, " " if between is None else between, skip_empty=skip_empty)
    return SparseTensor(*found) if result_type == "SparseTensor" else _rows(found, _count(x))


@public("strings.ngrams", "compat.v1.strings.ngrams")
def ngrams(
    data: Any,
    ngram_width: int | Sequence[int],
    separator: str = " ",
    pad_values: Any = None,
    padding_width: int | None = None,
    preserve_short_sequences: bool = False,
    name: str | None = None,
) -> Any:
    """Return runs of neighbouring strings, joined.

    Args:
      data: strings, ragged or dense; runs go along the last axis.
      ngram_width: the length of runs, or several lengths: all runs of the first come first.
      separator: what stands between strings.
      pad_values: what to put around rows: a string, or a pair for the left and the right.
      padding_width: how much of it on each side, at most one less than the width; as much as possible without it.
      preserve_short_sequences: whether a row too short for any run is kept as one.
      name: accepted and not used.

    Raises:
      TypeError, ValueError: for values of other kinds, or a width below 1.

    >>> tf.strings.ngrams(tf.ragged.constant([["a", "b", "c"], ["d"]]), 2).to_list()
    [[b'a b', b'b c'], []]
    """
    left, right = _padding(pad_values)
    if padding_width is not None and pad_values is None:
        raise ValueError(explain("pad_values must be provided if padding_width is set."))
    if padding_width is not None and padding_width < 1:
        raise ValueError(explain("padding_width must be greater than 0."))
    widths = [ngram_width] if isinstance(ngram_width, int) else list(ngram_width)
    if not all(isinstance(width, int) for width in widths):
        raise TypeError(explain("ngram_width must be an int, or a tuple or list of ints."))
    if any(width < 1 for width in widths):
        raise ValueError(explain("All ngram_widths must be greater than 0."))
    x = ragged_or_tensor(data, dtypes.string)
    dense = not is_ragged(x)
    scalar_row = dense and x.shape.rank == 1
    if dense:
        if x.shape.rank is None or x.shape.rank == 0:
            raise ValueError(explain("Data must have a known rank of at least 1."))
        if scalar_row:
            x = apply(find("ExpandDims"), x, 0)
        x = RaggedTensor.from_tensor(x, ragged_rank=x.shape.rank - 1)
    elif x.flat_values.shape.rank != 1:
        inner = RaggedTensor.from_tensor(x.flat_values, ragged_rank=x.flat_values.shape.rank - 1)
        x = x.with_flat_values(inner)
    *outer, splits = x.nested_row_splits
    found, ends = apply(
        ops.string_ngrams,
        x.flat_values,
        splits,
        separator=text(separator),
        ngram_widths=tuple(widths),
        left_pad=text(left),
        right_pad=text(right),
        pad_width=0 if pad_values is None else -1 if padding_width is None else padding_width,
        preserve_short_sequences=bool(preserve_short_sequences),
    )
    result = RaggedTensor.from_nested_row_splits(found, [*outer, ends], validate=False)
    if scalar_row:
        return result.flat_values
    return result.to_tensor("") if dense else result


def _padding(pad_values: Any) -> tuple[Any, Any]:
    if pad_values is None:
        return "", ""
    if isinstance(pad_values, (str, bytes)):
        return pad_values, pad_values
    if not isinstance(pad_values, (list, tuple)) or any(not isinstance(p, (str, bytes)) for p in pad_values):
        raise TypeError(explain("pad_values must be a string, tuple of strings, or None."))
    if len(pad_values) != 2:
        raise ValueError(explain("pad_values must be a string, or a pair of strings."))
    return pad_values[0], pad_values[1]


def _options(input_encoding: str, errors: str, replacement_char: int, control: bool) -> dict[str, Any]:
    return {
        "input_encoding": input_encoding,
        "errors": errors,
        "replacement_char": replacement_char,
        "replace_control_characters": bool(control),
    }


def _decoded(input: Any, options: dict[str, Any], place: int) -> Any:
    """Return the code points (1) or their first bytes (2) of each string."""

    def rows(x: Any) -> Any:
        found = apply(unicode_ops.unicode_decode_with_offsets, x, **options)
        return RaggedTensor.from_row_splits(found[place], found[0], validate=False)

    return _per_string(input, rows)


@public("strings.unicode_decode", "compat.v1.strings.unicode_decode")
def unicode_decode(
    input: Any,
    input_encoding: str,
    errors: str = "replace",
    replacement_char: int = 65533,
    replace_control_characters: bool = False,
    name: str | None = None,
) -> Any:
    """Return each string as its code points, int32: a ragged tensor with one more axis, or a vector for a scalar.

    Args:
      input: strings of any known rank.
      input_encoding: UTF-8, UTF-16, UTF-32 (also with -BE or -LE), or an encoding of one byte a character that Python knows.
      errors: "strict", "replace" or "ignore": what is done with bytes that are not valid.
      replacement_char: the code point to replace them with.
      replace_control_characters: whether control characters below 32 count as not valid.
      name: accepted and not used.

    Raises:
      InvalidArgumentError: for bytes that are not valid, with errors="strict".

    >>> tf.strings.unicode_decode(["G\\u00f6", "x"], "UTF-8").to_list()
    [[71, 246], [120]]
    """
    return _decoded(input, _options(input_encoding, errors, replacement_char, replace_control_characters), 1)


@public("strings.unicode_decode_with_offsets", "compat.v1.strings.unicode_decode_with_offsets")
def unicode_decode_with_offsets(
    input: Any,
    input_encoding: str,
    errors: str = "replace",
    replacement_char: int = 65533,
    replace_control_characters: bool = False,
    name: str | None = None,
) -> tuple[Any, Any]:
    """Return the code points of each string as `tf.strings.unicode_decode` does, and the first byte of each, int64.

    >>> codes, starts = tf.strings.unicode_decode_with_offsets(["G\\u00f6!"], "UTF-8")
    >>> starts.to_list()
    [[0, 1, 3]]
    """
    options = _options(input_encoding, errors, replacement_char, replace_control_characters)
    codes = _decoded(input, options, 1)
    return codes, _like(codes, _decoded(input, options, 2))


def _like(model: Any, x: Any) -> Any:
    return model.with_flat_values(x.flat_values) if is_ragged(x) else x


@public("strings.unicode_encode", "compat.v1.strings.unicode_encode")
def unicode_encode(
    input: Any, output_encoding: str, errors: str = "replace", replacement_char: int = 65533, name: str | None = None
) -> Any:
    """Return code points along the last axis, ragged or dense, as strings.

    Args:
      input: int32 of rank 1 or more.
      output_encoding: "UTF-8", "UTF-16-BE" or "UTF-32-BE".
      errors: "strict", "replace" or "ignore": what is done with numbers that are no code points.
      replacement_char: the code point to replace them with.
      name: accepted and not used.

    Raises:
      ValueError: for a scalar or an unknown rank.
      InvalidArgumentError: for numbers that are no code points, with errors="strict".

    >>> tf.strings.unicode_encode([[71, 246], [120, 121]], "UTF-8").numpy().tolist()
    [b'G\\xc3\\xb6', b'xy']
    """
    x = ragged_or_tensor(input, dtypes.int32)
    options: dict[str, Any] = {
        "output_encoding": output_encoding,
        "errors": errors,
        "replacement_char": replacement_char,
    }
    if is_ragged(x):
        if x.flat_values.shape.rank != 1:
            inner = RaggedTensor.from_tensor(x.flat_values, ragged_rank=x.flat_values.shape.rank - 1)
            return unicode_encode(x.with_flat_values(inner), **options)
        if x.ragged_rank > 1:
            return x.with_values(unicode_encode(x.values, **options))
        return apply(unicode_ops.unicode_encode, x.values, x.row_splits, **options)
    rank = x.shape.rank
    if rank is None:
        raise ValueError(explain("Rank of input_tensor must be statically known."))
    if rank == 0:
        raise ValueError(explain("input_tensor's rank must be at least 1."))
    if rank == 1:
        ends = apply(find("Pack"), [to_tensor(0, dtypes.int64), _count(x)], axis=0)
        return apply(find("Reshape"), apply(unicode_ops.unicode_encode, x, ends, **options), [])
    if rank == 2:
        rows = RaggedTensor.from_tensor(x)
        return apply(unicode_ops.unicode_encode, rows.values, rows.row_splits, **options)
    sizes = apply(find("Shape"), x, out_type=dtypes.int64)
    flat = unicode_encode(merge_dims(x, 0, rank - 2), **options)
    return apply(find("Reshape"), flat, sizes[:-1])


@public("strings.unicode_split", "compat.v1.strings.unicode_split")
def unicode_split(
    input: Any, input_encoding: str, errors: str = "replace", replacement_char: int = 65533, name: str | None = None
) -> Any:
    """Return each string as its characters, each a string: a ragged tensor with one more axis, or a vector for a scalar.

    The arguments are those of `tf.strings.unicode_decode`; the characters are encoded as the input is.

    >>> tf.strings.unicode_split("G\\u00f6", "UTF-8").numpy().tolist()
    [b'G', b'\\xc3\\xb6']
    """
    codes = _decoded(input, _options(input_encoding, errors, replacement_char, False), 1)
    return _characters(codes, input_encoding, errors, replacement_char)


def _characters(codes: Any, encoding: str, errors: str, replacement_char: int) -> Any:
    flat = codes.flat_values if is_ragged(codes) else codes
    columns = apply(find("ExpandDims"), flat, 1)
    found = unicode_encode(columns, encoding, errors, replacement_char)
    return codes.with_flat_values(found) if is_ragged(codes) else found


@public("strings.unicode_split_with_offsets", "compat.v1.strings.unicode_split_with_offsets")
def unicode_split_with_offsets(
    input: Any, input_encoding: str, errors: str = "replace", replacement_char: int = 65533, name: str | None = None
) -> tuple[Any, Any]:
    """Return the characters of each string as `tf.strings.unicode_split` does, and the first byte of each, int64.

    >>> parts, starts = tf.strings.unicode_split_with_offsets("G\\u00f6!", "UTF-8")
    >>> starts.numpy().tolist()
    [0, 1, 3]
    """
    codes, starts = unicode_decode_with_offsets(input, input_encoding, errors, replacement_char)
    return _characters(codes, input_encoding, errors, replacement_char), starts
