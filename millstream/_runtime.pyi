# What the compiled binding offers is decided by runtime/bindings; every name is taken as it comes.
from typing import Any

def __getattr__(name: str) -> Any: ...
