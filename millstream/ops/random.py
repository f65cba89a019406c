"""Declare the stateless random ops: the same key, counter and parameters give the same numbers, TensorFlow's."""

from __future__ import annotations

from collections.abc import Sequence

from millstream.base.dtypes import (
    DType,
    bfloat16,
    float16,
    float32,
    float64,
    int8,
    int16,
    int32,
    int64,
    uint8,
    uint16,
    uint32,
    uint64,
)
from millstream.base.sizes import Size, is_known
from millstream.ops.declaration import Known, Op, Tensor, Types, op
from millstream.program import random_numbers
from millstream.program.primitives.control import check
from millstream.program.primitives.core import refuse
from millstream.program.primitives.elementwise import RANDOM_GAMMA_GRADIENT, compare, convert
from millstream.program.primitives.indexing import gather
from millstream.program.primitives.random import (
    random_distribution,
    random_key_counter,
    random_permutation,
)
from millstream.program.primitives.reduction import reduce
from millstream.program.primitives.shaping import broadcast_together, constant, contents, literal, spread_to
from millstream.program.value import Value, emit

S = Types("Tshape", int32, int64, default=int32)
T = Types("T", int32, int64, default=int32)
Seed = Types("Tseed", int32, int64, default=int64)
AnySeed = Types("Tseed", int32, int64, uint32, uint64, default=int64)
Real = Types("dtype", float16, bfloat16, float32, float64, default=float32)
Whole = Types("dtype", int32, int64, uint32, uint64)
OldWhole = Types("dtype", int32, int64)
FullWhole = Types("dtype", int32, int64, uint32, uint64, default=uint64)
Alpha = Types("dtype", float16, float32, float64)
Logits = Types("T", float32, float64, int32, uint8, int16, int8, int64, bfloat16, uint16, float16, uint32, uint64)
Classes = Types("output_dtype", int32, int64, default=int64)
Counted = Types("dtype", float16, float32, float64, int32, int64)
CountedOut = Types("dtype", float16, float32, float64, int32, int64, default=int64)
Rate = Types("Rtype", float16, float32, float64, int32, int64)
Trials = Types("T", float16, float32, float64, int32, int64, default=float64)


_ALGORITHMS = (random_numbers.PHILOX, random_numbers.AUTO_SELECT)


def algorithm_of(alg: Value) -> int:
    """Return the algorithm's number; where only the run knows it, it is checked there: both that there are draw as Philox."""
    found = literal(alg)
    if found is None:
        known = alg.spec.value
        if not isinstance(known, int):
            philox, auto = (convert(compare(alg, constant(n, alg.dtype), "EQ"), int32) for n in _ALGORITHMS)
            there = compare(philox + auto, constant(1, int32), "EQ")
            check(there, "Unsupported algorithm id; give 1 (philox) or 3 (auto_select):", data=[alg])
            return random_numbers.PHILOX
        found = known
    number = int(found)
    if number not in _ALGORITHMS:
        raise refuse("Unsupported algorithm id", str(number), "give 1 (philox) or 3 (auto_select)")
    return number


def sizes_of(shape: Value, what: str) -> tuple[Size, ...]:
    """Return the sizes that a shape input says."""
    if shape.spec.shape is not None and len(shape.spec.shape) != 1:
        raise refuse(
            what, f"shape must be a vector of {{int32,int64}}, got shape {list(shape.spec.shape)}", "give a vector"
        )
    sizes = contents(shape)
    if any(is_known(n) and n < 0 for n in sizes):
        raise refuse(what, f"shape {list(sizes)}", "Dimensions must be >= 0")
    return sizes


def draw(
    kind: str, what: str, dtype: DType, shape: Value, key: Value, counter: Value, alg: Value, *given: Value
) -> Value:
    """Draw numbers of `kind` at a key and counter."""
    sizes, algorithm = sizes_of(shape, what), algorithm_of(alg)
    return random_distribution(kind, sizes, dtype, key, counter, *given, algorithm=algorithm)


