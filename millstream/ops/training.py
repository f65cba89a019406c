"""Declare the ops that take one step of an optimizer: on whole variables (ResourceApply…), or on rows (ResourceSparseApply…).

Each formula is stated once, for both. Rows are expected to be named once each; there are no gradients.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from millstream.base import dtypes
from millstream.base.dtypes import resource as RESOURCE
from millstream.ops.declaration import Op, Tensor, Types, op
from millstream.ops.state import held
from millstream.ops.types import NUMBERS
from millstream.program.primitives.core import refuse
from millstream.program.primitives.elementwise import (
    absolute,
    compare,
    convert,
    exp,
    maximum,
    power,
    rsqrt,
    scalar_like,
    select,
    sign,
    sqrt,
)
from millstream.program.primitives.indexing import gather, scatter_nd
from millstream.program.primitives.shaping import reshape, spread_to
from millstream.program.primitives.state import write
from millstream.program.value import Value

T = Types("T", *NUMBERS, dtypes.qint8, dtypes.quint8, dtypes.qint16, dtypes.quint16, dtypes.qint32)
Where = Types("Tindices", dtypes.int32, dtypes.int64)

Named = dict[str, Any]
Formula = Callable[[Named], dict[str, Value]]
"""From what the variables hold, the gradient, numbers of the same shape, and attributes to what the variables hold then."""


def _descent(x: Named) -> dict[str, Value]:
    return {"var": x["var"] - x["delta"] * x["alpha"]}


def _momentum(x: Named) -> dict[str, Value]:
    accum = x["accum"] * x["momentum"] + x["grad"]
    step = x["grad"] * x["lr"] + accum * x["momentum"] * x["lr"] if x["use_nesterov"] else accum * x["lr"]
    return {"var": x["var"] - step, "accum": accum}


def _keras_momentum(x: Named) -> dict[str, Value]:
    step = x["grad"] * x["lr"]
    accum = x["accum"] * x["momentum"] - step
    return {"var": x["var"] + (accum * x["momentum"] - step if x["use_nesterov"] else accum), "accum": accum}


def _moments(x: Named) -> tuple[Value, Value, Value]:
    """Return Adam's means of gradients and their squares, and the step's size."""
    m = x["m"] + (x["grad"] - x["m"]) * (1 - x["beta1"])
    v = x["v"] + (x["grad"] * x["grad"] - x["v"]) * (1 - x["beta2"])
    return m, v, x["lr"] * sqrt(1 - x["beta2_power"]) / (1 - x["beta1_power"])


def _adam(x: Named) -> dict[str, Value]:
    m, v, alpha = _moments(x)
    mean = x["grad"] * (1 - x["beta1"]) + x["beta1"] * m if x["use_nesterov"] else m
    return {"var": x["var"] - mean * alpha / (sqrt(v) + x["epsilon"]), "m": m, "v": v}


def _adam_with_amsgrad(x: Named) -> dict[str, Value]:
    m, v, alpha = _moments(x)
    vhat = maximum(x["vhat"], v)
    return {"var": x["var"] - m * alpha / (sqrt(vhat) + x["epsilon"]), "m": m, "v": v, "vhat": vhat}


def _adamax(x: Named) -> dict[str, Value]:
    m = x["m"] + (x["grad"] - x["m"]) * (1 - x["beta1"])
    v = maximum(x["beta2"] * x["v"], absolute(x["grad"]))
    return {"var": x["var"] - x["lr"] / (1 - x["beta1_power"]) * (m / (v + x["epsilon"])), "m": m, "v": v}


def _mean_of_signs(x: Named) -> tuple[Value, Value]:
    m = x["m"] * x["beta"] + x["grad"] * (1 - x["beta"])
    return m, x["sign_decay"] * sign(x["grad"]) * sign(m)


def _add_sign(x: Named) -> dict[str, Value]:
    m, agreement = _mean_of_signs(x)
    return {"var": x["var"] - x["lr"] * (x["alpha"] + agreement) * x["grad"], "m": m}


def _power_sign(x: Named) -> dict[str, Value]:
    m, agreement = _mean_of_signs(x)
    return {"var": x["var"] - exp(x["logbase"] * agreement) * x["lr"] * x["grad"], "m": m}


def _adagrad(x: Named) -> dict[str, Value]:
    accum = x["accum"] + x["grad"] * x["grad"] if x["update_slots"] else x["accum"]
    return {"var": x["var"] - x["grad"] * x["lr"] * rsqrt(accum), "accum": accum}


def _adagrad_with_epsilon(x: Named) -> dict[str, Value]:
    accum = x["accum"] + x["grad"] * x["grad"] if x["update_slots"] else x["accum"]
    return {"var": x["var"] - x["grad"] * x["lr"] / (sqrt(accum) + x["epsilon"]), "accum": accum}


def _shrunk(x: Value, by: Value) -> Value:
    """Return x moved towards 0, as far as that goes."""
    return sign(x) * maximum(absolute(x) - by, scalar_like(x, 0))


def _where(condition: Value, x: Value, otherwise: Value) -> Value:
    return select(condition, x, otherwise)


def _positive(x: Value) -> Value:
    return compare(x, scalar_like(x, 0), "GT")


def _adagrad_of_averages(x: Named) -> dict[str, Value]:
    total = x["gradient_accumulator"] + x["grad"]
    squares = x["gradient_squared_accumulator"] + x["grad"] * x["grad"]
    steps = x["global_step"]
    direction = _where(_positive(x["l1"]), _shrunk(total, x["l1"] * steps), total)
    var = -(x["lr"] * direction) / (x["l2"] * steps * x["lr"] + sqrt(squares))
    return {"var": var, "gradient_accumulator": total, "gradient_squared_accumulator": squares}


def _adadelta(x: Named) -> dict[str, Value]:
    accum = x["accum"] * x["rho"] + x["grad"] * x["grad"] * (1 - x["rho"])
    step = sqrt(x["accum_update"] + x["epsilon"]) * rsqrt(accum + x["epsilon"]) * x["grad"]
    return {
        "var": x["var"] - step * x["lr"],
        "accum": accum,
        "accum_update": x["accum_update"] * x["rho"] + step * step * (1 - x["rho"]),
    }


def _rms_prop(x: Named) -> dict[str, Value]:
    ms = x["ms"] + (x["grad"] * x["grad"] - x["ms"]) * (1 - x["rho"])
    found = {"ms": ms}
    deviation = ms + x["epsilon"]
    if "mg" in x:
        found["mg"] = x["mg"] + (x["grad"] - x["mg"]) * (1 - x["rho"])
        deviation = ms - found["mg"] * found["mg"] + x["epsilon"]
    mom = x["mom"] * x["momentum"] + x["grad"] * x["lr"] / sqrt(deviation)
    return {"var": x["var"] - mom, "mom": mom, **found}


def _follow_the_leader(x: Named) -> dict[str, Value]:
    grad, lr = x["grad"], x["lr"]
    accum = x["accum"] + grad * grad
    pull = grad + 2 * x["l2_shrinkage"] * x["var"] if "l2_shrinkage" in x else grad
    new, old = power(accum, -x["lr_power"]), power(x["accum"], -x["lr_power"])
    if x["multiply_linear_by_lr"]:
        linear = x["linear"] + pull * lr - (new - old) * x["var"]
        l1, quadratic = x["l1"] * lr, new + 2 * x["l2"] * lr
    else:
        linear = x["linear"] + pull - (new - old) / lr * x["var"]
        l1, quadratic = x["l1"], new / lr + 2 * x["l2"]
    far = compare(absolute(linear), l1, "GT")
    var = _where(far, (sign(linear) * l1 - linear) / quadratic, scalar_like(linear, 0))
    return {"var": var, "accum": accum, "linear": linear}


def _projected(x: Named, moved: Value, lr: Value) -> Value:
    near = _where(_positive(x["l1"]), _shrunk(moved, lr * x["l1"]), moved)
    return near / (1 + x["l2"] * lr)


def _proximal_adagrad(x: Named) -> dict[str, Value]:
    accum = x["accum"] + x["grad"] * x["grad"]
    lr = x["lr"] * rsqrt(accum)
    return {"var": _projected(x, x["var"] - x["grad"] * lr, lr), "accum": accum}


def _proximal_descent(x: Named) -> dict[str, Value]:
    grad = x["delta"] if "delta" in x else x["grad"]
    return {"var": _projected(x, x["var"] - grad * x["alpha"], x["alpha"])}


def _declare(name: str, slots: str, numbers: str, formula: Formula, defaults: dict[str, bool]) -> Op:
    """Declare an op of the parameters `slots` (handles) and `numbers` (in OpDef's order; `grad` or `delta` has the shape)."""
    handles, names = slots.split(), numbers.split()
    attributes = {"use_locking": False, **defaults}
    kinds: Named = {"indices": Tensor[Where], "global_step": Tensor[dtypes.int64]}
    kinds.update(dict.fromkeys(handles, Tensor[RESOURCE]))
    is_sparse = "indices" in names

    def body(*inputs: Value, **options: Any) -> None:
        given: Named = dict(zip([*handles, *names], inputs, strict=True))
        grad = given["delta"] if "delta" in given else given["grad"]
        values: Named = dict(options)
        wholes = {slot: held(given[slot], grad.dtype) for slot in handles}
        if is_sparse:
            indices = given["indices"]
            if indices.rank != 1:
                raise refuse(name, f"indices of rank {indices.rank}", "give a vector")
            values.update({slot: gather(whole, indices, 0, 0) for slot, whole in wholes.items()})
        else:
            values.update(wholes)
        shape = values["var"].shape
        for key in names:
            if key in ("grad", "delta"):
                values[key] = reshape(given[key], shape)
            elif key != "indices":
                values[key] = spread_to(convert(given[key], grad.dtype), shape)
        for slot, value in formula(values).items():
            if is_sparse:
                value = scatter_nd(wholes[slot], reshape(given["indices"], (*given["indices"].shape, 1)), value, "set")
            write(given[slot], value)

    by_place, by_name = inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY
    body.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [inspect.Parameter(n, by_place) for n in (*handles, *names)]
        + [inspect.Parameter(n, by_name, default=value) for n, value in attributes.items()]
    )
    body.__annotations__ = {n: kinds.get(n, Tensor[T]) for n in (*handles, *names)}
    body.__annotations__ |= {**dict.fromkeys(attributes, bool), "return": None}
    body.__doc__ = (
        f"Take one step of {name.removeprefix('Resource').replace('SparseApply', '').replace('Apply', '')}"
        + (" in the rows `indices`." if is_sparse else ".")
    )
    return op(name, outputs=(), stateful=True)(body).no_gradient()


