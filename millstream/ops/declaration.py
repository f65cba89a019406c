"""Declare an op: its signature is TensorFlow's OpDef, its body says what it means in primitives. Runs nothing eagerly."""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Generic, Literal, TypeVar

import numpy as np

from millstream.base import dtypes, errors
from millstream.base.dtypes import DType
from millstream.base.sizes import Size, Symbol, fresh_symbol, is_known, symbols
from millstream.base.spec import Spec
from millstream.program.primitives.core import refuse
from millstream.program.primitives.shaping import CONSTANT
from millstream.program.value import Definition, Program, UnknownRank, Value, building, current_program


class Types:
    """A type attribute: the element types allowed for all inputs and outputs annotated with it."""

    def __init__(self, name: str, *allowed: DType, default: DType | None = None) -> None:
        self.name = name
        self.allowed = allowed
        self.default = default

    def __repr__(self) -> str:
        return self.name


_RUNTIME_NAMES = {"float32": "float", "float64": "double", "float16": "half"}


def runtime_name(dtype: DType) -> str:
    """Return the name of an element type as TensorFlow's errors have it."""
    return _RUNTIME_NAMES.get(dtype.name, dtype.name)


class _Annotation:
    """What an input or output annotation says."""

    def __init__(self, element: Any, shape: str) -> None:
        self.element = element
        self.shape = shape

    def __repr__(self) -> str:
        return f"{self.shape}[{self.element}]"


class Tensor:
    """Annotate one tensor: Tensor[T] with T a Types, or Tensor[float32], or Tensor["dtype"] naming a type attribute."""

    def __class_getitem__(cls, element: Any) -> Any:
        return _Annotation(element, "one")


class Tensors:
    """Annotate a list of tensors of one element type: Tensors[T, "N"], N naming the count attribute."""

    def __class_getitem__(cls, item: tuple[Any, str]) -> Any:
        annotation = _Annotation(item[0], "many")
        annotation.count = item[1]  # type: ignore[attr-defined]
        return annotation


class TensorList:
    """Annotate a list of tensors of any element types: TensorList["Tin"], naming the list(type) attribute.

    Where only some element types are allowed, they follow the name: TensorList["Tin", int64, string].
    """

    def __class_getitem__(cls, item: Any) -> Any:
        name, *allowed = item if isinstance(item, tuple) else (item,)
        annotation = _Annotation(name, "mixed")
        annotation.allowed = tuple(allowed)  # type: ignore[attr-defined]
        return annotation


class Known:
    """Annotate an input whose content decides shapes: Known[Tensor[I]]. Eager calls compile for its content."""

    def __class_getitem__(cls, annotation: _Annotation) -> Any:
        known = _Annotation(annotation.element, annotation.shape)
        known.__dict__.update(annotation.__dict__, known=True)
        return known


@dataclass(frozen=True)
class Input:
    """One input of an op."""

    name: str
    element: Any
    shape: str = "one"
    count: str = ""
    known: bool = False
    allowed: tuple[DType, ...] = ()


@dataclass(frozen=True)
class Attribute:
    """One attribute of an op that is not implied by its inputs."""

    name: str
    kind: Any
    default: Any = inspect.Parameter.empty
    allowed: tuple[Any, ...] = ()

    @property
    def required(self) -> bool:
        return self.default is inspect.Parameter.empty


@dataclass
class Case:
    """One family of test cases: shapes of the inputs (a string is a symbolic size), attributes, values to mix in."""

    shapes: Sequence[Any]
    attributes: Mapping[str, Any] = field(default_factory=dict)
    extreme: Sequence[float] = ()
    dtypes: Sequence[DType] = ()
    inputs: Sequence[Any] = ()
    low: float = -2.0
    high: float = 2.0
    gradient: bool = True


_Part = TypeVar("_Part")


