"""Read GraphDef and FunctionDef messages as programs of ops. Refuses, by name, what is not declared here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from millstream.base import dtypes, errors, tensor_proto
from millstream.base.dtypes import as_dtype
from millstream.base.sizes import fresh_symbol, is_known
from millstream.base.spec import Spec
from millstream.graph.attributes import kinds_of, of_message, shape_of
from millstream.graph.file_ops import guard
from millstream.ops.declaration import Op
from millstream.ops.registry import find
from millstream.program.primitives.shaping import constant
from millstream.program.value import Definition, Node, Program, Value, building, from_source

MOST_TURNS = 8
"""So often a loop's body is read again with sizes left open that a turn changed."""

CALLS = (
    "PartitionedCall",
    "StatefulPartitionedCall",
    "If",
    "StatelessIf",
    "Case",
    "StatelessCase",
    "While",
    "StatelessWhile",
)
NOTHING = ("NoOp", "ControlTrigger")
SHARING = ("shared_name", "container")
"""Attributes by which runs of a graph find a resource again: here whoever made it hands it around."""


def spec_of_shape(dtype: Any, shape: Sequence[int] | None) -> Spec:
    """Return the spec of a tensor of a shape in which -1 is open."""
    sizes = None if shape is None else [fresh_symbol("n") if n < 0 else n for n in shape]
    return Spec(as_dtype(dtype), sizes)


class Library:
    """The functions of a graph, each made a program for the specs that it is called with."""

    def __init__(self, functions: Iterable[Any] = (), custom: Callable[..., Any] | None = None) -> None:
        self.functions = {f.signature.name: f for f in functions}
        self.custom = custom
        """What knows gradients that functions say themselves: (reader, kind, inputs) -> definition and its inputs, or None."""
        self.allowed_files: frozenset[bytes] | None = None
        """The files that ops of the graph may read, where it comes from a file; None for any."""
        self._made: dict[Any, Program] = {}

    def program(self, name: str, specs: Sequence[Spec]) -> Program:
        """Return the function `name` for inputs of these specs."""
        key = (name, tuple(specs))
        found = self._made.get(key)
        if found is None:
            program = Program(name)
            values = [program.input(spec) for spec in specs]
            self.fill(program, name, values)
            found = self._made[key] = program
        return found

    def function(self, name: str) -> Any:
        """Return the message of a function; NotFoundError where there is none."""
        found = self.functions.get(name)
        if found is None:
            raise errors.NotFoundError(
                None,
                None,
                f"The function {name!r} is called but is not in the library of the graph; write the graph anew.",
            )
        return found

    def fill(self, program: Program, name: str, inputs: Sequence[Value]) -> None:
        """Put the nodes and outputs of the function `name` into `program`, taking `inputs`, some of them perhaps the same."""
        function = self.function(name)
        arguments = function.signature.input_arg
        if len(arguments) != len(inputs):
            raise errors.InvalidArgumentError(
                None, None, f"The function {name!r} takes {len(arguments)} inputs and was called with {len(inputs)}."
            )
        reader = NodeReader(self, program, f"function {name!r}")
        reader.function = name
        for argument, value in zip(arguments, inputs, strict=True):
            reader.know(argument.name, [value])
        reader.read(function.node_def)
        program.outputs = [reader.value(function.ret[a.name]) for a in function.signature.output_arg]


