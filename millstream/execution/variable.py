"""tf.Variable: a value that calls may change. It lives outside all graphs; a trace meets it as the input of its handle."""

from __future__ import annotations

import abc
import enum
import functools
import inspect
import itertools
import weakref
from collections.abc import Callable
from typing import Any

from millstream import _runtime as runtime
from millstream.base import dtypes, errors
from millstream.base.composite import CompositeTensor
from millstream.base.dtypes import DType, as_dtype
from millstream.base.shapes import TensorShape
from millstream.base.tensor_specs import VariableSpec
from millstream.execution import tape as tapes
from millstream.execution.context import current_graph, init_scope, outside_functions
from millstream.execution.convert import to_tensor
from millstream.execution.dispatch import apply, attributes_key, handle_of
from millstream.execution.lifting import lifted_or_late, set_in_first_call
from millstream.execution.name_scope import named, scoped
from millstream.execution.reference import Reference
from millstream.execution.specs import DTYPE_OF_NUMBER, state_info
from millstream.execution.symbolic import SymbolicTensor, out_of_scope
from millstream.execution.tensor import Tensor, TensorType
from millstream.execution.trackable import Trackable
from millstream.execution.variable_scatter import ScatterMethods, tell_graphs
from millstream.ops import state as ops

execute = runtime.execute
_serial = itertools.count()

by_handle: weakref.WeakValueDictionary[int, Variable] = weakref.WeakValueDictionary()
"""All living variables by the id of their handle."""

creators: list[Callable[..., Any]] = []
"""What `tf.variable_creator_scope` installed, outermost first."""


class VariableSynchronization(enum.Enum):
    """When the copies of a distributed variable are brought together."""

    AUTO = 0
    NONE = 1
    ON_WRITE = 2
    ON_READ = 3


class VariableAggregation(enum.Enum):
    """How the copies of a distributed variable are brought together."""

    NONE = 0
    SUM = 1
    MEAN = 2
    ONLY_FIRST_REPLICA = 3

    def __hash__(self) -> int:
        return hash(self.value)

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, enum.Enum) and self.value == other.value and self.name == other.name)

    def __repr__(self) -> str:
        return f"<VariableAggregationV2.{self.name}: {self.value}>"


@functools.cache
def read_key(dtype: DType) -> Any:
    """Return the attributes object of readings of this element type."""
    return attributes_key(ops.read_variable, ops.read_variable.complete({"dtype": dtype}))


kinds_in_graphs: list[Any] = []
"""What variables of graphs of sessions are; `graph_variable` says it, which stands above."""


class _VariableMeta(abc.ABCMeta):
    """Makes `tf.Variable(...)` a ResourceVariable, by way of the creators of the scopes around it."""

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        made: Any = cls
        if cls is Variable:
            made = ResourceVariable if outside_functions() is None else kinds_in_graphs[0]
        if not creators or cls is not Variable:
            return abc.ABCMeta.__call__(made, *args, **kwargs)
        next_creator: Callable[..., Any] = functools.partial(abc.ABCMeta.__call__, made)
        for creator in creators:
            next_creator = functools.partial(creator, next_creator)
        # Creators read every argument by its name, those that were not given too.
        given = inspect.signature(cls.__init__).bind(None, *args, **kwargs)
        given.apply_defaults()
        del given.arguments["self"]
        return next_creator(**given.arguments)


