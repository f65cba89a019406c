"""Which tensors of a checkpoint go to which file of data: policies, those of users, and what is checked of their answers."""

from __future__ import annotations

import abc
import dataclasses
import logging
from collections.abc import Iterator, Sequence
from typing import Any

from millstream.api.public import public
from millstream.base import dtypes
from millstream.base.errors import explain
from millstream.saving.checkpoint.values import Value
from millstream.saving.slices import Part

log = logging.getLogger("millstream")


@public("train.experimental.ShardableTensor", "compat.v1.train.experimental.ShardableTensor")
@dataclasses.dataclass(frozen=True)
class ShardableTensor:
    """A tensor that is to be saved, and what a policy may want to know of it.

    Args:
      _tensor_save_spec: not kept here: None.
      tensor: the tensor itself.
      dtype: its element type.
      device: the name of the device that it is on.
      name: its name in the checkpoint.
      shape: its shape.
      slice_spec: which part of a larger tensor it is, such as "10 2 0,5:-"; an empty text for a whole one.
      checkpoint_key: its name in the checkpoint.
      trackable: the object that saves it; None for the message of the objects.
    """

    _tensor_save_spec: Any
    tensor: Any
    dtype: Any
    device: Any
    name: str
    shape: Any
    slice_spec: Any
    checkpoint_key: str
    trackable: Any

    def __hash__(self) -> int:
        return hash((self.name, self.dtype, str(self.device), self.checkpoint_key))


@public("train.experimental.ShardingCallback", "compat.v1.train.experimental.ShardingCallback")
class ShardingCallback(abc.ABC):
    """Base of policies: called with all tensors, it returns one dictionary for each file of data.

    The dictionaries go from a tensor's `checkpoint_key` to dictionaries from `slice_spec` to the tensor. No tensor may be
    added, left out or changed; one may be cut in parts.

    >>> class EachAlone(tf.train.experimental.ShardingCallback):
    ...     description = "each tensor in a file of its own"
    ...     def __call__(self, shardable_tensors):
    ...         return [{t.checkpoint_key: {t.slice_spec: t.tensor}} for t in shardable_tensors]
    >>> options = tf.train.CheckpointOptions(experimental_sharding_callback=EachAlone())
    >>> folder = tempfile.mkdtemp()
    >>> _ = tf.train.Checkpoint(a=tf.Variable(1), b=tf.Variable(2)).write(f"{folder}/ab", options)
    >>> len([name for name in os.listdir(folder) if ".data-" in name])
    3
    """

    @property
    @abc.abstractmethod
    def description(self) -> str:
        """What the policy does, for messages."""

    @abc.abstractmethod
    def __call__(self, shardable_tensors: Sequence[ShardableTensor]) -> Sequence[Any]:
        """Return the tensors of each file."""

    def __hash__(self) -> int:
        return hash((self.description, *sorted(vars(self))))


@public("train.experimental.ShardByTaskPolicy", "compat.v1.train.experimental.ShardByTaskPolicy")
class ShardByTaskPolicy(ShardingCallback):
    """Puts the tensors of each task in a file of its own; on one machine that is one file."""

    @property
    def description(self) -> str:
        """What the policy does, for messages."""
        return "Split tensors into shards based on their device spec task."

    def __call__(self, shardable_tensors: Sequence[ShardableTensor]) -> Sequence[Any]:
        """Return one dictionary of all tensors."""
        found: dict[str, dict[str, Any]] = {}
        for each in shardable_tensors:
            found.setdefault(each.checkpoint_key, {})[each.slice_spec] = each.tensor
        return [found]