class _FromSignature(Generic[_Part]):
    """A part of an op's signature, which is read when one is first asked for: most programs need few of the hundreds of ops."""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, op: Op, owner: type) -> _Part:
        op.__dict__.update(op.read_signature(op.body))
        return op.__dict__[self.name]  # type: ignore[no-any-return]


def _is_among(value: Any, allowed: tuple[Any, ...]) -> bool:
    """Whether a value is allowed; of a list of them, each."""
    return all(item in allowed for item in value) if isinstance(value, tuple) else value in allowed


class Op(Definition):
    """An op as declared: signature, body, optional own gradient, optional shape rule, test cases."""

    registry: ClassVar[dict[str, Op]] = {}

    def __init__(
        self, name: str, body: Callable[..., Any], outputs: Sequence[str], *, stateful: bool, effects: bool
    ) -> None:
        self.name = name
        self.body = body
        self.output_names = tuple(outputs)
        self.stateful = stateful
        self.effects = effects or stateful
        self.gradient_rule: Callable[..., Any] | None = None
        self.differentiable = True
        self.shape_rule: Callable[..., Any] | None = None
        self.rank_of_results: int | None = None
        self.case_list: list[Case] = []
        self.__doc__ = body.__doc__
        self._memo: dict[Any, tuple[Spec, ...]] = {}
        self.module = body.__module__

    inputs = _FromSignature[list[Input]]()
    attributes = _FromSignature[dict[str, Attribute]]()
    types = _FromSignature[dict[str, Types]]()
    results = _FromSignature[list[Any]]()
    structured = _FromSignature[bool]()
    known_inputs = _FromSignature[tuple[int, ...]]()

    @staticmethod
    def read_signature(body: Callable[..., Any]) -> dict[str, Any]:
        # Not typing.get_type_hints: it compiles each annotation anew, a quarter of the time that an import takes.
        names = (
            {**body.__globals__, "Literal": Literal, **inspect.getclosurevars(body).nonlocals}
            if body.__closure__
            else {
                "Literal": Literal,
                **body.__globals__,
            }
        )
        hints = {k: eval(_compiled(v), names) if isinstance(v, str) else v for k, v in body.__annotations__.items()}
        inputs: list[Input] = []
        attributes: dict[str, Attribute] = {}
        types: dict[str, Types] = {}
        for parameter in inspect.signature(body).parameters.values():
            hint = hints[parameter.name]
            if parameter.kind is inspect.Parameter.KEYWORD_ONLY:
                allowed = typing.get_args(hint) if typing.get_origin(hint) is Literal else ()
                if typing.get_origin(hint) is Annotated:
                    hint, allowed = hint.__origin__, hint.__metadata__
                if isinstance(hint, Types):
                    types[parameter.name], allowed = hint, hint.allowed
                attributes[parameter.name] = Attribute(parameter.name, hint, parameter.default, allowed)
            else:
                known, allowed = getattr(hint, "known", False), getattr(hint, "allowed", ())
                count = getattr(hint, "count", "")
                inputs.append(Input(parameter.name, hint.element, hint.shape, count, known, allowed))
                if isinstance(hint.element, Types):
                    types[hint.element.name] = hint.element
        result = hints.get("return")
        if result is None or result is type(None):
            results = []
        elif typing.get_origin(result) is tuple:
            results = list(typing.get_args(result))
        else:
            results = [result]
        return {
            "inputs": inputs,
            "attributes": attributes,
            "types": types,
            "results": results,
            "structured": any(i.shape != "one" for i in inputs),
            "known_inputs": tuple(i for i, p in enumerate(inputs) if p.known),
        }

    def gradient(self, rule: Callable[..., Any]) -> Callable[..., Any]:
        """State the op's own gradient: rule(dy, y, *inputs, **attributes) -> one adjoint or None an input.

        dy and y are tuples where the op has several outputs (or none); a list input gets a list.
        """
        self.gradient_rule = rule
        return rule

    def no_gradient(self) -> Op:
        """State that nothing flows back through this op."""
        self.differentiable = False
        return self

    def shape(self, rule: Callable[..., Any]) -> Callable[..., Any]:
        """State a shape rule cheaper than running the body: rule(*specs, **attributes) -> Spec or tuple of Spec."""
        self.shape_rule = rule
        return rule

    def of_rank(self, rank: int) -> None:
        """State the number of axes that the results have, whatever that of the inputs is."""
        self.rank_of_results = rank

    def cases(self, shapes: Sequence[Any], **options: Any) -> Op:
        """Add test cases: what `tests.op_contract` checks everything with."""
        self.case_list.append(Case(shapes, **options))
        return self

    def pack(self, inputs: Sequence[Any], attributes: Mapping[str, Any]) -> list[Any]:
        """Group flat inputs as the signature has them: lists where it says Tensors or TensorList."""
        if not self.structured:
            return list(inputs)
        packed, at = [], 0
        for parameter in self.inputs:
            if parameter.shape == "one":
                packed.append(inputs[at])
                at += 1
                continue
            count = attributes[parameter.count] if parameter.shape == "many" else len(attributes[parameter.element])
            packed.append(list(inputs[at : at + count]))
            at += count
        return packed

    def flatten(self, arguments: Sequence[Any], attributes: dict[str, Any]) -> list[Value]:
        """Flatten list arguments and write down the counts and types that they imply."""
        if not self.structured:
            return list(arguments)
        flat: list[Value] = []
        for parameter, argument in zip(self.inputs, arguments, strict=True):
            if parameter.shape == "one":
                flat.append(argument)
                continue
            flat.extend(argument)
            if parameter.shape == "many":
                attributes[parameter.count] = len(argument)
            else:
                attributes[parameter.element] = tuple(v.dtype for v in argument)
        return flat

    def body_attributes(self, attributes: Mapping[str, Any]) -> dict[str, Any]:
        """Return the attributes that the body takes."""
        return {name: attributes[name] for name in self.attributes if name in attributes}

    def complete(self, attributes: Mapping[str, Any]) -> dict[str, Any]:
        """Return the attributes with defaults filled in; InvalidArgumentError on an unknown, missing or refused one."""
        result = dict(attributes)
        for name, attribute in self.attributes.items():
            if name not in result:
                if attribute.required:
                    raise refuse(self.name, f"no value for {name}", f"give {name}=")
                result[name] = attribute.default
            elif attribute.allowed and not _is_among(result[name], attribute.allowed):
                raise refuse(
                    self.name,
                    f"{name}={result[name]!r}",
                    f"choose one of {', '.join(repr(a.name if isinstance(a, DType) else a) for a in attribute.allowed)}",
                )
        return result

    def check_types(self, inputs: Sequence[Any], attributes: Mapping[str, Any]) -> None:
        """Refuse element types that the signature does not allow, or that disagree."""
        found: dict[str, DType] = {}
        position = -1
        for parameter, argument in zip(self.inputs, self.pack(inputs, attributes), strict=True):
            for value in argument if parameter.shape != "one" else (argument,):
                position += 1
                dtype, element = value.dtype, parameter.element
                if parameter.allowed and dtype not in parameter.allowed:
                    raise refuse(
                        self.name,
                        f"{parameter.name} has element type {dtype.name}",
                        f"choose one of {', '.join(a.name for a in parameter.allowed)}",
                    )
                if isinstance(element, Types):
                    if element.allowed and dtype not in element.allowed:
                        raise refuse(
                            self.name,
                            f"{parameter.name} has element type {dtype.name}",
                            f"choose one of {', '.join(a.name for a in element.allowed)}",
                        )
                    if found.setdefault(element.name, dtype) != dtype:
                        raise errors.InvalidArgumentError(
                            None,
                            None,
                            f"cannot compute {self.name} as input #{position}(zero-based) was expected to be a "
                            f"{runtime_name(found[element.name])} tensor but is a {runtime_name(dtype)} tensor; "
                            f"convert {parameter.name} with tf.cast. [Op:{self.name}]",
                        )
                elif isinstance(element, DType) and dtype != element:
                    raise refuse(self.name, f"{parameter.name} has element type {dtype.name}", f"give {element.name}")

    def describe_given(self, inputs: Sequence[Spec], attributes: Mapping[str, Any]) -> str:
        """Return names and specs of the inputs, and the attributes that are not defaults."""
        parts: list[str] = []
        try:
            packed = self.pack(inputs, attributes)
        except (KeyError, TypeError):
            packed = list(inputs)
        for parameter, argument in zip(self.inputs, packed, strict=False):
            text = f"[{', '.join(map(str, argument))}]" if isinstance(argument, list) else str(argument)
            parts.append(f"{parameter.name}: {text}")
        for name, attribute in self.attributes.items():
            value = attributes.get(name, attribute.default)
            if value is not attribute.default and value != attribute.default:
                parts.append(f"{name}={value.name if isinstance(value, DType) else value!r}")
        return ", ".join(parts)

    def run_body(self, inputs: Sequence[Value], attributes: Mapping[str, Any]) -> tuple[Value, ...]:
        """Emit the body's nodes into the current program."""
        result = self.body(*self.pack(inputs, attributes), **self.body_attributes(attributes))
        if result is None:
            return ()
        if isinstance(result, Value):
            return (result,)
        flat: list[Value] = []
        for item in result:
            flat.extend(item if isinstance(item, (list, tuple)) else (item,))
        return tuple(flat)

    def infer_values(self, inputs: Sequence[Value], attributes: Mapping[str, Any]) -> tuple[Spec, ...]:
        """Infer with the content of constant inputs that decide shapes."""
        constants: dict[int, np.ndarray] = {}
        if self.known_inputs:
            for i in self.known_positions(attributes):
                node = inputs[i].node
                if node is not None and node.definition is CONSTANT:
                    constants[i] = node.attributes["value"]
        return self.infer([v.spec for v in inputs], attributes, constants)

    def known_positions(self, attributes: Mapping[str, Any]) -> tuple[int, ...]:
        """Return the flat positions of the inputs whose content decides shapes."""
        if not self.structured:
            return self.known_inputs
        found: list[int] = []
        at = 0
        for parameter in self.inputs:
            count = 1
            if parameter.shape != "one":
                count = attributes[parameter.count] if parameter.shape == "many" else len(attributes[parameter.element])
            if parameter.known:
                found.extend(range(at, at + count))
            at += count
        return tuple(found)

    def infer(
        self,
        inputs: Sequence[Spec],
        attributes: Mapping[str, Any],
        constants: Mapping[int, np.ndarray] | None = None,
    ) -> tuple[Spec, ...]:
        key: Any = None
        try:
            held = tuple((i, c.tobytes()) for i, c in constants.items()) if constants else ()
            key = (tuple(inputs), tuple(attributes.items()), held)
            memo = self._memo.get(key)
            if memo is not None:
                return memo
        except TypeError:
            key = None
        specs = self._infer(inputs, attributes, constants or {})
        known = frozenset().union(*(s.symbols() for s in inputs)) if inputs else frozenset()
        if any(s.shape is None or not s.symbols() <= known for s in specs):
            return _named(specs, known)
        if key is not None:
            if len(self._memo) > 4096:
                self._memo.clear()
            self._memo[key] = specs
        return specs

    def _infer(
        self, inputs: Sequence[Spec], attributes: Mapping[str, Any], constants: Mapping[int, np.ndarray]
    ) -> tuple[Spec, ...]:
        try:
            if self.shape_rule is not None:
                specs = self.shape_rule(*self.pack(inputs, attributes), **self.body_attributes(attributes))
                return (specs,) if isinstance(specs, Spec) else tuple(specs)
            scratch = Program(self.name)
            with building(scratch):
                values = [self._argument(scratch, i, spec, constants) for i, spec in enumerate(inputs)]
                self.check_types(values, attributes)
                return tuple(v.spec for v in self.run_body(values, attributes))
        except UnknownRank:
            return self.unknown_results(inputs, attributes)

    @staticmethod
    def _argument(scratch: Program, i: int, spec: Spec, constants: Mapping[int, np.ndarray]) -> Value:
        if i in constants:
            return scratch.emit(CONSTANT, (), {"value": constants[i], "dtype": spec.dtype})[0]
        return scratch.input(spec)

    def unknown_results(self, inputs: Sequence[Spec], attributes: Mapping[str, Any]) -> tuple[Spec, ...]:
        """Return specs of unknown shape, with the element types that the signature states."""
        bound: dict[str, DType] = {}
        for parameter, argument in zip(self.inputs, self.pack(inputs, attributes), strict=True):
            if isinstance(parameter.element, Types):
                first = argument if parameter.shape == "one" else (argument[0] if argument else None)
                if first is not None:
                    bound[parameter.element.name] = first.dtype
        result: list[Spec] = []
        rank = self.rank_of_results
        for annotation in self.results:
            element = annotation.element
            if annotation.shape == "mixed":
                result.extend(Spec(dtype, None) for dtype in attributes[element])
                continue
            if isinstance(element, Types):
                dtype = bound.get(element.name) or attributes.get(element.name) or element.default
            else:
                dtype = attributes[element] if isinstance(element, str) else element
            count = attributes[annotation.count] if annotation.shape == "many" else 1
            for _ in range(count):
                sizes = None if rank is None else tuple(fresh_symbol("n") for _ in range(rank))
                result.append(Spec(dtypes.as_dtype(dtype), sizes))
        return tuple(result)

    def __call__(self, *arguments: Any, **attributes: Any) -> Any:
        """Emit this op into the program being built; for use in bodies and gradients of other ops."""
        complete = self.complete(attributes)
        flat = self.flatten(arguments, complete)
        outputs = current_program().emit(self, flat, complete)
        return (
            outputs[0] if len(outputs) == 1 and len(self.results) == 1 and self.results[0].shape == "one" else outputs
        )


