"""Nested structures (`tf.nest`): flatten, rebuild, map and compare them. Refuses structures that differ, with TensorFlow's texts.

Nested are lists, tuples, mappings (in the order of their sorted keys), mapping views, attrs classes, classes with
`__tf_flatten__` and other sequences except text; with `expand_composites`, composite tensors and type specs, too.
"""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, MappingView, MutableMapping, Sequence
from typing import Any, Final, Protocol, runtime_checkable

from millstream.base.errors import explain, type_error, value_error

_LEAF, _SEQUENCE, _NAMED, _MUTABLE_MAPPING, _MAPPING, _VIEW, _ATTRS, _CUSTOM, _COMPOSITE, _TYPE_SPEC = range(10)

# What a class is; proxies, whose class says nothing, are not kept here.
_kinds: Final[dict[type, int]] = {int: _LEAF, float: _LEAF, str: _LEAF, bytes: _LEAF, list: _SEQUENCE, tuple: _SEQUENCE}
_MOST_KINDS: Final = 4096


@runtime_checkable
class CustomNestProtocol(Protocol):
    """A class that says itself how it is taken apart and put together."""

    def __tf_flatten__(self) -> tuple[Any, tuple[Any, ...]]: ...

    @classmethod
    def __tf_unflatten__(cls, metadata: Any, components: tuple[Any, ...]) -> Any: ...


def _is_proxy_class(cls: type) -> bool:
    return hasattr(cls, "__wrapped__")


def _kind(value: Any) -> int:
    cls = type(value)
    kind = _kinds.get(cls)
    if kind is not None:
        return kind
    if _is_proxy_class(cls):
        return _find_kind(value.__class__)
    if len(_kinds) >= _MOST_KINDS:
        _kinds.clear()
    kind = _kinds[cls] = _find_kind(cls)
    return kind


def _find_kind(cls: type) -> int:
    if issubclass(cls, (str, bytes)):
        return _LEAF
    # CompositeTensor and TypeSpec stand on this file, so they say by an attribute what they are.
    if (nested_as := getattr(cls, "_nested_as", None)) is not None:
        return {"leaf": _LEAF, "composite": _COMPOSITE, "type_spec": _TYPE_SPEC}[nested_as]
    if issubclass(cls, MutableMapping):
        return _MUTABLE_MAPPING
    if issubclass(cls, Mapping):
        return _MAPPING
    if issubclass(cls, MappingView):
        return _VIEW
    if hasattr(cls, "__attrs_attrs__"):
        return _ATTRS
    if hasattr(cls, "__tf_flatten__") and hasattr(cls, "__tf_unflatten__"):
        return _CUSTOM
    if issubclass(cls, tuple) and _has_fields(cls):
        return _NAMED
    return _SEQUENCE if issubclass(cls, Sequence) else _LEAF


def _has_fields(cls: type) -> bool:
    fields = getattr(cls, "_fields", None)
    return isinstance(fields, Sequence) and all(isinstance(field, str) for field in fields)


def is_nested(seq: Any) -> bool:
    """Whether the value is a structure rather than a leaf."""
    return 0 < _kind(seq) < _COMPOSITE


def is_nested_or_composite(structure: Any) -> bool:
    """Whether the value is a structure, a composite tensor or a composite type spec."""
    return _kind(structure) != _LEAF


def _test(expand_composites: bool) -> Callable[[Any], bool]:
    return is_nested_or_composite if expand_composites else is_nested


def is_mapping(value: Any) -> bool:
    """Whether the value is a mapping."""
    return isinstance(value, Mapping)


def is_attrs(value: Any) -> bool:
    """Whether the value is an instance of an attrs class."""
    return hasattr(type(value), "__attrs_attrs__")


def is_namedtuple(value: Any, strict: bool = False) -> bool:
    """Whether the value is a named tuple; with `strict`, one whose class derives from `tuple` directly."""
    cls = value.__class__
    return issubclass(cls, tuple) and (not strict or cls.__bases__ == (tuple,)) and _has_fields(cls)


def same_namedtuples(left: Any, right: Any) -> bool:
    """Whether two named tuples have the same class name and fields."""
    return type(left).__name__ == type(right).__name__ and tuple(left._fields) == tuple(right._fields)


