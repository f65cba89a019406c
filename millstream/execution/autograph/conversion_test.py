"""Converting: what is converted and what is left alone, where source comes from, and what is kept of the original."""

# ruff: noqa: B012, C408, E731
from __future__ import annotations

import functools
import linecache
import logging
import subprocess
import sys
import textwrap
import types
from pathlib import Path

import numpy as np
import pytest

from millstream.execution.autograph import (
    ConversionError,
    Feature,
    Status,
    conversion,
    convert,
    convert_as_here,
    do_not_convert,
    status,
    to_code,
    to_graph,
)
from millstream.execution.autograph.testing import Node, SymbolicValueError


def sign(x):
    """Says which side of zero."""
    if x > 0:
        return 1
    return -1


def test_the_converted_function_keeps_names_defaults_and_documentation():
    def original(a: int, b=2, *, c: str = "c") -> int:
        """What it does."""
        return a if a else b

    original.marked = 5
    new = to_graph(original)
    assert new is not original
    assert (new.__name__, new.__qualname__, new.__doc__) == (original.__name__, original.__qualname__, original.__doc__)
    assert new.__defaults__ == (2,)
    assert new.__kwdefaults__ == {"c": "c"}
    assert new.__annotations__ == original.__annotations__
    assert new.marked == 5
    assert new.__globals__ is original.__globals__
    assert new.__code__.co_filename == __file__
    assert new.__code__.co_firstlineno == original.__code__.co_firstlineno


def test_the_wrapper_of_convert_keeps_the_name():
    new = convert(sign)
    assert new.__name__ == "sign"
    assert new.__wrapped__ is sign
    assert convert(new) is new
    graph = to_graph(sign)
    assert to_graph(graph) is graph
    assert convert(graph)(3) == 1


def test_cells_are_shared_with_the_original():
    count = 0

    def original(x):
        nonlocal count
        if x:
            count += 1
        return count

    new = to_graph(original)
    assert (new(1), original(1), new(1), count) == (1, 2, 3, 3)
    assert any(cell is original.__closure__[0] for cell in new.__closure__)


def test_each_closure_of_one_code_has_its_own_cells():
    def make(k):
        def add(x):
            return x + k if x else k

        return add

    assert [to_graph(make(k))(1) for k in (1, 2)] == [2, 3]


def test_globals_are_read_when_called(monkeypatch):
    new = to_graph(_reads_global)
    monkeypatch.setitem(globals(), "GLOBAL", 7)
    assert new(1) == 8


GLOBAL = 1


def _reads_global(x):
    return x + GLOBAL if x else 0


def test_lambdas_on_one_line_are_told_apart(interpreter):
    first, second = lambda x: 1 if x > 0 else 2, lambda x: 3 if x > 0 else 4
    assert [type(interpreter)().call(f, v) for f in (first, second) for v in (1, -1)] == [1, 2, 3, 4]


def test_lambdas_over_several_lines(interpreter):
    chosen = dict(
        key=lambda x: (
            1
            if x > 0
            else 2
        ),
        other=[lambda x, y=5: y if x > 0 else 3][0],
    )  # fmt: skip
    assert interpreter.call(chosen["key"], 1) == 1
    assert type(interpreter)().call(chosen["other"], 1) == 5
    assert type(interpreter)().call(chosen["other"], -1) == 3


def test_a_lambda_inside_a_lambda(interpreter):
    outer = lambda x: (lambda x: 10 if x > 0 else 20)(x) if x != 0 else 30
    assert [type(interpreter)().call(outer, v) for v in (1, -1, 0)] == [10, 20, 30]
    inner = (lambda: lambda x: 10 if x > 0 else 20)()
    assert type(interpreter)().call(inner, -1) == 20