@public("train.experimental.MaxShardSizePolicy", "compat.v1.train.experimental.MaxShardSizePolicy")
class MaxShardSizePolicy(ShardingCallback):
    """Fills files up to a size; tensors of numbers are cut where they do not fit.

    A single number or a tensor of strings that is larger than a file gets one of its own.

    Args:
      max_shard_size: the largest size of a file of data in bytes.
    """

    def __init__(self, max_shard_size: int) -> None:
        if max_shard_size < 1:
            raise ValueError(explain(f"max_shard_size is a number of bytes, at least 1; got {max_shard_size}."))
        self.max_shard_size = max_shard_size

    @property
    def description(self) -> str:
        """What the policy does, for messages."""
        return "Split tensors into shards with a max shard size."

    def __call__(self, shardable_tensors: Sequence[ShardableTensor]) -> Sequence[Any]:
        """Return the tensors, or their parts, of each file."""
        shards: list[dict[str, dict[str, Any]]] = [{}]
        alone: list[dict[str, dict[str, Any]]] = []
        room = self.max_shard_size
        for each in shardable_tensors:
            size = _bytes(each.tensor)
            if each.dtype is dtypes.string or not each.tensor._shape or size <= room:
                if size > self.max_shard_size:
                    log.warning(
                        "%s has %d bytes and cannot be cut; its file is larger than the %d bytes asked for.",
                        each.checkpoint_key,
                        size,
                        self.max_shard_size,
                    )
                    alone.append({each.checkpoint_key: {each.slice_spec: each.tensor}})
                    continue
                if size > room:
                    shards.append({})
                    room = self.max_shard_size
                shards[-1].setdefault(each.checkpoint_key, {})[each.slice_spec] = each.tensor
                room -= size
                continue
            width = size // each.tensor._count
            whole = Part.of_text(each.slice_spec) if each.slice_spec else Part.all_of(each.tensor._shape)
            waiting = [whole]
            while waiting:
                part = waiting.pop()
                if part.count() * width > room:
                    first, rest = _cut(part, room // width)
                    if first is None and room < self.max_shard_size:
                        shards.append({})
                        room = self.max_shard_size
                        waiting.append(part)
                        continue
                    if first is None:
                        waiting += _halves(part)
                        continue
                    waiting.append(rest)
                    part = first
                piece = each.tensor[part.inside(whole)]
                shards[-1].setdefault(each.checkpoint_key, {})[_text(part)] = piece
                room -= part.count() * width
        return [shard for shard in [*shards, *alone] if shard]


def _bytes(tensor: Any) -> int:
    if tensor.dtype is dtypes.string:
        return sum(len(text) for text in tensor._strings())
    return int(tensor._numpy().nbytes)


def _text(part: Part) -> str:
    """Return a part as text; an empty one for the whole tensor."""
    if part.is_whole():
        return ""
    pairs = ":".join(f"{start},{length}" for start, length in zip(part.starts, part.lengths, strict=True))
    return " ".join([*map(str, part.shape), pairs])


def _split(part: Part, axis: int, length: int) -> tuple[Part, Part]:
    starts, lengths = list(part.starts), list(part.lengths)
    lengths[axis] = length
    first = Part(part.shape, tuple(starts), tuple(lengths))
    starts[axis] += length
    lengths[axis] = part.lengths[axis] - length
    return first, Part(part.shape, tuple(starts), tuple(lengths))


def _cut(part: Part, elements: int) -> Any:
    """Return the largest piece of at most so many elements, and the rest; (None, None) where even one slice is larger."""
    sizes = [(part.count() // length, axis) for axis, length in enumerate(part.lengths)]
    best = max(((elements // size * size, axis) for size, axis in sizes if size <= elements), default=None)
    if best is None:
        return None, None
    axis = best[1]
    return _split(part, axis, elements // (part.count() // part.lengths[axis]))


def _halves(part: Part) -> list[Part]:
    """Return a part in two, the second one first."""
    axis = max(range(len(part.lengths)), key=part.lengths.__getitem__)
    first, second = _split(part, axis, part.lengths[axis] // 2)
    return [second, first]


def shards_of(values: Sequence[Value], callback: Any) -> list[list[Value]]:
    """Return the tensors of each file of data, as a callback wants them; all in one file without it.

    Raises:
      RuntimeError: the callback added, dropped or changed a tensor.
    """
    if callback is None:
        return [list(values)]
    given = [
        ShardableTensor(None, v.tensor, v.tensor.dtype, v.tensor.device, v.key, v.tensor.shape, v.part, v.key, v.owner)
        for v in values
    ]
    found = [
        [Value(key, part.strip(), tensor) for key, parts in shard.items() for part, tensor in parts.items()]
        for shard in callback(given)
    ]
    _check(values, found, callback)
    return found


def _check(values: Sequence[Value], found: Sequence[Sequence[Value]], callback: Any) -> None:
    def refuse(what: str, key: str) -> RuntimeError:
        return RuntimeError(
            explain(
                f"After executing the checkpoint sharding callback, {what}:\n  callback_description: {callback.description}\n"
                f"  checkpoint_key: {key}"
            )
        )

    wanted: dict[str, Any] = {}
    left: dict[str, int] = {}
    seen = set()
    for value in values:
        wanted[value.key] = value.tensor
        left[value.key] = left.get(value.key, 0) + value.tensor._count
    for value in _flat(found):
        if (value.key, value.part) in seen:
            raise refuse("multiple tensors with the same checkpoint key and slice spec were found", value.key)
        seen.add((value.key, value.part))
        if value.key not in wanted:
            raise refuse("a tensor not originally in the object graph was found in the checkpoint shards", value.key)
        if value.tensor.dtype is not wanted[value.key].dtype:
            raise refuse("a tensor was found with an altered dtype", value.key)
        lengths = Part.of_text(value.part).lengths if value.part else tuple(wanted[value.key]._shape)
        if tuple(value.tensor._shape) != lengths:
            raise refuse("a tensor was found with an altered shape", value.key)
        left[value.key] -= value.tensor._count
    kept = {value.key for value in _flat(found)}
    for key, count in left.items():
        if count or key not in kept:
            raise refuse("tensors in the object graph were not found in the checkpoint shards", key)


def _flat(shards: Sequence[Sequence[Value]]) -> Iterator[Value]:
    for shard in shards:
        yield from shard
