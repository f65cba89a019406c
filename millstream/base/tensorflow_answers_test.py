"""Compares base with what real TensorFlow answered to three thousand expressions (`testdata/record.py` recorded them)."""

import collections
import copy
import json
import pathlib
import pickle
import warnings

import ml_dtypes
import numpy as np
import pytest

from millstream.base import conversion, dtypes, errors, nest, shapes, specs
from millstream.base.testdata.record import Other, Point, ReadOnly, answer

AREAS = json.loads((pathlib.Path(__file__).parent / "testdata" / "tensorflow_answers.json").read_text())


class Value:
    """An array with the name of its element type, printed as the recorder prints a tensor."""

    def __init__(self, array):
        self.array = array

    def numpy(self):
        return self.array if self.array.ndim else self.array[()]


NAMES = {
    "dtypes": dtypes,
    "np": np,
    "ml_dtypes": ml_dtypes,
    "shapes": shapes,
    "TensorShape": shapes.TensorShape,
    "Dimension": shapes.Dimension,
    "nest": nest,
    "errors": errors,
    "constant": lambda value, dtype=None: Value(conversion.to_array(value, dtype)[0]),
    "collections": collections,
    "Point": Point,
    "Other": Other,
    "ReadOnly": ReadOnly,
    "TensorSpec": specs.TensorSpec,
    "BoundedTensorSpec": specs.BoundedTensorSpec,
    "RaggedTensorSpec": specs.RaggedTensorSpec,
    "SparseTensorSpec": specs.SparseTensorSpec,
    "IndexedSlicesSpec": specs.IndexedSlicesSpec,
    "VariableSpec": specs.VariableSpec,
    "get_name": specs.get_type_spec_name,
    "pickle": pickle,
    "copy": copy,
}


@pytest.mark.parametrize("area", AREAS)
def test_base_answers_as_tensorflow_does(area):
    different = []
    for expression, expected in AREAS[area].items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # Ours say where the user's code is, too.
            found = answer(expression, NAMES).partition("\n  at ")[0]
        if found != expected:
            different.append(f"{expression}\n  TensorFlow: {expected}\n  here:       {found}")
    assert not different, f"{len(different)} of {len(AREAS[area])} differ:\n" + "\n".join(different)
