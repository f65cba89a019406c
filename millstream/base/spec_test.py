"""Tests of specs."""

import pickle

import pytest

from millstream.base import dtypes
from millstream.base.sizes import Symbol
from millstream.base.spec import Spec, of

BATCH = Symbol("batch")


def test_a_spec_prints_type_sizes_content_and_handle():
    assert str(of("float32", BATCH, 10)) == "float32[batch, 10]"
    assert str(Spec(dtypes.int32, (2,), (BATCH, 10))) == "int32[2]{batch, 10}"
    assert str(Spec(dtypes.int32, (), BATCH)) == "int32[]{batch}"
    assert str(Spec(dtypes.float32, None)) == "float32[...]"
    assert str(Spec(dtypes.resource, (), None, of("float32", 3))) == "resource[]<float32[3]>"


def test_equal_specs_are_one_cache_key():
    first, second = Spec(dtypes.int32, [2], (BATCH, 10)), Spec(dtypes.int32, (2,), (BATCH, 10))
    assert first == second and hash(first) == hash(second) and {first: 1}[second] == 1
    assert first != first.with_value(None) and first != Spec(dtypes.int64, (2,), (BATCH, 10)) and first != "int32[2]"
    assert pickle.loads(pickle.dumps(first)) == first


def test_rank_count_and_staticness():
    spec = of("float32", BATCH, 10)
    assert spec.rank == 2 and spec.count is BATCH * 10 and not spec.is_static and of("int8", 2, 3).is_static
    unknown = Spec(dtypes.float32, None)
    assert unknown.rank is None and unknown.count is None and not unknown.is_static
    assert of("int8").count == 1 and of("int8").is_static


def test_a_spec_cannot_be_changed():
    spec = of("float32", 2)
    with pytest.raises(AttributeError, match="cannot be changed"):
        spec.shape = (3,)
    with pytest.raises(AttributeError, match="cannot be changed"):
        del spec.dtype
    assert spec.with_shape((3,)) == of("float32", 3) and spec.with_dtype(dtypes.int8) == of("int8", 2)


def test_content_is_kept_for_small_integer_tensors_only():
    assert Spec(dtypes.int64, (64,), tuple(range(64))).value == tuple(range(64))
    assert Spec(dtypes.int64, (65,), tuple(range(65))).value is None
    with pytest.raises(ValueError, match="Only integer tensors"):
        Spec(dtypes.float32, (1,), (1,))
    with pytest.raises(ValueError, match="does not fit"):
        Spec(dtypes.int32, (3,), (1, 2))
    assert Spec(dtypes.int32, (1,), (7,)).with_dtype(dtypes.float32).value is None


def test_symbols_are_found_and_replaced_everywhere():
    rows = Symbol("rows")
    spec = Spec(dtypes.int32, (2,), (BATCH, 2 * rows), of("float32", rows))
    assert spec.symbols() == {BATCH, rows}
    assert spec.substitute({BATCH: 4, rows: 5}) == Spec(dtypes.int32, (2,), (4, 10), of("float32", 5))
