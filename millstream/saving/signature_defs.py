"""The messages in which version-1 programs state signatures: SignatureDef and TensorInfo, built and checked."""

from __future__ import annotations

from typing import Any

from millstream.api.public import public
from millstream.base import dtypes
from millstream.base.dtypes import as_dtype
from millstream.base.errors import explain
from millstream.base.messages import message
from millstream.execution.context import current_graph
from millstream.execution.sparse_tensor import SparseTensor
from millstream.execution.tensor import Tensor
from millstream.graph.attributes import shape_message

_V1 = "compat.v1.saved_model"
_CLASSIFY = "tensorflow/serving/classify"
_REGRESS = "tensorflow/serving/regress"
_PREDICT = "tensorflow/serving/predict"


@public(f"{_V1}.build_tensor_info", f"{_V1}.utils.build_tensor_info")
def build_tensor_info(tensor: Any) -> Any:
    """Return a TensorInfo message of a tensor of a graph: its name, element type and shape.

    Raises:
      RuntimeError: an eager tensor, which has no name.
    """
    made = message("TensorInfo")(dtype=as_dtype(tensor.dtype).as_datatype_enum)
    made.tensor_shape.CopyFrom(shape_message(tensor.shape))
    if isinstance(tensor, SparseTensor):
        made.coo_sparse.values_tensor_name = tensor.values.name
        made.coo_sparse.indices_tensor_name = tensor.indices.name
        made.coo_sparse.dense_shape_tensor_name = tensor.dense_shape.name
        return made
    if not hasattr(tensor, "graph"):
        raise RuntimeError(explain("`build_tensor_info` is not supported in Eager mode: eager tensors have no names."))
    made.name = tensor.name
    return made


@public(f"{_V1}.build_signature_def", f"{_V1}.signature_def_utils.build_signature_def")
def build_signature_def(inputs: Any = None, outputs: Any = None, method_name: Any = None, defaults: Any = None) -> Any:
    """Return a SignatureDef message of TensorInfos by names, a method, and defaults of inputs."""
    made = message("SignatureDef")()
    for field, given in ((made.inputs, inputs), (made.outputs, outputs), (made.defaults, defaults)):
        for name, value in (given or {}).items():
            field[name].CopyFrom(value)
    if method_name is not None:
        made.method_name = method_name
    return made


def _infos(tensors: Any, what: str) -> dict[str, Any]:
    if not tensors:
        raise ValueError(explain(f"`{what}` cannot be None or empty."))
    return {name: build_tensor_info(tensor) for name, tensor in tensors.items()}


@public(f"{_V1}.predict_signature_def", f"{_V1}.signature_def_utils.predict_signature_def")
def predict_signature_def(inputs: Any, outputs: Any) -> Any:
    """Return a SignatureDef of tensors by names that are taken and given."""
    return build_signature_def(_infos(inputs, "inputs"), _infos(outputs, "outputs"), _PREDICT)


@public(f"{_V1}.regression_signature_def", f"{_V1}.signature_def_utils.regression_signature_def")
def regression_signature_def(examples: Any, predictions: Any) -> Any:
    """Return a SignatureDef of a string tensor of examples and a float32 tensor of predictions."""
    _check("examples", examples, dtypes.string, required=True)
    _check("predictions", predictions, dtypes.float32, required=True)
    inputs, outputs = _infos({"inputs": examples}, "examples"), _infos({"outputs": predictions}, "predictions")
    return build_signature_def(inputs, outputs, _REGRESS)


@public(f"{_V1}.classification_signature_def", f"{_V1}.signature_def_utils.classification_signature_def")
def classification_signature_def(examples: Any, classes: Any, scores: Any) -> Any:
    """Return a SignatureDef of a string tensor of examples, and classes (strings), scores (float32), or both."""
    _check("examples", examples, dtypes.string, required=True)
    if classes is None and scores is None:
        raise ValueError(explain("`classes` and `scores` cannot both be None."))
    _check("classes", classes, dtypes.string)
    _check("scores", scores, dtypes.float32)
    outputs = {name: t for name, t in (("classes", classes), ("scores", scores)) if t is not None}
    return build_signature_def(_infos({"inputs": examples}, "examples"), _infos(outputs, "outputs"), _CLASSIFY)


def _check(name: str, tensor: Any, dtype: Any, required: bool = False) -> None:
    if tensor is None and not required:
        return
    if tensor is None:
        raise ValueError(explain(f"`{name}` cannot be None."))
    if not isinstance(tensor, Tensor) or tensor.dtype is not dtype:
        raise ValueError(explain(f"`{name}` must be a tensor of {dtype.name}, got {tensor!r}."))


@public(f"{_V1}.is_valid_signature", f"{_V1}.signature_def_utils.is_valid_signature")
def is_valid_signature(signature_def: Any) -> bool:
    """Return whether a SignatureDef is one that servers take."""
    if signature_def is None:
        return False
    method, inputs, outputs = signature_def.method_name, signature_def.inputs, signature_def.outputs
    if method == _PREDICT:
        return len(inputs) > 0 and len(outputs) > 0
    text, number = dtypes.string.as_datatype_enum, dtypes.float32.as_datatype_enum
    if set(inputs) != {"inputs"} or inputs["inputs"].dtype != text:
        return False
    if method == _REGRESS:
        return set(outputs) == {"outputs"} and outputs["outputs"].dtype == number
    wanted = {"classes": text, "scores": number}
    known = set(outputs) <= set(wanted) and bool(outputs)
    return method == _CLASSIFY and known and all(outputs[n].dtype == wanted[n] for n in outputs)


@public(f"{_V1}.get_tensor_from_tensor_info", f"{_V1}.utils.get_tensor_from_tensor_info")
def get_tensor_from_tensor_info(tensor_info: Any, graph: Any = None, import_scope: str | None = None) -> Any:
    """Return the tensor of a graph that a TensorInfo names.

    Raises:
      KeyError: the graph has none of this name.
      ValueError: the message names no dense or sparse tensor, or there is no graph.
    """
    graph = graph if graph is not None else current_graph()
    if graph is None:
        raise ValueError(explain("There is no graph being traced; give one."))

    def find(name: str) -> Any:
        return graph.get_tensor_by_name(f"{import_scope}/{name}" if import_scope else name)

    kind = tensor_info.WhichOneof("encoding")
    if kind == "name":
        return find(tensor_info.name)
    if kind == "coo_sparse":
        parts = tensor_info.coo_sparse
        return SparseTensor(
            find(parts.indices_tensor_name), find(parts.values_tensor_name), find(parts.dense_shape_tensor_name)
        )
    raise ValueError(explain(f"Invalid TensorInfo.encoding: {kind}"))
