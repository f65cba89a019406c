"""Converts functions: finds the source, has it rewritten, compiles it in place of the old code, and keeps the result.

Code that cannot be converted runs as it is; a warning says so once.
"""

from __future__ import annotations
import __future__

import ast
import functools
import inspect
import sys
from collections.abc import Callable, Iterable
from types import BuiltinFunctionType, CellType, CodeType, FunctionType, MethodType, SimpleNamespace
from typing import Any

from millstream.execution.autograph import loops, operators, undefined
from millstream.execution.autograph.errors import show_user_code
from millstream.execution.autograph.options import Feature, Options, Status, current_status, log, note, status
from millstream.execution.autograph.overloads import OVERLOADS, map_over, print_
from millstream.execution.autograph.rewriting import PREFIX, rewrite
from millstream.execution.autograph.source import SourceError, find_definition, mangle_names
from millstream.execution.autograph.trees import RUNTIME, ConversionError, Place

# Functions of these modules work on tensors as they are, or never see one.
UNCONVERTED_MODULES = frozenset(
    [
        "millstream",
        "keras",
        "tf_keras",
        "numpy",
        "pandas",
        "scipy",
        "matplotlib",
        "PIL",
        "tensorflow_probability",
        "tensorflow_datasets.core",
        "absl.logging",
        "abc",
        "asyncio",
        "builtins",
        "cProfile",
        "collections",
        "concurrent",
        "contextlib",
        "copy",
        "dataclasses",
        "enum",
        "functools",
        "importlib",
        "inspect",
        "ipdb",
        "json",
        "linecache",
        "logging",
        "mock",
        "multiprocessing",
        "ntpath",
        "pathlib",
        "pdb",
        "posixpath",
        "pstats",
        "pytest",
        "_pytest",
        "random",
        "re",
        "threading",
        "traceback",
        "typing",
        "unittest",
        "urllib",
        "warnings",
        "weakref",
    ]
)
_UNCONVERTED = "_autograph_do_not_convert"
_WRAPPED = "_autograph_original"
_FUTURE_FLAGS = functools.reduce(
    lambda flags, name: flags | getattr(__future__, name).compiler_flag, __future__.all_feature_names, 0
)
_SUSPENDING = inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR
_FACTORY = PREFIX + "factory"
_FUNCTION = PREFIX + "function"

# Keyed by identity: equal code objects of two files are two functions. The code is kept so that its identity stays.
_converted: dict[tuple[int, Options], tuple[CodeType, CodeType | None]] = {}
_results: dict[int, CodeType] = {}
_warned: set[int] = set()
_module_verdicts: dict[str, bool] = {}


def is_converted_code(code: CodeType) -> bool:
    """Whether a code object came out of a conversion."""
    return id(code) in _results


def _is_unconverted_module(name: str) -> bool:
    verdict = _module_verdicts.get(name)
    if verdict is None:
        verdict = any(name[:end] in UNCONVERTED_MODULES for end in _module_ends(name))
        verdict = verdict and not name.endswith("_test")
        _module_verdicts[name] = verdict
    return verdict


def _module_ends(name: str) -> list[int]:
    return [*(index for index, letter in enumerate(name) if letter == "."), len(name)]


def is_allowed_as_is(function: FunctionType) -> bool:
    """Whether a function called by converted code runs as it is."""
    if getattr(function, _UNCONVERTED, False):
        return True
    module = function.__module__
    if module and _is_unconverted_module(module):
        return True
    # A decorator of ours carries the user's module name, but the code is ours.
    home = function.__globals__.get("__name__", "")
    return home.startswith("millstream.") and _is_unconverted_module(home)


