"""tf.train.ExponentialMovingAverage: averages of variables that follow them slowly."""

from __future__ import annotations

from typing import Any

from millstream.api.public import public, root
from millstream.base import dtypes
from millstream.base.dtypes import as_dtype
from millstream.base.errors import explain
from millstream.execution.context import current_graph, init_scope
from millstream.execution.convert import to_tensor
from millstream.execution.dispatch import apply
from millstream.execution.reference import Reference
from millstream.execution.tensor import Tensor
from millstream.execution.variable import Variable
from millstream.ops.registry import find

tf: Any = root()
averages_in_graphs: dict[str, Any] = {}
"""What makes and moves averages in graphs of sessions; `version_1/moving_averages.py` says it."""

_KINDS = (dtypes.bfloat16, dtypes.float16, dtypes.float32, dtypes.float64)


def _as(dtype: Any, value: Any) -> Any:
    tensor = to_tensor(value)
    return tensor if tensor.dtype == dtype else apply(find("Cast"), tensor, DstT=dtype)


def _in_graph() -> bool:
    """Return whether ops go to a graph of sessions; what makes averages there is loaded then."""
    graph = current_graph()
    if graph is None or graph.building_function:
        return False
    return tf.compat.v1.trainable_variables is not None


@public("__internal__.train.assign_moving_average")
def assign_moving_average(
    variable: Any, value: Any, decay: Any, zero_debias: bool = True, name: str | None = None
) -> Any:
    """Move a variable towards a value: subtract (1 - decay) · (variable - value), and return it.

    Args:
      variable: the variable.
      value: of the same shape.
      decay: how much of the old value stays, between 0 and 1.
      zero_debias: must be False: the bias of a first value of zero is taken out by `ExponentialMovingAverage`, of tensors.
      name: accepted and not used.

    Raises:
      NotImplementedError: for `zero_debias`.
    """
    if zero_debias:
        raise NotImplementedError(
            explain(
                "zero_debias keeps variables of version-1 graphs; divide the average by 1 - decay ** steps instead."
            )
        )
    dtype = variable.dtype.base_dtype
    rate = _as(dtype, apply(find("Sub"), to_tensor(1.0), _as(dtypes.float32, decay)))
    step = apply(find("Sub"), to_tensor(variable), _as(dtype, value))
    return variable.assign_sub(apply(find("Mul"), step, rate))


@public("train.ExponentialMovingAverage", "compat.v1.train.ExponentialMovingAverage")
class ExponentialMovingAverage:
    """Keeps an average of each variable that follows it slowly: `average = decay · average + (1 - decay) · variable`.

    Checkpoints do not see it: hand them the averages.

    Args:
      decay: how much of an average stays at each step.
      num_updates: how many steps were made; the rate is then at most (1 + num_updates) / (10 + num_updates).
      zero_debias: makes a difference for averages of tensors only, which there are in version-1 graphs only.
      name: goes into the names of the averages.

    >>> variable, average = tf.Variable(1.0), tf.train.ExponentialMovingAverage(0.5)
    >>> average.apply([variable])
    >>> _ = variable.assign(3.0)
    >>> average.apply([variable])
    >>> float(average.average(variable))
    2.0
    """

    def __init__(
        self,
        decay: Any,
        num_updates: Any = None,
        zero_debias: bool = False,
        name: str = "ExponentialMovingAverage",
    ) -> None:
        self._decay, self._num_updates, self._zero_debias, self._name = decay, num_updates, zero_debias, name
        self._averages: dict[Reference, Variable] = {}

    @property
    def name(self) -> str:
        """The name of this object."""
        return self._name

    def apply(self, var_list: Any = None) -> Any:
        """Move the averages of variables towards them; where there is none yet, begin with what the variable holds.

        Args:
          var_list: variables of floating numbers; in a graph of sessions also tensors, and all trainable variables where it is
            None.

        Returns:
          The operation that moves them in a graph of sessions; else None.

        Raises:
          TypeError: for tensors, and for other element types.
          ValueError: without variables, where there is no list of all of them.
        """
        in_graph = _in_graph()
        if in_graph and var_list is None:
            var_list = tf.compat.v1.trainable_variables()
        if var_list is None:
            raise ValueError(
                explain(
                    "apply needs a list of variables; all variables are listed in version-1 graphs only. Give var_list."
                )
            )
        for variable in var_list:
            if isinstance(variable, Tensor) and not in_graph:
                raise TypeError(
                    explain(
                        "tf.train.ExponentialMovingAverage does not support non-Variable tensors when eager execution is enabled."
                    )
                )
            if as_dtype(variable.dtype).base_dtype not in _KINDS:
                raise TypeError(explain(f"The variables must be half, float, or double: {variable.name}"))
            if variable.ref() in self._averages:
                continue
            if in_graph:
                self._averages[variable.ref()] = averages_in_graphs["make"](variable, self._name)
            else:
                with init_scope():
                    made = Variable(
                        variable.value(), trainable=False, name=f"{variable.name.removesuffix(':0')}/{self._name}"
                    )
                self._averages[variable.ref()] = made
        if in_graph:
            pairs = [(self._averages[v.ref()], v) for v in var_list]
            return averages_in_graphs["move"](pairs, self._decay, self._num_updates, self._zero_debias, self._name)
        decay = _as(dtypes.float32, self._decay)
        if self._num_updates is not None:
            count = _as(dtypes.float32, self._num_updates)
            slower = apply(
                find("RealDiv"),
                apply(find("AddV2"), to_tensor(1.0), count),
                apply(find("AddV2"), to_tensor(10.0), count),
            )
            decay = apply(find("Minimum"), decay, slower)
        for variable in var_list:
            assign_moving_average(self._averages[variable.ref()], variable.value(), decay, zero_debias=False)
        return None

    def average(self, var: Any) -> Any:
        """Return the variable that holds the average of a variable; None where there is none."""
        return self._averages.get(var.ref())

    def average_name(self, var: Any) -> str:
        """Return the name of the average of a variable, whether there is one or not."""
        found = self._averages.get(var.ref())
        return (f"{var.name.removesuffix(':0')}/{self._name}:0" if found is None else found.name).removesuffix(":0")

    def variables_to_restore(self, moving_avg_variables: Any = None) -> dict[str, Any]:
        """Return variables by the names of their averages, for `tf.compat.v1.train.Saver`.

        Args:
          moving_avg_variables: the variables; those that have averages without it, and in a graph of sessions those that are
            trained. All others of the graph are there under their own names.
        """
        if _in_graph():
            return averages_in_graphs["to_restore"](self, moving_avg_variables)  # type: ignore[no-any-return]
        if moving_avg_variables is None:
            moving_avg_variables = [reference.deref() for reference in self._averages]
        return {self.average_name(v): v for v in moving_avg_variables}
