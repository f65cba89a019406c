"""Answer to the module name `tensorflow` for code that asks for it. Re-exports only; never over a real installation unasked."""

from millstream.bridge.install import install_as_tensorflow

__all__ = ["install_as_tensorflow"]
