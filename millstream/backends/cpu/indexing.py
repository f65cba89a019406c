"""Write the instructions that pick and place rows."""

from __future__ import annotations

from millstream.backends.cpu.movement import with_words

_COMBINE = {"set": 0, "add": 1, "sub": 2, "max": 3, "min": 4, "multiply": 5, "divide": 6}

with_words("gather", lambda n: (n.attributes["axis"], n.attributes["batch_axes"]))
with_words("gather_nd", lambda n: (n.attributes["batch_axes"],))
with_words("scatter_nd", lambda n: (_COMBINE[n.attributes["kind"]], 0))
