"""Datasets of Example messages: tf.data.experimental.parse_example_dataset and make_batched_features_dataset."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from millstream.api.io_examples import parse_example
from millstream.api.public import public
from millstream.base import dtypes
from millstream.base.errors import explain
from millstream.base.specs import TensorSpec
from millstream.data.dataset import Dataset
from millstream.data.options import Options
from millstream.data.readers import TFRecordDataset
from millstream.data.stage import AUTOTUNE


@public("data.experimental.parse_example_dataset", "compat.v1.data.experimental.parse_example_dataset")
def parse_example_dataset(
    features: Any, num_parallel_calls: Any = 1, deterministic: bool | None = None
) -> Callable[[Any], Any]:
    """Return a transformation that reads features of vectors of `Example` messages; see `tf.io.parse_example`.

    Raises:
      ValueError: there are no features.
      TypeError: when it is applied to a dataset of something else than vectors of strings.
    """
    if features is None:
        raise ValueError(explain("Argument `features` is required, but not specified."))

    def apply(dataset: Any) -> Any:
        spec = dataset.element_spec
        fits = isinstance(spec, TensorSpec) and spec.dtype is dtypes.string and spec.shape.is_compatible_with([None])
        if not fits:
            raise TypeError(
                explain(f"Input dataset should be a dataset of vectors of strings, its elements are {spec}.")
            )
        calls = None if num_parallel_calls == 1 else num_parallel_calls
        return dataset.map(lambda texts: parse_example(texts, features), calls, deterministic)

    return apply


@public("data.experimental.make_batched_features_dataset")
def make_batched_features_dataset(
    file_pattern: Any,
    batch_size: Any,
    features: Any,
    reader: Any = None,
    label_key: str | None = None,
    reader_args: Sequence[Any] | None = None,
    num_epochs: int | None = None,
    shuffle: bool = True,
    shuffle_buffer_size: int = 10000,
    shuffle_seed: Any = None,
    prefetch_buffer_size: Any = None,
    reader_num_threads: int | None = None,
    parser_num_threads: int | None = None,
    sloppy_ordering: bool = False,
    drop_final_batch: bool = False,
) -> Any:
    """Return a dataset of batches of features of `Example` messages in files: dicts, with the label beside where it is named.

    Args:
      file_pattern: a pattern of file names, or several.
      batch_size: how many examples a batch has.
      features: what is read, by name; see `tf.io.parse_example`.
      reader: makes a dataset of a file's name; TFRecordDataset where None.
      label_key: the feature that comes beside the others.
      reader_args: what the reader takes after the name.
      num_epochs: how often the files are gone through; without end where None.
      shuffle: whether files and examples come in random order.
      shuffle_buffer_size: how many examples are held for it.
      shuffle_seed: a whole number that decides the order.
      prefetch_buffer_size: how many batches are made ahead; tuned where None.
      reader_num_threads: how many files are read at once; 1 where None.
      parser_num_threads: how many batches are parsed at once; 2 where None.
      sloppy_ordering: whether the order of examples of several files is free.
      drop_final_batch: whether a last batch of fewer examples is left out; always without end.

    Raises:
      TypeError: `reader` is no class or function.
      ValueError: `label_key` is not in `features`.
    """
    make = TFRecordDataset if reader is None else reader
    if not callable(make):
        raise TypeError(explain(f"`reader` must make a dataset of a file's name, got {reader!r}."))
    if label_key is not None and label_key not in features:
        raise ValueError(
            explain(f"The `label_key` provided ({label_key!r}) must be one of the features: {sorted(features)}.")
        )
    files = Dataset.list_files(file_pattern, shuffle=shuffle, seed=shuffle_seed)
    threads = 1 if reader_num_threads is None else reader_num_threads
    dataset = files.interleave(
        lambda name: make(name, *(reader_args or ())),
        cycle_length=threads,
        num_parallel_calls=threads,
        deterministic=not sloppy_ordering,
    )
    if isinstance(dataset.element_spec, tuple) and len(dataset.element_spec) == 2:
        dataset = dataset.map(lambda _, value: value)  # old readers also give keys
    if shuffle:
        dataset = dataset.shuffle(shuffle_buffer_size, shuffle_seed)
    if num_epochs != 1:
        dataset = dataset.repeat(num_epochs)
    dataset = dataset.batch(batch_size, drop_remainder=drop_final_batch or num_epochs is None)
    dataset = dataset.apply(parse_example_dataset(features, 2 if parser_num_threads is None else parser_num_threads))
    if label_key is not None:
        dataset = dataset.map(lambda found: (found, found.pop(label_key)))
    options = Options()
    options.deterministic = not sloppy_ordering
    return dataset.with_options(options).prefetch(AUTOTUNE if prefetch_buffer_size is None else prefetch_buffer_size)
