"""tf.compat.v1.distribute: strategies with the methods that programs of version 1 call."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from millstream.api.public import public, publish, root
from millstream.api.refusal import refusing_class
from millstream.base.errors import explain
from millstream.distribution.clusters import CentralStorageStrategy, MultiWorkerMirroredStrategyExperimental
from millstream.distribution.contexts import ReplicaContext
from millstream.distribution.mirrored import MirroredStrategy
from millstream.distribution.options import InputReplicationMode
from millstream.distribution.strategy import Extended, InputContext, OneDeviceStrategy, ReduceOp, Strategy
from millstream.execution.context import executing_eagerly

tf: Any = root()


class InputIterator:
    """Gives a batch, or a part of one for each replica; `initialize` begins, which must be run first in a graph."""

    def __init__(self, dataset: Any, run: Callable[[Any], Any]) -> None:
        self._dataset, self._run = dataset, run
        self._iterator: Any = None
        if executing_eagerly():
            self.initialize()
        else:
            self._iterator = tf.compat.v1.data.make_initializable_iterator(dataset)

    def initialize(self) -> Any:
        """Begin anew: at once, or as operations of a graph, which are returned."""
        if executing_eagerly():
            self._iterator = iter(self._run(self._dataset))
            return None
        return [self._iterator.initializer]

    @property
    def initializer(self) -> Any:
        """What `initialize` returns."""
        return self.initialize()

    def get_next(self) -> Any:
        """Return the next elements; tf.errors.OutOfRangeError at the end of them."""
        if not executing_eagerly():
            return self._iterator.get_next()
        try:
            return next(self._iterator)
        except StopIteration:
            raise tf.errors.OutOfRangeError(None, None, "End of sequence") from None


class StrategyV1(Strategy):
    """What strategies have beside what `tf.distribute.Strategy` has, in version 1."""

    def make_dataset_iterator(self, dataset: Any) -> InputIterator:
        """Return an iterator that gives each replica a part of each batch."""
        return InputIterator(dataset, self.experimental_distribute_dataset)

    def make_input_fn_iterator(
        self, input_fn: Callable[[InputContext], Any], replication_mode: Any = InputReplicationMode.PER_WORKER
    ) -> InputIterator:
        """Return an iterator of the dataset of `input_fn(InputContext)`, whose batches are for one replica each.

        Raises:
          ValueError: `replication_mode` is another one than PER_WORKER.
        """
        if replication_mode != InputReplicationMode.PER_WORKER:
            raise ValueError(explain(f"Input replication mode not supported: {replication_mode!r}"))
        dataset = input_fn(InputContext(1, 0, self.num_replicas_in_sync))
        return InputIterator(dataset, lambda d: self.distribute_datasets_from_function(lambda _: d))

    def experimental_distribute_datasets_from_function(
        self, dataset_fn: Callable[..., Any], options: Any = None
    ) -> Any:
        """Return `distribute_datasets_from_function` of the same arguments: an older name of it."""
        return self.distribute_datasets_from_function(dataset_fn, options)

    def experimental_make_numpy_dataset(self, numpy_input: Any, session: Any = None) -> Any:
        """Return a dataset of the rows of arrays.

        Args:
          numpy_input: a structure of arrays; a list becomes one array.
          session: accepted: the arrays are handed over as they are.
        """
        return tf.data.Dataset.from_tensor_slices(numpy_input)

    def experimental_run(self, fn: Callable[..., Any], input_iterator: Any = None) -> Any:
        """Call `fn` in each replica with what an iterator gives next, where there is one."""
        return self.run(fn, args=() if input_iterator is None else (input_iterator.get_next(),))

    def reduce(self, reduce_op: Any, value: Any, axis: Any = None) -> Any:
        """Return the sum or mean of a value over the replicas, and over `axis` of it where given."""
        return super().reduce(reduce_op, value, axis)

    def unwrap(self, value: Any) -> Any:
        """Return the parts of a value."""
        return self.experimental_local_results(value)

    def group(self, value: Any, name: str | None = None) -> Any:
        """Return an operation that waits for all parts of a value; None where ops run at once."""
        parts = self.unwrap(value)
        return parts[0] if len(parts) == 1 and name is None else tf.group(*parts, name=name)

    def colocate_vars_with(self, colocate_with_variable: Any) -> AbstractContextManager[None]:
        """Make variables where another one is."""
        return self.extended.colocate_vars_with(colocate_with_variable)  # type: ignore[no-any-return]

    def configure(
        self, session_config: Any = None, cluster_spec: Any = None, task_type: Any = None, task_id: Any = None
    ) -> None:
        """Accept what other processes would be: there are none, nothing is to be set."""

    def update_config_proto(self, config_proto: Any) -> Any:
        """Return a copy of a ConfigProto: nothing in it is to be changed."""
        made = tf.compat.v1.ConfigProto()
        made.CopyFrom(config_proto)
        return made


@public("compat.v1.distribute.get_loss_reduction")
def get_loss_reduction() -> ReduceOp:
    """Return how replicas put losses together: by their sum. Only estimators, which there are no more, took means."""
    return ReduceOp.SUM


def _version_1(kind: type[Strategy]) -> type[Strategy]:
    """Return a strategy with the methods of version 1."""
    return type(kind.__name__, (StrategyV1, kind), {"__doc__": kind.__doc__, "__init__": kind.__init__})


publish("compat.v1.distribute.Strategy", StrategyV1)
publish("compat.v1.distribute.StrategyExtended", Extended)
publish("compat.v1.distribute.ReplicaContext", ReplicaContext)
publish("compat.v1.distribute.MirroredStrategy", _version_1(MirroredStrategy))
publish("compat.v1.distribute.OneDeviceStrategy", _version_1(OneDeviceStrategy))
publish("compat.v1.distribute.experimental.CentralStorageStrategy", _version_1(CentralStorageStrategy))
publish(
    "compat.v1.distribute.experimental.MultiWorkerMirroredStrategy", _version_1(MultiWorkerMirroredStrategyExperimental)
)
publish(
    "compat.v1.distribute.experimental.ParameterServerStrategy",
    refusing_class(
        "compat.v1.distribute.experimental.ParameterServerStrategy",
        "there are no parameter servers",
        "train in this process with tf.distribute.MirroredStrategy",
    ),
)
publish(
    "compat.v1.distribute.experimental.TPUStrategy",
    refusing_class(
        "compat.v1.distribute.experimental.TPUStrategy",
        "there are no TPUs here",
        "train with tf.distribute.MirroredStrategy",
    ),
)
