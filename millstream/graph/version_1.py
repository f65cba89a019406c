"""Raise the control flow of version-1 graphs: Switch, Merge, Enter, Exit and NextIteration become If and While.

What `tf.cond` and `tf.while_loop` wrote is understood; other uses of these nodes raise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from millstream.base import errors
from millstream.base.messages import message
from millstream.graph.reading import name_of_input
from millstream.graph.version_1_arrays import ARRAYS, LEAST_INPUTS, as_lists

SWITCHES = ("Switch", "RefSwitch")
MERGES = ("Merge", "RefMerge")
ENTERS = ("Enter", "RefEnter")
EXITS = ("Exit", "RefExit")
NEXTS = ("NextIteration", "RefNextIteration")


_LEAST_INPUTS = {
    **dict.fromkeys((*SWITCHES, "Assign", "AssignVariableOp", "AssignAdd", "AssignSub", "Restore"), 2), "SaveV2": 3, "RestoreV2": 3,
    **dict.fromkeys((*MERGES, *ENTERS, *EXITS, *NEXTS, "LoopCond", "Identity", "IsVariableInitialized"), 1),
    "PlaceholderWithDefault": 1, "ReadVariableOp": 1, **LEAST_INPUTS,
}  # fmt: skip


def check_inputs(nodes: Iterable[Any]) -> None:
    """Refuse nodes of control flow and of variables that take too little.

    Raises:
      InvalidArgumentError: for the first of them.
    """
    for node in nodes:
        least = _LEAST_INPUTS.get(node.op, 0)
        given = sum(not text.startswith("^") for text in node.input[: least + 1])
        if given < least:
            raise errors.InvalidArgumentError(
                None, None, f"{node.name} is {node.op}, takes {given} inputs and needs {least}: the graph is damaged."
            )


def has_version_1(nodes: Iterable[Any]) -> bool:
    """Return whether there is anything to raise."""
    return any(node.op in MERGES or node.op in ENTERS or node.op == ARRAYS for node in nodes)


def raised(nodes: Iterable[Any], functions: dict[str, Any]) -> tuple[list[Any], Callable[[str], str]]:
    """Return the nodes with loops and branches as single nodes, and what outputs are called now.

    The functions of loops and branches are added to `functions`. The nodes that are given are changed.
    """
    nodes = list(nodes)
    check_inputs(nodes)
    raiser = _Raiser(as_lists(nodes), functions)
    return raiser.nodes, raiser._here


def _plain(text: str) -> str:
    """Return `name:index` of a data input."""
    name, _, index = text.partition(":")
    return f"{name}:{index or 0}"


class _Raiser:
    def __init__(self, nodes: Iterable[Any], functions: dict[str, Any]) -> None:
        self.by_name = {node.name: node for node in nodes}
        self.functions = functions
        self._moved: dict[str, str] = {}
        """What stands for outputs of nodes that are gone, as `name:index`."""
        self._gone: set[str] = set()
        self._raise_loops()
        # What still enters a loop is inside of another one.
        self._gone |= {n.name for n in self.by_name.values() if n.op in ENTERS}
        self._drop_insides()
        self._raise_branches()
        self._gone |= {n.name for n in self.by_name.values() if n.op in SWITCHES}
        self._drop_insides()
        self.nodes = list(self.by_name.values())

    def _drop_insides(self) -> None:
        """Leave out what only the insides of loops and branches used."""
        found = True
        while found:
            found = False
            for node in list(self.by_name.values()):
                taken = {name_of_input(t) for t in node.input if not t.startswith("^")}
                if node.name in self._gone or taken & self._gone:
                    self._gone.add(node.name)
                    del self.by_name[node.name]
                    found = True

    def _follow_moved(self, node: Any) -> None:
        """Make a node take what stands for what is gone."""
        inputs = []
        for text in node.input:
            if text.startswith("^"):
                # A loop or branch that is gone is waited for at what stands for it.
                moved = self._moved.get(f"{text[1:]}:0")
                name = name_of_input(moved) if moved is not None else text[1:]
                if name in self.by_name and name != node.name:
                    inputs.append(f"^{name}")
            else:
                inputs.append(self._here(text))
        if list(node.input) != inputs:
            del node.input[:]
            node.input.extend(inputs)

    def _here(self, text: str) -> str:
        place = _plain(text)
        while place in self._moved:
            place = self._moved[place]
        return place.removesuffix(":0")

    def _consumers(self) -> dict[str, list[Any]]:
        found: dict[str, list[Any]] = {}
        for node in self.by_name.values():
            for text in node.input:
                found.setdefault(name_of_input(text), []).append(node)
        return found

    def _raise_loops(self) -> None:
        frames: dict[str, list[Any]] = {}
        for node in self.by_name.values():
            if node.op in ENTERS:
                frames.setdefault(node.attr["frame_name"].s.decode(), []).append(node)
        inner = self._inner_frames(frames)
        for frame, enters in frames.items():
            if frame not in inner:
                self._raise_loop(frame, enters)

    def _inner_frames(self, frames: Mapping[str, list[Any]]) -> set[str]:
        """Return the loops that lie inside of others: they are raised with the bodies of these."""
        consumers = self._consumers()
        found = set()
        for frame, enters in frames.items():
            seen: set[str] = set()
            waiting = [e.name for e in enters]
            while waiting:
                for node in consumers.get(waiting.pop(), ()):
                    if node.op in EXITS and self._frame_of_exit(node) == frame:
                        continue
                    if node.op in ENTERS:
                        inside = node.attr["frame_name"].s.decode()
                        if inside != frame:
                            found.add(inside)
                    if node.name not in seen and node.op not in NEXTS:
                        seen.add(node.name)
                        waiting.append(node.name)
        return found

    def _frame_of_exit(self, exit_: Any) -> str | None:
        switch = self.by_name.get(name_of_input(exit_.input[0]))
        merge = self.by_name.get(name_of_input(switch.input[0])) if switch is not None else None
        for text in merge.input if merge is not None else ():
            enter = self.by_name.get(name_of_input(text))
            if enter is not None and enter.op in ENTERS:
                return str(enter.attr["frame_name"].s.decode())
        return None

    def _raise_loop(self, frame: str, enters: list[Any]) -> None:
        consumers = self._consumers()
        carried: list[Any] = []
        invariant: list[Any] = []
        for enter in enters:
            merge = next((n for n in consumers.get(enter.name, ()) if n.op in MERGES), None)
            (carried if merge is not None else invariant).append((enter, merge))
        parts = []
        test = None
        for enter, merge in carried:
            switch = next(
                (
                    n
                    for n in consumers.get(merge.name, ())
                    if n.op in SWITCHES and name_of_input(n.input[0]) == merge.name
                ),
                None,
            )
            following = next(
                (n for t in merge.input if (n := self.by_name.get(name_of_input(t))) is not None and n.op in NEXTS),
                None,
            )
            test = None if switch is None else self.by_name.get(name_of_input(switch.input[1]))
            if switch is None or following is None or test is None:
                raise _not_understood(frame, merge)
            leaving = next((n for n in consumers.get(switch.name, ()) if n.op in EXITS), None)
            parts.append((enter, merge, switch, following, leaving))
        if test is None:
            raise _not_understood(frame, enters[0])
        constants = {f"{e.name}:0": f"invariant_{i}" for i, (e, _) in enumerate(invariant)}
        at_test = {f"{m.name}:0": f"carried_{i}" for i, (_, m, _, _, _) in enumerate(parts)} | constants
        at_body = {f"{s.name}:1": f"carried_{i}" for i, (_, _, s, _, _) in enumerate(parts)} | constants
        arguments = [*(f"carried_{i}" for i in range(len(parts))), *constants.values()]
        # Behind the test only the pivots know of it.
        condition = self._function(f"{frame}_cond", arguments, at_test, [_plain(test.input[0])], set())
        stops = {s.name for _, _, s, _, _ in parts} | {test.name}
        results = [_plain(n.input[0]) for _, _, _, n, _ in parts] + list(constants)
        body = self._function(f"{frame}_body", arguments, at_body, results, stops)
        name = self._unused(frame)
        made = message("NodeDef")(name=name, op="While")
        made.input.extend(e.input[0] for e, _, _, _, _ in parts)
        made.input.extend(e.input[0] for e, _ in invariant)
        made.input.extend(sorted({t for e in enters for t in e.input if t.startswith("^")}))
        made.attr["cond"].func.name, made.attr["body"].func.name = condition, body
        for i, (_, _, _, _, leaving) in enumerate(parts):
            if leaving is not None:
                self._moved[f"{leaving.name}:0"] = f"{name}:{i}"
        gone = {e.name for e in enters} | {n.name for p in parts for n in p if n is not None} | {test.name}
        self._replace(gone, made)

    def _raise_branches(self) -> None:
        groups: dict[tuple[str, str], list[Any]] = {}
        for node in self.by_name.values():
            if node.op in MERGES:
                groups.setdefault((node.name.rpartition("/")[0], self._predicate(node)), []).append(node)
        for (scope, predicate), merges in groups.items():
            if merges[0].name in self.by_name:
                self._raise_branch(scope or merges[0].name, predicate, merges)

    def _predicate(self, merge: Any) -> str:
        """Return the condition that decides a Merge: that of the nearest Switch which is not closed by another Merge."""
        open_ = [(name_of_input(merge.input[0]), 0)]
        seen = set()
        while open_:
            name, depth = open_.pop(0)
            node = self.by_name.get(name)
            if node is None or (name, depth) in seen:
                continue
            seen.add((name, depth))
            if node.op in SWITCHES:
                if not depth:
                    return self._condition(node.input[1])
                depth -= 1
            elif node.op in MERGES:
                depth += 1
            open_ += [(name_of_input(t), depth) for t in node.input]
        raise _not_understood(merge.name, merge)

    def _condition(self, text: str) -> str:
        """Return a condition as it was before any Identity."""
        node = self.by_name.get(name_of_input(text))
        while node is not None and node.op == "Identity":
            text = node.input[0]
            node = self.by_name.get(name_of_input(text))
        return _plain(text)

    def _raise_branch(self, scope: str, predicate: str, merges: list[Any]) -> None:
        switches = {
            n.name: n for n in self.by_name.values() if n.op in SWITCHES and self._condition(n.input[1]) == predicate
        }
        switches = self._before(merges, switches)
        inside = self._reached(switches, {m.name for m in merges})
        arguments: dict[str, str] = {}
        functions = []
        for side in (0, 1):
            places: dict[str, str] = {}
            for name, switch in switches.items():
                source = _plain(switch.input[0])
                places[f"{name}:{side}"] = arguments.setdefault(source, f"arg_{len(arguments)}")
            functions.append((f"{scope}_{('false', 'true')[side]}", places, [_plain(m.input[side]) for m in merges]))
        for _, places, results in functions:
            self._add_outside(results, places, inside, switches, arguments)
        names = [
            self._function(title, list(arguments.values()), places, results, set(switches), inside)
            for title, places, results in functions
        ]
        name = self._unused(scope)
        made = message("NodeDef")(name=name, op="If")
        made.input.extend([predicate, *arguments])
        made.attr["else_branch"].func.name, made.attr["then_branch"].func.name = names
        for i, merge in enumerate(merges):
            self._moved[f"{merge.name}:0"] = f"{name}:{i}"
        self._replace({m.name for m in merges}, made)

    def _before(self, merges: Iterable[Any], switches: Mapping[str, Any]) -> dict[str, Any]:
        """Return the Switches that Merges come from: others of one condition are of other branches."""
        found: dict[str, Any] = {}
        seen: set[str] = set()
        waiting = [name_of_input(text) for merge in merges for text in merge.input]
        while waiting:
            name = waiting.pop()
            if name in seen:
                continue
            seen.add(name)
            if name in switches:
                found[name] = switches[name]
            elif name in self.by_name:
                waiting += [name_of_input(text) for text in self.by_name[name].input]
        return found

    def _reached(self, starts: Mapping[str, Any], ends: set[str]) -> set[str]:
        """Return the nodes behind Switches, up to the Merges."""
        consumers = self._consumers()
        found: set[str] = set()
        waiting = list(starts)
        while waiting:
            for node in consumers.get(waiting.pop(), ()):
                if node.name not in found and node.name not in ends and node.name not in starts:
                    found.add(node.name)
                    waiting.append(node.name)
        return found

    def _add_outside(
        self,
        results: list[str],
        places: dict[str, str],
        inside: set[str],
        switches: Mapping[str, Any],
        arguments: dict[str, str],
    ) -> None:
        """Make arguments of what a branch takes from outside without a Switch."""
        waiting, seen = list(results), set()
        while waiting:
            text = waiting.pop()
            if text in places or text in seen:
                continue
            seen.add(text)
            name = name_of_input(text)
            if name in inside:
                waiting += [_plain(t) for t in self.by_name[name].input if not t.startswith("^")]
            elif name not in switches:
                places[text] = arguments.setdefault(text, f"arg_{len(arguments)}")

    def _function(
        self,
        title: str,
        arguments: list[str],
        places: Mapping[str, str],
        results: list[str],
        stops: set[str],
        inside: set[str] | None = None,
    ) -> str:
        """Write the nodes behind `results`, back to `places`, as a function; loops and branches in it are raised too."""
        taken: dict[str, Any] = {}
        border = {name_of_input(place) for place in places} | stops
        waiting = [name_of_input(t) for t in results if t not in places]
        while waiting:
            name = waiting.pop()
            node = self.by_name.get(name)
            if node is None or name in taken or name in stops or (inside is not None and name not in inside):
                continue
            copy = message("NodeDef")()
            copy.CopyFrom(node)
            taken[name] = copy
            for text in node.input:
                if text[1:] in border if text.startswith("^") else _plain(text) in places:
                    continue
                waiting.append(name_of_input(text))
        for copy in taken.values():
            inputs = []
            for text in copy.input:
                if text.startswith("^"):
                    if text[1:] in taken:
                        inputs.append(text)
                else:
                    inputs.append(places.get(_plain(text), text))
            del copy.input[:]
            copy.input.extend(inputs)
        inner = _Raiser([taken[n] for n in self.by_name if n in taken], self.functions)
        made = message("FunctionDef")()
        count = sum(1 for f in self.functions if f.startswith(title))
        made.signature.name = f"{title}_{count}" if count else title
        for argument in arguments:
            made.signature.input_arg.add(name=argument)
        for i, text in enumerate(results):
            made.signature.output_arg.add(name=f"result_{i}")
            made.ret[f"result_{i}"] = places.get(text) or inner._here(text)
        made.node_def.extend(inner.nodes)
        self.functions[made.signature.name] = made
        return str(made.signature.name)

    def _unused(self, name: str) -> str:
        count = 0
        chosen = name
        while chosen in self.by_name:
            count += 1
            chosen = f"{name}_{count}"
        return chosen

    def _replace(self, gone: set[str], made: Any) -> None:
        for name in gone:
            del self.by_name[name]
        self._gone |= gone
        self.by_name[made.name] = made
        for node in self.by_name.values():
            self._follow_moved(node)


def _not_understood(place: str, node: Any) -> errors.UnimplementedError:
    return errors.UnimplementedError(
        None,
        None,
        f"The version-1 control flow at {place!r} ({node.op} {node.name!r}) is not of the form that tf.cond and tf.while_loop "
        "write; build the graph with version-2 control flow (tf.compat.v1.enable_control_flow_v2()).",
    )
