"""Training steps and forward passes of one Keras model on whichever back end this process runs.

A step is what `fit` calls for each batch, on data that already lies where the back end wants it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import models

CURVE_STEPS = 20


class Trainer:
    """One model with its compiled training step; `step()` trains on the same batch again and returns the loss."""

    def __init__(self, keras: Any, name: str, jit: str) -> None:
        self.keras = keras
        self.model = models.make(keras, name)
        if jit != "auto":
            self.model.jit_compile = jit == "on"
        batch = models.CASES[name].batch
        x, y = models.drawn_batch(name, batch)
        self.data = (keras.ops.convert_to_tensor(x), keras.ops.convert_to_tensor(y))
        self.jax_state: Any = None

    def step(self) -> Any:
        """Runs one training step; the result is the running mean of the loss since `curve` began."""
        model = self.model
        if model.train_function is None:
            if self.keras.backend.backend() == "jax":
                model._symbolic_build(data_batch=(*self.data, None))
            model.make_train_function()
        if self.keras.backend.backend() != "jax":
            return model.train_function([self.data])["loss"]
        if self.jax_state is None:
            self.jax_state = model._get_jax_state(
                trainable_variables=True,
                non_trainable_variables=True,
                optimizer_variables=True,
                metrics_variables=True,
                purge_model_variables=False,
            )
        logs, self.jax_state = model.train_function(self.jax_state, iter([self.data]))
        return logs["loss"]

    def wait(self) -> None:
        """Waits for steps under way; the other back ends have finished a step when it returns."""
        if self.jax_state is not None:
            import jax

            jax.block_until_ready(self.jax_state)

    def curve(self) -> list[float]:
        """The losses of the first steps. Only right on a trainer that has not stepped yet."""
        means = [float(self.step()) for _ in range(CURVE_STEPS)]
        sums = np.asarray(means, np.float64) * np.arange(1, CURVE_STEPS + 1)
        return [float(loss) for loss in np.diff(sums, prepend=0.0)]


def forward(keras: Any, name: str, batch: int, jit: str) -> Callable[[], object]:
    """The compiled forward pass that `predict` calls for each batch, on resident data."""
    model = models.make(keras, name)
    if jit != "auto":
        model.jit_compile = jit == "on"
    x = keras.ops.convert_to_tensor(models.drawn_batch(name, batch)[0])
    if keras.backend.backend() == "jax":
        import jax

        trained = [variable.value for variable in model.trainable_variables]
        fixed = [variable.value for variable in model.non_trainable_variables]
        call = jax.jit(lambda trained, fixed, x: model.stateless_call(trained, fixed, x, training=False)[0])
        return lambda: call(trained, fixed, x).block_until_ready()
    model.make_predict_function()
    return lambda: model.predict_function([(x,)])
