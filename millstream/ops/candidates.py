"""Declare the ops that sample candidate classes, find hits among them, and shuffle indices one by one."""

from __future__ import annotations

import numpy as np

from millstream.base.dtypes import float16, float32, float64, int32, int64, uint32, uint64
from millstream.base.errors import NotFoundError, explain
from millstream.ops.declaration import Known, Op, Tensor, Types, op
from millstream.ops.random import sizes_of
from millstream.program.primitives import candidates as c
from millstream.program.primitives import elementwise as e
from millstream.program.primitives.core import refuse
from millstream.program.primitives.indexing import gather
from millstream.program.primitives.random import random_key_counter, random_next
from millstream.program.primitives.reduction import reduce
from millstream.program.primitives.searching import where
from millstream.program.primitives.shaping import (
    broadcast,
    broadcast_together,
    constant,
    full,
    iota,
    reshape,
    slice_axis,
)
from millstream.program.value import Value

BLOCKS_EACH = 512
"""Blocks of the counter that TensorFlow sets aside for each candidate."""

NOTHING = (-1, 0, 0, 0)
"""The identity of a sampler that keeps nothing of what it learns."""

Answer = tuple[Value, Value, Value]


def sample(
    what: str,
    true_classes: Value,
    num_true: int,
    num_sampled: int,
    stream: tuple[Value, Value],
    identity: tuple[int, int, int, int],
    *,
    kind: str,
    unique: bool,
    limit: int,
    weights: np.ndarray | None = None,
) -> Answer:
    """Sample `num_sampled` classes below `limit`."""
    if true_classes.rank != 2:
        raise refuse(what, f"true_classes of shape {list(true_classes.shape)}", "true_classes must be a matrix")
    columns = true_classes.shape[1]
    if isinstance(columns, int) and columns != num_true:
        raise refuse(what, f"{columns} columns", f"true_classes must have num_true columns, expected: {num_true}")
    if unique and num_sampled > limit:
        raise refuse(what, f"{num_sampled} different samples of {limit} classes", "Sampler's range is too small")
    table = constant(np.zeros(0, np.float32) if weights is None else weights, float32)
    return c.random_candidates(
        true_classes,
        *stream,
        table,
        kind=kind,
        unique=unique,
        limit=limit,
        count=num_sampled,
        identity=identity,
    )


def identity_of(*words: int) -> tuple[int, int, int, int]:
    """Return four words that name what a sampler of these seeds and attributes has learned."""
    return 0, 0, hash(words), words[0]


def unigrams_of(
    range_max: int, vocab_file: str, unigrams: list[float], distortion: float, shards: tuple[int, int, int]
) -> np.ndarray:
    """Return the weights of the classes of one shard: 0 for the reserved ones, those given to the power of `distortion`."""
    what, (reserved, count, shard) = "FixedUnigramCandidateSampler", shards
    if bool(vocab_file) == bool(unigrams):
        raise refuse(what, "both or neither", "Must provide either vocab_file or unigrams, and only one of them")
    given = list(unigrams)
    if vocab_file:
        try:
            with open(vocab_file, encoding="utf-8") as file:
                lines = [line.rstrip("\n") for line in file]
        except FileNotFoundError:
            raise NotFoundError(None, None, explain(f"{vocab_file}; No such file or directory")) from None
        for line in lines:
            try:
                given.append(float(line.rsplit(",", 1)[-1]))
            except ValueError:
                raise refuse(what, repr(line), "Wrong vocabulary format at line; end it with a number") from None
    kept = [0.0] * sum(1 for i in range(reserved) if i % count == shard)
    first = len(kept)
    found = np.power(np.array(given, np.float32), np.float32(distortion))
    weights = np.array([*kept, *(w for i, w in enumerate(found, first) if i % count == shard)], np.float32)
    if len(weights) != range_max:
        raise refuse(what, f"range is {range_max}", f"which must be equal to weights size {len(weights)}")
    return weights