def test_partial_objects_and_methods_are_converted(interpreter):
    class Scale:
        def __init__(self, by):
            self.by = by

        def __call__(self, x):
            if x > 0:
                return x * self.by
            return x

        def method(self, x, y):
            if x > y:
                return self.by
            return 0

        @classmethod
        def of_class(cls, x):
            return cls if x is None else (1 if x > 0 else 2)

    scale = Scale(3)
    new = type(interpreter)
    assert new().call(scale, 2) == 6
    assert new().call(scale.method, 2, 1) == 3
    assert new().call(Scale.of_class, 2) == 1
    assert new().call(functools.partial(scale.method, y=5), 2) == 0
    assert new().call(functools.partial(functools.partial(scale), 2)) == 6
    assert new().call(lambda x: functools.partial(scale.method, x)(0) + scale(x), 2) == 9


def test_a_decorator_and_what_it_decorates_are_both_converted(interpreter):
    def twice_if_positive(function):
        @functools.wraps(function)
        def wrapper(x):
            if x > 0:
                return function(function(x))
            return function(x)

        return wrapper

    @twice_if_positive
    def step(x):
        if x > 5:
            return x - 3
        return x + 1

    assert [type(interpreter)().call(step, v) for v in (5, -7)] == [step(5), step(-7)]


def test_a_function_marked_do_not_convert_runs_as_it_is(interpreter):
    @do_not_convert
    def marked(x):
        return 1 if x > 0 else 2

    with pytest.raises(SymbolicValueError):
        interpreter.call(marked, 1)
    with pytest.raises(SymbolicValueError):
        type(interpreter)().call(lambda x: marked(x), 1)
    assert marked(1) == 1
    assert marked.__name__ == "marked"


def test_what_a_function_marked_do_not_convert_calls_runs_as_it_is_too(interpreter):
    @do_not_convert()
    def marked(x):
        return convert(sign)(x), sign(x)

    with pytest.raises(SymbolicValueError):
        interpreter.call(lambda x: marked(x)[1], 1)


def test_do_not_convert_inside_a_converted_function(interpreter):
    def outer(x):
        @do_not_convert
        def inner(y):
            return isinstance(y, Node) or (1 if y > 0 else 2)

        return inner(x)

    assert interpreter.call(outer, 1) is True


def test_a_function_handed_to_an_op_is_converted_as_calls_around_are(interpreter):
    def outer(x):
        return convert_as_here(sign)(x)

    assert interpreter.call(outer, -2) == -1
    with pytest.raises(SymbolicValueError):
        type(interpreter)().call(do_not_convert(outer), -2)
    assert convert_as_here(sign) is not sign
    assert convert_as_here(sign, convert_by_default=False) is sign


def test_calls_are_not_converted_where_the_status_says_so(interpreter):
    def outer(x):
        with status(Status.DISABLED):
            return sign(x)

    with pytest.raises(SymbolicValueError):
        interpreter.call(outer, 1)


def test_without_recursion_called_functions_run_as_they_are(interpreter):
    def outer(x):
        if x > 0:
            x = x + 1
        return sign(x)

    with pytest.raises(SymbolicValueError):
        interpreter.call(outer, 1, recursive=False)
    assert type(interpreter)().call(outer, 1) == 1


@pytest.mark.parametrize("module", ["keras", "keras.src.layers", "numpy.linalg", "millstream.ops.math", "collections"])
def test_functions_of_other_libraries_are_not_converted(module, interpreter):
    function = types.FunctionType(sign.__code__, globals(), "sign")
    function.__module__ = module
    with pytest.raises(SymbolicValueError):
        interpreter.call(lambda x: function(x), 1)
    assert not conversion.is_allowed_as_is(_of_module(module.partition(".")[0] + "like"))


def _of_module(name):
    function = types.FunctionType(sign.__code__, {"__name__": name}, "sign")
    function.__module__ = name
    return function


def test_methods_of_a_users_subclass_are_converted(interpreter):
    base = type("Layer", (), {"__call__": _call_through, "__module__": "keras.src.layers"})

    class Mine(base):
        def call(self, x):
            if x > 0:
                return 1
            return 2

    assert interpreter.call(lambda x: Mine().call(x), 1) == 1
    with pytest.raises(SymbolicValueError):
        # The library's own __call__ runs as it is, and so does what it calls.
        type(interpreter)().call(lambda x: Mine()(x), 1)


