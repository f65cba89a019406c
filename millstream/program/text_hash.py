"""TensorFlow's hash of strings (FarmHash's Fingerprint64), as plain Python: what `text_fingerprint` means."""

from __future__ import annotations

ALL = 0xFFFFFFFFFFFFFFFF
K0, K1, K2 = 0xC3A5C85C97CB3127, 0xB492B66FBE98F273, 0x9AE16A3B2F90404F

Pair = tuple[int, int]


def _word(text: bytes, at: int, width: int = 8) -> int:
    return int.from_bytes(text[at : at + width], "little")


def _turned(x: int, by: int) -> int:
    x &= ALL
    return (x >> by | x << (64 - by)) & ALL


def _shifted(x: int) -> int:
    x &= ALL
    return x ^ x >> 47


def _mixed(u: int, v: int, factor: int) -> int:
    a = _shifted(((u ^ v) & ALL) * factor)
    b = _shifted(((v ^ a) & ALL) * factor)
    return b * factor & ALL


def _short(text: bytes) -> int:
    n = len(text)
    factor = K2 + n * 2 & ALL
    if n >= 8:
        a, b = _word(text, 0) + K2 & ALL, _word(text, n - 8)
        return _mixed(_turned(b, 37) * factor + a & ALL, (_turned(a, 25) + b) * factor & ALL, factor)
    if n >= 4:
        return _mixed(n + (_word(text, 0, 4) << 3), _word(text, n - 4, 4), factor)
    if n:
        y, z = text[0] + (text[n >> 1] << 8), n + (text[n - 1] << 2)
        return _shifted(y * K2 & ALL ^ z * K0 & ALL) * K2 & ALL
    return K2


def _middle(text: bytes) -> int:
    n = len(text)
    factor = K2 + n * 2 & ALL
    first = K1 if n <= 32 else K2
    a, b = _word(text, 0) * first & ALL, _word(text, 8)
    c, d = _word(text, n - 8) * factor & ALL, _word(text, n - 16) * K2 & ALL
    y = _turned(a + b, 43) + _turned(c, 30) + d & ALL
    z = _mixed(y, a + _turned(b + K2, 18) + c & ALL, factor)
    if n <= 32:
        return z
    e, f = _word(text, 16) * factor & ALL, _word(text, 24)
    g, h = (y + _word(text, n - 32)) * factor & ALL, (z + _word(text, n - 24)) * factor & ALL
    return _mixed(_turned(e + f, 43) + _turned(g, 30) + h & ALL, e + _turned(f + a, 18) + g & ALL, factor)


def _weak(text: bytes, at: int, a: int, b: int) -> Pair:
    w, x, y, z = (_word(text, at + 8 * i) for i in range(4))
    a += w
    b = _turned(b + a + z, 21)
    c = a
    a += x + y
    b += _turned(a, 44)
    return a + z & ALL, b + c & ALL


def fingerprint(text: bytes) -> int:
    """Return the 64-bit fingerprint of a string."""
    n = len(text)
    if n <= 16:
        return _short(text)
    if n <= 64:
        return _middle(text)
    y = 81 * K1 + 113 & ALL
    z = _shifted(y * K2 + 113) * K2 & ALL
    v: Pair = (0, 0)
    w: Pair = (0, 0)
    x = 81 * K2 + _word(text, 0) & ALL
    whole = (n - 1) // 64 * 64
    for at in range(0, whole, 64):
        x, y, z, v, w = _block(text, at, x, y, z, v, w, K1, 1)
    factor = K1 + ((z & 0xFF) << 1) & ALL
    first = w[0] + (n - 1 & 63) & ALL
    v = (v[0] + first & ALL, v[1])
    w = (first + v[0] & ALL, w[1])
    x, y, z, v, w = _block(text, n - 64, x, y, z, v, w, factor, 9)
    left = _mixed(v[0], w[0], factor) + _shifted(y) * K0 + z & ALL
    return _mixed(left, _mixed(v[1], w[1], factor) + x & ALL, factor)


def _block(
    text: bytes, at: int, x: int, y: int, z: int, v: Pair, w: Pair, factor: int, nine: int
) -> tuple[int, int, int, Pair, Pair]:
    x = _turned(x + y + v[0] + _word(text, at + 8), 37) * factor & ALL
    y = _turned(y + v[1] + _word(text, at + 48), 42) * factor & ALL
    x ^= w[1] * nine & ALL
    y = y + v[0] * nine + _word(text, at + 40) & ALL
    z = _turned(z + w[0], 33) * factor & ALL
    v = _weak(text, at, v[1] * factor & ALL, x + w[0] & ALL)
    w = _weak(text, at + 32, z + w[1] & ALL, y + _word(text, at + 16) & ALL)
    return z, y, x, v, w
