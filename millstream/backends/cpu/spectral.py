"""Write the instructions of Fourier transforms."""

from __future__ import annotations

from millstream.backends.cpu.movement import with_words

_KINDS = {"fft": 0, "ifft": 1, "rfft": 2, "irfft": 3}

with_words("fft", lambda n: (_KINDS[n.attributes["kind"]], *n.attributes["lengths"]))
