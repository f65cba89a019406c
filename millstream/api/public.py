"""The table of public names. Each public object is registered once, under all names that TensorFlow gives it."""

from __future__ import annotations

import functools
import inspect
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from millstream.base.composite import CompositeArgument
from millstream.base.errors import user_line

PUBLIC: dict[str, Any] = {}
"""Public objects by name without the leading `tf.`, such as `nn.relu`."""

Object = TypeVar("Object")


def public(*names: str) -> Callable[[Object], Object]:
    """Publish the decorated function or class as tf.<name> for each of `names`."""

    def register(item: Object) -> Object:
        published: Any = item
        rules = [RULES[name] for name in names if name in RULES]
        if _root is not None and rules:
            published = _guarded(item, rules[0])
        for name in names:
            _publish(name, published)
        return item

    return register


def publish(name: str, item: Any) -> None:
    """Publish `item` as tf.<name>."""
    public(name)(item)


def _publish(name: str, item: Any) -> None:
    if name in PUBLIC and PUBLIC[name] is not item:
        raise ValueError(f"tf.{name} is published twice.")
    PUBLIC[name] = item
    _place(name, item)
    for watcher in _watchers.pop(name, ()):
        watcher(item)


def replace(name: str, item: Any) -> None:
    """Publish `item` as tf.<name> in the place of what that was."""
    PUBLIC[name] = item
    _place(name, item)


_watchers: dict[str, list[Callable[[Any], None]]] = {}


def when_published(name: str, watcher: Callable[[Any], None]) -> None:
    """Call `watcher` with tf.<name>: now, or when its namespace is loaded."""
    if name in PUBLIC:
        watcher(PUBLIC[name])
    else:
        _watchers.setdefault(name, []).append(watcher)


def composite_rule(*names: str) -> Callable[[Object], Object]:
    """Give tf.<name> an answer for composite tensors: the decorated function, called with the same arguments.

    It is asked only when the conversion of an argument to a tensor meets a composite tensor, and returns NotImplemented where
    that is not its own.
    """

    def register(rule: Object) -> Object:
        for name in names:
            RULES.setdefault(name, []).append(rule)
        return rule

    return register


RULES: dict[str, list[Any]] = {}
"""What public functions do with composite tensors, by name."""


def _guard_all() -> None:
    """Put a guard in the place of each function that has rules, under all of its names."""
    guards: dict[int, Any] = {}
    for name, rules in RULES.items():
        function = PUBLIC.get(name)
        if function is not None:
            guards[id(function)] = _guarded(function, rules)
    for name, item in PUBLIC.items():
        PUBLIC[name] = guards.get(id(item), item)


_makers: dict[str, Callable[..., Any]] = {}


def _guarded(function: Any, rules: list[Any]) -> Any:
    """Return a function of the same parameters, written out: a call through it costs next to nothing."""
    code = function.__code__
    names = code.co_varnames
    plain = names[: code.co_argcount]
    only = names[code.co_argcount : code.co_argcount + code.co_kwonlyargcount]
    rest = iter(names[code.co_argcount + code.co_kwonlyargcount :])
    star = [f"*{next(rest)}"] if code.co_flags & inspect.CO_VARARGS else []
    pairs = [f"**{next(rest)}"] if code.co_flags & inspect.CO_VARKEYWORDS else []
    head = ", ".join([*plain, *(star or ["*"] * bool(only)), *only, *pairs])
    passed = ", ".join([*plain, *star, *(f"{n}={n}" for n in only), *pairs])
    made = _makers.get(head)
    if made is None:
        text = (
            "def make(function, rules, CompositeArgument, answer):\n"
            f"    def guarded({head}):\n"
            "        try:\n"
            f"            return function({passed})\n"
            "        except CompositeArgument as error:\n"
            "            refused = error.args[0]\n"
            f"        return answer(rules, refused, {passed})\n"
            "    return guarded\n"
        )
        scope: dict[str, Any] = {}
        # In this folder, so that it is nobody's own code, but no file: its lines are not to be shown.
        exec(compile(text, __file__.removesuffix(".py") + "_guard", "exec"), scope)
        made = _makers[head] = scope["make"]
    guarded = made(function, rules, CompositeArgument, _answer)
    guarded.__defaults__, guarded.__kwdefaults__ = function.__defaults__, function.__kwdefaults__
    return functools.update_wrapper(guarded, function)


