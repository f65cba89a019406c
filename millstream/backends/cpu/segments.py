"""Write the instructions of reductions by segments."""

from __future__ import annotations

from millstream.backends.cpu.movement import with_words

_KINDS = {"sum": 0, "product": 1, "max": 2, "min": 3, "mean": 4}

with_words("segment_reduce", lambda n: (_KINDS[n.attributes["kind"]], int(n.attributes["ascending"])))