_NESTEROV = {"use_nesterov": False}
_SLOTS = {"update_slots": True}
_BY_RATE = {"multiply_linear_by_lr": False}
_KINDS: tuple[tuple[str, str, str, str, Formula, dict[str, bool]], ...] = (
    ("GradientDescent", "var", "alpha delta", "", _descent, {}),
    ("Momentum", "var accum", "lr grad momentum", "lr grad indices momentum", _momentum, _NESTEROV),
    ("KerasMomentum", "var accum", "lr grad momentum", "lr grad indices momentum", _keras_momentum, _NESTEROV),
    ("Adam", "var m v", "beta1_power beta2_power lr beta1 beta2 epsilon grad", "", _adam, _NESTEROV),
    ("AdamWithAmsgrad", "var m v vhat", "beta1_power beta2_power lr beta1 beta2 epsilon grad", "", _adam_with_amsgrad, {}),
    ("AdaMax", "var m v", "beta1_power lr beta1 beta2 epsilon grad", "", _adamax, {}),
    ("AddSign", "var m", "lr alpha sign_decay beta grad", "", _add_sign, {}),
    ("PowerSign", "var m", "lr logbase sign_decay beta grad", "", _power_sign, {}),
    ("Adagrad", "var accum", "lr grad", "lr grad indices", _adagrad, _SLOTS),
    ("AdagradV2", "var accum", "lr epsilon grad", "lr epsilon grad indices", _adagrad_with_epsilon, _SLOTS),
    (
        "AdagradDA", "var gradient_accumulator gradient_squared_accumulator", "grad lr l1 l2 global_step",
        "grad indices lr l1 l2 global_step", _adagrad_of_averages, {},
    ),
    ("Adadelta", "var accum accum_update", "lr rho epsilon grad", "lr rho epsilon grad indices", _adadelta, {}),
    ("RMSProp", "var ms mom", "lr rho momentum epsilon grad", "lr rho momentum epsilon grad indices", _rms_prop, {}),
    (
        "CenteredRMSProp", "var mg ms mom", "lr rho momentum epsilon grad", "lr rho momentum epsilon grad indices",
        _rms_prop, {},
    ),
    ("Ftrl", "var accum linear", "grad lr l1 l2 lr_power", "grad indices lr l1 l2 lr_power", _follow_the_leader, _BY_RATE),
    (
        "FtrlV2", "var accum linear", "grad lr l1 l2 l2_shrinkage lr_power", "grad indices lr l1 l2 l2_shrinkage lr_power",
        _follow_the_leader, _BY_RATE,
    ),
    ("ProximalAdagrad", "var accum", "lr l1 l2 grad", "lr l1 l2 grad indices", _proximal_adagrad, {}),
    ("ProximalGradientDescent", "var", "alpha l1 l2 delta", "alpha l1 l2 grad indices", _proximal_descent, {}),
)  # fmt: skip

for _name, _handles, _numbers, _sparse, _formula, _options in _KINDS:
    _declare(f"ResourceApply{_name}", _handles, _numbers, _formula, _options)
    if _sparse:
        _declare(f"ResourceSparseApply{_name}", _handles, _sparse, _formula, _options)
