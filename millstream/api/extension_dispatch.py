"""tf.experimental.dispatch_for_*: own answers of public functions for own types.

Refuses functions that are no public ones, annotations other than classes, List and Union, and targets of other parameters.
"""

from __future__ import annotations

import functools
import inspect
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from millstream.api.public import PUBLIC, public, when_published
from millstream.base.composite import CompositeTensor
from millstream.base.errors import explain
from millstream.execution.extension_fields import is_union
from millstream.execution.name_scope import NameScope

_Decorated = TypeVar("_Decorated", bound=Callable[..., Any])
_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)

Match = tuple[bool, bool]
"""Whether a value is of an annotation, and whether there is a composite tensor in it."""

_NO: Match = (False, False)


def _checker(annotation: Any) -> Callable[[Any], Match]:
    """Return a function that says whether a value is of an annotation."""
    if annotation is None:
        annotation = type(None)
    if is_union(annotation):
        options = [_checker(option) for option in typing.get_args(annotation)]
        return lambda value: next((found for check in options if (found := check(value))[0]), _NO)
    if typing.get_origin(annotation) is list:
        (element,) = (_checker(one) for one in typing.get_args(annotation))

        def is_list(value: Any) -> Match:
            if not isinstance(value, (list, tuple)):
                return _NO
            found = [element(one) for one in value]
            return all(fits for fits, _ in found), any(own for _, own in found)

        return is_list
    if isinstance(annotation, type):
        return lambda value: (isinstance(value, annotation), isinstance(value, CompositeTensor))
    raise ValueError(
        explain(
            f"Type annotation {annotation} is not currently supported by dispatch.  Supported annotations: type objects, "
            "List[...], and Union[...]"
        )
    )