def _sorted_keys(mapping: Any) -> list[Any]:
    try:
        return sorted(mapping)
    except TypeError as error:
        # TensorFlow lets the comparison's own text through.
        raise type_error(str(error)) from None


def _attrs_names(value: Any) -> list[str]:
    return [attribute.name for attribute in type(value).__attrs_attrs__]


def _children(value: Any, kind: int) -> Any:
    """The parts of a structure, in order."""
    if kind in (_SEQUENCE, _VIEW, _NAMED):
        return value
    if kind in (_MUTABLE_MAPPING, _MAPPING):
        return [value[key] for key in _sorted_keys(value)]
    if kind == _ATTRS:
        return [getattr(value, name) for name in _attrs_names(value)]
    if kind == _COMPOSITE:
        return (value._type_spec._to_components(value),)
    if kind == _TYPE_SPEC:
        return (value._component_specs,)
    components = value.__tf_flatten__()[1]
    if not isinstance(components, tuple):
        raise type_error(f"{type(value).__name__}.__tf_flatten__ must give (metadata, tuple of components).")
    return components


def _items(value: Any) -> Iterator[tuple[Any, Any]]:
    """The parts of a structure with their names or positions, in order."""
    kind = _kind(value)
    if kind in (_MUTABLE_MAPPING, _MAPPING):
        for key in _sorted_keys(value):
            yield key, value[key]
    elif kind == _NAMED:
        yield from zip(value._fields, value)
    elif kind == _ATTRS:
        yield from zip(_attrs_names(value), _children(value, kind))
    elif kind == _COMPOSITE:
        yield value._type_spec.value_type.__name__, _children(value, kind)[0]
    elif kind == _TYPE_SPEC:
        yield value.value_type.__name__, value._component_specs
    else:
        yield from enumerate(_children(value, kind))


def flatten(structure: Any, expand_composites: bool = False) -> list[Any]:
    """All leaves of a structure, in order."""
    last = _TYPE_SPEC if expand_composites else _CUSTOM
    kind = _kind(structure)
    if kind == _LEAF or kind > last:
        return [structure]
    leaves: list[Any] = []
    _flatten(structure, kind, last, leaves)
    return leaves


def _flatten(structure: Any, kind: int, last: int, leaves: list[Any]) -> None:
    for child in _children(structure, kind):
        child_kind = _kinds.get(type(child))
        if child_kind is None:
            child_kind = _kind(child)
        if child_kind == _LEAF or child_kind > last:
            leaves.append(child)
        else:
            _flatten(child, child_kind, last, leaves)


def sequence_like(instance: Any, parts: Any) -> Any:
    """The parts in a structure of the same class as `instance`."""
    cls = type(instance)
    if cls is list or cls is tuple:
        return cls(parts)
    kind = _kind(instance)
    if kind == _MUTABLE_MAPPING:
        values = dict(zip(_sorted_keys(instance), parts))
        made: Any = defaultdict(instance.default_factory) if cls is defaultdict else cls()
        for key in instance:
            made[key] = values[key]
        return made
    if kind == _MAPPING:
        return _mapping_like(instance, parts)
    if kind == _VIEW:
        return list(parts)
    if kind in (_NAMED, _ATTRS):
        return (type(instance.__wrapped__) if _is_proxy_class(cls) else cls)(*parts)
    if kind in (_COMPOSITE, _TYPE_SPEC):
        (components,) = parts
        spec = instance._type_spec if kind == _COMPOSITE else instance
        return spec._from_components(components)
    if isinstance(instance, range):
        return list(parts)
    if _is_proxy_class(cls):
        return cls(sequence_like(instance.__wrapped__, parts))
    if kind == _CUSTOM:
        return instance.__tf_unflatten__(instance.__tf_flatten__()[0], tuple(parts))
    return cls(parts)


