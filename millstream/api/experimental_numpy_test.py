"""Compare tf.experimental.numpy with TensorFlow's recorded answers: its functions, and what enabling NumPy's behavior changes."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import millstream as tf

tnp = tf.experimental.numpy
ANSWERS = json.loads((Path(__file__).parent / "testdata" / "experimental_numpy_answers.json").read_text())
NAMES = {
    "f": tf.constant([-1.5, 0.5, 2.5]),
    "f2": tf.constant([2.0, 3.0, 0.5]),
    "h": tf.constant([1.0, 0.25, 4.0], tf.float16),
    "i": tf.constant([1, -2, 3]),
    "b": tf.constant([True, False, True]),
    "c": tf.constant([1 + 2j, -3j, 2.0], tf.complex64),
    "u8": tf.constant([1, 200, 3], tf.uint8),
    "i8": tf.constant([1, -100, 3], tf.int8),
    "f64": tf.constant([1.0, 2.0, 3.0], tf.float64),
    "z": tf.constant([0.0, -0.0, np.inf, -np.inf, np.nan]),
    "m": tf.constant([[3.0, 1.0, 2.0], [6.0, 5.0, 4.0]]),
    "mi": tf.constant([[3, 1, 2], [6, 5, 4]]),
    "mb": tf.constant([[True, False, True], [False, False, True]]),
    "mc": tf.constant([[1 + 1j, 2.0], [3.0, 4j]], tf.complex64),
    "mn": tf.constant([[1.0, np.nan, 2.0], [np.nan, 3.0, 4.0]]),
    "e0": tf.zeros([0, 2]),
    "mu8": tf.constant([[3, 1, 2], [6, 5, 255]], tf.uint8),
    "mh": tf.constant([[3.0, 1.0], [2.0, 4.0]], tf.float16),
    "sq": tf.constant([[1.0, 2.0], [3.0, 4.0]]),
    "sq3": tf.constant([[1.0, 2.0, 0.0], [3.0, 4.0, 1.0], [1.0, 1.0, 1.0]]),
    "t3": tf.reshape(tf.range(12.0), [2, 3, 2]),
    "t3s": tf.reshape(tf.range(12.0), [2, 2, 3]),
    "x": tf.reshape(tf.range(24), [2, 3, 4]),
    "v": tf.Variable([1.0, 2.0, 3.0]),
    "tf": tf,
    "tnp": tnp,
    "np": np,
}


def shown(result):
    """Return a result as the recorded answers have it: element type (* where it gives way), shape, elements."""
    if isinstance(result, (list, tuple)):
        return [type(result).__name__, [shown(r) for r in result]]
    if not isinstance(result, (tf.Tensor, tf.Variable)):
        return ["P", str(result)]
    array = result.numpy()
    name = result.dtype.name + ("*" if getattr(result, "weak", False) else "")
    if result.dtype == tf.string:
        return ["T", name, list(array.shape) if hasattr(array, "shape") else [], str(np.asarray(array).tolist())]
    array = np.asarray(array)
    if array.dtype.kind == "c":
        values = np.stack([array.real, array.imag], -1).astype(float)
    else:
        values = array.astype(float)
    return ["T", name, list(array.shape), values.tolist()]


def same(expected, found, tolerance):
    if isinstance(expected, list) and isinstance(found, list):
        return len(expected) == len(found) and all(same(e, f, tolerance) for e, f in zip(expected, found, strict=True))
    if isinstance(found, float):
        return bool(np.isclose(float(expected), found, tolerance, tolerance, equal_nan=True))
    return expected == found


def wrong_answers(group):
    """Return the expressions of a group whose results are not those recorded, with both."""
    wrong = []
    for expression, expected in ANSWERS[group].items():
        try:
            found = shown(eval(expression, dict(NAMES)))
        except Exception as error:
            found = ["E", type(error).__name__]
        tolerance = 2e-2 if "float16" in str(expected) else 2e-5
        if not same(expected, found, tolerance):
            wrong.append(f"{expression}: {expected} expected, {found} found")
    return wrong


def test_functions_give_what_tensorflow_gives():
    assert not wrong_answers("plain")


@pytest.mark.parametrize("mode", [m for m in ANSWERS if m != "plain"])
def test_enabled_behavior_is_that_of_tensorflow(mode):
    conversion = mode.partition(":")[2] or "legacy"
    # What is enabled stays: each mode has a process of its own.
    program = (
        "import millstream as tf; "
        f"tf.experimental.numpy.experimental_enable_numpy_behavior({'32' in mode}, {conversion!r}); "
        "from millstream.api import experimental_numpy_test as tests; "
        f"print('\\n'.join(tests.wrong_answers({mode!r})), end='')"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""


def test_the_lattice_is_symmetric_in_its_types():
    from millstream.api.experimental_numpy_promotion import RESULTS

    assert len(RESULTS) == 20 * 20
    for (first, second), result in RESULTS.items():
        assert RESULTS[second, first] == result
        if first == second:
            assert result == (first, True)


def test_functions_work_traced_with_unknown_sizes_and_have_gradients():
    @tf.function(input_signature=[tf.TensorSpec([None, None])])
    def f(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = tnp.sum(
                tnp.diff(tnp.sort(tnp.flip(x, 1), axis=1), axis=1) * tnp.linspace(0.0, 1.0, 2, dtype=np.float32)
            )
            y += tnp.std(tnp.tril(x)) + tnp.mean(tnp.roll(x, 1)) + tnp.max(tnp.concatenate([x, tnp.zeros_like(x)]))
        return y, tape.gradient(y, x)

    x = np.array([[3.0, 1.0, 2.0], [6.0, 5.0, 9.0]], np.float32)
    y, gradient = f(x)
    expected = (np.diff(np.sort(x, 1)) * [0, 1]).sum() + np.std(np.tril(x)) + x.mean() + x.max()
    np.testing.assert_allclose(y, expected, rtol=1e-6)
    assert gradient.shape == (2, 3)
    near = x.copy()
    near[0, 0] += 1e-2
    np.testing.assert_allclose((f(near)[0] - y) / 1e-2, gradient[0, 0], rtol=5e-2)


def test_a_mode_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match="does not exist"):
        tnp.experimental_enable_numpy_behavior(dtype_conversion_mode="some")
