"""Objects that own something of the runtime, such as a hash table, and know how to make, fill and drop it; files beside models."""

from __future__ import annotations

import os
from typing import Any

from millstream.base import dtypes
from millstream.base.errors import explain
from millstream.execution.context import current_graph, init_scope
from millstream.execution.convert import to_tensor
from millstream.execution.trackable import Trackable


class TrackableResource(Trackable):
    """Base of objects that own a resource: `_create_resource` makes it, `_initialize` fills it, `_destroy_resource` drops it.

    Saved models keep these three as functions, so that the resource is made anew where the model is loaded.
    """

    def __init__(self, device: str = "") -> None:
        self._resource_device = device

    def _create_resource(self) -> Any:
        """Make the resource and return its handle."""
        raise NotImplementedError(explain("TrackableResource._create_resource not implemented."))

    def _initialize(self) -> Any:
        """Fill the resource."""

    def _destroy_resource(self) -> Any:
        """Drop the resource. Nothing is left to do where it goes with its handle."""

    @property
    def resource_handle(self) -> Any:
        """The handle of the resource, which is made when it is first asked for."""
        handle = self.__dict__.get("_resource_handle")
        if handle is None:
            with init_scope():
                handle = self._create_resource()
            self.__dict__["_resource_handle"] = handle
        return handle


class Asset(Trackable):
    """A file that is copied into a saved model, and is found there by what was loaded.

    Args:
      path: the file.

    Raises:
      ValueError: `path` is a tensor whose content is not known here.

    >>> file = tempfile.NamedTemporaryFile(suffix=".txt")
    >>> tf.saved_model.Asset(file.name).asset_path.numpy() == file.name.encode()
    True
    """

    def __init__(self, path: Any) -> None:
        with init_scope():
            self._path = to_tensor(os.fspath(path) if isinstance(path, os.PathLike) else path, dtypes.string)

    @property
    def asset_path(self) -> Any:
        """The path, as a string tensor. Functions that are traced take it from outside: in a saved model it is another.

        In the graph of a session it is a constant, which is fed where the model is loaded.
        """
        graph = current_graph()
        if graph is None:
            return self._path
        if graph.building_function:
            return graph.tensor(graph.capture(self._path))
        return graph.add_constant(self._path, "asset_path")