def rewrite_definition(function: FunctionType, options: Options) -> ast.FunctionDef | ast.Lambda:
    """Return the rewritten tree of a function."""
    if function.__code__.co_flags & _SUSPENDING:
        raise ConversionError("generators and coroutines are not converted")
    definition = find_definition(function)
    node = definition.node
    if definition.class_name is not None:
        mangle_names(node, definition.class_name)
    rewrite(node, options, _names_in(function.__code__))
    # What is evaluated where the function is defined has been: it is taken over from the function object.
    arguments = node.args
    arguments.defaults = []
    arguments.kw_defaults = [None] * len(arguments.kwonlyargs)
    for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg):
        if argument is not None:
            argument.annotation = None
    if isinstance(node, ast.FunctionDef):
        node.decorator_list = []
        node.returns = None
        if sys.version_info >= (3, 12):
            node.type_params = []
    return node


def _names_in(code: CodeType) -> set[str]:
    names = {*code.co_varnames, *code.co_names, *code.co_cellvars, *code.co_freevars}
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            names |= _names_in(constant)
    return names


def _compile(function: FunctionType, options: Options) -> CodeType:
    old = function.__code__
    node = rewrite_definition(function, options)
    at: Place = {"lineno": node.lineno, "col_offset": 0, "end_lineno": node.lineno, "end_col_offset": 0}
    # The cells of the old function become parameters around the new one, so that its code refers to them as cells.
    parameters = [ast.arg(name, **at) for name in (*old.co_freevars, RUNTIME)]
    body: list[ast.stmt] = [node if isinstance(node, ast.FunctionDef) else ast.Return(node, **at)]
    if isinstance(node, ast.FunctionDef):
        # Under its own name it would be a variable of the factory, and hide the global that it calls itself by.
        node.name = _FUNCTION
    arguments = ast.arguments([], parameters, None, [], [], None, [])
    extra: dict[str, Any] = {"type_params": []} if sys.version_info >= (3, 12) else {}
    factory = ast.FunctionDef(_FACTORY, arguments, body, [], **extra, **at)
    flags = old.co_flags & _FUTURE_FLAGS
    module = compile(ast.Module([factory], []), old.co_filename, "exec", flags=flags, dont_inherit=True)
    made = next(c for c in module.co_consts if isinstance(c, CodeType))
    new = next(c for c in made.co_consts if isinstance(c, CodeType))
    return _settle(new, old.co_name, old.co_qualname)


def _settle(code: CodeType, name: str, qualified_name: str) -> CodeType:
    """Name the blocks of a function after it, as tracebacks show them, and note all of it as converted."""
    constants = list(code.co_consts)
    for index, constant in enumerate(constants):
        if not isinstance(constant, CodeType):
            continue
        if not constant.co_flags & inspect.CO_NEWLOCALS:
            continue  # a class body: its methods are converted when they are called
        if constant.co_name.startswith(PREFIX):
            constants[index] = _settle(constant, name, qualified_name)
        else:
            inner = constant.co_name
            constants[index] = _settle(constant, inner, f"{qualified_name}.<locals>.{inner}")
    settled = code.replace(co_name=name, co_qualname=qualified_name, co_consts=tuple(constants))
    _results[id(settled)] = settled
    return settled


def converted_function(function: FunctionType, options: Options) -> FunctionType | None:
    """Return the converted form of a function with the same globals, cells and defaults; None where it has none."""
    code = function.__code__
    if id(code) in _results:
        return function
    key = (id(code), options)
    found = _converted.get(key)
    if found is None:
        new: CodeType | None = None
        if not code.co_flags & _SUSPENDING:
            try:
                new = _compile(function, options)
                note(1, lambda: f"converted {function!r}")
                note(10, lambda: to_code(function, options.recursive, options.features))
            except (SourceError, ConversionError, SyntaxError, RecursionError) as error:
                _warn(function, error)
        found = _converted[key] = (code, new)
    new = found[1]
    if new is None:
        return None
    cells = dict(zip(code.co_freevars, function.__closure__ or ()))
    cells[RUNTIME] = _cell_of(options)
    result = FunctionType(
        new, function.__globals__, function.__name__, function.__defaults__, tuple(cells[n] for n in new.co_freevars)
    )
    result.__kwdefaults__ = function.__kwdefaults__
    result.__dict__.update(function.__dict__)
    result.__module__ = function.__module__
    result.__qualname__ = function.__qualname__
    result.__annotations__ = function.__annotations__
    return result


