"""Declare the random ops that keep a counter: by seeds in the runtime, or as the state of a tf.random.Generator."""

from __future__ import annotations

from collections.abc import Sequence

from millstream.base.dtypes import DType, bfloat16, float16, float32, float64, int32, int64, uint64
from millstream.base.dtypes import resource as RESOURCE
from millstream.base.sizes import Size, is_known, maximum, product
from millstream.ops.declaration import Known, Op, Tensor, Types, op
from millstream.ops.random import (
    Alpha,
    Classes,
    Logits,
    algorithm_of,
    alpha_adjoint,
    binomial_numbers,
    class_numbers,
    shuffled,
    sizes_of,
)
from millstream.ops.state import held
from millstream.program.primitives.core import refuse
from millstream.program.primitives.elementwise import convert
from millstream.program.primitives.random import blocks_value, random_distribution, random_next, random_skip
from millstream.program.primitives.shaping import broadcast_shapes, constant, contents, slice_
from millstream.program.primitives.state import write
from millstream.program.value import Value

BLOCKS_EACH = 256
"""Blocks of the counter that TensorFlow sets aside for each output of a stateful op."""

S = Types("T", int32, int64)
RealOut = Types("dtype", float16, bfloat16, float32, float64)
WholeOut = Types("Tout", int32, int64)
CountedOut = Types("dtype", float16, float32, float64, int32, int64, default=int64)


def next_numbers(kind: str, what: str, dtype: DType, shape: Value, seed: int, seed2: int, *given: Value) -> Value:
    """Draw numbers of `kind` from the stream of these seeds."""
    sizes = sizes_of(shape, what)
    return random_distribution(kind, sizes, dtype, *random_next(product(sizes) * BLOCKS_EACH, seed, seed2), *given)


@op("RandomUniform", stateful=True)
def random_uniform(shape: Known[Tensor[S]], *, dtype: RealOut, seed: int = 0, seed2: int = 0) -> Tensor["dtype"]:
    """Return uniform numbers in [0, 1)."""
    return next_numbers("uniform", "RandomUniform", dtype, shape, seed, seed2)


@op("RandomStandardNormal", stateful=True)
def random_standard_normal(
    shape: Known[Tensor[S]], *, dtype: RealOut, seed: int = 0, seed2: int = 0
) -> Tensor["dtype"]:
    """Return normal numbers of mean 0 and deviation 1."""
    return next_numbers("normal", "RandomStandardNormal", dtype, shape, seed, seed2)


@op("TruncatedNormal", stateful=True)
def truncated_normal(shape: Known[Tensor[S]], *, dtype: RealOut, seed: int = 0, seed2: int = 0) -> Tensor["dtype"]:
    """Return normal numbers of mean 0 and deviation 1, those beyond 2 drawn again."""
    return next_numbers("truncated_normal", "TruncatedNormal", dtype, shape, seed, seed2)


@op("RandomUniformInt", stateful=True)
def random_uniform_int(
    shape: Known[Tensor[S]], minval: Tensor[WholeOut], maxval: Tensor[WholeOut], *, seed: int = 0, seed2: int = 0
) -> Tensor[WholeOut]:
    """Return whole numbers in [minval, maxval)."""
    for name, bound in (("minval", minval), ("maxval", maxval)):
        if bound.rank:
            raise refuse(f"{name} must be 0-D", f"shape {list(bound.shape)}", "give a scalar")
    return next_numbers("uniform_int", "RandomUniformInt", minval.dtype, shape, seed, seed2, minval, maxval)


def shuffle_blocks(rows: Size) -> Size:
    """Return how many blocks a shuffle of `rows` rows takes."""
    return (maximum(rows - 1, 0) + 3) // 4


@op("RandomShuffle", stateful=True)
def random_shuffle(value: Tensor[Types("T")], *, seed: int = 0, seed2: int = 0) -> Tensor[Types("T")]:
    """Return the rows of `value` in random order."""
    if value.rank == 0 or (is_known(value.shape[0]) and value.shape[0] <= 1):
        return value
    return shuffled(value, *random_next(shuffle_blocks(value.shape[0]), seed, seed2))