def _call_through(self, x):
    return self.call(x)


_call_through.__module__ = "keras.src.layers"


def test_constructors_run_as_they_are(interpreter):
    class Checked:
        def __init__(self, x):
            self.positive = x > 0 and True

    with pytest.raises(SymbolicValueError):
        interpreter.call(lambda x: Checked(x).positive, 1)


def test_builtins_and_c_functions_run_as_they_are():
    assert convert(len)([1, 2]) == 2
    assert convert(np.sum)([1, 2]) == 3
    assert convert(functools.lru_cache(sign))(3) == 1
    assert convert(lambda x: np.maximum(x, 2).tolist() + sorted([3, 1]) + list(map(abs, [-1])))([1]) == [2, 1, 3, 1]
    assert convert(dict)(a=1) == {"a": 1}
    assert convert(lambda: isinstance(1, int) and int is int and callable(len))() is True


def test_generators_and_coroutines_are_left_alone():
    def numbers(n):
        for i in range(n):
            if i != 7:
                yield i

    async def wait(n):
        return n

    assert list(convert(numbers)(3)) == [0, 1, 2]
    coroutine = convert(wait)(3)
    with pytest.raises(StopIteration):
        coroutine.send(None)
    with pytest.raises(ConversionError, match="generators"):
        to_graph(numbers)


def test_locals_and_eval_see_the_function_they_stand_in():
    def original(x):
        y = x + 1 if x else 0
        return sorted(name for name in locals() if name in ("x", "y")), eval("y * 2")

    assert convert(original)(3) == original(3)


def compiled(text, filename):
    scope = {}
    exec(compile(textwrap.dedent(text), filename, "exec"), scope)
    return scope["f"]


NO_SOURCE = """
def f(x):
    if x > 0:
        return 1
    return 2
"""


def test_a_function_without_source_runs_as_it_is_and_says_so_once(caplog):
    function = compiled(NO_SOURCE, "/gone/module.py")
    with caplog.at_level(logging.WARNING, "millstream.autograph"):
        assert convert(function)(1) == 1
        assert convert(function)(-1) == 2
        assert convert(lambda: function(1))() == 1
    assert len(caplog.records) == 1
    text = caplog.records[0].getMessage()
    assert text.startswith("AutoGraph could not transform <function f at 0x")
    assert "will run it as-is.\nCause: source code is not available" in text
    assert "@tf.autograph.experimental.do_not_convert" in text


def test_a_function_made_by_exec_says_nothing(caplog):
    with caplog.at_level(logging.WARNING, "millstream.autograph"):
        assert convert(compiled(NO_SOURCE, "<string>"))(1) == 1
    assert not caplog.records


def with_source(text, filename):
    text = textwrap.dedent(text)
    linecache.cache[filename] = (len(text), None, text.splitlines(True), filename)
    return compiled(text, filename)


def test_source_comes_from_notebook_cells(interpreter):
    assert interpreter.call(with_source(NO_SOURCE, "<cell 1>"), 1) == 1


def test_source_that_has_changed_is_noticed(caplog):
    function = with_source(NO_SOURCE, "<cell 2>")
    with_source("def g(x):\n    return 3\n\n\ndef f(x, y):\n    return 4\n", "<cell 2>")
    with caplog.at_level(logging.WARNING, "millstream.autograph"):
        assert convert(function)(1) == 1
    assert "has changed since f was defined" in caplog.text