def _declare(name: str, kind: str) -> Op:
    def body(true_classes, *, num_true, num_sampled, unique, range_max, seed=0, seed2=0):  # type: ignore[no-untyped-def]
        stream = random_next(num_sampled * BLOCKS_EACH, seed, seed2)
        identity = identity_of(seed, seed2, num_true, num_sampled, unique)
        return sample(
            name, true_classes, num_true, num_sampled, stream, identity, kind=kind, unique=unique, limit=range_max
        )

    body.__doc__ = f"Sample classes ({kind.replace('_', ' ')}), and say how often they and the true ones are expected."
    body.__annotations__ = {
        "true_classes": Tensor[int64],
        "num_true": int,
        "num_sampled": int,
        "unique": bool,
        "range_max": int,
        "seed": int,
        "seed2": int,
        "return": tuple[Tensor[int64], Tensor[float32], Tensor[float32]],
    }
    outputs = ("sampled_candidates", "true_expected_count", "sampled_expected_count")
    return op(name, outputs=outputs, stateful=True)(body).no_gradient()


uniform_candidates = _declare("UniformCandidateSampler", "uniform")
log_uniform_candidates = _declare("LogUniformCandidateSampler", "log_uniform")
learned_candidates = _declare("LearnedUnigramCandidateSampler", "learned")
OUTPUTS = ("sampled_candidates", "true_expected_count", "sampled_expected_count")


@op("AllCandidateSampler", outputs=OUTPUTS, stateful=True)
def all_candidates(
    true_classes: Tensor[int64], *, num_true: int, num_sampled: int, unique: bool, seed: int = 0, seed2: int = 0
) -> tuple[Tensor[int64], Tensor[float32], Tensor[float32]]:
    """Return all classes, each expected once."""
    stream = random_next(0, seed, seed2)
    return sample(
        "AllCandidateSampler",
        true_classes,
        num_true,
        num_sampled,
        stream,
        NOTHING,
        kind="all",
        unique=unique,
        limit=num_sampled,
    )


@op("FixedUnigramCandidateSampler", outputs=OUTPUTS, stateful=True)
def fixed_candidates(
    true_classes: Tensor[int64],
    *,
    num_true: int,
    num_sampled: int,
    unique: bool,
    range_max: int,
    vocab_file: str = "",
    distortion: float = 1.0,
    num_reserved_ids: int = 0,
    num_shards: int = 1,
    shard: int = 0,
    unigrams: list[float] = (),
    seed: int = 0,
    seed2: int = 0,
) -> tuple[Tensor[int64], Tensor[float32], Tensor[float32]]:
    """Sample classes by given weights, and say how often they and the true ones are expected."""
    weights = unigrams_of(range_max, vocab_file, unigrams, distortion, (num_reserved_ids, num_shards, shard))
    stream = random_next(num_sampled * BLOCKS_EACH, seed, seed2)
    return sample(
        "FixedUnigramCandidateSampler", true_classes, num_true, num_sampled, stream, NOTHING,
        kind="fixed", unique=unique, limit=range_max, weights=weights,
    )  # fmt: skip


@op("ComputeAccidentalHits", outputs=("indices", "ids", "weights"))
def accidental_hits(
    true_classes: Tensor[int64], sampled_candidates: Tensor[int64], *, num_true: int, seed: int = 0, seed2: int = 0
) -> tuple[Tensor[int32], Tensor[int64], Tensor[float32]]:
    """Return, for each true class that was sampled, its row, the place of the sample, and the lowest float32."""
    if true_classes.rank != 2 or (isinstance(true_classes.shape[1], int) and true_classes.shape[1] != num_true):
        raise refuse(
            "ComputeAccidentalHits",
            f"shape {list(true_classes.shape)}",
            "true_candidates must be a batch_size * num_true matrix",
        )
    if sampled_candidates.rank != 1:
        raise refuse(
            "ComputeAccidentalHits", f"shape {list(sampled_candidates.shape)}", "sampled_candidates must be a vector"
        )
    rows, columns = true_classes.shape
    wide = (rows, columns, sampled_candidates.shape[0])
    alike = e.compare(broadcast(true_classes, wide, (0, 1)), broadcast(sampled_candidates, wide, (2,)), "EQ")
    # Of samples that are alike the last counts.
    place = e.select(alike, iota(wide, 2, int64), full(wide, -1, int64))
    last = reduce(place, "max", (2,)) if sampled_candidates.shape[0] != 0 else full((rows, columns), -1, int64)
    flat = reshape(last, (rows * columns,))
    hits = where(e.compare(flat, full(flat.shape, 0, int64), "GE"))
    found = reshape(hits, (hits.shape[0],))
    number = reshape(iota((rows, columns), 0, int32), (rows * columns,))
    lowest = full(found.shape, float(np.finfo(np.float32).min), float32)
    return gather(number, found, 0), gather(flat, found, 0), lowest


