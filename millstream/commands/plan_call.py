"""Call a signature of a plan through libmillstream's door. Refuses inputs that the plan does not take, in the library's words."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

import millstream
from millstream.base.dtypes import as_dtype, string
from millstream.commands.files import CommandError

_LIBRARY = Path(millstream.__file__).parent / "libmillstream.so"
_NUMBERS = ("ms_tensor_size", "ms_tensor_count", "ms_input_size", "ms_output_size")
_TEXTS = ("ms_last_error", "ms_signature_name", "ms_input_name", "ms_output_name")


class PlanFile:
    """An open plan."""

    def __init__(self, path: str) -> None:
        if not _LIBRARY.exists():
            raise CommandError(f"{_LIBRARY} is not there; build it with tools/build.sh, or install millstream anew.")
        self._door = ctypes.CDLL(str(_LIBRARY))
        for name in _NUMBERS:
            getattr(self._door, name).restype = ctypes.c_int64
        for name in _TEXTS:
            getattr(self._door, name).restype = ctypes.c_char_p
        self._door.ms_tensor_data.restype = ctypes.c_void_p
        self._door.ms_tensor_text.restype = ctypes.c_void_p
        self._door.ms_tensor_bytes.restype = ctypes.c_size_t
        self._plan = ctypes.c_void_p()
        self._check(self._door.ms_plan_open(path.encode(), ctypes.byref(self._plan)))

    def _check(self, code: int) -> None:
        if code:
            raise CommandError(self._door.ms_last_error().decode(errors="replace"))

    @property
    def signatures(self) -> list[str]:
        """The names of the signatures."""
        count = self._door.ms_signature_count(self._plan)
        return [self._door.ms_signature_name(self._plan, i).decode() for i in range(count)]

    def inputs(self, signature: int) -> dict[str, tuple[Any, tuple[int | None, ...]]]:
        """Return element type and shape of what a signature takes."""
        door, plan, found = self._door, self._plan, {}
        for i in range(door.ms_input_count(plan, signature)):
            sizes = [door.ms_input_size(plan, signature, i, k) for k in range(door.ms_input_rank(plan, signature, i))]
            kind = as_dtype(door.ms_input_type(plan, signature, i))
            found[door.ms_input_name(plan, signature, i).decode()] = kind, tuple(None if n < 0 else n for n in sizes)
        return found

    def call(self, signature: int, arrays: Mapping[str, Any]) -> dict[str, Any]:
        """Return the results of a signature for arrays by name."""
        door, plan = self._door, self._plan
        given = [
            self._tensor(np.asarray(arrays[n], object if kind is string else None), kind)
            for n, (kind, _) in self.inputs(signature).items()
        ]
        count = door.ms_output_count(plan, signature)
        inputs, outputs = (ctypes.c_void_p * max(len(given), 1))(*given), (ctypes.c_void_p * max(count, 1))()
        try:
            self._check(door.ms_call(plan, signature, inputs, len(given), outputs, count))
        finally:
            for tensor in given:
                door.ms_tensor_free(tensor)
        return {
            door.ms_output_name(plan, signature, i).decode(): self._array(ctypes.c_void_p(outputs[i]))
            for i in range(count)
        }

    def _tensor(self, array: Any, kind: Any) -> ctypes.c_void_p:
        sizes = (ctypes.c_int64 * max(array.ndim, 1))(*array.shape)
        made = ctypes.c_void_p()
        if kind is string:
            texts = [t if isinstance(t, bytes) else str(t).encode() for t in array.ravel().tolist()]
            lengths = (ctypes.c_size_t * max(len(texts), 1))(*map(len, texts))
            held = (ctypes.c_char_p * max(len(texts), 1))(*texts)
            self._check(self._door.ms_tensor_new_strings(held, lengths, array.ndim, sizes, ctypes.byref(made)))
            return made
        numbers = np.ascontiguousarray(array, kind.as_numpy_dtype)
        self._check(self._door.ms_tensor_new(kind.as_datatype_enum, array.ndim, sizes, ctypes.byref(made)))
        ctypes.memmove(self._door.ms_tensor_data(made), numbers.ctypes.data, numbers.nbytes)
        return made

    def _array(self, tensor: ctypes.c_void_p) -> Any:
        door = self._door
        kind = as_dtype(door.ms_tensor_type(tensor))
        shape = tuple(door.ms_tensor_size(tensor, k) for k in range(door.ms_tensor_rank(tensor)))
        try:
            if kind is string:
                made = np.empty(door.ms_tensor_count(tensor), object)
                length = ctypes.c_size_t()
                for i in range(len(made)):
                    at = door.ms_tensor_text(tensor, ctypes.c_int64(i), ctypes.byref(length))
                    made[i] = ctypes.string_at(at, length.value)
                return made.reshape(shape)
            data = ctypes.string_at(door.ms_tensor_data(tensor), door.ms_tensor_bytes(tensor))
            return np.frombuffer(data, kind.as_numpy_dtype).reshape(shape)
        finally:
            door.ms_tensor_free(tensor)