def _mapping_like(instance: Any, parts: Any) -> Any:
    cls = type(instance)
    values = dict(zip(_sorted_keys(instance), parts))
    if not getattr(cls, "__supported_by_tf_nest__", False):
        warnings.warn(
            f"Mapping types may not work well with tf.nest. Prefer using MutableMapping for {cls}", stacklevel=2
        )
    try:
        return cls((key, values[key]) for key in instance)
    except TypeError as error:
        raise type_error(
            f"Error creating an object of type {cls} like {instance}. Note that it must accept a single positional "
            f"argument representing an iterable of key-value pairs, in addition to self. Cause: {error}"
        ) from error


def pack_sequence_as(structure: Any, flat_sequence: Any, expand_composites: bool = False) -> Any:
    """The flat values in the form of `structure`; the reverse of `flatten`."""
    return _pack(structure, flat_sequence, expand_composites, sequence_like)


def _pack(structure: Any, flat: Any, expand_composites: bool, like: Callable[[Any, Any], Any]) -> Any:
    is_branch = _test(expand_composites)
    if not is_branch(flat):
        raise type_error(
            f"Attempted to pack value:\n  {_shortened(flat)}\ninto a structure, but found incompatible type "
            f"`{type(flat)}` instead."
        )
    if not is_branch(structure):
        if len(flat) != 1:
            raise value_error(
                f"The target structure is of type `{type(structure)}`\n  {_shortened(structure)}\nHowever the input is "
                f"a sequence ({type(flat)}) of length {len(flat)}.\n  {_shortened(flat)}\nnest cannot guarantee that "
                "it is safe to map one to the other."
            )
        return flat[0]
    last = _TYPE_SPEC if expand_composites else _CUSTOM
    try:
        used, packed = _rebuild(structure, _kind(structure), last, flat, 0, like)
        complete = used == len(flat)
    except IndexError:
        complete = False
    if not complete:
        atoms = len(flatten(structure, expand_composites))
        raise value_error(
            f"Could not pack sequence. Structure had {atoms} atoms, but flat_sequence had {len(flat)} items.  "
            f"Structure: {structure}, flat_sequence: {flat}."
        )
    return packed


def _rebuild(
    structure: Any, kind: int, last: int, flat: Any, position: int, like: Callable[[Any, Any], Any]
) -> tuple[int, Any]:
    parts = []
    for child in _children(structure, kind):
        child_kind = _kind(child)
        if child_kind == _LEAF or child_kind > last:
            parts.append(flat[position])
            position += 1
        else:
            position, part = _rebuild(child, child_kind, last, flat, position, like)
            parts.append(part)
    return position, like(structure, parts)