class NodeReader:
    """Adds the nodes of a message to a program, each once what it needs is there."""

    def __init__(
        self,
        library: Library,
        program: Program,
        place: str,
        read_other: Callable[[NodeReader, Any], list[Value] | None] | None = None,
    ) -> None:
        self.library = library
        self.program = program
        self.place = place
        self.read_other = read_other
        self.function = ""
        """The name of the function that is read; empty for a graph."""
        self.replaced: dict[str, Value] = {}
        """What stands for outputs of nodes in place of these, by `name` or `name:index`."""
        self.keeps_sharing = False
        """Whether what nodes share by name keeps these names: in graphs of sessions."""
        self.guards: dict[str, Node] = {}
        """By names of nodes: what must run before them, because they read files."""
        self.label: Callable[[str], str] = str
        """What a node is called in the program."""
        self._values: dict[str, list[Value]] = {}
        self._parts: dict[str, dict[str, int]] = {}

    def know(self, name: str, values: Sequence[Value], parts: Mapping[str, int] | None = None) -> None:
        """Say what the node or argument `name` gives; `parts` is where each of its named outputs begins."""
        self._values[name] = list(values)
        self._parts[name] = dict(parts or {})

    def known(self, name: str) -> list[Value] | None:
        """Return what a node gives; None where there is no such node."""
        return self._values.get(name)

    def value(self, text: str) -> Value:
        """Return the value that `name`, `name:index` or `name:output:index` stands for."""
        if text in self.replaced:
            return self.replaced[text]
        name, *rest = text.split(":")
        if name not in self._values:
            raise errors.InvalidArgumentError(None, None, f"{self.place} takes {text!r}, which nothing in it makes.")
        if rest and not rest[-1].isdigit():
            raise errors.InvalidArgumentError(
                None, None, f"{self.place} takes {text!r}, which is no name of an output."
            )
        index = int(rest[-1]) if rest else 0
        if len(rest) == 2:
            if rest[0] not in self._parts[name]:
                raise errors.InvalidArgumentError(
                    None, None, f"{self.place} takes {text!r}; {name!r} has the outputs {', '.join(self._parts[name])}."
                )
            index += self._parts[name][rest[0]]
        if index >= len(self._values[name]):
            raise errors.InvalidArgumentError(
                None, None, f"{self.place} takes {text!r}; {name!r} has {len(self._values[name])} outputs."
            )
        return self._values[name][index]

    def read(self, nodes: Iterable[Any]) -> None:
        """Add all nodes, in an order in which each comes after what it takes and after its control inputs."""
        for node in in_order(nodes, self._values, self.place):
            with building(self.program), from_source(f"{node.name} in {self.place}"):
                self._add(node)

    def _add(self, node: Any) -> None:
        made = self.read_other(self, node) if self.read_other is not None else None
        if made is not None:
            self.know(node.name, made)
        elif node.op in NOTHING:
            self.know(node.name, [])
        elif node.op == "Const":
            array, dtype = tensor_proto.of_proto(node.attr["value"].tensor)
            self.know(node.name, [constant(array, dtype)], {"output": 0})
            self._label(node)
        elif node.op in self.library.functions:
            inputs = self.inputs_of(node)
            program = self.library.program(node.op, [v.spec for v in inputs])
            stateful = self.library.functions[node.op].signature.is_stateful
            self._emit(node, find("StatefulPartitionedCall" if stateful else "PartitionedCall"), inputs, {
                "Tin": tuple(v.dtype for v in inputs), "Tout": tuple(v.dtype for v in program.outputs), "f": program,
            })  # fmt: skip
            self._parts[node.name] = {
                a.name: i for i, a in enumerate(self.library.functions[node.op].signature.output_arg)
            }
        else:
            self._add_op(node)

    def inputs_of(self, node: Any) -> list[Value]:
        """Return the values that a node takes."""
        return [self.value(text) for text in node.input if not text.startswith("^")]

    def _add_op(self, node: Any) -> None:
        if self.library.allowed_files is not None:
            compares = guard(node, self.place, self.inputs_of(node), self.library.allowed_files)
            if compares is not None:
                self.guards[node.name] = compares
        definition = declared(node, self.place)
        inputs = self.inputs_of(node)
        if self.library.custom is not None and "_gradient_op_type" in node.attr:
            found = self.library.custom(self, node.attr["_gradient_op_type"].s.decode(), inputs)
            if found is not None:
                self._emit(node, found[0], found[1], {})
                self._parts[node.name] = {"output": 0}
                return
        attributes = self.attributes_of(node, definition, inputs)
        self._check_count(node, definition, len(inputs), attributes)
        self._emit(node, definition, inputs, definition.complete(attributes))

    def _check_count(self, node: Any, definition: Op, given: int, attributes: Mapping[str, Any]) -> None:
        """Refuse a node that takes more or fewer tensors than its op does."""
        wanted = 0
        for part in definition.inputs:
            said = (
                attributes.get(part.count if part.shape == "many" else part.element, -1) if part.shape != "one" else 1
            )
            wanted += said if isinstance(said, int) else len(said)
            if isinstance(said, int) and said < 0:
                wanted = -1
                break
        if given != wanted:
            raise errors.InvalidArgumentError(
                None,
                None,
                f"{node.name} in {self.place} is {node.op} and takes {given} tensors"
                f"{f' where its attributes say {wanted}' if wanted >= 0 else ', and does not say of which types'}: the graph "
                "is damaged. Write it anew.",
            )

    def attributes_of(self, node: Any, definition: Op, inputs: Sequence[Value] = ()) -> dict[str, Any]:
        """Return the attributes of a node as the op has them."""
        kinds = kinds_of(definition)
        wanted = {*definition.attributes, *(p.count for p in definition.inputs if p.count)}
        wanted |= {p.element for p in definition.inputs if p.shape == "mixed"}
        calls = self._programs(node, inputs) if node.op in CALLS else {}
        if calls:
            calls |= _types_of(node.op, inputs, calls)
        attributes: dict[str, Any] = {}
        for name, value in node.attr.items():
            if name in calls or name.startswith("_") or (name in SHARING and not self.keeps_sharing):
                continue
            if name not in kinds:
                raise errors.InvalidArgumentError(
                    None,
                    None,
                    f"{node.op} has no attribute {name!r}, which the node {node.name!r} of {self.place} gives; it has "
                    f"{', '.join(kinds)}. Write the graph for TensorFlow 2.21 or older.",
                )
            if name in wanted:
                attributes[name] = of_message(kinds[name], value, self._unexpected)
        return {**attributes, **calls}

    def _unexpected(self, function: Any) -> Program:
        raise errors.UnimplementedError(
            None, None, f"{self.place} hands the function {function.name!r} to an op that takes none here."
        )

    def _programs(self, node: Any, inputs: Sequence[Value]) -> dict[str, Any]:
        """Return the attributes of a node that are functions, for what it is given."""
        specs = [v.spec for v in inputs]
        program = self.library.program
        if "PartitionedCall" in node.op:
            return {"f": program(node.attr["f"].func.name, specs)}
        if node.op.endswith("If"):
            return {k: program(node.attr[k].func.name, specs[1:]) for k in ("then_branch", "else_branch")}
        if node.op.endswith("Case"):
            return {"branches": tuple(program(f.name, specs[1:]) for f in node.attr["branches"].list.func)}
        return self._loop(node, specs)

    def _loop(self, node: Any, specs: list[Spec]) -> dict[str, Any]:
        """Return condition and body of a loop, read with sizes open that turns change."""
        for _ in range(MOST_TURNS):
            body = self.library.program(node.attr["body"].func.name, specs)
            after = [_after_turn(s, v.spec) for s, v in zip(specs, body.outputs, strict=True)]
            if after == specs:
                break
            specs = after
        return {
            "body": body,
            "cond": self.library.program(node.attr["cond"].func.name, specs),
            "output_shapes": (),
        }

    def _emit(self, node: Any, definition: Definition, inputs: Sequence[Value], attributes: dict[str, Any]) -> None:
        try:
            if isinstance(definition, Op):
                definition.check_types(inputs, attributes)
            made = self.program.emit(definition, inputs, attributes)
        except errors.OpError as error:
            error.state(definition.name, line=f"{node.name} in {self.place}")
            raise
        self.know(node.name, made, starts(definition, attributes) if isinstance(definition, Op) else {"output": 0})
        self._label(node)
        for value, shape in zip(made, node.attr["_output_shapes"].list.shape, strict=False):
            say_more(value, shape_of(shape))

    def _label(self, node: Any) -> None:
        self.program.nodes[-1].label = self.label(node.name)