@op("StatelessRandomGetKeyCounter", outputs=("key", "counter"))
def get_key_counter(seed: Tensor[Seed]) -> tuple[Tensor[uint64], Tensor[uint64]]:
    """Scramble a seed of two whole numbers into a key and a counter."""
    return random_key_counter(seed)


@op("StatelessRandomGetAlg", outputs="alg", stateful=True)
def get_alg() -> Tensor[int32]:
    """Return the algorithm that the device prefers: Philox."""
    return constant(random_numbers.PHILOX, int32)


@op("StatelessRandomGetKeyCounterAlg", outputs=("key", "counter", "alg"))
def get_key_counter_alg(seed: Tensor[Seed]) -> tuple[Tensor[uint64], Tensor[uint64], Tensor[int32]]:
    """Scramble a seed into a key and a counter, and return the algorithm that the device prefers."""
    return (*random_key_counter(seed), constant(random_numbers.PHILOX, int32))


@op("StatelessRandomUniformV2")
def uniform(
    shape: Known[Tensor[S]],
    key: Tensor[uint64],
    counter: Tensor[uint64],
    alg: Known[Tensor[int32]],
    *,
    dtype: Real = float32,
) -> Tensor["dtype"]:
    """Return uniform numbers in [0, 1)."""
    return draw("uniform", "StatelessRandomUniformV2", dtype, shape, key, counter, alg)


@op("StatelessRandomNormalV2")
def normal(
    shape: Known[Tensor[S]],
    key: Tensor[uint64],
    counter: Tensor[uint64],
    alg: Known[Tensor[int32]],
    *,
    dtype: Real = float32,
) -> Tensor["dtype"]:
    """Return normal numbers of mean 0 and deviation 1."""
    return draw("normal", "StatelessRandomNormalV2", dtype, shape, key, counter, alg)


@op("StatelessTruncatedNormalV2")
def truncated_normal(
    shape: Known[Tensor[S]],
    key: Tensor[uint64],
    counter: Tensor[uint64],
    alg: Known[Tensor[int32]],
    *,
    dtype: Real = float32,
) -> Tensor["dtype"]:
    """Return normal numbers of mean 0 and deviation 1, those beyond 2 drawn again."""
    return draw("truncated_normal", "StatelessTruncatedNormalV2", dtype, shape, key, counter, alg)


@op("StatelessRandomUniformIntV2")
def uniform_int(
    shape: Known[Tensor[S]],
    key: Tensor[uint64],
    counter: Tensor[uint64],
    alg: Known[Tensor[int32]],
    minval: Tensor[Whole],
    maxval: Tensor[Whole],
) -> Tensor[Whole]:
    """Return whole numbers in [minval, maxval)."""
    for name, bound in (("minval", minval), ("maxval", maxval)):
        if bound.rank:
            raise refuse(f"{name} must be 0-D", f"shape {list(bound.shape)}", "give a scalar")
    return draw("uniform_int", "StatelessRandomUniformIntV2", minval.dtype, shape, key, counter, alg, minval, maxval)


@op("StatelessRandomUniformFullIntV2")
def uniform_full_int(
    shape: Known[Tensor[S]],
    key: Tensor[uint64],
    counter: Tensor[uint64],
    alg: Known[Tensor[int32]],
    *,
    dtype: FullWhole = uint64,
) -> Tensor["dtype"]:
    """Return whole numbers of the whole range of `dtype`."""
    return draw("uniform_full_int", "StatelessRandomUniformFullIntV2", dtype, shape, key, counter, alg)


