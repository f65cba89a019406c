"""Put `tensorflow` and its submodules into Python's import system. Refuses to shadow a real installation unless told to."""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import sys
import types
from collections.abc import Sequence

NAME = "tensorflow"


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Find `tensorflow.x.y`: private modules in `private`, public ones in Millstream's own namespace."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != NAME and not fullname.startswith(NAME + "."):
            return None
        if self._module(fullname) is None:
            return None
        return importlib.machinery.ModuleSpec(fullname, self, is_package=True)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType | None:
        return self._module(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        """Nothing to run: the module is there already."""

    @staticmethod
    def _module(fullname: str) -> types.ModuleType | None:
        from millstream.bridge.private import private_module

        private = private_module(fullname)
        if private is not None:
            return private
        ours = "millstream" + fullname[len(NAME) :]
        if ours == "millstream":
            return sys.modules["millstream"]
        found = sys.modules.get(ours)
        if found is None and importlib.util.find_spec("millstream") is not None:
            try:
                parent = importlib.import_module(ours.rpartition(".")[0])
            except ImportError:
                return None
            value = getattr(parent, ours.rpartition(".")[2], None)
            found = value if isinstance(value, types.ModuleType) else None
        return found


_finder = _Finder()


def install_as_tensorflow(*, replace: bool = False) -> None:
    """Make `import tensorflow` give Millstream in this process.

    Args:
      replace: also where a real TensorFlow is installed or was imported before.

    Raises:
      RuntimeError: a real TensorFlow is there and `replace` is false.
    """
    known = sys.modules.get(NAME)
    if known is not None and known is sys.modules.get("millstream"):
        return
    if not replace and (known is not None or importlib.util.find_spec(NAME) is not None):
        raise RuntimeError(
            "A real tensorflow is installed here; install_as_tensorflow() would shadow it. "
            "Call install_as_tensorflow(replace=True), or uninstall tensorflow."
        )
    for name in [n for n in sys.modules if n == NAME or n.startswith(NAME + ".")]:
        del sys.modules[name]
    if _finder not in sys.meta_path:
        sys.meta_path.insert(0, _finder)
    from millstream.bridge.identity import take_names

    take_names()
    sys.modules[NAME] = sys.modules["millstream"]