def _shortened(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 100 else text[:100] + "..."


def map_structure(func: Callable[..., Any], *structure: Any, **kwargs: Any) -> Any:
    """The structure with `func` applied to the corresponding leaves of all given ones."""
    if not callable(func):
        raise type_error(f"func must be callable, got: {func}")
    if not structure:
        raise value_error("Must provide at least one structure")
    check_types = expand_composites = None
    if kwargs:
        check_types = kwargs.pop("check_types", None)
        expand_composites = kwargs.pop("expand_composites", None)
        if kwargs:
            raise value_error(
                f"Only valid keyword arguments are `check_types` and `expand_composites`, not: `{'`, `'.join(kwargs)}`"
            )
    first = structure[0]
    expand = bool(expand_composites)
    if len(structure) == 1:
        if not _test(expand)(first):
            return func(first)
        return pack_sequence_as(first, [func(leaf) for leaf in flatten(first, expand)], expand)
    for other in structure[1:]:
        assert_same_structure(first, other, check_types is None or check_types, expand)
    columns = zip(*[flatten(one, expand) for one in structure])
    return pack_sequence_as(first, [func(*column) for column in columns], expand)


class _Dot:
    """Stands for a leaf where only the form of a structure is printed."""

    def __repr__(self) -> str:
        return "."


def _outline(structure: Any) -> str:
    return str(map_structure(lambda _: _Dot(), structure))


def _describe(value: Any) -> str:
    return f"type={type(value).__name__} str={value}"


class _Difference(Exception):
    """Two structures differ; carries TensorFlow's error class and sentence."""

    def __init__(self, error: type[Exception], text: str) -> None:
        super().__init__(text)
        self.error = error


def assert_same_structure(nest1: Any, nest2: Any, check_types: bool = True, expand_composites: bool = False) -> None:
    """An error that shows both structures, unless they have the same form."""
    try:
        _compare(nest1, nest2, bool(check_types), _test(bool(expand_composites)))
    except _Difference as difference:
        text = (
            f"The two structures don't have the same nested structure.\n\nFirst structure: {_describe(nest1)}\n\n"
            f"Second structure: {_describe(nest2)}\n\nMore specifically: {difference}\n"
            f"Entire first structure:\n{_outline(nest1)}\nEntire second structure:\n{_outline(nest2)}"
        )
        raise difference.error(explain(text)) from None


def _compare(left: Any, right: Any, check_types: bool, is_branch: Callable[[Any], bool]) -> None:
    left_branch, right_branch = is_branch(left), is_branch(right)
    if left_branch != right_branch:
        branch, leaf = (left, right) if left_branch else (right, left)
        raise _Difference(
            ValueError,
            f'Substructure "{_describe(branch)}" is a sequence, while substructure "{_describe(leaf)}" is not',
        )
    if not left_branch:
        return
    left_kind, right_kind = _kind(left), _kind(right)
    if check_types:
        _compare_classes(left, right, left_kind, right_kind)
    if min(left_kind, right_kind) == _COMPOSITE:
        _compare_specs(left, right, left_kind, right_kind)
    left_children, right_children = list(_children(left, left_kind)), list(_children(right, right_kind))
    for left_child, right_child in zip(left_children, right_children):
        _compare(left_child, right_child, check_types, is_branch)
    if len(left_children) != len(right_children):
        raise _Difference(
            ValueError,
            "The two structures don't have the same number of elements. "
            f"First structure: {_describe(left)}. Second structure: {_describe(right)}",
        )


def _compare_classes(left: Any, right: Any, left_kind: int, right_kind: int) -> None:
    mappings = (_MUTABLE_MAPPING, _MAPPING)
    if left_kind == _NAMED and right_kind == _NAMED:
        same = same_namedtuples(left, right)
    else:
        same = (
            left.__class__ is right.__class__
            or (isinstance(left, list) and isinstance(right, list))
            or (left_kind in mappings and right_kind in mappings)
            or (left_kind >= _COMPOSITE and right_kind >= _COMPOSITE)
        )
    if not same:
        raise _Difference(
            TypeError,
            f"The two namedtuples don't have the same sequence type. First structure {_describe(left)} has type "
            f"{type(left).__name__}, while second structure {_describe(right)} has type {type(right).__name__}",
        )
    if left_kind in mappings and set(left) != set(right):
        raise _Difference(
            ValueError,
            "The two dictionaries don't have the same set of keys. First structure has keys "
            f"{_describe(list(left))}, while second structure has keys {_describe(list(right))}",
        )


def _compare_specs(left: Any, right: Any, left_kind: int, right_kind: int) -> None:
    left_spec = left._type_spec if left_kind == _COMPOSITE else left
    right_spec = right._type_spec if right_kind == _COMPOSITE else right
    if not _specs_agree(left_spec, right_spec):
        raise _Difference(
            ValueError,
            f"Incompatible CompositeTensor TypeSpecs: {_describe(left_spec)} vs. {_describe(right_spec)}",
        )


def _specs_agree(left: Any, right: Any) -> bool:
    left, right = left._without_tensor_names(), right._without_tensor_names()
    return left.most_specific_common_supertype([right]) is not None


def assert_shallow_structure(
    shallow_tree: Any, input_tree: Any, check_types: bool = True, expand_composites: bool = False
) -> None:
    """An error unless the upper levels of `input_tree` have the form of `shallow_tree`."""
    is_branch = _test(expand_composites)
    if not is_branch(shallow_tree):
        return
    if not is_branch(input_tree):
        raise type_error(
            f"If shallow structure is a sequence, input must also be a sequence. Input has type: {type(input_tree)}."
        )
    shallow_kind, input_kind = _kind(shallow_tree), _kind(input_tree)
    mappings = (_MUTABLE_MAPPING, _MAPPING)
    composite = shallow_kind >= _COMPOSITE and input_kind >= _COMPOSITE
    same = not check_types or isinstance(input_tree, shallow_tree.__class__)
    if not same and shallow_kind == _NAMED and input_kind == _NAMED:
        same = same_namedtuples(shallow_tree, input_tree)
    elif not same:
        same = (
            (isinstance(shallow_tree, list) and isinstance(input_tree, list))
            or composite
            or (shallow_kind in mappings and input_kind in mappings)
        )
    if not same or (_COMPOSITE in (shallow_kind, input_kind) and not composite):
        raise type_error(
            "The two structures don't have the same sequence type. Input structure has type "
            f"{type(input_tree)}, while shallow structure has type {type(shallow_tree)}."
        )
    if composite and _COMPOSITE in (shallow_kind, input_kind):
        specs = [tree._type_spec if _kind(tree) == _COMPOSITE else tree for tree in (shallow_tree, input_tree)]
        if not _specs_agree(*specs):
            raise value_error(f"Incompatible CompositeTensor TypeSpecs: {specs[0]} vs. {specs[1]}")
    elif shallow_kind == _TYPE_SPEC and not composite:
        raise type_error(
            f"If shallow structure is a TypeSpec, input must also be a TypeSpec.  Input has type: {type(input_tree)}."
        )
    elif not composite and len(input_tree) != len(shallow_tree):
        raise value_error(
            "The two structures don't have the same sequence length. Input structure has length "
            f"{len(input_tree)}, while shallow structure has length {len(shallow_tree)}."
        )
    if shallow_kind in mappings and (absent := set(shallow_tree) - set(input_tree)):
        raise value_error(
            "The shallow_tree's keys are not a subset of the input_tree's keys. The shallow_tree has the following "
            f"keys that are not in the input_tree: {sorted(absent)}."
        )
    for shallow_child, input_child in zip(_children(shallow_tree, shallow_kind), _children(input_tree, input_kind)):
        assert_shallow_structure(shallow_child, input_child, check_types, expand_composites)


def _paths_up_to(
    shallow_tree: Any, input_tree: Any, is_branch: Callable[[Any], bool], path: tuple[Any, ...] = ()
) -> Iterator[tuple[tuple[Any, ...], Any]]:
    if not is_branch(shallow_tree):
        yield path, input_tree
        return
    inputs = dict(_items(input_tree))
    for key, subtree in _items(shallow_tree):
        yield from _paths_up_to(subtree, inputs[key], is_branch, (*path, key))


def flatten_up_to(
    shallow_tree: Any, input_tree: Any, check_types: bool = True, expand_composites: bool = False
) -> list[Any]:
    """The parts of `input_tree` that stand where `shallow_tree` has leaves."""
    pairs = flatten_with_tuple_paths_up_to(shallow_tree, input_tree, check_types, expand_composites)
    return [value for _, value in pairs]


def flatten_with_tuple_paths_up_to(
    shallow_tree: Any, input_tree: Any, check_types: bool = True, expand_composites: bool = False
) -> list[tuple[tuple[Any, ...], Any]]:
    """`flatten_up_to` with the path of each part."""
    assert_shallow_structure(shallow_tree, input_tree, check_types, expand_composites)
    return list(_paths_up_to(shallow_tree, input_tree, _test(expand_composites)))


def map_structure_up_to(shallow_tree: Any, func: Callable[..., Any], *inputs: Any, **options: Any) -> Any:
    """`func` applied to the parts of the inputs that stand where `shallow_tree` has leaves."""
    return map_structure_with_tuple_paths_up_to(shallow_tree, lambda _, *values: func(*values), *inputs, **options)


def map_structure_with_tuple_paths_up_to(
    shallow_tree: Any, func: Callable[..., Any], *inputs: Any, **options: Any
) -> Any:
    """`map_structure_up_to` whose `func` gets the path first."""
    if not inputs:
        raise value_error("Cannot map over no sequences")
    check_types = options.pop("check_types", True)
    expand_composites = options.pop("expand_composites", False)
    columns = [flatten_up_to(shallow_tree, one, check_types, expand_composites) for one in inputs]
    paths = [path for path, _ in _paths_up_to(shallow_tree, inputs[0], _test(expand_composites))]
    results = [func(*arguments, **options) for arguments in zip(paths, *columns)]
    return pack_sequence_as(shallow_tree, results, expand_composites)


def map_structure_with_tuple_paths(func: Callable[..., Any], *structure: Any, **options: Any) -> Any:
    """`map_structure` whose `func` gets the path as a tuple first."""
    return map_structure_with_tuple_paths_up_to(structure[0], func, *structure, **options)


def map_structure_with_paths(func: Callable[..., Any], *structure: Any, **options: Any) -> Any:
    """`map_structure` whose `func` gets the path as text such as `a/0` first."""

    def with_text(path: tuple[Any, ...], *values: Any, **rest: Any) -> Any:
        return func("/".join(map(str, path)), *values, **rest)

    return map_structure_with_tuple_paths_up_to(structure[0], with_text, *structure, **options)


def yield_flat_paths(structure: Any, expand_composites: bool = False) -> Iterator[tuple[Any, ...]]:
    """The paths of all leaves, in order."""
    for path, _ in _paths_up_to(structure, structure, _test(expand_composites)):
        yield path


def flatten_with_tuple_paths(structure: Any, expand_composites: bool = False) -> list[tuple[tuple[Any, ...], Any]]:
    """All leaves with their paths, in order."""
    return list(zip(yield_flat_paths(structure, expand_composites), flatten(structure, expand_composites)))


def flatten_with_joined_string_paths(
    structure: Any, separator: str = "/", expand_composites: bool = False
) -> list[tuple[str, Any]]:
    """All leaves with their paths as text, in order."""
    pairs = flatten_with_tuple_paths(structure, expand_composites)
    return [(separator.join(map(str, path)), leaf) for path, leaf in pairs]


def flatten_dict_items(dictionary: Any) -> dict[Any, Any]:
    """A dictionary with nested keys opened: `{("a", "b"): (1, 2)}` becomes `{"a": 1, "b": 2}`."""
    if not isinstance(dictionary, Mapping):
        raise type_error(
            "FlattenDictItems: 'dict' must be a dictionary or collection.Mapping type object, "
            f"instead of '{type(dictionary).__name__}'."
        )
    result: dict[Any, Any] = {}
    for key, value in dictionary.items():
        keys, values = ([key], [value]) if not is_nested(key) else (flatten(key), flatten(value))
        if len(keys) != len(values):
            raise value_error(
                f"Could not flatten dictionary. Key had {len(keys)} elements, but value had {len(values)} elements. "
                f"Key: {keys}, value: {values}."
            )
        for one_key, one_value in zip(keys, values):
            if one_key in result:
                raise value_error(f"Cannot flatten dict because this key is not unique: {one_key}")
            result[one_key] = one_value
    return result


def list_to_tuple(structure: Any) -> Any:
    """The structure with every list made a tuple."""

    def like(instance: Any, parts: Any) -> Any:
        return tuple(parts) if isinstance(instance, list) else sequence_like(instance, parts)

    return _pack(structure, flatten(structure), False, like)


def get_traverse_shallow_structure(
    traverse_fn: Callable[[Any], Any], structure: Any, expand_composites: bool = False
) -> Any:
    """A structure of bools that says how far `traverse_fn` wants to go down."""
    is_branch = _test(expand_composites)
    wanted = traverse_fn(structure)
    if not is_branch(structure):
        if not isinstance(wanted, bool):
            raise type_error(f"traverse_fn returned structure: {wanted} for non-structure: {structure}")
        return wanted
    children = list(_children(structure, _kind(structure)))
    if isinstance(wanted, bool):
        if not wanted:
            return False
        parts = [get_traverse_shallow_structure(traverse_fn, child, expand_composites) for child in children]
        return sequence_like(structure, parts)
    if not is_branch(wanted):
        raise type_error(f"traverse_fn returned a non-bool scalar: {wanted} for input: {structure}")
    assert_shallow_structure(wanted, structure, expand_composites=expand_composites)
    parts = []
    for choice, child in zip(_children(wanted, _kind(wanted)), children):
        if not isinstance(choice, bool):
            raise type_error(
                f"traverse_fn didn't return a depth=1 structure of bools.  saw: {wanted}  for structure: {structure}"
            )
        parts.append(get_traverse_shallow_structure(traverse_fn, child) if choice else False)
    return sequence_like(structure, parts)