class Variable(ScatterMethods, Trackable, TensorType, CompositeTensor, metaclass=_VariableMeta):
    """See tf.Variable: the value of `initial_value` now, and after each `assign` what was assigned."""

    _nested_as = "leaf"
    __array_priority__ = 100
    __hash__: Any
    _synchronization: Any
    _aggregation: Any

    def __init__(
        self,
        initial_value: Any = None,
        trainable: bool | None = None,
        validate_shape: bool = True,
        caching_device: Any = None,
        name: str | None = None,
        variable_def: Any = None,
        dtype: Any = None,
        import_scope: Any = None,
        constraint: Any = None,
        synchronization: VariableSynchronization | None = VariableSynchronization.AUTO,
        aggregation: VariableAggregation | None = VariableAggregation.NONE,
        shape: Any = None,
        experimental_enable_variable_lifting: bool = True,
    ) -> None:
        if variable_def is not None:
            raise NotImplementedError(
                errors.explain("variable_def describes variables of version-1 graphs; give initial_value instead.")
            )
        if initial_value is None:
            raise ValueError(
                errors.explain(
                    "The `initial_value` arg to `tf.Variable` must be specified except when you are not providing a "
                    "`variable_def`. You provided neither."
                )
            )
        if constraint is not None and not callable(constraint):
            raise ValueError(
                errors.explain(
                    f"Argument `constraint` must be None or a callable. a callable. Got a {type(constraint)}:  {constraint}"
                )
            )
        self._settings(trainable, synchronization, aggregation, constraint, name)
        full_name = scoped("Variable" if name is None else name)
        graph = current_graph()
        if graph is not None:
            graph.note_creation(self)
        tapes.pause(1)
        try:
            if callable(initial_value) and not isinstance(initial_value, TensorType):
                with named(f"{full_name}/Initializer/"):
                    initial_value = initial_value()
            with init_scope():
                value = self._initial(initial_value, dtype, shape, name)
                self._make(value, shape, full_name)
        finally:
            tapes.pause(-1)
        tell_graphs(self)
        if isinstance(value, SymbolicTensor):
            set_in_first_call(self, value)

    def _settings(
        self, trainable: Any, synchronization: Any, aggregation: Any, constraint: Any, name: str | None
    ) -> None:
        synchronization = VariableSynchronization.AUTO if synchronization is None else synchronization
        aggregation = VariableAggregation.NONE if aggregation is None else aggregation
        if not isinstance(aggregation, enum.Enum):
            raise ValueError(errors.explain(f"Invalid variable aggregation mode: {aggregation} for variable: {name}"))
        if not isinstance(synchronization, enum.Enum):
            raise ValueError(
                errors.explain(f"Invalid variable synchronization mode: {synchronization} for variable: {name}")
            )
        if trainable is None:
            trainable = synchronization is not VariableSynchronization.ON_READ
        self._trainable = bool(trainable)
        self._synchronization = synchronization
        self._aggregation = aggregation
        self._constraint = constraint

    def _initial(self, given: Any, dtype: Any, shape: Any, name: str | None) -> Any:
        """Return the initial value as an eager tensor; what is symbolic is so only where it needs an argument."""
        if hasattr(given, "_checkpoint_position"):
            given = given.wrapped_value
        wanted = None if dtype is None else as_dtype(dtype)
        if isinstance(given, Variable):
            given = given.value()
        try:
            value = to_tensor(given, wanted)
        except ValueError as error:
            if isinstance(given, TensorType):
                raise ValueError(errors.explain(f"initial_value: {error}")) from None
            raise
        if isinstance(value, SymbolicTensor):
            value = lifted_or_late(value)
        if shape is not None and not TensorShape(shape).is_compatible_with(value.shape):
            raise ValueError(
                errors.explain(
                    f"In this `tf.Variable` creation, the initial value's shape ({value.shape}) is not compatible with the "
                    f"explicitly supplied `shape` argument ({shape})."
                )
            )
        return value

    def _make(self, value: Any, shape: Any, full_name: str) -> None:
        self._dtype = value.dtype
        self._shape = value.shape if shape is None else TensorShape(shape)
        sizes = None if self._shape.rank is None else tuple(self._shape.as_list())
        self._handle = runtime.make_state(value.dtype.as_datatype_enum, sizes, full_name)
        self._sizes = sizes
        self._handle_name = full_name + ":0"
        self._unique_id = f"{full_name}_{next(_serial)}"
        self._read_key = read_key(self._dtype)
        if not isinstance(value, SymbolicTensor):
            runtime.state_assign(self._handle, value)
        self._register()

    def _register(self) -> None:
        if not isinstance(self._handle, SymbolicTensor):
            by_handle[self._handle._id] = self
            if self._trainable:
                tapes.trainable[self._handle._id] = self

    @property
    def handle(self) -> Any:
        """The tensor that refers to this variable."""
        return self._handle

    @property
    def name(self) -> str:
        """The name, with `:0` at the end."""
        return self._handle_name

    @property
    def _shared_name(self) -> str:
        return self._handle_name[: self._handle_name.rindex(":")]

    @property
    def dtype(self) -> DType:
        """The element type."""
        return self._dtype

    @property
    def shape(self) -> TensorShape:
        """The shape that all values have; sizes that may change are None."""
        return self._shape

    def get_shape(self) -> TensorShape:
        """Return the shape."""
        return self._shape

    def _shape_as_list(self) -> list[int | None] | None:
        return None if self._shape.rank is None else self._shape.as_list()

    def _shape_tuple(self) -> tuple[int | None, ...] | None:
        return None if self._shape.rank is None else tuple(self._shape.as_list())

    def set_shape(self, shape: Any) -> None:
        """Say more of the shape."""
        self._shape = self._shape.merge_with(shape)

    @property
    def ndim(self) -> int | None:
        """Number of axes."""
        return self._shape.rank

    @property
    def trainable(self) -> bool:
        """Whether tapes follow this variable by themselves."""
        return self._trainable

    @property
    def synchronization(self) -> Any:
        return self._synchronization

    @property
    def aggregation(self) -> Any:
        return self._aggregation

    @property
    def constraint(self) -> Any:
        """What optimizers apply to the value after each step."""
        return self._constraint

    @property
    def device(self) -> str:
        """Where the value lies."""
        return "/job:localhost/replica:0/task:0/device:CPU:0"

    @property
    def _in_graph_mode(self) -> bool:
        return False

    @property
    def initializer(self) -> None:
        """None: variables have their values from the start."""
        return None

    @property
    def initial_value(self) -> Any:
        raise RuntimeError(errors.explain("This property is not supported when eager execution is enabled."))

    @property
    def op(self) -> Any:
        raise AttributeError("Tensor.op is undefined when eager execution is enabled.")

    @property
    def graph(self) -> Any:
        raise AttributeError("Tensor.graph is undefined when eager execution is enabled.")

    @property
    def create(self) -> Any:
        raise RuntimeError(errors.explain("This operation is not supported when eager execution is enabled."))

    def eval(self, session: Any = None) -> Any:
        """Raise: that is for sessions."""
        raise RuntimeError(errors.explain("This operation is not supported when eager execution is enabled."))

    def to_proto(self, export_scope: Any = None) -> Any:
        """Raise: that is for version-1 graphs."""
        raise RuntimeError(errors.explain("This operation is not supported when eager execution is enabled."))

    def value(self) -> Any:
        """Return what the variable holds now."""
        handle = self._handle
        if not runtime.tracing():
            value = runtime.state_value(handle)
            if value is None:
                raise self._unset()
            if runtime.recording():
                tapes.record(ops.read_variable, self._read_key, (handle,), (value,))
            return value
        tell_graphs(self)
        value = apply(ops.read_variable, handle, dtype=self._dtype)
        value.set_shape(self._shape)
        return value

    read_value = value
    read_value_no_copy = value

    def _unset(self) -> Exception:
        return errors.FailedPreconditionError(
            None,
            None,
            errors.explain(
                f"Could not find variable {self._shared_name}. This could mean that the variable has been deleted. In TF1, it "
                "can also mean the variable is uninitialized. Assign a value before reading it. [Op:ReadVariableOp]"
            ),
        )

    def initialized_value(self) -> Any:
        """Return what the variable holds now."""
        return self.value()

    def is_initialized(self, name: str | None = None) -> Any:
        """Return whether the variable holds a value, as a tensor."""
        return apply(ops.variable_is_initialized, self._handle)

    def numpy(self) -> Any:
        """Return the value as a NumPy array that does not change when the variable does."""
        if runtime.tracing():
            raise NotImplementedError(errors.explain("numpy() is only available when eager execution is enabled."))
        return self.value().numpy()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        return self.value().__array__(dtype, copy)

    def __tf_tensor__(self, dtype: Any = None, name: str | None = None) -> Any:
        if dtype is not None and not self._dtype.is_compatible_with(as_dtype(dtype)):
            raise ValueError(
                errors.explain(
                    f"Incompatible type conversion requested to type {as_dtype(dtype).name} for `tf.Variable of type "
                    f"{self._dtype.name}. (Variable: {self})"
                )
            )
        return self.value()

    def _dense_var_to_tensor(self, dtype: Any = None, name: Any = None, as_ref: bool = False) -> Any:
        return self.__tf_tensor__(dtype, name)

    @property
    def _type_spec(self) -> VariableSpec:
        return VariableSpec(self._shape, self._dtype, self._trainable)

    def _shape_invariant_to_type_spec(self, shape: Any) -> VariableSpec:
        return VariableSpec(shape, self._dtype, self._trainable)

    def __tf_tracing_type__(self, context: Any) -> Any:
        alias = context.alias_global_id(self) if hasattr(context, "alias_global_id") else id(self)
        return VariableSpec(self._shape, self._dtype, self._trainable, alias_id=alias)

    def assign(self, value: Any, use_locking: Any = None, name: str | None = None, read_value: bool = True) -> Any:
        """Make the variable hold `value`."""
        tensor = value if isinstance(value, Tensor) and value.dtype is self._dtype else to_tensor(value, self._dtype)
        if self._sizes == getattr(tensor, "_shape", None) and not runtime.tracing():
            runtime.state_assign(self._handle, tensor)
            return self._changed() if read_value else self._done()
        if not self._shape.is_compatible_with(tensor.shape):
            label = "" if self._handle_name is None else f" {self._handle_name}"
            raise ValueError(
                errors.explain(
                    f"Cannot assign value to variable '{label}': Shape mismatch.The variable shape {self._shape}, and the "
                    f"assigned value shape {tensor.shape} are incompatible."
                )
            )
        if runtime.tracing() or isinstance(self._handle, SymbolicTensor):
            tell_graphs(self)
            apply(ops.assign_variable, self._handle, tensor)
        elif isinstance(tensor, SymbolicTensor):
            raise out_of_scope(tensor)
        else:
            runtime.state_assign(self._handle, tensor)
        return self._changed() if read_value else self._done()

    def assign_add(self, delta: Any, use_locking: Any = None, name: str | None = None, read_value: bool = True) -> Any:
        """Add `delta` to what the variable holds."""
        return self._change(ops.assign_add_variable, delta, read_value)

    def assign_sub(self, delta: Any, use_locking: Any = None, name: str | None = None, read_value: bool = True) -> Any:
        """Subtract `delta` from what the variable holds."""
        return self._change(ops.assign_sub_variable, delta, read_value)

    def _change(self, op: Any, delta: Any, read_value: bool) -> Any:
        tensor = delta if isinstance(delta, Tensor) and delta.dtype is self._dtype else to_tensor(delta, self._dtype)
        if execute(handle_of(op), None, self._handle, tensor) is NotImplemented:
            tell_graphs(self)
            apply(op, self._handle, tensor)
        return self._changed() if read_value else self._done()

    def _done(self) -> Any:
        """Return what an assignment gives whose result is not wanted."""
        return None

    def _changed(self) -> Variable:
        """Return this variable as what an assignment gives: the same, under another name."""
        same = object.__new__(_UnreadVariable)
        same.__dict__ = self.__dict__
        same.__dict__["_origin"] = self
        return same

    def count_up_to(self, limit: int) -> Any:
        """Add 1 to the variable and return what it held before; OutOfRangeError from `limit` on."""
        if self._dtype not in (dtypes.int32, dtypes.int64):
            raise errors.InvalidArgumentError(
                None,
                None,
                errors.explain(
                    f"count_up_to counts int32 and int64, this is a variable of {self._dtype.name}. [Op:ResourceCountUpTo]"
                ),
            )
        tell_graphs(self)
        return apply(ops.resource_count_up_to, self._handle, limit=limit, T=self._dtype)

    def load(self, value: Any, session: Any = None) -> None:
        """Make the variable hold `value`."""
        self.assign(value)

    def _strided_slice_assign(
        self, begin: Any, end: Any, strides: Any, value: Any, name: str | None, **masks: int
    ) -> Variable:
        if runtime.tracing():
            tell_graphs(self)
        apply(
            ops.resource_strided_slice_assign, self._handle, begin, end, strides, to_tensor(value, self._dtype), **masks
        )
        return self._changed()

    def ref(self) -> Reference:
        """Return a hashable reference to this variable."""
        return Reference(getattr(self, "_origin", self))

    experimental_ref = ref

    def __copy__(self) -> Variable:
        return self.__deepcopy__({})

    def __deepcopy__(self, memo: dict[int, Any]) -> Variable:
        if runtime.tracing():
            raise NotImplementedError(
                errors.explain("__deepcopy__() is only available when eager execution is enabled.")
            )
        made = Variable(
            self.value(),
            trainable=self._trainable,
            name=self._shared_name,
            dtype=self._dtype,
            constraint=self._constraint,
            synchronization=self._synchronization,
            aggregation=self._aggregation,
            shape=self._shape,
        )
        memo[id(self)] = made
        return made

    def __reduce__(self) -> Any:
        options = {
            "initial_value": self.numpy(),
            "trainable": self._trainable,
            "name": self._shared_name,
            "dtype": self._dtype,
            "constraint": self._constraint,
        }
        return functools.partial(Variable, **options), ()

    def __repr__(self) -> str:
        return self._described(self._handle_name)

    def _described(self, name: str) -> str:
        if runtime.tracing() or isinstance(self._handle, SymbolicTensor):
            return f"<tf.Variable '{name}' shape={self._shape} dtype={self._dtype.name}>"
        value = runtime.state_value(self._handle)
        from millstream.execution.printing import numpy_text

        text = "<uninitialized>" if value is None else numpy_text(value, is_repr=True)
        return f"<tf.Variable '{name}' shape={self._shape} dtype={self._dtype.name}, numpy={text}>"

    def _serialize_to_tensors(self) -> dict[str, Any]:
        return {"VARIABLE_VALUE": self.value()}

    def _restore_from_tensors(self, restored_tensors: Any) -> Any:
        return self.assign(restored_tensors["VARIABLE_VALUE"])

    def _copy_trackable_to_cpu(self, object_map: dict[Any, Any]) -> None:
        if self not in object_map:
            object_map[self] = self.__deepcopy__({})
        else:
            object_map[self].assign(self.value())

    def _export_to_saved_model_graph(self, object_map: Any, tensor_map: Any, options: Any, **kwargs: Any) -> list[Any]:
        object_map[self] = self
        return [self._handle]