class _Dispatcher:
    """What a public function asks before it answers itself."""

    def __init__(self, function: Callable[..., Any], own: Callable[..., Any], signature: inspect.Signature) -> None:
        self.function = function
        self._own = own
        self.signature = signature
        self._names = list(signature.parameters)
        self._targets: list[tuple[list[tuple[int, str, Callable[[Any], Match]]], Callable[..., Any], Any]] = []

    def register(self, annotations: Mapping[Any, Any], target: Callable[..., Any], known_as: Any) -> None:
        """Answer with `target` where the arguments are of these annotations."""
        self._targets.append((self.checks(annotations), target, known_as))

    def unregister(self, known_as: Any) -> bool:
        """Forget a target; return whether there was one."""
        kept = [entry for entry in self._targets if entry[2] is not known_as]
        found = len(kept) < len(self._targets)
        self._targets = kept
        return found

    def checks(self, annotations: Any) -> list[tuple[int, str, Callable[[Any], Match]]]:
        """Return what is to be checked, by place and name of the argument."""
        if not isinstance(annotations, Mapping) or not all(isinstance(k, (str, int)) for k in annotations):
            raise TypeError(explain("signatures must be dictionaries mapping parameter names to type annotations."))
        checks = []
        for key, annotation in annotations.items():
            name = self._names[key] if isinstance(key, int) and key < len(self._names) else key
            parameter = self.signature.parameters.get(name)
            if parameter is None:
                raise ValueError(explain(f"signature includes annotation for unknown parameter {name!r}."))
            if parameter.kind not in _POSITIONAL:
                raise ValueError(
                    explain(
                        "Dispatch currently only supports type annotations for positional parameters; can't handle annotation "
                        f"for {parameter.kind!r} parameter {name}."
                    )
                )
            checks.append((self._names.index(name), name, _checker(annotation)))
        return checks

    def __call__(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        found: list[Callable[..., Any]] = []
        for checks, target, _ in self._targets:
            matches = [
                check(args[at] if at < len(args) else kwargs.get(name, self.signature.parameters[name].default))
                for at, name, check in checks
            ]
            if all(fits for fits, _ in matches) and any(own for _, own in matches) and target not in found:
                found.append(target)
        if len(found) > 1:
            names = ", ".join(target.__qualname__ for target in found)
            raise ValueError(
                explain(
                    f"Multiple dispatch targets that were registered with tf.{self.function.__name__} ({names}) match the "
                    "specified arguments"
                )
            )
        if found:
            return found[0](*args, **kwargs)
        try:
            return self._own(*args, **kwargs)
        except TypeError:
            self._check_arguments(args, kwargs)
            raise

    def _check_arguments(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Refuse arguments that the function does not have: Python would name the code here, and not the user's line."""
        try:
            self.signature.bind(*args, **kwargs)
        except TypeError as error:
            raise TypeError(explain(f"{self.function.__name__}() {error}")) from None


_dispatchers: dict[Any, _Dispatcher] = {}
_supported: set[Any] = set()
"""Functions of others that support dispatch."""


def dispatcher_of(function: Any) -> _Dispatcher:
    """Return what a public function asks; the first time, its code is exchanged for one that asks.

    The function stays the same object, so that it also asks under names that were imported before.
    """
    known = _dispatchers.get(function) if isinstance(function, types.FunctionType) else None
    if known is not None:
        return known
    if not isinstance(function, types.FunctionType) or not (
        function in _supported or any(item is function for item in PUBLIC.values())
    ):
        raise ValueError(explain(f"{function} does not support dispatch."))
    signature = inspect.signature(function)
    own = types.FunctionType(
        function.__code__, function.__globals__, function.__name__, function.__defaults__, function.__closure__
    )
    own.__kwdefaults__ = function.__kwdefaults__
    dispatcher = _dispatchers[function] = _Dispatcher(function, own, signature)
    function.__defaults__, function.__kwdefaults__ = None, {"_ask": dispatcher}
    function.__code__ = _asking_code(len(function.__closure__ or ())).replace(co_name=function.__name__)
    function.__signature__ = signature  # type: ignore[attr-defined]
    return dispatcher


@functools.cache
def _asking_code(cells: int) -> types.CodeType:
    """Return code that calls the dispatcher in its default `_ask`, for a function that closes over so many variables."""
    names = "".join(f"c{i}, " for i in range(cells))
    lines = [
        "def make():",
        f"    {names}= [None] * {cells}" if cells else "    pass",
        "    def asking(*args, _ask, **kwargs):",
        "        return _ask(args, kwargs)",
        *([f"        {names}"] if cells else []),
        "    return asking",
    ]
    scope: dict[str, Any] = {}
    # In this folder, so that it is nobody's own code, but no file: its lines are not to be shown.
    exec(compile("\n".join(lines), __file__.removesuffix(".py") + "_asking", "exec"), scope)
    code: types.CodeType = scope["make"]().__code__
    return code


def _with_name(target: Callable[..., Any], signature: inspect.Signature) -> Callable[..., Any]:
    """Return a target that takes `name` where the public function does; its own ops stand in that scope."""
    parameters = inspect.signature(target).parameters
    takes_all = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values())
    if "name" not in signature.parameters or "name" in parameters or takes_all:
        return target
    place = list(signature.parameters).index("name")

    @functools.wraps(target)
    def named(*args: Any, **kwargs: Any) -> Any:
        name = args[place] if place < len(args) else kwargs.pop("name", None)
        args = (*args[:place], *args[place + 1 :])
        if name is None:
            return target(*args, **kwargs)
        with NameScope(name):
            return target(*args, **kwargs)

    own = [*parameters.values(), signature.parameters["name"].replace(annotation=inspect.Parameter.empty)]
    named.__signature__ = inspect.Signature(own)  # type: ignore[attr-defined]
    return named


def _check_parameters(signature: inspect.Signature, target: Callable[..., Any]) -> None:
    found = inspect.signature(target)
    kinds = [p.kind for p in found.parameters.values()]
    if kinds == [inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD]:
        return
    ours = [(p.name, p.kind) for p in signature.parameters.values()]
    if ours != [(p.name, p.kind) for p in found.parameters.values()]:
        raise ValueError(
            explain(
                f"Dispatch function's signature ({', '.join(found.parameters)}) does not match API's signature "
                f"({', '.join(signature.parameters)})."
            )
        )


@public("experimental.dispatch_for_api")
def dispatch_for_api(api: Any, *signatures: Any) -> Callable[[_Decorated], _Decorated]:
    """Let the decorated function answer for a public function where the arguments are of given types.

    Args:
      api: the public function, such as `tf.add`.
      *signatures: annotations by the name or place of parameters: classes, `List[…]` and `Union[…]`; where all arguments of
        one of them fit, and at least one is or holds a composite tensor, the decorated function is called. Without any, its
        own annotations are taken.

    Raises:
      ValueError: where `api` is no public function, or the parameters are not the same in number, name and order
        (`name` may be left out).

    >>> class Scaled(tf.experimental.ExtensionType):
    ...     values: tf.Tensor
    ...     scale: float
    >>> @tf.experimental.dispatch_for_api(tf.add, {"x": Scaled, "y": Scaled})
    ... def scaled_add(x, y):
    ...     return Scaled(x.values * x.scale + y.values * y.scale, 1.0)
    >>> tf.add(Scaled([1.0], 2.0), Scaled([1.0], 3.0)).values.numpy()
    array([5.], dtype=float32)
    """
    dispatcher = dispatcher_of(api)
    for given in signatures:
        dispatcher.checks(given)

    def register(target: _Decorated) -> _Decorated:
        if not callable(target):
            raise TypeError(explain(f"Expected dispatch_target to be callable; got {target!r}"))
        named = _with_name(target, dispatcher.signature)
        _check_parameters(dispatcher.signature, named)
        for given in signatures or (_own_annotations(target),):
            dispatcher.register(given, named, target)
        return target

    return register


def _own_annotations(target: Callable[..., Any]) -> dict[str, Any]:
    empty = inspect.Parameter.empty
    try:
        parameters = inspect.signature(target, eval_str=True).parameters
    except NameError:
        parameters = inspect.signature(target).parameters
    found = {n: p.annotation for n, p in parameters.items() if p.annotation is not empty}
    if not found:
        raise ValueError(
            explain(
                "The dispatch_for_api decorator must be called with at least one signature, or applied to a function that "
                "has type annotations on its parameters."
            )
        )
    return found


_handlers: dict[tuple[Any, ...], Callable[..., Any]] = {}
"""What answers for all functions of a kind: by the types of their arguments, and which kind."""


def _register_handler(kind: str, annotations: tuple[Any, ...], handler: _Decorated) -> _Decorated:
    key = (kind, *annotations)
    if key in _handlers:
        raise ValueError(
            explain(
                f"A {kind} elementwise dispatch handler ({_handlers[key]}) has already been registered for {annotations}."
            )
        )
    _handlers[key] = handler
    for name in ELEMENTWISE[kind].split():
        when_published(name, functools.partial(_handle, key, handler))
    return handler


def _handle(key: tuple[Any, ...], handler: Callable[..., Any], api: Any) -> None:
    """Let a handler answer for one function of its kind, unless it was taken back."""
    if _handlers.get(key) is not handler:
        return
    dispatcher = dispatcher_of(api)
    annotations = key[1:]
    names = list(dispatcher.signature.parameters)
    inputs = names[: len(annotations)]

    def target(*args: Any, **kwargs: Any) -> Any:
        bound = dispatcher.signature.bind(*args, **kwargs).arguments
        given = [bound.pop(name) for name in inputs]
        name = bound.pop("name", None)

        def on_tensors(*tensors: Any) -> Any:
            return api(*tensors, **bound)

        function = on_tensors if bound or "name" not in names else api
        if name is None:
            return handler(function, *given)
        with NameScope(name):
            return handler(function, *given)

    target.__name__ = target.__qualname__ = f"elementwise_dispatch_target_for_{api.__name__}"
    dispatcher.register(dict(zip(inputs, annotations, strict=True)), target, handler)


@public("experimental.dispatch_for_unary_elementwise_apis")
def dispatch_for_unary_elementwise_apis(x_type: Any) -> Callable[[_Decorated], _Decorated]:
    """Let the decorated function answer for all functions of one tensor that treat each element by itself.

    It is called with (function, x); the other arguments are bound to `function` already.

    Args:
      x_type: the class (or `Union`, `List`) of x to answer for.

    Raises:
      ValueError: where there is a handler for that type already.

    >>> class Scaled(tf.experimental.ExtensionType):
    ...     values: tf.Tensor
    >>> @tf.experimental.dispatch_for_unary_elementwise_apis(Scaled)
    ... def handler(function, x):
    ...     return Scaled(function(x.values))
    >>> tf.abs(Scaled([-1.0])).values.numpy()
    array([1.], dtype=float32)
    """
    return functools.partial(_register_handler, "unary", (x_type,))


@public("experimental.dispatch_for_binary_elementwise_apis")
def dispatch_for_binary_elementwise_apis(x_type: Any, y_type: Any) -> Callable[[_Decorated], _Decorated]:
    """Let the decorated function answer for all functions of two tensors that treat each pair of elements by itself.

    It is called with (function, x, y).

    Args:
      x_type: the class (or `Union`, `List`) of x to answer for.
      y_type: that of y.

    Raises:
      ValueError: where there is a handler for these types already.
    """
    return functools.partial(_register_handler, "binary", (x_type, y_type))


@public("experimental.dispatch_for_binary_elementwise_assert_apis")
def dispatch_for_binary_elementwise_assert_apis(x_type: Any, y_type: Any) -> Callable[[_Decorated], _Decorated]:
    """Let the decorated function answer for all checks of two tensors, such as `tf.debugging.assert_equal`.

    It is called with (function, x, y).

    Args:
      x_type: the class (or `Union`, `List`) of x to answer for.
      y_type: that of y.

    Raises:
      ValueError: where there is a handler for these types already.
    """
    return functools.partial(_register_handler, "binary assert", (x_type, y_type))


@public("experimental.unregister_dispatch_for")
def unregister_dispatch_for(dispatch_target: Any) -> None:
    """Take back what a `dispatch_for_*` decorator registered.

    Args:
      dispatch_target: the function that was decorated.

    Raises:
      ValueError: where it was not.
    """
    taken = [dispatcher.unregister(dispatch_target) for dispatcher in _dispatchers.values()]
    keys = [key for key, handler in _handlers.items() if handler is dispatch_target]
    for key in keys:
        del _handlers[key]
    if not any(taken) and not keys:
        raise ValueError(explain(f"Function {dispatch_target} was not registered using a `@dispatch_for_*` decorator."))


@public("__internal__.dispatch.add_dispatch_support")
def add_dispatch_support(target: Any = None, iterable_parameters: Sequence[str] | None = None) -> Any:
    """Let a function of one's own be answered for by `dispatch_for_api`.

    Args:
      target: the function; without one, a decorator is returned.
      iterable_parameters: names of parameters that may be given an iterator; it is read into a list first.
    """
    if iterable_parameters is not None and not all(isinstance(p, str) for p in iterable_parameters):
        raise TypeError(explain("iterable_parameters should be a list or tuple of string."))
    if target is None:
        return functools.partial(add_dispatch_support, iterable_parameters=iterable_parameters)
    signature = inspect.signature(target)

    @functools.wraps(target)
    def supported(*args: Any, **kwargs: Any) -> Any:
        bound = signature.bind(*args, **kwargs)
        for name in iterable_parameters or ():
            if name in bound.arguments:
                bound.arguments[name] = list(bound.arguments[name])
        return target(*bound.args, **bound.kwargs)

    _supported.add(supported)
    return supported


ELEMENTWISE = {
    "unary": """
        bitwise.invert cast clip_by_value compat.v1.nn.log_softmax compat.v1.ones_like compat.v1.strings.length
        compat.v1.strings.substr compat.v1.strings.to_hash_bucket compat.v1.substr compat.v1.to_bfloat16
        compat.v1.to_complex128 compat.v1.to_complex64 compat.v1.to_double compat.v1.to_float compat.v1.to_int32
        compat.v1.to_int64 compat.v1.zeros_like debugging.check_numerics dtypes.saturate_cast image.adjust_brightness
        image.adjust_gamma image.convert_image_dtype image.random_brightness image.stateless_random_brightness
        io.decode_base64 io.decode_compressed io.encode_base64 math.abs math.acos math.acosh math.angle math.asin
        math.asinh math.atan math.atanh math.bessel_i0 math.bessel_i0e math.bessel_i1 math.bessel_i1e math.ceil
        math.conj math.cos math.cosh math.digamma math.erf math.erfc math.erfcinv math.erfinv math.exp math.expm1
        math.floor math.imag math.is_finite math.is_inf math.is_nan math.lgamma math.log math.log1p math.log_sigmoid
        math.logical_not math.ndtri math.negative math.nextafter math.real math.reciprocal math.reciprocal_no_nan
        math.rint math.round math.rsqrt math.sigmoid math.sign math.sin math.sinh math.softplus math.special.bessel_j0
        math.special.bessel_j1 math.special.bessel_k0 math.special.bessel_k0e math.special.bessel_k1
        math.special.bessel_k1e math.special.bessel_y0 math.special.bessel_y1 math.special.dawsn math.special.expint
        math.special.fresnel_cos math.special.fresnel_sin math.special.spence math.sqrt math.square math.tan math.tanh
        nn.elu nn.gelu nn.leaky_relu nn.relu nn.relu6 nn.selu nn.silu nn.softsign ones_like strings.as_string
        strings.length strings.lower strings.regex_full_match strings.regex_replace strings.strip strings.substr
        strings.to_hash_bucket strings.to_hash_bucket_fast strings.to_hash_bucket_strong strings.to_number
        strings.unicode_script strings.unicode_transcode strings.upper zeros_like
    """,
    "binary": """
        bitwise.bitwise_and bitwise.bitwise_or bitwise.bitwise_xor bitwise.left_shift bitwise.right_shift
        compat.v1.div compat.v1.floor_div compat.v1.math.scalar_mul dtypes.complex math.add math.atan2 math.divide
        math.divide_no_nan math.equal math.floordiv math.floormod math.greater math.greater_equal math.less
        math.less_equal math.logical_and math.logical_or math.logical_xor math.maximum math.minimum math.multiply
        math.multiply_no_nan math.not_equal math.pow math.scalar_mul math.squared_difference math.subtract
        math.truediv math.xdivy math.xlog1py math.xlogy math.zeta nn.sigmoid_cross_entropy_with_logits realdiv
        truncatediv truncatemod
    """,
    "binary assert": """
        compat.v1.debugging.assert_equal compat.v1.debugging.assert_greater compat.v1.debugging.assert_greater_equal
        compat.v1.debugging.assert_less compat.v1.debugging.assert_less_equal compat.v1.debugging.assert_near
        compat.v1.debugging.assert_none_equal debugging.assert_equal debugging.assert_greater
        debugging.assert_greater_equal debugging.assert_less debugging.assert_less_equal debugging.assert_near
        debugging.assert_none_equal
    """,
}
"""Public functions of each kind, as TensorFlow lists them."""