Index = Types("dtype", int32, uint32, int64, uint64)
ShuffleSeed = Types("Tseed", int32, uint32, int64, uint64)


@op("RandomIndexShuffle", outputs="output")
def index_shuffle(
    index: Tensor[Index], seed: Tensor[ShuffleSeed], max_index: Tensor[Index], *, rounds: int = 4
) -> Tensor[Index]:
    """Return where the elements `index` go when 0 … max_index are shuffled by `seed`: all scalars, or rows of vectors."""
    what = "RandomIndexShuffle"
    if index.rank > 1 or max_index.rank > 1 or seed.rank not in (1, 2):
        raise refuse(
            what,
            f"index {index.spec}, seed {seed.spec}, max_index {max_index.spec}",
            "give scalars or vectors, and seeds [3] or [n, 3]",
        )
    if isinstance(seed.shape[-1], int) and seed.shape[-1] != 3:
        raise refuse(what, f"seed of shape {list(seed.shape)}", "seed must be a vector of 3, or rows of 3")
    scalar = index.rank == max_index.rank == 0 and seed.rank == 1
    firsts = reshape(slice_axis(seed, 1, 0, 1), (seed.shape[0],)) if seed.rank == 2 else None
    given = [e.convert(v, uint64) for v in (index, max_index)]
    like = broadcast_together(*given, *([e.convert(firsts, uint64)] if firsts is not None else []), what=what)
    shape = (1,) if scalar else like[0].shape
    rows = broadcast(e.convert(seed, uint32), (*shape, 3), (1,) if seed.rank == 1 else (0, 1))
    found = c.random_index_shuffle(reshape(like[0], shape), rows, reshape(like[1], shape), rounds)
    return e.convert(reshape(found, like[0].shape), index.dtype)


index_shuffle.no_gradient()


@op("StatelessParameterizedTruncatedNormal", outputs="output")
def bounded_normal(
    shape: Known[Tensor[Types("S", int32, int64)]],
    seed: Tensor[Types("Tseed", int32, int64, default=int64)],
    means: Tensor[Types("dtype", float16, float32, float64)],
    stddevs: Tensor[Types("dtype", float16, float32, float64)],
    minvals: Tensor[Types("dtype", float16, float32, float64)],
    maxvals: Tensor[Types("dtype", float16, float32, float64)],
) -> Tensor[Types("dtype", float16, float32, float64)]:
    """Return normal numbers between minvals and maxvals; the parameters broadcast, and `shape` ends with their shape."""
    sizes = sizes_of(shape, "StatelessParameterizedTruncatedNormal")
    parameters = broadcast_together(means, stddevs, minvals, maxvals, what="StatelessParameterizedTruncatedNormal")
    if parameters[0].rank > len(sizes):
        raise refuse(
            "StatelessParameterizedTruncatedNormal",
            f"shape {list(sizes)}",
            "Shape passed in must end with broadcasted shape of the parameters",
        )
    return c.random_bounded_normal(*random_key_counter(seed), parameters, sizes)


bounded_normal.no_gradient()
accidental_hits.no_gradient()
all_candidates.no_gradient()
fixed_candidates.no_gradient()