def _refuse_in_place(text: str) -> Any:
    def method(self: Variable, other: Any) -> Any:
        raise RuntimeError(errors.explain(text))

    return method


for _name, _text in {
    "__iadd__": "`variable += value` with `tf.Variable`s is not supported. Use `variable.assign_add(value)` to modify the "
    "variable, or `out = variable + value` if you need to get a new output Tensor.",
    "__isub__": "`variable -= value` with `tf.Variable`s is not supported. Use `variable.assign_sub(value)` to modify the "
    "variable, or `out = variable * value` if you need to get a new output Tensor.",
    **{
        f"__i{_word}__": f"`var {_sign}= value` with `tf.Variable`s is not supported. Use `var.assign(var {_sign} value)` to modify "
        f"the variable, or `out = var {_sign} value` if you need to get a new output Tensor."
        for _word, _sign in (("mul", "*"), ("truediv", "/"), ("pow", "**"))
    },
}.items():
    setattr(Variable, _name, _refuse_in_place(_text))


class _UnreadVariable(Variable):
    """What an assignment gives: the variable, under the name that TensorFlow prints for it."""

    @property
    def name(self) -> str:
        return "UnreadVariable"

    def __repr__(self) -> str:
        return self._described("UnreadVariable")


class ResourceVariable(Variable):
    """What `tf.Variable(...)` makes; or, with `handle`, a variable for one at hand: an argument of a traced function."""

    def __init__(
        self,
        initial_value: Any = None,
        trainable: bool | None = None,
        *arguments: Any,
        dtype: Any = None,
        shape: Any = None,
        handle: Any = None,
        name: str | None = None,
        **options: Any,
    ) -> None:
        if handle is None:
            given = {"name": name, "dtype": dtype, "shape": shape}
            options.update((k, v) for k, v in given.items() if v is not None)
            super().__init__(initial_value, trainable, *arguments, **options)
            return
        self._settings(trainable, None, None, None, name)
        info: Any = None if isinstance(handle, SymbolicTensor) else state_info(handle)
        self._dtype = as_dtype(dtype) if dtype is not None else DTYPE_OF_NUMBER[info["dtype"]]
        self._shape = TensorShape(shape if shape is not None or info is None else info["shape"])
        self._handle = handle
        # No tensor at hand has the sizes (-1,): assignments to symbolic handles are ops.
        self._sizes = (-1,) if info is None else info["shape"]
        self._handle_name = f"{info['name'] if info is not None else name or 'Variable'}:0"
        self._unique_id = f"{self._shared_name}_{next(_serial)}"
        self._read_key = read_key(self._dtype)
        if not isinstance(handle, SymbolicTensor) and handle._id not in by_handle:
            self._register()


def is_resource_variable(value: Any) -> bool:
    """Return whether `value` is a variable, ours or one that acts as one (Keras's)."""
    return isinstance(value, Variable) or hasattr(value, "_should_act_as_resource_variable")
