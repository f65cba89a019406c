"""Write the instructions on strings."""

from __future__ import annotations

from millstream.backends.cpu.emitters import simple
from millstream.backends.cpu.movement import with_words

for _name in ("text_fingerprint", "text_of_integer", "text_join"):
    simple(_name)
simple("bytes_fingerprint")
with_words("edit_distance", lambda n: (int(n.attributes["normalize"]),))