@op("StatelessRandomGammaV3")
def gamma(
    shape: Known[Tensor[Types("shape_dtype", int32, int64, default=int32)]],
    key: Tensor[uint64],
    counter: Tensor[uint64],
    alg: Known[Tensor[int32]],
    alpha: Tensor[Alpha],
) -> Tensor[Alpha]:
    """Return gamma numbers of shape parameter `alpha`; `shape` ends with alpha's."""
    return draw("gamma", "StatelessRandomGammaV3", alpha.dtype, shape, key, counter, alg, alpha)


@op("RandomGammaGrad")
def gamma_gradient(
    alpha: Tensor[Types("T", float32, float64)], sample: Tensor[Types("T", float32, float64)]
) -> Tensor[Types("T", float32, float64)]:
    """Return how gamma samples move with their alpha."""
    return emit(RANDOM_GAMMA_GRADIENT, *broadcast_together(alpha, sample, what="RandomGammaGrad"))[0]


gamma_gradient.no_gradient()


def alpha_adjoint(dy: Value, samples: Value, alpha: Value) -> Value:
    """Return the adjoint of alpha where `samples` move with it: the sum over the samples of each alpha."""
    wide = float64 if alpha.dtype == float64 else float32
    moves = gamma_gradient(convert(spread_to(alpha, samples.shape), wide), convert(samples, wide))
    outer = range(samples.rank - alpha.rank)
    return reduce(dy * convert(moves, alpha.dtype), "sum", tuple(outer))


@gamma.gradient
def _gamma_gradient(
    dy: Value, y: Value, shape: Value, key: Value, counter: Value, alg: Value, alpha: Value
) -> Sequence[Value | None]:
    return None, None, None, None, alpha_adjoint(dy, y, alpha)


def class_numbers(logits: Value, num_samples: Value, key: Value, counter: Value, dtype: DType) -> Value:
    """Draw `num_samples` class numbers for each row of logits."""
    if logits.rank != 2:
        raise refuse("logits should be a matrix", f"got shape {list(logits.shape)}", "give logits [batch, classes]")
    samples = contents(num_samples)[0]
    if is_known(samples) and samples < 0:
        raise refuse("num_samples should be nonnegative", f"got {samples}", "give 0 or more")
    if logits.dtype not in (float16, bfloat16, float32, float64, int32, int64):
        logits = convert(logits, float64)
    return random_distribution("multinomial", (logits.shape[0], samples), dtype, key, counter, logits)


@op("StatelessMultinomial")
def multinomial(
    logits: Tensor[Logits], num_samples: Known[Tensor[int32]], seed: Tensor[Seed], *, output_dtype: Classes = int64
) -> Tensor["output_dtype"]:
    """Return class numbers, drawn with the probabilities that each row of logits says."""
    return class_numbers(logits, num_samples, *random_key_counter(seed), output_dtype)


def binomial_numbers(
    shape: tuple[Size, ...], counts: Value, probs: Value, dtype: DType, key: Value, counter: Value
) -> Value:
    """Draw how many of `counts` trials succeed."""
    counts, probs = broadcast_together(counts, probs, what="binomial")
    return random_distribution("binomial", shape, dtype, key, counter, counts, probs)


@op("StatelessRandomBinomial")
def binomial(
    shape: Known[Tensor[Types("S", int32, int64)]],
    seed: Tensor[Seed],
    counts: Tensor[Trials],
    probs: Tensor[Trials],
    *,
    dtype: CountedOut = int64,
) -> Tensor["dtype"]:
    """Return how many of `counts` trials of probability `probs` succeed."""
    sizes = sizes_of(shape, "StatelessRandomBinomial")
    return binomial_numbers(sizes, counts, probs, dtype, *random_key_counter(seed))


@op("StatelessRandomPoisson")
def poisson(
    shape: Known[Tensor[Types("T", int32, int64)]], seed: Tensor[Seed], lam: Tensor[Rate], *, dtype: Counted
) -> Tensor["dtype"]:
    """Return Poisson numbers of rate `lam`; `shape` ends with lam's."""
    sizes = sizes_of(shape, "StatelessRandomPoisson")
    return random_distribution("poisson", sizes, dtype, *random_key_counter(seed), lam)


