"""tf.random's samplers of candidate classes, and its shuffle of single indices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from millstream.api import array
from millstream.api.calls import results_of
from millstream.api.public import public
from millstream.base import dtypes
from millstream.execution.context import executing_eagerly
from millstream.execution.convert import to_tensor
from millstream.execution.dispatch import apply
from millstream.execution.random_seeds import global_seed, op_seeds, take
from millstream.ops import candidates as ops
from millstream.ops.registry import find

_PADDING = 498247692
"""The first of the three seeds that the op takes; callers give two."""


def _drawn(name: str, true_classes: Any, seed: Any, attributes: dict[str, Any]) -> Any:
    classes = to_tensor(true_classes, dtypes.int64)
    if not executing_eagerly() or name not in ops.AT:
        first, second = op_seeds(seed)
        return apply(find(name), classes, seed=first or 0, seed2=second or 0, **attributes)
    blocks = attributes["num_sampled"] * ops.BLOCKS_EACH
    if name != "LearnedUnigramCandidateSampler":
        return apply(ops.AT[name], classes, *take((name, *attributes.values()), seed, blocks), **attributes)
    stream = take((name, *attributes.values()), seed, blocks)
    if seed is None and global_seed() is not None:
        # What a seed that was drawn has learned is never asked for again.
        return apply(ops.AT[name], classes, *stream, **attributes)
    words = int(stream[0].numpy()[0]) % 2**63, -1 if seed is None else int(seed)
    return apply(
        ops.AT[name], classes, *stream, **attributes, identity=ops.identity_of(*words, *map(int, attributes.values()))
    )


def _sample(name: str, true_classes: Any, seed: Any, attributes: dict[str, Any]) -> Any:
    return results_of(find(name))(*_drawn(name, true_classes, seed, attributes))


_ARGUMENTS = """

    Arguments:
      true_classes: int64 [batch_size, num_true]: the classes that are right.
      num_true: how many there are for each element.
      num_sampled: how many classes to sample.
      unique: whether they are all different.
      range_max: classes are below this number.
      seed: the op's seed.
      name: not used.

    Returns:
      sampled_candidates int64 [num_sampled], true_expected_count float32 [batch_size, num_true], sampled_expected_count
      float32 [num_sampled]: how often each class is expected among the samples.

    Raises:
      InvalidArgumentError: where a true class is not in range, or there are fewer classes than different samples.
    """


def _publish(leaf: str, op_name: str, doc: str) -> Callable[..., Any]:
    def sampler(
        true_classes: Any,
        num_true: int,
        num_sampled: int,
        unique: bool,
        range_max: int,
        seed: Any = None,
        name: Any = None,
    ) -> Any:
        attributes = {"num_true": num_true, "num_sampled": num_sampled, "unique": unique, "range_max": range_max}
        return _sample(op_name, true_classes, seed, attributes)

    sampler.__name__ = sampler.__qualname__ = leaf
    sampler.__doc__ = doc + _ARGUMENTS
    return public(f"random.{leaf}", f"nn.{leaf}")(sampler)


_publish("uniform_candidate_sampler", "UniformCandidateSampler", "Sample classes that are all equally likely.")
log_uniform_candidate_sampler = _publish(
    "log_uniform_candidate_sampler",
    "LogUniformCandidateSampler",
    "Sample classes by log((class + 2) / (class + 1)) / log(range_max + 1): the first ones are the most likely.",
)
_publish(
    "learned_unigram_candidate_sampler",
    "LearnedUnigramCandidateSampler",
    "Sample classes by how often calls of equal arguments saw them as true classes.",
)


@public("random.all_candidate_sampler", "nn.all_candidate_sampler")
def all_candidate_sampler(
    true_classes: Any, num_true: int, num_sampled: int, unique: bool, seed: Any = None, name: str | None = None
) -> Any:
    """Return all classes 0 … num_sampled - 1 as samples, each expected once.

    Arguments: those of `tf.random.uniform_candidate_sampler`, without range_max.
    """
    return _sample(
        "AllCandidateSampler",
        true_classes,
        seed,
        {"num_true": num_true, "num_sampled": num_sampled, "unique": unique},
    )


@public("random.fixed_unigram_candidate_sampler", "nn.fixed_unigram_candidate_sampler")
def fixed_unigram_candidate_sampler(
    true_classes: Any,
    num_true: int,
    num_sampled: int,
    unique: bool,
    range_max: int,
    vocab_file: str = "",
    distortion: float = 1.0,
    num_reserved_ids: int = 0,
    num_shards: int = 1,
    shard: int = 0,
    unigrams: Sequence[float] = (),
    seed: Any = None,
    name: str | None = None,
) -> Any:
    """Sample classes by weights from a file or a list.

    Arguments: those of `tf.random.uniform_candidate_sampler`, and
      vocab_file: a file whose lines end with a comma and the weight of a class. Give it or `unigrams`.
      distortion: weights count to this power.
      num_reserved_ids: how many classes of weight 0 come first.
      num_shards, shard: of every num_shards classes only number `shard` is kept.
      unigrams: the weights.

    Raises:
      InvalidArgumentError: where there are not as many weights as classes, or both or none are given.
    """
    attributes = {
        "num_true": num_true, "num_sampled": num_sampled, "unique": unique, "range_max": range_max,
        "vocab_file": vocab_file, "distortion": float(distortion), "num_reserved_ids": num_reserved_ids,
        "num_shards": num_shards, "shard": shard, "unigrams": tuple(float(w) for w in unigrams),
    }  # fmt: skip
    return _sample("FixedUnigramCandidateSampler", true_classes, seed, attributes)


@public("random.experimental.index_shuffle")
def index_shuffle(index: Any, seed: Any, max_index: Any) -> Any:
    """Return where the element `index` goes when 0 … max_index are shuffled, without making the others.

    Arguments:
      index: whole numbers in [0, max_index], a scalar or a vector.
      seed: int32, int64, uint32 or uint64 of shape [2], or [n, 2] for one seed an index.
      max_index: of index's type, a scalar or a vector.

    >>> [int(tf.random.experimental.index_shuffle(i, [5, 9], 3)) for i in range(4)]
    [2, 0, 1, 3]
    """
    seed = to_tensor(seed)
    rank = seed.shape.rank
    pads = [[1, 0]] if rank is None or rank < 2 else [[0, 0], [1, 0]]
    return apply(
        find("RandomIndexShuffle"), index, array.pad(seed, pads, constant_values=_PADDING), max_index, rounds=4
    )


@public("random.stateless_parameterized_truncated_normal")
def stateless_parameterized_truncated_normal(
    shape: Any,
    seed: Any,
    means: Any = 0.0,
    stddevs: Any = 1.0,
    minvals: Any = -2.0,
    maxvals: Any = 2.0,
    name: str | None = None,
) -> Any:
    """Return normal numbers between bounds; equal seeds give equal numbers.

    Arguments:
      shape: the shape of the result; it ends with that to which the parameters broadcast.
      seed: two whole numbers.
      means, stddevs: of the normal distribution before it is cut: float16, float32 or float64.
      minvals, maxvals: the bounds.
      name: not used.

    Raises:
      InvalidArgumentError: where a deviation is not positive, or bounds leave nothing or are both infinite.
    """
    first = to_tensor(means)
    rest = [to_tensor(v, first.dtype) for v in (stddevs, minvals, maxvals)]
    return apply(find("StatelessParameterizedTruncatedNormal"), array.shape_tensor(shape), seed, first, *rest)
