"""Which names of tf.compat.v1 are those of version 2: as they are, or under another name. The list was read from TensorFlow 2.21."""

from __future__ import annotations

import functools
from pathlib import Path


@functools.cache
def names() -> dict[str, str]:
    """Return names of version 2 by those of version 1, both without their `tf.` and `tf.compat.v1.`."""
    found: dict[str, str] = {}
    space = ""
    for word in (Path(__file__).parent / "compat_v1_names.txt").read_text().split():
        if word.endswith(":"):
            space = "" if word == "tf:" else f"{word[:-1]}."
            continue
        own, _, other = word.partition("=")
        found[f"{space}{own}"] = other or f"{space}{own}"
    return found


@functools.cache
def namespaces() -> frozenset[str]:
    """Return the namespaces that these names stand in."""
    found = {name.rpartition(".")[0] for name in names()}
    return frozenset(".".join(path.split(".")[:i]) for path in found for i in range(1, path.count(".") + 2)) - {""}
