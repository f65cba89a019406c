"""tf.test.TestCase: unittest's TestCase (absl's) with comparisons of tensors, and sessions where tensors are of graphs."""

from __future__ import annotations

import io
import os
import random
import re
import shutil
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from absl.testing import absltest

from millstream.api import test_comparisons as comparisons
from millstream.api.device_spec import DeviceSpec
from millstream.api.public import public
from millstream.api.random import set_seed
from millstream.base import errors, nest
from millstream.base.composite import CompositeTensor
from millstream.execution.context import current_graph, default_session, executing_eagerly
from millstream.execution.random_seeds import DEFAULT_SEED
from millstream.execution.session import Session
from millstream.execution.tensor import TensorType


class _Session:
    """Stands for a session of version 1 where ops run at once: values are there."""

    def run(self, fetches: Any, feed_dict: Any = None, options: Any = None, run_metadata: Any = None) -> Any:
        """Return the values of tensors."""
        if feed_dict:
            raise errors.UnimplementedError(
                None, None, errors.explain("There are no placeholders to feed: call a function with the values.")
            )
        return _evaluated(fetches)


def _evaluated(tensors: Any) -> Any:
    def value(x: Any) -> Any:
        if isinstance(x, TensorType):
            return x.numpy()  # type: ignore[attr-defined]
        if isinstance(x, CompositeTensor):
            parts = x._type_spec._to_components(x)
            return type(x)(*parts) if not hasattr(x, "numpy") else x.numpy()
        if callable(x) and not isinstance(x, type):
            return _evaluated(x())
        return x

    return None if tensors is None else nest.map_structure(value, tensors)


