"""What autograph's tests share: an engine that records symbolic values and interprets them with Python numbers."""

# mypy: ignore-errors

from __future__ import annotations

import copy
import operator
from dataclasses import dataclass, field

import pytest

from millstream.execution.autograph import staging
from millstream.execution.autograph.conversion import convert, to_graph
from millstream.execution.autograph.undefined import Missing


class SymbolicValueError(TypeError):
    """Python looked at a symbolic value."""


class OutOfScopeError(RuntimeError):
    """A value of a branch's or loop's graph was used outside of it."""


@dataclass(eq=False)
class Graph:
    name: str
    effects: list = field(default_factory=list)


@dataclass(eq=False)
class Frame:
    graph: Graph
    parent: Frame | None
    values: dict

    def of(self, graph):
        frame = self
        while frame.graph is not graph:
            frame = frame.parent
        return frame


@dataclass
class Description:
    dtype: str
    shape: tuple | None


class Node:
    """A symbolic value: how to compute it in a frame, its element type and shape."""

    def __init__(self, engine, compute, dtype="int32", shape=()):
        self.engine, self.compute, self.dtype, self.shape = engine, compute, dtype, shape
        self.graph = engine.stack[-1]

    def value(self, frame):
        home = frame.of(self.graph)
        if self not in home.values:
            home.values[self] = self.compute(home)
        return home.values[self]

    def __bool__(self):
        raise SymbolicValueError("a symbolic value was used as a Python bool")

    def __iter__(self):
        raise SymbolicValueError("a symbolic value was iterated by Python")

    def __len__(self):
        raise SymbolicValueError("len() of a symbolic value")

    def __index__(self):
        raise SymbolicValueError("a symbolic value was used as an index")

    def __getitem__(self, key):
        return self.engine.apply(operator.getitem, self, key, dtype=self.dtype)

    def __neg__(self):
        return self.engine.apply(operator.neg, self, dtype=self.dtype)

    def __abs__(self):
        return self.engine.apply(abs, self, dtype=self.dtype)

    __hash__ = object.__hash__


def _binary(function, kind):
    def forward(self, other):
        left, right = self.dtype, self.engine.describe(other).dtype
        dtype = kind or ("float32" if "float32" in (left, right) else left)
        return self.engine.apply(function, self, other, dtype=dtype)

    def backward(self, other):
        return self.engine.apply(function, other, self, dtype=kind or self.dtype)

    return forward, backward


for _name in ("add", "sub", "mul", "floordiv", "mod", "truediv", "and", "or"):
    _function = getattr(operator, f"{_name}_" if _name in ("and", "or") else _name)
    _forward, _backward = _binary(_function, "float32" if _name == "truediv" else None)
    setattr(Node, f"__{_name}__", _forward)
    setattr(Node, f"__r{_name}__", _backward)
for _name in ("lt", "le", "gt", "ge", "eq", "ne"):
    setattr(Node, f"__{_name}__", _binary(getattr(operator, _name), "bool")[0])
Node.__hash__ = object.__hash__


class Dataset:
    """Something only a staged loop can visit."""

    def __init__(self, elements):
        self.elements = elements