def _answer(rules: list[Any], refused: Any, *args: Any, **kwargs: Any) -> Any:
    for rule in rules:
        result = rule(*args, **kwargs)
        if result is not NotImplemented:
            return result
    raise CompositeArgument(refused, user_line())


LATER: dict[str, Callable[[], None]] = {}
"""How to publish the names of a namespace that is loaded when something in it is first asked for."""

BESIDE = {"io": "image"}
"""Another family that publishes names of a namespace: it is tried before all the others are loaded."""

_root: types.ModuleType | None = None


def build(root: types.ModuleType) -> None:
    """Make the public modules (`millstream.nn`, `millstream.io.gfile` …) under `root`; names published later are added."""
    global _root
    _guard_all()
    _root = root
    for name, item in PUBLIC.items():
        _place(name, item)
    for namespace in LATER:
        if not any((Path(folder) / namespace).is_dir() for folder in root.__path__):
            _module(namespace)
        _module(f"compat.v1.{namespace}")


def root() -> Any:
    """Return the public module itself, for families that are loaded late and call public functions by their names."""
    return _root


def load_later(namespace: str | None = None) -> None:
    """Publish the names of a namespace that waits, or of all of them."""
    for waiting in [namespace] if namespace in LATER else list(LATER) if namespace is None else []:
        # A family that is loaded may ask for another one.
        load = LATER.pop(waiting, None)
        if load is None:
            continue
        try:
            load()
        except BaseException:
            LATER[waiting] = load
            raise


def missing(path: str, leaf: str) -> Any:
    """Return tf.<path>.<leaf>, which is not there yet: what waits to be loaded is loaded.

    Raises:
      AttributeError: where there is no such public name.
    """
    if not leaf.startswith("__"):
        name = f"{path}.{leaf}" if path else leaf
        plain = name.removeprefix("compat.v1.")
        own = "compat.v1" if plain is not name else plain
        first = plain.partition(".")[0]
        for load in (first, ".".join(plain.split(".")[:2]), own, BESIDE.get(first, first)):
            load_later(load)
            module = _module(path)
            if leaf in module.__dict__:
                return module.__dict__[leaf]
        found = _of_version_2(name)
        if found is not None:
            return found
        load_later(None)
        if leaf in _module(path).__dict__:
            return _module(path).__dict__[leaf]
        raise AttributeError(f"module 'millstream' has no attribute {name!r}; tf.{name} may not be supported yet.")
    raise AttributeError(leaf)


def _of_version_2(name: str) -> Any:
    """Return what a name of tf.compat.v1 or tf.compat.v2 is in version 2; None where it is nothing there."""
    for prefix in ("compat.v2", "compat.v1.compat.v2"):
        if name == prefix:
            return _module(name)
        if name.startswith(f"{prefix}."):
            return _named(name.removeprefix(f"{prefix}."))
    if not name.startswith("compat.v1."):
        return None
    from millstream.api.compat_v1_names import names, namespaces

    plain = name.removeprefix("compat.v1.")
    if plain == "keras":
        return _root.keras  # type: ignore[union-attr]
    if plain.startswith("raw_ops.") or plain in names():
        found = _named(names().get(plain, plain))
        if found is not None:
            _place(name, found)
        return found
    return _module(name) if plain in namespaces() or plain == "raw_ops" else None


def _named(name: str) -> Any:
    """Return tf.<name>, None where it is not there."""
    found: Any = _root
    for part in name.split("."):
        found = getattr(found, part, None)
    return found


def _place(name: str, item: Any) -> None:
    if _root is not None:
        path, _, leaf = name.rpartition(".")
        setattr(_module(path), leaf, item)


def _module(path: str) -> types.ModuleType:
    """Return the module tf.<path>, which is made where there is none."""
    assert _root is not None
    module, full = _root, _root.__name__
    for part in path.split(".") if path else ():
        full = f"{full}.{part}"
        inner = sys.modules.get(full)
        # A room of the same name (millstream.data) carries the public names itself.
        if inner is None:
            inner = _namespace(full, full.partition(".")[2])
        setattr(module, part, inner)
        module = inner
    return module


def _namespace(full: str, path: str) -> types.ModuleType:
    def names() -> list[str]:
        load_later(path.removeprefix("compat.v1."))
        return sorted(made.__dict__)

    made = types.ModuleType(full, f"Public names of tf.{path}.")
    made.__dict__.update(__path__=[], __getattr__=functools.partial(missing, path), __dir__=names)
    sys.modules[full] = made
    return made