class CapturedWrites:
    """What was written to a stream."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def contents(self) -> str:
        """Return it as text."""
        self._file.seek(0)
        return self._file.read().decode()  # type: ignore[no-any-return]


class _CheckedThread:
    """A thread whose failure fails the test that joins it."""

    def __init__(self, case: Any, target: Callable[..., Any], args: Any, kwargs: Any) -> None:
        self._case, self._error = case, None

        def run() -> None:
            try:
                target(*(args or ()), **(kwargs or {}))
            except Exception as error:
                self._error = error  # type: ignore[assignment]

        self._thread = threading.Thread(target=run)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def join(self) -> None:
        """Wait for the end; fail where the thread did."""
        self._thread.join()
        if self._error is not None:
            self._case.fail(f"Error in checkedThread: {self._error}")

    def is_alive(self) -> bool:
        """Return whether it still runs."""
        return self._thread.is_alive()


@public("test.TestCase")
class TestCase(absltest.TestCase):
    """A test of tensors: `unittest.TestCase` with comparisons of tensors, arrays and structures of them.

    Random numbers start from the same seed in each test.

    >>> class SquareTest(tf.test.TestCase):
    ...     def testSquare(self):
    ...         self.assertAllEqual(tf.square([2, 3]), [4, 9])
    """

    def __init__(self, methodName: str = "runTest") -> None:
        super().__init__(methodName)
        self._folder: str | None = None
        self._test_start_time: float | None = None
        self._cached: Any = None

    def setUp(self) -> None:
        """Set the seeds of Python's, NumPy's and TensorFlow's random numbers."""
        super().setUp()
        random.seed(DEFAULT_SEED)
        np.random.seed(DEFAULT_SEED)
        set_seed(DEFAULT_SEED)

    def tearDown(self) -> None:
        """Remove the test's folder and close its session."""
        if self._cached is not None:
            self._cached.close()
            self._cached = None
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None
        super().tearDown()

    def get_temp_dir(self) -> str:
        """Return a folder of this test's own, which is removed after it."""
        if self._folder is None:
            base = os.environ.get("TEST_TMPDIR") or tempfile.gettempdir()
            self._folder = tempfile.mkdtemp(dir=base, prefix=f"{type(self).__name__}_")
        return self._folder

    @contextmanager
    def captureWritesToStream(self, stream: Any) -> Iterator[CapturedWrites]:
        """Keep what is written to a stream's file inside of the block: `sys.stdout`, `sys.stderr`."""
        number = stream.fileno()
        kept = os.dup(number)
        with tempfile.TemporaryFile() as file:
            stream.flush()
            os.dup2(file.fileno(), number)
            try:
                yield CapturedWrites(file)
            finally:
                stream.flush()
                os.dup2(kept, number)
                os.close(kept)
                file.flush()

    def evaluate(self, tensors: Any) -> Any:
        """Return the values of tensors, in the structure that they were given in; those of graphs by the default session."""
        if executing_eagerly():
            return _evaluated(tensors)
        session = default_session()
        if session is not None:
            return session.run(tensors)
        with self.cached_session() as own:
            return own.run(tensors)

    @contextmanager
    def session(
        self, graph: Any = None, config: Any = None, use_gpu: bool = True, force_gpu: bool = False
    ) -> Iterator[Any]:
        """Give a session, which is the default one inside and closed after it; where ops run at once, what stands for one."""
        if executing_eagerly():
            yield _Session()
            return
        with Session(graph=graph, config=config) as made:
            yield made

    @contextmanager
    def cached_session(
        self, graph: Any = None, config: Any = None, use_gpu: bool = True, force_gpu: bool = False
    ) -> Iterator[Any]:
        """Give this test's own session of the default graph: the same one each time. Where ops run at once, see `session`."""
        if executing_eagerly():
            yield _Session()
            return
        wanted: Any = graph if graph is not None else current_graph()
        if self._cached is None or self._cached.graph is not wanted:
            self._cached = Session(graph=wanted, config=config)
        with wanted.as_default(), self._cached.as_default():
            yield self._cached

    def test_session(self, graph: Any = None, config: Any = None, use_gpu: bool = True, force_gpu: bool = False) -> Any:
        """Give what `session` gives; by its name it looks like a test, which is skipped."""
        if self.id().endswith(".test_session"):
            self.skipTest("Not a test.")
        return self.session(graph, config, use_gpu, force_gpu)

    def checkedThread(self, target: Callable[..., Any], args: Any = None, kwargs: Any = None) -> _CheckedThread:
        """Return a thread whose failure fails this test when it is joined."""
        return _CheckedThread(self, target, args, kwargs)

    def evaluate_if_both_tensors(self, a: Any, b: Any) -> tuple[Any, Any]:
        """Return both as values where both are tensors."""
        if isinstance(a, TensorType) and isinstance(b, TensorType):
            return self.evaluate(a), self.evaluate(b)
        return a, b

    def _GetNdArray(self, a: Any) -> Any:
        return comparisons.array_of(a)

    def assertNear(self, f1: Any, f2: Any, err: Any, msg: str | None = None) -> None:
        """Fail where two numbers differ by more than `err`."""
        near = f1 == f2 or bool(np.abs(f1 - f2) <= err)
        self.assertTrue(near, f"{f1!r} != {f2!r} +/- {err!r}{'' if msg is None else f' ({msg})'}")

    def assertArrayNear(self, farray1: Any, farray2: Any, err: Any, msg: str | None = None) -> None:
        """Fail where two lists of numbers differ by more than `err` at any place."""
        self.assertEqual(len(farray1), len(farray2), msg)
        for one, other in zip(farray1, farray2, strict=True):
            self.assertNear(float(one), float(other), err, msg)

    def assertNDArrayNear(self, ndarray1: Any, ndarray2: Any, err: Any, msg: str | None = None) -> None:
        """Fail where the length of the difference of two arrays is `err` or more."""
        self.assertTrue(np.linalg.norm(ndarray1 - ndarray2) < err, msg)

    def assertAllClose(self, a: Any, b: Any, rtol: Any = 1e-6, atol: Any = 1e-6, msg: str | None = None) -> None:
        """Fail where two structures of tensors or arrays differ by more than atol + rtol * abs(b) anywhere.

        Raises:
          ValueError: where the structures are of different forms.
        """
        comparisons.check_close_structures(self, a, b, rtol, atol, msg)

    def assertAllCloseAccordingToType(
        self,
        a: Any,
        b: Any,
        rtol: float = 1e-6,
        atol: float = 1e-6,
        float_rtol: float = 1e-6,
        float_atol: float = 1e-6,
        half_rtol: float = 1e-3,
        half_atol: float = 1e-3,
        bfloat16_rtol: float = 1e-2,
        bfloat16_atol: float = 1e-2,
        msg: str | None = None,
    ) -> None:
        """Like assertAllClose, with wider tolerances for the element types of fewer digits."""
        widest = comparisons.tolerances(
            a,
            b,
            rest=(rtol, atol),
            float32=(float_rtol, float_atol),
            float16=(half_rtol, half_atol),
            bfloat16=(bfloat16_rtol, bfloat16_atol),
        )
        self.assertAllClose(a, b, *widest, msg=msg)

    def assertNotAllClose(self, a: Any, b: Any, rtol: Any = 1e-6, atol: Any = 1e-6, msg: str | None = None) -> None:
        """Fail where assertAllClose does not."""
        try:
            self.assertAllClose(a, b, rtol, atol, msg)
        except AssertionError:
            return
        raise AssertionError(f"The two values are close at all elements. {msg or ''}")

    def assertAllEqual(self, a: Any, b: Any, msg: str | None = None) -> None:
        """Fail where two tensors or arrays differ in shape or anywhere; NaN equals NaN."""
        comparisons.check_equal(self, a, b, msg)

    def assertNotAllEqual(self, a: Any, b: Any, msg: str | None = None) -> None:
        """Fail where assertAllEqual does not."""
        try:
            self.assertAllEqual(a, b)
        except AssertionError:
            return
        raise AssertionError(f"The two values are equal at all elements. {msg or ''}")

    def assertAllGreater(self, a: Any, comparison_target: Any) -> None:
        """Fail where an element is not above a number."""
        self.assertGreater(np.min(self._GetNdArray(a)), comparison_target)

    def assertAllLess(self, a: Any, comparison_target: Any) -> None:
        """Fail where an element is not below a number."""
        self.assertLess(np.max(self._GetNdArray(a)), comparison_target)

    def assertAllGreaterEqual(self, a: Any, comparison_target: Any) -> None:
        """Fail where an element is below a number."""
        self.assertGreaterEqual(np.min(self._GetNdArray(a)), comparison_target)

    def assertAllLessEqual(self, a: Any, comparison_target: Any) -> None:
        """Fail where an element is above a number."""
        self.assertLessEqual(np.max(self._GetNdArray(a)), comparison_target)

    def assertAllInRange(
        self,
        target: Any,
        lower_bound: Any,
        upper_bound: Any,
        open_lower_bound: bool = False,
        open_upper_bound: bool = False,
    ) -> None:
        """Fail where an element is NaN or outside of a range, whose ends belong to it unless they are open."""
        comparisons.check_range(target, lower_bound, upper_bound, open_lower_bound, open_upper_bound)

    def assertAllInSet(self, target: Any, expected_set: Any) -> None:
        """Fail where an element is none of a set."""
        others = np.setdiff1d(self._GetNdArray(target).flatten(), list(expected_set))
        if others.size:
            raise AssertionError(f"{others.size} unique element(s) are not in the set {expected_set}: {others}")

    def assertDTypeEqual(self, target: Any, expected_dtype: Any) -> None:
        """Fail where the elements are not of a type."""
        self.assertEqual(self._GetNdArray(target).dtype, expected_dtype)

    def assertShapeEqual(self, input_a: Any, input_b: Any, msg: str | None = None) -> None:
        """Fail where two tensors or arrays are of different shapes."""
        for value in (input_a, input_b):
            if not isinstance(value, (np.ndarray, np.generic, TensorType)):
                raise TypeError(f"input_a and input_b must be tensors or arrays, not {type(value).__name__}.")
        shapes = [tuple(v.shape) for v in (input_a, input_b)]  # type: ignore[union-attr]
        self.assertEqual(shapes[0], shapes[1], msg)

    def assertDeviceEqual(self, device1: Any, device2: Any, msg: str | None = None) -> None:
        """Fail where two names of devices mean different ones."""
        first, second = (DeviceSpec.from_string(d or "").to_string() for d in (device1, device2))
        self.assertEqual(first, second, f"Devices {first} and {second} are not equal. {msg or ''}")

    def assertDictEqual(self, a: Any, b: Any, msg: Any = None) -> None:
        """Fail where two dictionaries of arrays have other keys or elements."""
        self.assertIsInstance(a, dict)
        self.assertIsInstance(b, dict)
        self.assertCountEqual(a.keys(), b.keys(), msg)
        for key in a:
            self.assertAllEqual(a[key], b[key], msg)

    def assertStartsWith(self, actual: Any, expected_start: Any, msg: Any = None) -> None:
        """Fail where a text does not begin with another."""
        if not actual.startswith(expected_start):
            self.fail(f"{actual!r} does not start with {expected_start!r}{'' if msg is None else f' : {msg}'}")

    def assertProtoEquals(
        self, expected_message_maybe_ascii: Any, message: Any, msg: str | None = None, relative_tolerance: Any = None
    ) -> None:
        """Fail where two messages differ; the first may be text. Numbers may differ by `relative_tolerance`."""
        from google.protobuf import text_format

        wanted = expected_message_maybe_ascii
        if isinstance(wanted, (str, bytes)):
            wanted = text_format.Parse(wanted, type(message)())
        if relative_tolerance is None:
            self.assertEqual(str(wanted), str(message), msg)
            return
        number = re.compile(r"-?\d+\.\d+(?:e[+-]?\d+)?|-?\d+e[+-]?\d+")
        self.assertEqual(number.sub("#", str(wanted)), number.sub("#", str(message)), msg)
        found = zip(number.findall(str(wanted)), number.findall(str(message)), strict=True)
        for one, other in found:
            self.assertAllClose(float(one), float(other), rtol=relative_tolerance, atol=0.0, msg=msg)

    def assertProtoEqualsVersion(
        self, expected: Any, actual: Any, producer: Any = 2474, min_consumer: Any = 0, msg: str | None = None
    ) -> None:
        """Fail where two GraphDefs differ; the first is text without its versions."""
        self.assertProtoEquals(
            f"versions {{ producer: {producer} min_consumer: {min_consumer} }};\n{expected}", actual, msg=msg
        )

    @contextmanager
    def assertRaisesWithPredicateMatch(  # type: ignore[override]
        self, exception_type: Any, expected_err_re_or_predicate: Any
    ) -> Iterator[None]:
        """Fail where the block does not raise an error whose text has a pattern, or of which a function says True."""
        wanted = expected_err_re_or_predicate
        try:
            yield
        except Exception as error:
            text = error.message if isinstance(error, errors.OpError) else str(error)
            fits = wanted(error) if callable(wanted) else re.search(wanted, text)
            if not isinstance(error, exception_type) or not fits:
                raise AssertionError(f"Exception of type {type(error)}: {error}, expected: {wanted}") from error
        else:
            self.fail(f"{exception_type} not raised")

    def assertRaisesOpError(self, expected_err_re_or_predicate: Any) -> Any:
        """Fail where the block does not raise a tf.errors.OpError that fits."""
        return self.assertRaisesWithPredicateMatch(errors.OpError, expected_err_re_or_predicate)

    def assertRaisesIncompatibleShapesError(
        self,
        exception_type: Any = errors.InvalidArgumentError,
        expected_err_re_or_predicate: Any = "Incompatible shapes",
    ) -> Any:
        """Fail where the block does not raise an error about shapes that do not go together."""
        return self.assertRaisesWithPredicateMatch(exception_type, expected_err_re_or_predicate)