class Interpreter:
    """The engine of the tests, after the protocol of staging.py."""

    def __init__(self):
        self.stack = [Graph("root")]
        self.staged = []
        self.printed = []

    def apply(self, function, *inputs, dtype="int32", shape=()):
        self.use(inputs)
        return Node(self, lambda frame: function(*(self.read(part, frame) for part in inputs)), dtype, shape)

    def use(self, values):
        for value in values:
            for leaf in self.flatten(value):
                if isinstance(leaf, Node) and leaf.graph not in self.stack:
                    raise OutOfScopeError(f"a value of {leaf.graph.name} is used outside of it")

    def read(self, value, frame):
        return self.map(lambda leaf: leaf.value(frame) if isinstance(leaf, Node) else leaf, value)

    def map(self, function, value):
        if isinstance(value, (list, tuple)):
            return type(value)(self.map(function, part) for part in value)
        if isinstance(value, dict):
            return {key: self.map(function, part) for key, part in value.items()}
        return function(value)

    def flatten(self, value):
        if isinstance(value, (list, tuple)):
            return [leaf for part in value for leaf in self.flatten(part)]
        if isinstance(value, dict):
            return [leaf for part in value.values() for leaf in self.flatten(part)]
        return [value]

    def bind(self, inputs, values, given):
        """Give placeholders, in their structures, their values; a value may be a list where a leaf is a vector."""
        if isinstance(inputs, Node):
            given[inputs] = values
        elif isinstance(inputs, (list, tuple)):
            for part, value in zip(inputs, values):
                self.bind(part, value, given)
        elif isinstance(inputs, dict):
            for key, part in inputs.items():
                self.bind(part, values[key], given)
        return given

    def assert_same_structure(self, first, second):
        if self.map(lambda _: 0, first) != self.map(lambda _: 0, second):
            raise TypeError(f"The two structures don't have the same nested structure: {first!r}, {second!r}")

    def is_symbolic(self, value):
        return isinstance(value, Node)

    def is_dataset(self, value):
        return isinstance(value, Dataset)

    def describe(self, value):
        if isinstance(value, Node):
            return value
        for kind, name in ((bool, "bool"), (int, "int32"), (float, "float32"), (str, "string")):
            if isinstance(value, kind):
                return Description(name, ())
        return None

    def trace(self, name, function):
        graph = Graph(name)
        self.stack.append(graph)
        try:
            values = function()
            self.use(values)
            return graph, values
        finally:
            self.stack.pop()

    def picks(self, whole, like):
        """Nodes for the leaves of a node that computes a list of structures."""

        def pick(path, value):
            if isinstance(value, (list, tuple)):
                return type(value)(pick([*path, i], part) for i, part in enumerate(value))
            if isinstance(value, dict):
                return {key: pick([*path, key], part) for key, part in value.items()}
            if value is None or isinstance(value, Missing):
                return value

            def compute(frame):
                found = whole.value(frame)
                for step in path:
                    found = found[step]
                return found

            described = self.describe(value)
            return Node(self, compute, described.dtype, described.shape)

        return [pick([i], value) for i, value in enumerate(like)]

    def cond(self, pred, true_fn, false_fn):
        self.staged.append("cond")
        first_graph, first = self.trace("true", true_fn)
        second_graph, second = self.trace("false", false_fn)
        assert len(first) == len(second)
        first, second = list(first), list(second)
        for i, (one, other) in enumerate(zip(first, second)):
            if isinstance(one, Missing) and not isinstance(other, Missing):
                first[i] = self.zeros_like(other)
            elif isinstance(other, Missing) and not isinstance(one, Missing):
                second[i] = self.zeros_like(one)
            if first[i] is not None and second[i] is not None and not isinstance(first[i], Missing):
                self.assert_same_structure(first[i], second[i])

        def compute(frame):
            graph, values = (first_graph, first) if pred.value(frame) else (second_graph, second)
            return self.run(graph, frame, values, {})

        return self.picks(Node(self, compute), [b if a is None else a for a, b in zip(first, second)])

    def run(self, graph, parent, values, given):
        frame = Frame(graph, parent, dict(given))
        for effect in graph.effects:
            effect.value(frame)
        return self.read(values, frame)

    def placeholders(self, values, widened):
        def one(leaf, shape):
            described = self.describe(leaf)
            return Node(self, None, described.dtype, described.shape if shape is None else shape)

        return [
            self.map(lambda leaf, shape=shape: None if leaf is None else one(leaf, shape), value)
            for value, shape in zip(values, widened)
        ]

    def loop(self, kind, cond, body, loop_vars, element, invariants):
        self.staged.append(kind)
        self.use(loop_vars)
        inputs = []

        def traced():
            inputs.extend(self.placeholders([*loop_vars, *element], [*invariants, *[None] * len(element)]))
            mine = inputs[: len(loop_vars)]
            return [cond(*mine)], body(*inputs[len(loop_vars) :], *mine)

        graph, (test, after) = self.trace(kind, traced)
        return graph, test, after, inputs

    def while_loop(self, cond, body, loop_vars, shape_invariants, parallel_iterations, swap_memory, maximum_iterations):
        invariants = shape_invariants or [None] * len(loop_vars)
        graph, test, after, inputs = self.loop("while", cond, body, loop_vars, [], invariants)

        def compute(frame):
            values, count = self.read(loop_vars, frame), 0
            limit = self.read(maximum_iterations, frame)
            while limit is None or count < limit:
                inner = Frame(graph, frame, self.bind(inputs, values, {}))
                if not self.read(test, inner)[0]:
                    break
                for effect in graph.effects:
                    effect.value(inner)
                values = self.read(after, inner)
                count += 1
            return values

        return self.picks(Node(self, compute), loop_vars)

    def shapes_may_vary(self, iterated):
        return False

    def for_dataset(self, iterated, test, body, loop_vars):
        cond = test or (lambda *_: True)
        graph, tests, after, inputs = self.loop("dataset", cond, body, loop_vars, [0], [None] * len(loop_vars))

        def compute(frame):
            values = self.read(loop_vars, frame)
            for element in iterated.elements:
                inner = Frame(graph, frame, self.bind(inputs, [*values, element], {}))
                if not self.read(tests, inner)[0]:
                    break
                values = self.read(after, inner)
            return values

        return self.picks(Node(self, compute), loop_vars)

    def dataset_element(self, iterated):
        return 0

    def probe(self, function, values):
        self.staged.append("probe")
        return self.trace("probe", lambda: function(*self.placeholders(values, [None] * len(values))))[1]

    def zeros_like(self, value):
        zeros = {"int32": 0, "float32": 0.0, "bool": False, "string": ""}
        return self.map(lambda leaf: None if leaf is None else zeros[self.describe(leaf).dtype], value)

    def iterate(self, value):
        return self.apply(len, value), lambda index: self.apply(operator.getitem, value, index, dtype=value.dtype)

    def range(self, start, limit, delta):
        return self.apply(lambda *parts: list(range(*parts)), start, limit, delta, shape=(None,))

    def logical_not(self, value):
        return self.apply(operator.not_, value, dtype="bool")

    def logical_and(self, first, second):
        return self.apply(lambda a, b: a and b, first, second, dtype="bool")

    def equal(self, first, second):
        return self.apply(operator.eq, first, second, dtype="bool")

    def effect(self, function, *inputs):
        self.stack[-1].effects.append(self.apply(function, *inputs))

    def assert_(self, condition, message):
        def check(holds, text):
            assert holds, text

        self.effect(check, condition, message() if message else "")

    def print_(self, *values, **words):
        self.effect(lambda *known: self.printed.append(known), *values)

    def builtin(self, name, *arguments, **words):
        if name == "sorted":
            return NotImplemented
        function = {"len": len, "abs": abs, "min": min, "max": max, "sum": sum, "any": any, "all": all}.get(name)
        kind = {"int": "int32", "float": "float32", "any": "bool", "all": "bool"}.get(name, "int32")
        return self.apply(function or {"int": int, "float": float}[name], *arguments, dtype=kind)

    def argument(self, value):
        """A node for an argument of the traced function; numbers and lists of numbers become symbolic."""
        if isinstance(value, list):
            dtype = self.describe(value[0]).dtype if value else "int32"
            return Node(self, lambda _: value, dtype, (len(value),))
        described = self.describe(value)
        return Node(self, lambda _: value, described.dtype, ()) if described else value

    def call(self, function, *arguments, **words):
        """Trace `function`, converted, on symbolic arguments and interpret what comes out."""
        staging.install(self)
        try:
            result = convert(function, **words)(*(self.argument(value) for value in arguments))
        finally:
            staging.install(None)
        self.use([result])
        return self.run(self.stack[0], None, result, {})


class Programs:
    """Functions to be run on numbers, converted on numbers, and converted on symbolic values, with equal results."""

    def __init__(self):
        self.cases = []

    def program(self, *argument_lists, staged=True):
        """Register a function and what to call it on. `staged` false: it can only run on numbers."""

        def register(function):
            self.cases.extend((function, arguments, staged) for arguments in argument_lists)
            return function

        return register

    def parametrize(self, symbolic=False):
        """The mark that runs a test on each program."""
        chosen = [case for case in self.cases if case[2] or not symbolic]
        return pytest.mark.parametrize(
            ("function", "arguments"), [pytest.param(f, a, id=f"{f.__name__}{a}") for f, a, _ in chosen]
        )


def outcome(function, arguments):
    """The result of a call, or the type of the error that it raises."""
    try:
        return function(*copy.deepcopy(arguments))
    except Exception as error:
        return type(error)


def same_on_numbers(function, arguments):
    """Check the converted function on plain values."""
    assert outcome(to_graph(function), arguments) == outcome(function, arguments)


def same_on_symbolic_values(function, arguments):
    """Check the converted function on symbolic values."""
    assert Interpreter().call(function, *copy.deepcopy(arguments)) == function(*copy.deepcopy(arguments))
