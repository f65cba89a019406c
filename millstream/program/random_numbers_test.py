"""Compare the NumPy random numbers with recordings of TensorFlow 2.21 (testdata/random_goldens.npz)."""

from __future__ import annotations

from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

from millstream.program import random_numbers as rn

GOLDENS = dict(np.load(Path(__file__).parent / "testdata" / "random_goldens.npz"))
DTYPES = {name: np.dtype(name) for name in ("float16", "float32", "float64")} | {
    "bfloat16": np.dtype(ml_dtypes.bfloat16)
}


def golden(name: str) -> np.ndarray:
    value = GOLDENS[name]
    return value.view(ml_dtypes.bfloat16) if name.endswith("bfloat16") else value


def start(stream: str) -> tuple[int, np.ndarray]:
    return int(GOLDENS[f"{stream}/key"][0]), GOLDENS[f"{stream}/counter"]


streams = pytest.mark.parametrize("stream", ["a", "b"])


@streams
def test_a_seed_is_scrambled_as_in_tensorflow(stream: str) -> None:
    key, counter = rn.key_counter(GOLDENS[f"{stream}/seed"])
    np.testing.assert_array_equal(key, GOLDENS[f"{stream}/key"])
    np.testing.assert_array_equal(counter, GOLDENS[f"{stream}/counter"])


@streams
@pytest.mark.parametrize("dtype", DTYPES)
def test_uniform_numbers_are_equal_bit_for_bit(stream: str, dtype: str) -> None:
    values = rn.uniform(*start(stream), (43,), DTYPES[dtype])
    assert values.tobytes() == golden(f"{stream}/uniform/{dtype}").tobytes()


@streams
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", ["normal", "truncated_normal"])
def test_normal_numbers_agree_to_the_last_places(stream: str, dtype: str, kind: str) -> None:
    values = getattr(rn, kind)(*start(stream), (43,), DTYPES[dtype])
    expected = golden(f"{stream}/{kind}/{dtype}")
    assert values.dtype == expected.dtype
    close = 4 * float(ml_dtypes.finfo(DTYPES[dtype]).eps)
    np.testing.assert_allclose(values.astype(np.float64), expected.astype(np.float64), rtol=close, atol=close / 100)


@streams
@pytest.mark.parametrize("dtype", ["int32", "int64", "uint32", "uint64"])
def test_whole_numbers_are_equal(stream: str, dtype: str) -> None:
    np.testing.assert_array_equal(rn.full_int(*start(stream), (43,), dtype), GOLDENS[f"{stream}/full_int/{dtype}"])
    if dtype.startswith("int"):
        values = rn.uniform_int(*start(stream), (43,), -1000000000, 2000000000, dtype)
        np.testing.assert_array_equal(values, GOLDENS[f"{stream}/uniform_int/{dtype}"])


@streams
def test_sampled_numbers_are_equal(stream: str) -> None:
    alpha = np.array([0.3, 1.0, 7.5], np.float32)
    np.testing.assert_allclose(rn.gamma(*start(stream), (15, 3), alpha), GOLDENS[f"{stream}/gamma"], rtol=1e-6)
    rate = np.array([0.3, 4.0, 70.0], np.float32)
    np.testing.assert_array_equal(rn.poisson(*start(stream), (15, 3), rate, np.float32), GOLDENS[f"{stream}/poisson"])
    logits = np.linspace(-2, 2, 15).astype(np.float32).reshape(3, 5)
    np.testing.assert_array_equal(rn.multinomial(*start(stream), logits, 9), GOLDENS[f"{stream}/multinomial"])


def test_stateful_ops_move_their_counter_by_what_they_reserve() -> None:
    key, counter = rn.stateful_start(77, 5)
    for name in ("uniform", "uniform_again"):
        assert rn.uniform(int(key[0]), counter, (10,)).tobytes() == GOLDENS[f"stateful/{name}"].tobytes()
        counter = rn.skip(counter, rn.reserved("RandomUniform", 10))
    key, counter = rn.stateful_start(77, 5)
    for name in ("shuffle", "shuffle_again"):
        np.testing.assert_array_equal(rn.permutation(int(key[0]), counter, 23), GOLDENS[f"stateful/{name}"])
        counter = rn.skip(counter, rn.reserved("RandomShuffle", 23))


def test_a_generator_counts_as_in_tensorflow() -> None:
    state = rn.generator_state(-9)
    np.testing.assert_array_equal(state, GOLDENS["generator/state"])
    words = state.view(np.uint64)
    np.testing.assert_allclose(rn.normal(int(words[2]), words[:2], (9,)), GOLDENS["generator/normal"], rtol=1e-6)
    moved = rn.skip(words[:2], 256 * 9)
    np.testing.assert_array_equal(moved.view(np.int64), GOLDENS["generator/state_after"][:2])
    assert rn.uniform(int(words[2]), moved, (5,)).tobytes() == GOLDENS["generator/uniform_after"].tobytes()


def test_a_generators_binomial_reserves_by_its_own_rule() -> None:
    # Generator.from_seed(9).binomial([7, 3], ...) leaves the counter at 384009.
    assert rn.reserved("StatefulRandomBinomial", 3, samples=7) == 384000


def test_threefry_bits_are_those_of_xla() -> None:
    expected = [
        0xE11CB594,
        0x2AD88FA6,
        0x39C2A862,
        0x0E13DF76,
        0x4972D711,
        0x6B67A0B5,
        0xB8410B82,
        0x1CF2A9F8,
        0x73EF0DEC,
    ]
    assert rn.bits(rn.THREEFRY, *start("a"), (9,)).tolist() == expected


def test_counters_carry_into_their_upper_half() -> None:
    near = np.array([2**64 - 1, 7], np.uint64)
    np.testing.assert_array_equal(rn.skip(near, 1), np.array([0, 8], np.uint64))
    np.testing.assert_array_equal(rn.philox_bits(3, near, 8)[4:], rn.philox_bits(3, rn.skip(near, 1), 4))


def test_an_unknown_algorithm_and_an_empty_range_are_refused() -> None:
    with pytest.raises(ValueError, match="Unsupported algorithm id: 7"):
        rn.bits(7, *start("a"), (1,))
    with pytest.raises(ValueError, match="Need minval < maxval, got 3 >= 3"):
        rn.uniform_int(*start("a"), (1,), 3, 3)