@pytest.mark.parametrize(
    "text",
    [
        'class A:\n    def f(self, x):\n        s = """\nunindented\n"""\n        return s if x > 0 else s * 2\nf = A().f\n',
        "def f(x): return 1 if x > 0 else 2\ndef g(): pass\n",
        "if True:\n    def f(x):\n        if x > 0: return 1\n        # at the end\n        return (2\n)\n",
        "def f(\n    x,\n):\n    if x > 0: return 1\n    return [\n    2\n    ][0]\n\n\nx = 3\n",
        "def f(x):\n\tif x > 0:\n\t\treturn 1\n\treturn 2\n",
        "if 1: f = lambda x: 1 if x > 0 else 2\n",
        "for f in [lambda x: (x,\n    1 if x > 0 else 2)]: pass\n",
        "é = 'é'; f = lambda x: 'é' if x > 0 else é * 2\n",
        "def outer():\n    if 1:\n        def f(x):\n            '''Text.\n  more'''\n            return 1 if x > 0 else 2\n    return f\nf = outer()\n",
    ],
)
def test_definitions_of_every_layout_are_found(text, interpreter):
    function = with_source(text, f"<layout {hash(text)}>")
    for x in (1, -1):
        assert type(interpreter)().call(function, x) == function(x)


def test_what_is_not_supported_runs_as_it_is_with_the_reason(caplog):
    def original(x):
        for i in [1, 2]:
            try:
                x += i
            finally:
                if x > 3:
                    break
        return x

    with caplog.at_level(logging.WARNING, "millstream.autograph"):
        assert convert(original)(3) == original(3)
    assert "inside finally" in caplog.text
    with pytest.raises(ConversionError):
        to_graph(original)


def test_private_names_of_a_class_are_kept():
    class Private:
        __shared = 4

        def __init__(self):
            self.__own = 3

        def total(self, x):
            __local = self.__own

            def inner(__parameter):
                return __parameter + __local + self.__shared

            return inner(x) if x else self.__own

    private = Private()
    assert convert(private.total)(2) == private.total(2) == 9


def test_the_same_code_is_converted_once(monkeypatch):
    seen = []
    find = conversion.find_definition
    monkeypatch.setattr(conversion, "find_definition", lambda function: seen.append(function) or find(function))

    def make(k):
        def local(x):
            return k if x else sign(x)

        return local

    for k in range(3):
        assert convert(make(k))(1) == k
        assert convert(make(k))(0) == -1
    assert [function.__name__ for function in seen].count("local") == 1


def test_to_code_shows_python_that_compiles():
    text = to_code(sign)
    assert text.startswith("def tf__sign(x):")
    assert "ag__.if_stmt(x > 0" in text
    compile(text, "shown", "exec")


def test_to_graph_converts_methods_and_traced_functions(interpreter):
    class Traced:
        python_function = staticmethod(sign)

    assert to_graph(Traced())(3) == 1
    assert interpreter.call(to_graph(Traced()), 3) == 1


@pytest.mark.parametrize("entity", [len, 3, dict])
def test_to_graph_refuses_what_is_no_python_function(entity):
    with pytest.raises(ConversionError, match="autograph converts Python functions"):
        to_graph(entity)


def test_features_must_be_features():
    with pytest.raises(TypeError, match=r"must be members of tf\.autograph\.experimental\.Feature"):
        convert(sign, optional_features="LISTS")
    assert Feature.all_but(Feature.LISTS) == tuple(f for f in Feature if f not in (Feature.LISTS, Feature.ALL))
    assert convert(sign, optional_features=(Feature.LISTS, Feature.ALL))(2) == 1


def test_the_package_is_light_until_it_is_used():
    folder = Path(__file__).parents[2]
    program = f"""
import sys, types
for name, path in (("millstream", {str(folder)!r}), ("millstream.execution", {str(folder / "execution")!r})):
    module = types.ModuleType(name)
    module.__path__ = [path]
    sys.modules[name] = module
before = set(sys.modules)
from millstream.execution import autograph
print(sorted(name for name in set(sys.modules) - before if name.startswith("millstream")))
autograph.convert(lambda: 1)
print("millstream.execution.autograph.conversion" in sys.modules)
"""
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert shown == "['millstream.execution.autograph']\nTrue\n"


def test_an_unknown_name_of_the_package_is_refused():
    from millstream.execution import autograph

    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = autograph.nonsense
    assert {"convert", "to_code", "install"} <= set(dir(autograph))