def multinomial_blocks(rows: Size, samples: Size) -> Size:
    """Return how many blocks class numbers take."""
    return rows * ((samples + 3) // 4 * 4) * 2 * BLOCKS_EACH


@op("Multinomial", stateful=True)
def multinomial(
    logits: Tensor[Logits],
    num_samples: Known[Tensor[int32]],
    *,
    seed: int = 0,
    seed2: int = 0,
    output_dtype: Classes = int64,
) -> Tensor["output_dtype"]:
    """Return class numbers, drawn with the probabilities that each row of logits says."""
    blocks = multinomial_blocks(logits.shape[0], contents(num_samples)[0])
    return class_numbers(logits, num_samples, *random_next(blocks, seed, seed2), output_dtype)


@op("RandomGamma", stateful=True)
def random_gamma(
    shape: Known[Tensor[Types("S", int32, int64)]],
    alpha: Tensor[Types("T", *Alpha.allowed)],
    *,
    seed: int = 0,
    seed2: int = 0,
) -> Tensor[Types("T", *Alpha.allowed)]:
    """Return gamma numbers: for each alpha as many as `shape` says."""
    sizes = (*sizes_of(shape, "RandomGamma"), *alpha.shape)
    stream = random_next(product(sizes) * BLOCKS_EACH, seed, seed2)
    return random_distribution("gamma", sizes, alpha.dtype, *stream, alpha)


@random_gamma.gradient
def _gamma_gradient(
    dy: Value, y: Value, shape: Value, alpha: Value, *, seed: int, seed2: int
) -> Sequence[Value | None]:
    return None, alpha_adjoint(dy, y, alpha)


@op("RandomPoissonV2", stateful=True)
def random_poisson(
    shape: Known[Tensor[Types("S", int32, int64)]],
    rate: Tensor[Types("R", float16, float32, float64, int32, int64, default=float64)],
    *,
    seed: int = 0,
    seed2: int = 0,
    dtype: CountedOut = int64,
) -> Tensor["dtype"]:
    """Return Poisson numbers: for each rate as many as `shape` says."""
    sizes = (*sizes_of(shape, "RandomPoissonV2"), *rate.shape)
    stream = random_next(product(sizes) * BLOCKS_EACH, seed, seed2)
    return random_distribution("poisson", sizes, dtype, *stream, rate)


def advance(resource: Value, blocks: Value, algorithm: int) -> Value:
    """Move the counter in a generator's state on; return the state from before, as int64."""
    state = held(resource, int64)
    if state.dtype != int64:
        raise refuse("random generator", f"a state of {state.dtype.name}", "dtype of RNG state variable must be int64")
    moved = random_skip(convert(state, uint64), blocks, algorithm)
    write(resource, convert(moved, int64))
    return state


def take(resource: Value, outputs: Size, algorithm: int) -> tuple[Value, Value]:
    """Return key and counter of a generator, and set aside what `outputs` numbers take."""
    state = convert(advance(resource, blocks_value(outputs * BLOCKS_EACH), algorithm), uint64)
    return slice_(state, (2,), (3,)), slice_(state, (0,), (2,))


@op("RngReadAndSkip", outputs="value", stateful=True)
def read_and_skip(resource: Tensor[RESOURCE], alg: Known[Tensor[int32]], delta: Tensor[uint64]) -> Tensor[int64]:
    """Move a generator's counter on by what `delta` numbers take; return the state from before."""
    return advance(resource, delta * constant(BLOCKS_EACH, uint64), algorithm_of(alg))


@op("RngSkip", outputs=(), stateful=True)
def skip(resource: Tensor[RESOURCE], algorithm: Known[Tensor[int64]], delta: Tensor[int64]) -> None:
    """Move a generator's counter on by what `delta` numbers take."""
    advance(resource, convert(delta, uint64) * constant(BLOCKS_EACH, uint64), algorithm_of(algorithm))


ShapeType = Types("shape_dtype", default=int64)
WholeType = Types("dtype", default=int64)


def _stateful(name: str, kind: str, default: DType) -> Op:
    """Declare an op that draws from a generator's state."""
    Out = Types("dtype", default=default)

    def body(resource, algorithm, shape, *, dtype=default):  # type: ignore[no-untyped-def]
        sizes, number = sizes_of(shape, name), algorithm_of(algorithm)
        return random_distribution(kind, sizes, dtype, *take(resource, product(sizes), number))

    body.__doc__ = f"Return {kind.replace('_', ' ')} numbers from a generator's state."
    body.__annotations__ = {
        "resource": Tensor[RESOURCE],
        "algorithm": Known[Tensor[int64]],
        "shape": Known[Tensor[ShapeType]],
        "dtype": Out,
        "return": Tensor["dtype"],
    }
    return op(name, stateful=True)(body)


stateful_uniform = _stateful("StatefulUniform", "uniform", float32)
stateful_normal = _stateful("StatefulStandardNormalV2", "normal", float32)
stateful_truncated_normal = _stateful("StatefulTruncatedNormal", "truncated_normal", float32)
stateful_full_int = _stateful("StatefulUniformFullInt", "uniform_full_int", uint64)


@op("StatefulUniformInt", stateful=True)
def stateful_uniform_int(
    resource: Tensor[RESOURCE],
    algorithm: Known[Tensor[int64]],
    shape: Known[Tensor[ShapeType]],
    minval: Tensor[WholeType],
    maxval: Tensor[WholeType],
) -> Tensor[WholeType]:
    """Return whole numbers in [minval, maxval) from a generator's state."""
    sizes = sizes_of(shape, "StatefulUniformInt")
    stream = take(resource, product(sizes), algorithm_of(algorithm))
    return random_distribution("uniform_int", sizes, minval.dtype, *stream, minval, maxval)


@op("StatefulRandomBinomial", stateful=True)
def stateful_binomial(
    resource: Tensor[RESOURCE],
    algorithm: Known[Tensor[int64]],
    shape: Known[Tensor[Types("S", int32, int64)]],
    counts: Tensor[Types("T", float16, float32, float64, int32, int64, default=float64)],
    probs: Tensor[Types("T", float16, float32, float64, int32, int64, default=float64)],
    *,
    dtype: CountedOut = int64,
) -> Tensor["dtype"]:
    """Return how many of `counts` trials of probability `probs` succeed, from a generator's state."""
    sizes = sizes_of(shape, "StatefulRandomBinomial")
    parameters = product(broadcast_shapes(counts.shape, probs.shape))
    samples = product(sizes) // maximum(parameters, 1)
    outputs = parameters * 2 * 100 * (samples + 3) // 4
    key, counter = take(resource, outputs, algorithm_of(algorithm))
    return binomial_numbers(sizes, counts, probs, dtype, key, counter)


@op("NonDeterministicInts", stateful=True)
def non_deterministic_ints(shape: Known[Tensor[ShapeType]], *, dtype: WholeType = int64) -> Tensor["dtype"]:
    """Return whole numbers that nobody can foretell."""
    return next_numbers("uniform_full_int", "NonDeterministicInts", dtype, shape, 0, 0)


SEEDED = (
    non_deterministic_ints,
    random_uniform,
    random_standard_normal,
    truncated_normal,
    random_uniform_int,
    multinomial,
    random_poisson,
    read_and_skip,
    skip,
    stateful_uniform,
    stateful_normal,
    stateful_truncated_normal,
    stateful_full_int,
    stateful_uniform_int,
    stateful_binomial,
)
for _op in SEEDED:
    _op.no_gradient()

_SEEDS = {"seed": 3, "seed2": 5}
for _op in (random_uniform, random_standard_normal, truncated_normal):
    _op.cases([(2,)], inputs=([5, 7],), attributes=_SEEDS)
random_uniform_int.cases([((2,), (), ())], inputs=([5, 7], -3, 100), attributes=_SEEDS)
random_shuffle.cases([(7, 2), (1,), ()], attributes=_SEEDS, dtypes=[float32, int64], gradient=False)
multinomial.cases([((3, 5), ())], inputs=(None, 6), attributes=_SEEDS)
random_gamma.cases([((2,), (3,))], inputs=([5, 3],), low=0.3, high=4.0, attributes=_SEEDS, gradient=False)
random_poisson.cases([((2,), (3,))], inputs=([5, 3],), low=1.0, high=20.0, attributes=_SEEDS)
