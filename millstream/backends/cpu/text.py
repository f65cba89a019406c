"""Write the instructions on strings."""

from __future__ import annotations

from millstream.backends.cpu.emitters import simple

for _name in ("text_fingerprint", "text_of_integer", "text_join"):
    simple(_name)