_CLASSES = [[0, 3], [5, 1], [3, 3]]
for _op in (uniform_candidates, log_uniform_candidates):
    for _unique in (False, True):
        _op.cases(
            [(3, 2)],
            inputs=(_CLASSES,),
            attributes={"num_true": 2, "num_sampled": 5, "unique": _unique, "range_max": 9, "seed": 3, "seed2": 7},
        )
all_candidates.cases([(3, 2)], inputs=(_CLASSES,), attributes={"num_true": 2, "num_sampled": 6, "unique": True})
fixed_candidates.cases(
    [(3, 2)],
    inputs=(_CLASSES,),
    attributes={
        "num_true": 2, "num_sampled": 4, "unique": True, "range_max": 7, "distortion": 0.75, "num_reserved_ids": 1,
        "unigrams": (1.0, 2.0, 5.0, 0.5, 3.0, 1.5), "seed": 3, "seed2": 7,
    },
)  # fmt: skip
accidental_hits.cases([((3, 2), (4,))], inputs=(_CLASSES, [3, 1, 9, 3]), attributes={"num_true": 2})
index_shuffle.cases(
    [((7,), (3,), ())], inputs=([0, 1, 2, 3, 4, 5, 6], [5, 6, 7], 6), dtypes=[int32, int64, uint32, uint64]
)
index_shuffle.cases([((), (3,), ())], inputs=(9, [5, 6, 7], 100000), dtypes=[int64])
bounded_normal.cases(
    [((2,), (2,), (3,), (), (3,), ())],
    inputs=([50, 3], [3, 4], [0.0, 1.0, -4.0], 1.5, [-1.0, 2.5, -4.5], 4.0),
    dtypes=[float16, float32, float64],
)


def _simple_at(name: str, kind: str) -> Op:
    def body(true_classes, key, counter, *, num_true, num_sampled, unique, range_max, identity=NOTHING):  # type: ignore[no-untyped-def]
        return sample(
            name,
            true_classes,
            num_true,
            num_sampled,
            (key, counter),
            identity,
            kind=kind,
            unique=unique,
            limit=range_max,
        )

    body.__annotations__ = {**_AT_ANNOTATIONS, "identity": list[int]}
    return Op(name, body, OUTPUTS, stateful=False, effects=True).no_gradient()


def _fixed_at(  # type: ignore[no-untyped-def]
    true_classes, key, counter, *, num_true, num_sampled, unique, range_max, vocab_file, distortion, num_reserved_ids,
    num_shards, shard, unigrams,
):  # fmt: skip
    weights = unigrams_of(range_max, vocab_file, unigrams, distortion, (num_reserved_ids, num_shards, shard))
    return sample(
        "FixedUnigramCandidateSampler", true_classes, num_true, num_sampled, (key, counter), NOTHING,
        kind="fixed", unique=unique, limit=range_max, weights=weights,
    )  # fmt: skip


_AT_ANNOTATIONS = {
    "true_classes": Tensor[int64], "key": Tensor[uint64], "counter": Tensor[uint64], "num_true": int, "num_sampled": int,
    "unique": bool, "range_max": int, "return": tuple[Tensor[int64], Tensor[float32], Tensor[float32]],
}  # fmt: skip
_fixed_at.__annotations__ = {
    **_AT_ANNOTATIONS, "vocab_file": str, "distortion": float, "num_reserved_ids": int, "num_shards": int, "shard": int,
    "unigrams": list[float],
}  # fmt: skip

AT = {
    "UniformCandidateSampler": _simple_at("UniformCandidateSampler", "uniform"),
    "LogUniformCandidateSampler": _simple_at("LogUniformCandidateSampler", "log_uniform"),
    "LearnedUnigramCandidateSampler": _simple_at("LearnedUnigramCandidateSampler", "learned"),
    "FixedUnigramCandidateSampler": Op(
        "FixedUnigramCandidateSampler", _fixed_at, OUTPUTS, stateful=False, effects=True
    ).no_gradient(),
}
"""The samplers at a key and a counter. TensorFlow has no such ops: calls that run at once need them."""
