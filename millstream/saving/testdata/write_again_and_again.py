"""Write one file over and over, each time with another number in all of its parts: run: python FILE KIND PATH. To be killed."""

from __future__ import annotations

import sys
from typing import Any

import millstream as tf
from millstream.saving import export_plan


class Model(tf.Module):
    """Sixteen variables that hold the same number."""

    def __init__(self) -> None:
        super().__init__()
        self.held = [tf.Variable(tf.zeros([2000])) for _ in range(16)]

    @tf.function(input_signature=[], autograph=False)
    def read(self) -> Any:
        return {str(i): v.read_value() for i, v in enumerate(self.held)}


def main(kind: str, path: str) -> None:
    """Write until killed; say so after the first time."""
    model = Model()
    checkpoint = tf.train.Checkpoint(model=model)
    number = 0
    while True:
        number += 1
        for variable in model.held:
            variable.assign(tf.fill([2000], float(number)))
        if kind == "saved_model":
            tf.saved_model.save(model, path, signatures=model.read, plan=True)
        elif kind == "checkpoint":
            checkpoint.write(path)
        else:
            export_plan(model.read, path)
        if number == 1:
            print("written", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