@public("test.main")
def main(argv: Any = None) -> None:
    """Run the tests of the calling file, and end the process with their outcome.

    Args:
      argv: the command line; that of the process without it.
    """
    absltest.main(argv=argv)


@public("test.Benchmark")
class Benchmark:
    """The base of classes whose methods `benchmark…` measure something and report it with `report_benchmark`."""

    def _name(self, overwrite: str | None) -> str:
        caller = sys._getframe(2).f_code.co_name
        return f"{type(self).__name__}.{caller if overwrite is None else overwrite}"

    def report_benchmark(
        self,
        iters: int | None = None,
        cpu_time: float | None = None,
        wall_time: float | None = None,
        throughput: float | None = None,
        extras: dict[str, Any] | None = None,
        name: str | None = None,
        metrics: Any = None,
    ) -> None:
        """Print what was measured.

        Args:
          iters: how often the work was done.
          cpu_time: seconds of the processor for all.
          wall_time: seconds for all.
          throughput: mebibytes a second.
          extras: more numbers and texts, by name.
          name: the name of the measurement; that of the calling method without it.
          metrics: a list of dictionaries with "name", "value" and bounds.

        Raises:
          TypeError: where `extras` holds other things than numbers and texts.
        """
        for key, value in (extras or {}).items():
            if not isinstance(value, (str, int, float)):
                raise TypeError(errors.explain(f"The extra {key} is {value!r}; give a number or a text."))
        given = {
            "iters": iters,
            "cpu_time": cpu_time,
            "wall_time": wall_time,
            "throughput": throughput,
            "extras": extras,
        }
        line = io.StringIO()
        line.write(f"entry {{ name: {self._name(name)!r}")
        for key, value in {**given, "metrics": metrics}.items():
            if value is not None:
                line.write(f", {key}: {value!r}")
        print(f"{line.getvalue()} }}", flush=True)

    def evaluate(self, tensors: Any) -> Any:
        """Return the values of tensors."""
        return _evaluated(tensors)

    @classmethod
    def is_abstract(cls) -> bool:
        """Return whether there is nothing to measure in this class itself."""
        return cls is Benchmark