def _warn(function: Any, error: Exception) -> None:
    key = id(getattr(function, "__code__", function))
    # Code made by exec() or frozen into the interpreter never had a file; TensorFlow does not mention it either.
    no_file = function.__code__.co_filename.startswith(("<string>", "<frozen "))
    if key in _warned or (isinstance(error, SourceError) and no_file):
        return
    _warned.add(key)
    log.warning(
        "AutoGraph could not transform %s and will run it as-is.\nCause: %s\nTo silence this warning, decorate the "
        "function with @tf.autograph.experimental.do_not_convert",
        function,
        error,
    )


def converted_call(
    options: Options, function: Any, arguments: tuple[Any, ...], words: dict[str, Any] | None = None
) -> Any:
    """Call anything the way converted code calls it."""
    kind = type(function)
    if words is None:
        words = {}
    if kind is FunctionType:
        if id(function.__code__) in _results:
            return function(*arguments, **words)
    elif kind is BuiltinFunctionType or kind is type:
        overload = OVERLOADS.get(function)
        if overload is not None:
            return overload(*arguments, **words)
        if function is map or function is filter:
            return map_over(function.__name__, functools.partial(converted_call, options), *arguments, **words)
        if function is print and options.uses(Feature.BUILTIN_FUNCTIONS):
            return print_(*arguments, **words)
        return function(*arguments, **words)
    if not options.recursive or current_status() is Status.DISABLED:
        return function(*arguments, **words)
    if kind is functools.partial:
        return converted_call(options, function.func, function.args + arguments, {**function.keywords, **words})
    target, owner = _target_of(function, kind)
    if target is None or is_allowed_as_is(target) or getattr(function, _UNCONVERTED, False):
        note(2, lambda: f"calls {function!r} as it is")
        return function(*arguments, **words)
    new = converted_function(target, options)
    if new is None:
        return function(*arguments, **words)
    return new(*owner, *arguments, **words)


def _target_of(function: Any, kind: type) -> tuple[FunctionType | None, tuple[Any, ...]]:
    """The Python function behind a callable, and what goes before its arguments; None where there is none to convert."""
    if kind is FunctionType:
        return function, ()
    if kind is MethodType:
        inner = function.__func__
        if type(inner) is not FunctionType or _is_test_case(function.__self__):
            return None, ()
        return inner, (function.__self__,)
    if isinstance(function, type):
        return None, ()
    call = getattr(kind, "__call__", None)  # noqa: B004 (the function itself is wanted)
    if type(call) is FunctionType and not (kind.__module__ and _is_unconverted_module(kind.__module__)):
        return call, (function,)
    return None, ()


def _is_test_case(owner: Any) -> bool:
    unittest = sys.modules.get("unittest")
    return unittest is not None and isinstance(owner, unittest.TestCase)


@functools.cache
def _cell_of(options: Options) -> CellType:
    runtime = SimpleNamespace(missing=undefined.missing)
    for module in (operators, loops, undefined):
        for name, value in vars(module).items():
            if getattr(value, "__module__", "") == module.__name__ and not name.startswith("_"):
                setattr(runtime, name, value)
    runtime.converted_call = functools.partial(converted_call, options)
    return CellType(runtime)


def convert(
    function: Callable[..., Any],
    recursive: bool = True,
    optional_features: Feature | Iterable[Feature] | None = None,
) -> Callable[..., Any]:
    """Return a function that runs `function` converted.

    Args:
      function: any callable; one that has no Python source is returned in a form that runs it as it is.
      recursive: whether the functions it calls are converted, too.
      optional_features: members of `Feature`.
    """
    if getattr(function, _WRAPPED, None) is not None or getattr(function, _UNCONVERTED, False):
        return function
    options = Options.of(recursive, optional_features)

    def converted(*arguments: Any, **words: Any) -> Any:
        with status(Status.ENABLED):
            try:
                return _call_first(options, function, arguments, words)
            except BaseException as error:
                show_user_code(error, is_converted_code)
                raise

    return _dress(converted, function, _WRAPPED, function)


