"""Write the instructions that make random numbers."""

from __future__ import annotations

from millstream.backends.cpu.emitters import simple
from millstream.backends.cpu.movement import with_words
from millstream.program import candidates
from millstream.program.primitives.random import KINDS

simple("random_key_counter")
with_words("random_bits", lambda n: (n.attributes["algorithm"],))
with_words("random_skip", lambda n: (n.attributes["algorithm"],))
with_words("random_permutation", lambda n: (n.attributes["algorithm"],))
with_words("random_distribution", lambda n: (KINDS.index(n.attributes["kind"]), n.attributes["algorithm"]))
with_words("random_next", lambda n: tuple(n.attributes[k] for k in ("origin", "ordinal", "seed", "seed2")))
with_words(
    "random_candidates",
    lambda n: (
        candidates.KINDS.index(n.attributes["kind"]),
        int(n.attributes["unique"]),
        n.attributes["limit"],
        *n.attributes["identity"],
    ),
)
with_words("random_index_shuffle", lambda n: (n.attributes["rounds"],))
simple("random_bounded_normal")
simple("isotonic")
