"""Compares random programs over variables, run eagerly and traced: order, sharing of bytes, control flow and gradients."""

import random

import numpy as np
import pytest

import millstream as tf


class RandomProgram:
    """Reads, assigns, scatters, branches and loops, chosen by a seed."""

    def __init__(self, seed):
        self.seed = seed
        self.count = random.Random(seed).randint(1, 3)

    def variables(self):
        return [tf.Variable(np.arange(4, dtype=np.float32) * 0.1 + i) for i in range(self.count)]

    def step(self, variables, x, depth, chosen):
        """Change the variables; return the values that were looked at on the way, and the last one."""
        seen, values = [], [x]
        for _ in range(chosen.randint(2, 7)):
            self.act(chosen.randint(0, 12), variables, seen, values, depth, chosen)
            if chosen.random() < 0.3:
                values.append(values[-1] * 0.1)
        return [*seen, values[-1]]

    def act(self, kind, variables, seen, values, depth, chosen):
        v, w, last = chosen.choice(variables), chosen.choice(variables), values[-1]
        if kind == 0:
            v.assign(w + last)
        elif kind == 1:
            v.assign_add(values[chosen.randrange(len(values))])
        elif kind == 2:
            v.assign_sub(w * 0.5)
        elif kind == 3:
            values.append(v.value())
        elif kind == 4:
            values.append(v * 2.0 + w)
        elif kind == 5:
            v.scatter_update(tf.IndexedSlices(last[:1] * 3.0, tf.constant([1])))
        elif kind == 6:
            v.scatter_add(tf.IndexedSlices(w[1:3] + 1.0, tf.constant([0, 0])))
        elif kind == 7:
            v[1:].assign(last[1:] + 1.0)
        elif kind == 8:
            seen += [last, v.value()]
        elif kind == 9 and depth < 2:
            one, other = (self.inner(variables, depth, chosen) for _ in range(2))
            holds = tf.reduce_sum(last) > chosen.choice([-5.0, 0.0, 5.0])
            values.append(tf.cond(holds, lambda: one(last), lambda: other(last)))
        elif kind == 10 and depth < 2:
            turn = self.inner(variables, depth, chosen)
            start = (tf.constant(0), last)
            values.append(tf.while_loop(lambda i, y: i < 3, lambda i, y: (i + 1, 0.5 * turn(y)), start)[1])
        elif kind == 11:
            v.assign(last)
            w.assign(last)
        else:
            values.append(tf.tanh(last) - w)

    def inner(self, variables, depth, chosen):
        seed = chosen.randint(0, 10**6)
        return lambda x: self.step(variables, x, depth + 1, random.Random(seed))[-1]

    def run(self, traced):
        """Return all that three calls give, change and send back; what was given or read before must stay as it was."""
        variables = self.variables()

        def call(x):
            return self.step(variables, x, 0, random.Random(self.seed + 1))

        call = tf.function(call, autograph=False) if traced else call
        results, kept = [], []
        for turn in range(1, 4):
            before = [v.value() for v in variables]
            kept.append((before, [t.numpy() for t in before]))
            x = tf.constant([1.0, -1.0, 0.5, 2.0]) * float(turn)
            with tf.GradientTape() as tape:
                tape.watch(x)
                given = call(x)
                loss = tf.reduce_sum(given[-1] * [1.0, 2.0, 3.0, 4.0])
            gradients = tape.gradient(loss, [x, *variables], unconnected_gradients="zero")
            kept.append((given, [t.numpy() for t in given]))
            results += [t.numpy() for t in given] + [v.numpy() for v in variables]
            results += [tf.convert_to_tensor(g).numpy() for g in gradients]
        for tensors, arrays in kept:
            for tensor, array in zip(tensors, arrays, strict=True):
                np.testing.assert_array_equal(tensor, array)
        return results


@pytest.mark.parametrize("seed", [*range(24), 95, 141])
def test_a_program_does_the_same_eagerly_and_traced(seed):
    eager, traced = (RandomProgram(seed).run(mode) for mode in (False, True))
    for want, got in zip(eager, traced, strict=True):
        np.testing.assert_allclose(got, want, rtol=2e-4, atol=1e-4)