def _call_first(options: Options, function: Any, arguments: tuple[Any, ...], words: dict[str, Any]) -> Any:
    """Call the function whose conversion was asked for: it is converted even where calls inside it are not."""
    kind = type(function)
    if kind is functools.partial:
        return _call_first(options, function.func, function.args + arguments, {**function.keywords, **words})
    target, owner = _target_of(function, kind)
    if target is None or id(target.__code__) in _results or is_allowed_as_is(target):
        return function(*arguments, **words)
    new = converted_function(target, options)
    return function(*arguments, **words) if new is None else new(*owner, *arguments, **words)


def _dress(wrapper: Callable[..., Any], function: Any, mark: str, value: Any) -> Callable[..., Any]:
    functools.update_wrapper(wrapper, function.func if isinstance(function, functools.partial) else function)
    setattr(wrapper, mark, value)
    setattr(wrapper, _UNCONVERTED, True)  # its own code is ours
    return wrapper


def do_not_convert(func: Any = None) -> Any:
    """Decorator: the function, and what it calls, runs as it is."""
    if func is None:
        return do_not_convert

    def unconverted(*arguments: Any, **words: Any) -> Any:
        with status(Status.DISABLED):
            return func(*arguments, **words)

    return _dress(unconverted, func, _UNCONVERTED, True)


def convert_as_here(function: Callable[..., Any], convert_by_default: bool = True) -> Callable[..., Any]:
    """Return a function handed to an op (`map_fn`, `Dataset.map`) converted as calls at this moment are.

    Inside converted code it is converted, under `do_not_convert` it is not, elsewhere `convert_by_default` decides.
    """
    now = current_status()
    if now is Status.ENABLED or (now is Status.UNSPECIFIED and convert_by_default):
        return convert(function)
    return do_not_convert(function) if now is Status.DISABLED else function


def _function_behind(entity: Any) -> FunctionType:
    entity = getattr(entity, "python_function", entity)
    entity = getattr(entity, _WRAPPED, None) or entity
    target, _ = _target_of(entity, type(entity))
    if target is None:
        raise ConversionError(f"autograph converts Python functions, methods and callable objects, not {entity!r}")
    return target


def to_graph(
    entity: Any, recursive: bool = True, experimental_optional_features: Feature | Iterable[Feature] | None = None
) -> Callable[..., Any]:
    """Return the converted form of a Python function; raises ConversionError where it has none."""
    options = Options.of(recursive, experimental_optional_features)
    function = _function_behind(entity)
    try:
        if not is_converted_code(function.__code__) and (id(function.__code__), options) not in _converted:
            _converted[id(function.__code__), options] = (function.__code__, _compile(function, options))
    except (SourceError, SyntaxError) as error:
        raise ConversionError(f"converting {entity!r}: {error}") from None
    made = converted_function(function, options)
    if made is None:
        raise ConversionError(f"converting {entity!r}: it cannot be converted; an earlier warning says why")
    return MethodType(made, entity.__self__) if isinstance(entity, MethodType) else made


def to_code(
    entity: Any, recursive: bool = True, experimental_optional_features: Feature | Iterable[Feature] | None = None
) -> str:
    """Return the source of the converted form of a Python function."""
    options = Options.of(recursive, experimental_optional_features)
    try:
        node = rewrite_definition(_function_behind(entity), options)
    except SourceError as error:
        raise ConversionError(f"converting {entity!r}: {error}") from None
    if isinstance(node, ast.FunctionDef):
        node.name = f"tf__{node.name}"
    return ast.unparse(node) + "\n"