def _types_of(op: str, inputs: Sequence[Value], calls: Mapping[str, Any]) -> dict[str, Any]:
    """Return the type attributes of an op that runs functions, from what it is given and what these give."""
    if op.endswith("While"):
        return {"T": tuple(v.dtype for v in inputs)}
    first = calls.get("f") or calls.get("then_branch") or calls["branches"][0]
    given = inputs if "f" in calls else inputs[1:]
    return {"Tin": tuple(v.dtype for v in given), "Tout": tuple(v.dtype for v in first.outputs)}


def _after_turn(start: Spec, after: Spec) -> Spec:
    """Return the spec that covers a value of a loop before and after a turn."""
    if start == after or start.shape is None or start.dtype in (dtypes.variant, dtypes.resource):
        return start
    if after.shape is None or len(after.shape) != len(start.shape):
        return Spec(start.dtype, None, None, start.handle)
    sizes = [
        m if m == n or (not is_known(m) and str(m).startswith("loop")) else fresh_symbol("loop")
        for m, n in zip(start.shape, after.shape, strict=True)
    ]
    return Spec(start.dtype, sizes, None, start.handle)


def say_more(value: Value, shape: Sequence[int] | None) -> None:
    """Take over sizes of a shape that the file states and that are not known here."""
    spec = value.spec
    if shape is None or spec.dtype in (dtypes.resource, dtypes.variant):
        return
    if spec.shape is None:
        value.spec = spec.with_shape(fresh_symbol("n") if n < 0 else n for n in shape)
    elif len(shape) == len(spec.shape):
        sizes = tuple(old if n < 0 or is_known(old) else n for old, n in zip(spec.shape, shape, strict=True))
        if sizes != spec.shape:
            value.spec = spec.with_shape(sizes)