def shuffled(value: Value, key: Value, counter: Value, algorithm: int = random_numbers.PHILOX) -> Value:
    """Return the rows of `value` in random order."""
    if value.rank == 0 or (is_known(value.shape[0]) and value.shape[0] <= 1):
        return value
    return gather(value, random_permutation(key, counter, value.shape[0], algorithm), 0)


@op("StatelessShuffle")
def shuffle(
    value: Tensor[Types("T")], key: Tensor[uint64], counter: Tensor[uint64], alg: Known[Tensor[int32]]
) -> Tensor[Types("T")]:
    """Return the rows of `value` in random order."""
    return shuffled(value, key, counter, algorithm_of(alg))


@op("StatelessRandomUniform")
def uniform_of_seed(shape: Known[Tensor[T]], seed: Tensor[Seed], *, dtype: Real = float32) -> Tensor["dtype"]:
    """Return uniform numbers in [0, 1)."""
    return random_distribution("uniform", sizes_of(shape, "StatelessRandomUniform"), dtype, *random_key_counter(seed))


@op("StatelessRandomNormal")
def normal_of_seed(shape: Known[Tensor[T]], seed: Tensor[Seed], *, dtype: Real = float32) -> Tensor["dtype"]:
    """Return normal numbers of mean 0 and deviation 1."""
    return random_distribution("normal", sizes_of(shape, "StatelessRandomNormal"), dtype, *random_key_counter(seed))


@op("StatelessTruncatedNormal")
def truncated_normal_of_seed(shape: Known[Tensor[T]], seed: Tensor[Seed], *, dtype: Real = float32) -> Tensor["dtype"]:
    """Return normal numbers of mean 0 and deviation 1, those beyond 2 drawn again."""
    sizes = sizes_of(shape, "StatelessTruncatedNormal")
    return random_distribution("truncated_normal", sizes, dtype, *random_key_counter(seed))


@op("StatelessRandomUniformInt")
def uniform_int_of_seed(
    shape: Known[Tensor[Types("T", int32, int64)]],
    seed: Tensor[Seed],
    minval: Tensor[OldWhole],
    maxval: Tensor[OldWhole],
) -> Tensor[OldWhole]:
    """Return whole numbers in [minval, maxval)."""
    sizes = sizes_of(shape, "StatelessRandomUniformInt")
    return random_distribution("uniform_int", sizes, minval.dtype, *random_key_counter(seed), minval, maxval)


@op("StatelessRandomUniformFullInt")
def uniform_full_int_of_seed(
    shape: Known[Tensor[T]], seed: Tensor[AnySeed], *, dtype: FullWhole = uint64
) -> Tensor["dtype"]:
    """Return whole numbers of the whole range of `dtype`."""
    sizes = sizes_of(shape, "StatelessRandomUniformFullInt")
    given = convert(seed, int64) if seed.dtype in (uint32, uint64) else seed
    return random_distribution("uniform_full_int", sizes, dtype, *random_key_counter(given))


@op("StatelessRandomGammaV2")
def gamma_of_seed(
    shape: Known[Tensor[Types("T", int32, int64)]], seed: Tensor[Seed], alpha: Tensor[Alpha]
) -> Tensor[Alpha]:
    """Return gamma numbers of shape parameter `alpha`; `shape` ends with alpha's."""
    sizes = sizes_of(shape, "StatelessRandomGammaV2")
    return random_distribution("gamma", sizes, alpha.dtype, *random_key_counter(seed), alpha)


@gamma_of_seed.gradient
def _gamma_of_seed_gradient(dy: Value, y: Value, shape: Value, seed: Value, alpha: Value) -> Sequence[Value | None]:
    return None, None, alpha_adjoint(dy, y, alpha)