@functools.cache
def _compiled(annotation: str) -> Any:
    return compile(annotation, "<annotation>", "eval")


def _named(specs: Sequence[Spec], known: frozenset[Symbol]) -> tuple[Spec, ...]:
    """Give sizes that are worked out of symbols made inside a body names of their own: only names are learned later."""
    names: dict[Size, Size] = {}

    def name(size: Size) -> Size:
        if is_known(size) or isinstance(size, Symbol) or symbols(size) <= known:
            return size
        return names.setdefault(size, fresh_symbol("n"))

    result = []
    for spec in specs:
        shape = None if spec.shape is None else tuple(name(n) for n in spec.shape)
        value = spec.value
        if value is not None:
            value = tuple(name(n) for n in value) if isinstance(value, tuple) else name(value)
        result.append(Spec(spec.dtype, shape, value, spec.handle))
    return tuple(result)


def op(
    name: str, *, outputs: str | Sequence[str] = "output", stateful: bool = False, effects: bool = False
) -> Callable[[Callable[..., Any]], Op]:
    """Declare the op `name`; the decorated function is its body.

    Positional parameters are inputs, keyword-only ones attributes. `stateful` is TensorFlow's flag in the OpDef; `effects`
    says that order matters although the OpDef does not.
    """

    def declare(body: Callable[..., Any]) -> Op:
        if name in Op.registry:
            raise ValueError(f"The op {name!r} is declared twice.")
        declared = Op(
            name, body, (outputs,) if isinstance(outputs, str) else outputs, stateful=stateful, effects=effects
        )
        Op.registry[name] = declared
        return declared

    return declare
