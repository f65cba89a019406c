"""Publish tf.data."""

from __future__ import annotations

from millstream.api.public import publish
from millstream.data import csv_files, experimental_names, features, names_v1, options, outside, sql, tables  # noqa: F401 - publish themselves
from millstream.data.dataset import Dataset, DatasetSpec, NumpyIterator
from millstream.data.iterator import Iterator, IteratorSpec
from millstream.data.optional import NoneTensorSpec, Optional, OptionalSpec
from millstream.data.readers import FixedLengthRecordDataset, TextLineDataset, TFRecordDataset
from millstream.data.stage import AUTOTUNE, INFINITE, UNKNOWN

publish("data.Dataset", Dataset)
publish("data.DatasetSpec", DatasetSpec)
publish("data.Iterator", Iterator)
publish("data.IteratorSpec", IteratorSpec)
publish("data.AUTOTUNE", AUTOTUNE)
publish("data.INFINITE_CARDINALITY", INFINITE)
publish("data.UNKNOWN_CARDINALITY", UNKNOWN)
publish("data.Options", options.Options)
publish("data.ThreadingOptions", options.ThreadingOptions)
publish("data.experimental.AUTOTUNE", AUTOTUNE)
publish("data.experimental.AutoShardPolicy", options.AutoShardPolicy)
publish("data.experimental.AutotuneAlgorithm", options.AutotuneAlgorithm)
publish("data.experimental.AutotuneOptions", options.AutotuneOptions)
publish("data.experimental.ServiceOptions", options.ServiceOptions)
publish("data.experimental.ThreadingOptions", options.ThreadingOptions)
publish("data.experimental.make_csv_dataset", csv_files.make_csv_dataset)
publish("data.experimental.TFRecordWriter", experimental_names.TFRecordWriter)
publish("data.experimental.ExternalStatePolicy", options.ExternalStatePolicy)
publish("data.experimental.OptimizationOptions", options.OptimizationOptions)
publish("data.experimental.DistributeOptions", options.DistributeOptions)
publish("experimental.Optional", Optional)
publish("OptionalSpec", OptionalSpec)
publish("NoneTensorSpec", NoneTensorSpec)
publish("data.NumpyIterator", NumpyIterator)
publish("data.TextLineDataset", TextLineDataset)
publish("data.TFRecordDataset", TFRecordDataset)
publish("data.FixedLengthRecordDataset", FixedLengthRecordDataset)