_ALL: Sequence[Op] = (
    get_key_counter,
    get_alg,
    get_key_counter_alg,
    uniform,
    normal,
    truncated_normal,
    uniform_int,
    uniform_full_int,
    multinomial,
    binomial,
    poisson,
    uniform_of_seed,
    normal_of_seed,
    truncated_normal_of_seed,
    uniform_int_of_seed,
    uniform_full_int_of_seed,
)
for _op in _ALL:
    _op.no_gradient()

_KEY, _COUNTER = [2**63 + 12345], [2**64 - 2, 7]
get_key_counter.cases([(2,)], inputs=([-5, 7],))
get_alg.cases([()])
get_key_counter_alg.cases([(2,)], inputs=([2**31 - 1, -(2**31)],))
for _op in (uniform, normal, truncated_normal, uniform_full_int):
    _op.cases([((2,), (1,), (2,), ())], inputs=([5, 7], _KEY, _COUNTER, 1))
    _op.cases([((1,), (1,), (2,), ())], inputs=([0], _KEY, _COUNTER, 3))
uniform_int.cases([((2,), (1,), (2,), (), (), ())], inputs=([5, 7], _KEY, _COUNTER, 1, 3, 100))
gamma.cases([((2,), (1,), (2,), (), (3,))], inputs=([5, 3], _KEY, _COUNTER, 1), low=0.3, high=4.0, gradient=False)
multinomial.cases([((3, 5), (), (2,))], inputs=(None, 6, [3, 4]))
poisson.cases([((2,), (2,), (3,))], inputs=([5, 3], [3, 4]), low=1.0, high=20.0)
binomial.cases(
    [((2,), (2,), (3,), (3,))],
    inputs=([5, 3], [3, 4], [5, 40, 100], [0.4, 0.7, 0.3]),
    dtypes=[float16, float32, float64],
)
shuffle.cases([((7, 2), (1,), (2,), ())], inputs=(None, _KEY, _COUNTER, 1), gradient=False, dtypes=[float32, int64])
for _op in (uniform_of_seed, normal_of_seed, truncated_normal_of_seed, uniform_full_int_of_seed):
    _op.cases([((2,), (2,))], inputs=([5, 7], [3, 4]))
uniform_int_of_seed.cases([((2,), (2,), (), ())], inputs=([5, 7], [3, 4], -3, 100))
gamma_gradient.cases([((3, 4), (3, 4))], low=0.4, high=6.0, dtypes=[float32])
gamma_of_seed.cases([((2,), (2,), (3,))], inputs=([5, 3], [3, 4]), low=0.3, high=4.0, gradient=False)


def _classes_at(
    logits: Tensor[Logits],
    num_samples: Known[Tensor[int32]],
    key: Tensor[uint64],
    counter: Tensor[uint64],
    *,
    output_dtype: Classes = int64,
) -> Tensor["output_dtype"]:
    """Return class numbers, drawn at a key and counter."""
    return class_numbers(logits, num_samples, key, counter, output_dtype)


def _poisson_at(
    shape: Known[Tensor[Types("S", int32, int64)]],
    rate: Tensor[Types("R", float16, float32, float64, int32, int64, default=float64)],
    key: Tensor[uint64],
    counter: Tensor[uint64],
    *,
    dtype: CountedOut = int64,
) -> Tensor["dtype"]:
    """Return Poisson numbers: for each rate as many as `shape` says, drawn at a key and counter."""
    sizes = (*sizes_of(shape, "RandomPoissonV2"), *rate.shape)
    return random_distribution("poisson", sizes, dtype, key, counter, rate)


# TensorFlow has no ops that draw these at a key and counter; calls that run at once need them, so they have no public name.
multinomial_at = Op("Multinomial", _classes_at, ("output",), stateful=False, effects=False).no_gradient()
poisson_at = Op("RandomPoissonV2", _poisson_at, ("output",), stateful=False, effects=False).no_gradient()