def starts(definition: Op, attributes: Mapping[str, Any]) -> dict[str, int]:
    """Return where each named output of a node begins among all that it gives."""
    found: dict[str, int] = {}
    at = 0
    for name, part in zip(definition.output_names, definition.results, strict=True):
        found[name] = at
        if part.shape == "one":
            at += 1
        else:
            at += attributes[part.count] if part.shape == "many" else len(attributes[part.element])
    return found


def declared(node: Any, place: str) -> Op:
    """Return the op of a node; NotFoundError where it is not declared."""
    try:
        return find(node.op)
    except KeyError:
        raise errors.NotFoundError(
            None,
            None,
            f"Op type not registered '{node.op}': the node {node.name!r} of {place} needs it, and Millstream does not declare "
            "it. Leave that part out of the graph, or declare the op in millstream/ops (CONTRIBUTING.md says how).",
        ) from None


def name_of_input(text: str) -> str:
    """Return the node or argument that an input's text names."""
    return text.removeprefix("^").partition(":")[0]


def in_order(nodes: Iterable[Any], known: Mapping[str, Any], place: str) -> list[Any]:
    """Return nodes so that each comes after those that it takes or waits for, otherwise as they were."""
    named = {node.name: node for node in nodes}
    done: dict[str, bool] = {}
    found: list[Any] = []
    for start in named:
        stack = [(start, iter(named[start].input))] if start not in done else []
        done.setdefault(start, False)
        while stack:
            name, inputs = stack[-1]
            for text in inputs:
                needed = name_of_input(text)
                if needed in known or done.get(needed) or needed not in named:
                    continue
                if needed in done:
                    raise errors.InvalidArgumentError(
                        None,
                        None,
                        f"{place} runs in a circle through {needed!r} ({named[needed].op}): a version-1 loop that is not of the "
                        "form that tf.while_loop writes. Build the graph with version-2 control flow.",
                    )
                done[needed] = False
                stack.append((needed, iter(named[needed].input)))
                break
            else:
                stack.pop()
                done[name] = True
                found.append(named[name])
    return found
