"""tf.strings: strings compared, measured, cut, joined, hashed and read, each by itself. Ragged results are in `strings_ragged`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from millstream.api.public import public
from millstream.base import dtypes
from millstream.base.composite import CompositeTensor
from millstream.base.dtypes import as_dtype
from millstream.base.errors import explain
from millstream.execution.convert import to_tensor
from millstream.execution.dispatch import apply
from millstream.execution.tensor import Tensor
from millstream.ops import strings as ops
from millstream.ops import unicode as unicode_ops
from millstream.ops.registry import find


def text_tensor(value: Any) -> Any:
    """Return a value as a tensor of strings."""
    return to_tensor(value, dtypes.string)


def text(value: Any) -> str:
    """Return a piece of text given as str or bytes as an attribute."""
    return value if isinstance(value, bytes) else str(value)  # type: ignore[return-value]


@public(
    "strings.as_string", "as_string", "compat.v1.as_string", "compat.v1.dtypes.as_string", "compat.v1.strings.as_string"
)
def as_string(
    input: Any,
    precision: int = -1,
    scientific: bool = False,
    shortest: bool = False,
    width: int = -1,
    fill: str = "",
    name: str | None = None,
) -> Any:
    """Return each element as text.

    Args:
      input: numbers, bools or strings of any shape.
      precision: digits behind the point of floats; -1 for printf's 6.
      scientific: write floats as `1.5e+00`.
      shortest: write floats as printf's %g does.
      width: the least number of characters; -1 for as many as needed.
      fill: "" or " " pad in front, "0" pads with zeros, "-" pads behind, "+" shows signs.
      name: accepted and not used.

    Raises:
      InvalidArgumentError: for scientific and shortest together, or either, or a precision, for whole numbers.

    >>> tf.strings.as_string([3, 2]).numpy().tolist()
    [b'3', b'2']
    >>> tf.strings.as_string([3.1415926, 2.71828], precision=2).numpy().tolist()
    [b'3.14', b'2.72']
    """
    options = {"precision": precision, "scientific": bool(scientific), "shortest": bool(shortest)}
    return apply(ops.as_string, input, **options, width=width, fill=fill)


@public("strings.to_number")
def to_number(input: Any, out_type: Any = dtypes.float32, name: str | None = None) -> Any:
    """Return the numbers that strings spell: decimal, with white space at the ends; floats also as `1e5`, `inf` and `nan`.

    Args:
      input: strings of any shape.
      out_type: float32, float64, int32, int64, uint32 or uint64.
      name: accepted and not used.

    Raises:
      InvalidArgumentError: for a string that spells no number of that type.

    >>> tf.strings.to_number(["1.5", "-2"]).numpy().tolist()
    [1.5, -2.0]
    """
    return apply(ops.string_to_number, text_tensor(input), out_type=as_dtype(out_type))


@public("compat.v1.strings.to_number", "compat.v1.string_to_number")
def _to_number_v1(
    string_tensor: Any = None, out_type: Any = dtypes.float32, name: str | None = None, input: Any = None
) -> Any:
    """Return the numbers that strings spell."""
    return to_number(string_tensor if input is None else input, out_type)


@public("strings.length")
def length(input: Any, unit: str = "BYTE", name: str | None = None) -> Any:
    """Return the lengths of strings, int32: in bytes, or in characters of UTF-8 with unit "UTF8_CHAR".

    >>> tf.strings.length(["Hello", "\\u00e9"]).numpy().tolist()
    [5, 2]
    """
    return apply(ops.string_length, text_tensor(input), unit=unit)


@public("compat.v1.strings.length")
def _length_v1(input: Any, name: str | None = None, unit: str = "BYTE") -> Any:
    """Return the lengths of strings, int32."""
    return length(input, unit)


@public("strings.substr")
def substr(input: Any, pos: Any, len: Any, unit: str = "BYTE", name: str | None = None) -> Any:
    """Return parts of strings, with broadcasting.

    Args:
      input: strings.
      pos: int32 or int64, the first byte or character of each part; below 0 it counts from the end.
      len: of the type and shape of `pos`, how many are wanted; fewer where the string ends.
      unit: "BYTE" or "UTF8_CHAR".
      name: accepted and not used.

    Raises:
      InvalidArgumentError: for a position outside of its string, or shapes that do not fit.

    >>> tf.strings.substr(["Hello", "World"], 1, 3).numpy().tolist()
    [b'ell', b'orl']
    """
    pos = to_tensor(pos)
    return apply(ops.substr, text_tensor(input), pos, to_tensor(len, pos.dtype), unit=unit)


@public("compat.v1.strings.substr", "compat.v1.substr")
def _substr_v1(input: Any, pos: Any, len: Any, name: str | None = None, unit: str = "BYTE") -> Any:
    """Return parts of strings, with broadcasting."""
    return substr(input, pos, len, unit)


@public("strings.strip", "compat.v1.strings.strip", "compat.v1.string_strip")
def strip(input: Any, name: str | None = None) -> Any:
    """Return strings without white space at their ends.

    >>> tf.strings.strip(["\\nTensor ", "  flow"]).numpy().tolist()
    [b'Tensor', b'flow']
    """
    return apply(ops.string_strip, text_tensor(input))


@public("strings.lower", "compat.v1.strings.lower")
def lower(input: Any, encoding: str = "", name: str | None = None) -> Any:
    """Return strings in small letters: those of ASCII, or with encoding "utf-8" those of Unicode.

    >>> tf.strings.lower("CamelCase").numpy()
    b'camelcase'
    """
    return apply(unicode_ops.string_lower, text_tensor(input), encoding=encoding)


@public("strings.upper", "compat.v1.strings.upper")
def upper(input: Any, encoding: str = "", name: str | None = None) -> Any:
    """Return strings in capital letters: those of ASCII, or with encoding "utf-8" those of Unicode.

    >>> tf.strings.upper("CamelCase").numpy()
    b'CAMELCASE'
    """
    return apply(unicode_ops.string_upper, text_tensor(input), encoding=encoding)


@public("strings.join", "compat.v1.strings.join", "compat.v1.string_join")
def join(inputs: Sequence[Any], separator: str = "", name: str | None = None) -> Any:
    """Return the strings of several tensors joined, place by place; scalars stand at every place.

    >>> tf.strings.join([["a", "b"], "c"], separator="-").numpy().tolist()
    [b'a-c', b'b-c']
    """
    return apply(ops.string_join, [text_tensor(x) for x in inputs], separator=text(separator))


@public("strings.reduce_join")
def reduce_join(
    inputs: Any, axis: Any = None, keepdims: bool = False, separator: str = "", name: str | None = None
) -> Any:
    """Return strings joined along axes, one after the other as they are named; along all, the last first, without `axis`.

    >>> tf.strings.reduce_join([["a", "b"], ["c", "d"]], axis=1, separator=" ").numpy().tolist()
    [b'a b', b'c d']
    """
    inputs = text_tensor(inputs)
    if axis is None:
        if inputs.shape.rank is not None:
            axis = list(reversed(range(inputs.shape.rank)))
        else:
            axis = apply(find("Range"), apply(find("Rank"), inputs) - 1, -1, -1)
    axis = to_tensor(axis, dtypes.int32)
    return apply(ops.reduce_join, inputs, axis, keep_dims=bool(keepdims), separator=text(separator))


@public("compat.v1.strings.reduce_join", "compat.v1.reduce_join")
def _reduce_join_v1(
    inputs: Any,
    axis: Any = None,
    keep_dims: Any = None,
    separator: str = "",
    name: str | None = None,
    reduction_indices: Any = None,
    keepdims: Any = None,
) -> Any:
    """Return strings joined along axes."""
    return reduce_join(inputs, reduction_indices if axis is None else axis, bool(keep_dims or keepdims), separator)


@public("strings.unsorted_segment_join", "compat.v1.strings.unsorted_segment_join")
def unsorted_segment_join(
    inputs: Any, segment_ids: Any, num_segments: Any, separator: str = "", name: str | None = None
) -> Any:
    """Return the strings of each segment joined, in their order.

    Args:
      inputs: strings.
      segment_ids: int32 or int64; its shape begins that of `inputs`.
      num_segments: how many segments there are.
      separator: what stands between two strings.
      name: accepted and not used.

    Raises:
      InvalidArgumentError: for an id below 0 or not below `num_segments`.

    >>> tf.strings.unsorted_segment_join(["this", "a", "is"], [0, 1, 0], 2, ":").numpy().tolist()
    [b'this:is', b'a']
    """
    return apply(ops.unsorted_segment_join, text_tensor(inputs), segment_ids, num_segments, separator=text(separator))


@public("strings.regex_full_match", "compat.v1.strings.regex_full_match")
def regex_full_match(input: Any, pattern: Any, name: str | None = None) -> Any:
    """Return whether each string matches a pattern as a whole.

    Args:
      input: strings of any shape.
      pattern: in the syntax of RE2, a string or a scalar tensor. Look-around and back references are refused, as RE2
        does; so are \\C, \\p{...} and (?i) for letters beyond ASCII, which Millstream does not support.
      name: accepted and not used.

    Raises:
      InvalidArgumentError: for a pattern that is not valid.

    >>> tf.strings.regex_full_match(["TF lib", "TF"], ".*lib$").numpy().tolist()
    [True, False]
    """
    input = text_tensor(input)
    if isinstance(pattern, (str, bytes)):
        return apply(unicode_ops.static_regex_full_match, input, pattern=text(pattern))
    return apply(unicode_ops.regex_full_match, input, text_tensor(pattern))


@public("strings.regex_replace", "compat.v1.strings.regex_replace", "compat.v1.regex_replace")
def regex_replace(input: Any, pattern: Any, rewrite: Any, replace_global: bool = True, name: str | None = None) -> Any:
    """Return strings with what matches a pattern rewritten.

    Args:
      input: strings of any shape.
      pattern: in the syntax of RE2, see `tf.strings.regex_full_match`; a string or a scalar tensor.
      rewrite: what to put there: \\0 is the match, \\1 to \\9 are its groups.
      replace_global: rewrite all matches, or only the first.
      name: accepted and not used.

    Raises:
      InvalidArgumentError: for a pattern that is not valid.

    >>> tf.strings.regex_replace("Text with tags.<br /><b>", "<[^>]+>", " ").numpy()
    b'Text with tags.  '
    """
    input = text_tensor(input)
    if isinstance(pattern, (str, bytes)) and isinstance(rewrite, (str, bytes)):
        return apply(
            unicode_ops.static_regex_replace,
            input,
            pattern=text(pattern),
            rewrite=text(rewrite),
            replace_global=bool(replace_global),
        )
    return apply(
        unicode_ops.regex_replace,
        input,
        text_tensor(pattern),
        text_tensor(rewrite),
        replace_global=bool(replace_global),
    )


@public("strings.to_hash_bucket_fast", "compat.v1.strings.to_hash_bucket_fast", "compat.v1.string_to_hash_bucket_fast")
def to_hash_bucket_fast(input: Any, num_buckets: int, name: str | None = None) -> Any:
    """Return a number below `num_buckets` for each string, int64: FarmHash's Fingerprint64 modulo the buckets.

    >>> tf.strings.to_hash_bucket_fast(["Hello", "TensorFlow", "2.x"], 3).numpy().tolist()
    [0, 2, 2]
    """
    return apply(ops.string_to_hash_bucket_fast, text_tensor(input), num_buckets=num_buckets)


@public(
    "strings.to_hash_bucket_strong", "compat.v1.strings.to_hash_bucket_strong", "compat.v1.string_to_hash_bucket_strong"
)
def to_hash_bucket_strong(input: Any, num_buckets: int, key: Sequence[int], name: str | None = None) -> Any:
    """Return a number below `num_buckets` for each string, int64: SipHash under a key of two numbers, modulo the buckets.

    >>> tf.strings.to_hash_bucket_strong(["Hello", "TF"], 3, [1, 2]).numpy().tolist()
    [2, 0]
    """
    return apply(
        ops.string_to_hash_bucket_strong, text_tensor(input), num_buckets=num_buckets, key=tuple(int(k) for k in key)
    )


@public("strings.to_hash_bucket")
def to_hash_bucket(input: Any, num_buckets: int, name: str | None = None) -> Any:
    """Return a number below `num_buckets` for each string, int64. Use `tf.strings.to_hash_bucket_fast` in new code.

    >>> tf.strings.to_hash_bucket(["a", "abcdefghijk"], 1000).numpy().tolist()
    [868, 380]
    """
    return apply(ops.string_to_hash_bucket, text_tensor(input), num_buckets=num_buckets)


@public("compat.v1.strings.to_hash_bucket", "compat.v1.string_to_hash_bucket")
def _to_hash_bucket_v1(
    string_tensor: Any = None, num_buckets: int = 1, name: str | None = None, input: Any = None
) -> Any:
    """Return a number below `num_buckets` for each string, int64."""
    return to_hash_bucket(string_tensor if input is None else input, num_buckets)


@public("strings.unicode_script", "compat.v1.strings.unicode_script")
def unicode_script(input: Any, name: str | None = None) -> Any:
    """Return the script of each code point as ICU's number, int32; -1 for what is no code point.

    >>> tf.strings.unicode_script([97, 0x3b1]).numpy().tolist()
    [25, 14]
    """
    return apply(unicode_ops.unicode_script, to_tensor(input, dtypes.int32))


@public("strings.unicode_transcode", "compat.v1.strings.unicode_transcode")
def unicode_transcode(
    input: Any,
    input_encoding: str,
    output_encoding: str,
    errors: str = "replace",
    replacement_char: int = 65533,
    replace_control_characters: bool = False,
    name: str | None = None,
) -> Any:
    """Return strings of one encoding in another.

    Args:
      input: strings.
      input_encoding: UTF-8, UTF-16, UTF-32 (also with -BE or -LE), or an encoding of one byte a character that Python knows.
      output_encoding: "UTF-8", "UTF-16-BE" or "UTF-32-BE".
      errors: "strict", "replace" or "ignore": what is done with bytes that are not valid.
      replacement_char: the code point to replace them with.
      replace_control_characters: whether control characters below 32 count as not valid.
      name: accepted and not used.

    Raises:
      InvalidArgumentError: for bytes that are not valid, with errors="strict".

    >>> tf.strings.unicode_transcode(["Hello"], "UTF-8", "UTF-16-BE").numpy().tolist()
    [b'\\x00H\\x00e\\x00l\\x00l\\x00o']
    """
    return apply(
        unicode_ops.unicode_transcode,
        text_tensor(input),
        input_encoding=input_encoding,
        output_encoding=output_encoding,
        errors=errors,
        replacement_char=replacement_char,
        replace_control_characters=bool(replace_control_characters),
    )


@public("strings.format", "compat.v1.strings.format")
def format(template: str, inputs: Any, placeholder: str = "{}", summarize: int = 3, name: str | None = None) -> Any:
    """Return a text with the tensors put in place of the placeholders, as `tf.print` writes them.

    Args:
      template: the text.
      inputs: a tensor, or a list of as many as there are placeholders.
      placeholder: what stands for a tensor.
      summarize: how many elements to show at the ends of each axis; -1 for all.
      name: accepted and not used.

    Raises:
      ValueError: where there are not as many tensors as placeholders.

    >>> tf.strings.format("tensor: {}", tf.constant([1, 2])).numpy()
    b'tensor: [1 2]'
    """
    if isinstance(inputs, (Tensor, CompositeTensor)):
        inputs = [inputs]
    tensors = [to_tensor(x) for x in inputs]
    wanted = template.count(placeholder)
    if wanted != len(tensors):
        raise ValueError(
            explain(
                f"The template expects {wanted} tensors, but the inputs only has {len(tensors)}. Please ensure the number "
                "of placeholders in template matches inputs length."
            )
        )
    return apply(ops.string_format, tensors, template=template, placeholder=placeholder, summarize=summarize)
