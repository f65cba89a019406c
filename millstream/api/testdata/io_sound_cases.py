"""What tf.audio is asked; see `io_cases.py`."""

import struct

import numpy as np


def sounds(tf, t):
    A = tf.audio
    t(
        "wav enc",
        lambda: A.encode_wav(
            [[0.0], [0.5], [-1.0], [1.0], [2.0], [-3.0], [1e-5], [1.6e-5], [-1.6e-5], [4.577637e-05]], 8000
        ),
    )
    t("wav enc2", lambda: A.encode_wav([[0.0, 0.25], [0.5, 0.1]], 44100))
    t("wav enc empty", lambda: A.encode_wav(np.zeros([0, 1], "f4"), 44100))
    t("wav enc 1d", lambda: A.encode_wav([0.0, 0.25], 44100))
    t("wav enc 3d", lambda: A.encode_wav([[[0.0]]], 44100))
    t("wav enc neg", lambda: A.encode_wav([[0.0]], -1))
    t("wav enc zero", lambda: A.encode_wav([[0.0]], 0))
    t("wav enc nan", lambda: A.encode_wav([[float("wav nan")]], 8))
    t("wav rate vec", lambda: A.encode_wav([[0.0]], [8000]))
    t("wav int", lambda: A.encode_wav([[1]], 8))
    t("wav 0ch", lambda: A.encode_wav(np.zeros([2, 0], "f4"), 8))
    t("wav rate float", lambda: A.encode_wav([[0.0]], 8.0))
    t("wav f64", lambda: A.encode_wav(np.zeros([2, 1]), 8))
    w1 = A.encode_wav([[0.0], [0.5], [-1.0]], 8000)
    w2 = A.encode_wav([[0.0, 0.25], [0.5, 0.1], [0.3, 0.4]], 44100)
    t("wav dec", lambda: A.decode_wav(w1))
    t("wav dec2", lambda: A.decode_wav(w2))
    t("wav ch1", lambda: A.decode_wav(w2, desired_channels=1))
    t("wav ch2", lambda: A.decode_wav(w1, desired_channels=2))
    t("wav ch3", lambda: A.decode_wav(w2, desired_channels=3))
    t("wav s2", lambda: A.decode_wav(w2, desired_samples=2))
    t("wav s5", lambda: A.decode_wav(w2, desired_samples=5))
    t("wav s0", lambda: A.decode_wav(w2, desired_samples=0))
    t("wav ch0", lambda: A.decode_wav(w2, desired_channels=0))
    t("wav chm2", lambda: A.decode_wav(w2, desired_channels=-2))
    t("wav bad", lambda: A.decode_wav(b"abc"))
    t("wav vec", lambda: A.decode_wav([w1]))
    t("wav empty", lambda: A.decode_wav(b""))
    b = w1.numpy()
    t(
        "wav 8bit",
        lambda: A.decode_wav(
            b"RIFF"
            + struct.pack("<I", 36 + 3)
            + b"WAVEfmt "
            + struct.pack("<IHHIIHH", 16, 1, 1, 8000, 8000, 1, 8)
            + b"data"
            + struct.pack("<I", 3)
            + b"\x00\x80\xff"
        ),
    )
    t(
        "wav float",
        lambda: A.decode_wav(
            b"RIFF"
            + struct.pack("<I", 36 + 4)
            + b"WAVEfmt "
            + struct.pack("<IHHIIHH", 16, 3, 1, 8000, 32000, 4, 32)
            + b"data"
            + struct.pack("<I", 4)
            + struct.pack("<f", 0.5)
        ),
    )
    t("wav list chunk", lambda: A.decode_wav(b[:36] + b"LIST" + struct.pack("<I", 4) + b"abcd" + b[36:]))
    t("wav odd chunk", lambda: A.decode_wav(b[:36] + b"LIST" + struct.pack("<I", 3) + b"abc\0" + b[36:]))
    t("wav fmt18", lambda: A.decode_wav(b[:16] + struct.pack("<I", 18) + b[20:36] + b"\0\0" + b[36:]))
    t(
        "wav ext",
        lambda: A.decode_wav(
            b[:16]
            + struct.pack("<IHHIIHH", 40, 0xFFFE, 1, 8000, 16000, 2, 16)
            + struct.pack("<HHI", 22, 16, 0)
            + b"\x01\x00"
            + b"\x00" * 14
            + b[36:]
        ),
    )
    t("wav cut", lambda: A.decode_wav(b[:-2]))
    t("wav cut head", lambda: A.decode_wav(b[:30]))
    t("wav nodata", lambda: A.decode_wav(b[:36]))
    t("wav badmagic", lambda: A.decode_wav(b"RIFX" + b[4:]))
    t("wav trail", lambda: A.decode_wav(b + b"xx"))
    t("wav datazero", lambda: A.decode_wav(b[:40] + struct.pack("<I", 0)))
    f = tf.function(lambda x: A.decode_wav(x))
    t("wav fn", lambda: f(w1))
    g = tf.function(lambda x: A.encode_wav(x, 8000))
    t("wav fn2", lambda: g(tf.zeros([2, 1])))
