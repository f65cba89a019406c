"""Programs that run on TensorFlow and on Millstream alike; record.py keeps what TensorFlow gives, libraries_test.py compares."""

from __future__ import annotations

from typing import Any

import numpy as np

Found = dict[str, Any]


def plain(value: Any) -> Any:
    """Return numbers, texts and lists of what a session gives."""
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    array = np.asarray(value)
    return array.astype(float).tolist() if array.dtype.kind in "fiub" else array.tolist()


def decays(tf: Any) -> Found:
    """Learning rates over steps."""
    train, one = tf.compat.v1.train, 0.1
    kinds = {
        "exponential": lambda s: train.exponential_decay(one, s, 10, 0.9),
        "staircase": lambda s: train.exponential_decay(one, s, 10, 0.9, True),
        "natural": lambda s: train.natural_exp_decay(one, s, 10, 0.9, True),
        "inverse": lambda s: train.inverse_time_decay(one, s, 3, 0.9),
        "pieces": lambda s: train.piecewise_constant(s, [5, 20], [1.0, 0.5, 0.1]),
        "polynomial": lambda s: train.polynomial_decay(one, s, 10, power=2.0),
        "cycle": lambda s: train.polynomial_decay(one, s, 10, cycle=True),
        "cosine": lambda s: train.cosine_decay(one, s, 30, 0.1),
        "restarts": lambda s: train.cosine_decay_restarts(one, s, 5),
        "even restarts": lambda s: train.cosine_decay_restarts(one, s, 5, t_mul=1.0, m_mul=0.5),
        "linear cosine": lambda s: train.linear_cosine_decay(one, s, 20),
    }
    return {name: [float(rate(s)().numpy()) for s in (0, 1, 4, 5, 6, 13, 20, 45)] for name, rate in kinds.items()}


def losses(tf: Any) -> Found:
    """Losses by kind, weights and reduction; the class of the error where there is one."""
    made, draw = tf.compat.v1.losses, np.random.RandomState(0)
    p, y = draw.rand(3, 4).astype("f"), (draw.rand(3, 4) > 0.5).astype("f")
    classes, numbers = np.eye(4, dtype="f")[[0, 2, 1]], np.array([0, 2, 1])
    weights = [1.0, 0.0, np.float32([[1], [0], [2]]), draw.rand(3, 4).astype("f"), np.float32([1, 0, 2])]
    kinds = {
        "absolute": lambda w, r: made.absolute_difference(y, p, w, reduction=r),
        "cosine": lambda w, r: made.cosine_distance(y, p, 1, w, reduction=r),
        "hinge": lambda w, r: made.hinge_loss(y, p, w, reduction=r),
        "huber": lambda w, r: made.huber_loss(y, p, w, 0.3, reduction=r),
        "log": lambda w, r: made.log_loss(y, p, w, reduction=r),
        "pairs": lambda w, r: made.mean_pairwise_squared_error(y, p, w),
        "squares": lambda w, r: made.mean_squared_error(y, p, w, reduction=r),
        "sigmoid": lambda w, r: made.sigmoid_cross_entropy(y, p, w, 0.1, reduction=r),
        "softmax": lambda w, r: made.softmax_cross_entropy(classes, p, w, 0.1, reduction=r),
        "sparse": lambda w, r: made.sparse_softmax_cross_entropy(numbers[:, None], p, w, reduction=r),
    }
    found = {}
    for name, loss in kinds.items():
        for i, weight in enumerate(weights):
            for reduction in made.Reduction.all()[:5]:
                try:
                    found[f"{name} {i} {reduction}"] = plain(loss(weight, reduction))
                except Exception as error:
                    found[f"{name} {i} {reduction}"] = type(error).__name__
    return found


def optimizers(tf: Any) -> Found:
    """Ten steps in a session and at once: losses, variables and slots."""
    v1, draw = tf.compat.v1, np.random.RandomState(1)
    t = v1.train
    regular = {"l1_regularization_strength": 0.01, "l2_regularization_strength": 0.1}
    kinds = {
        "descent": lambda step: t.GradientDescentOptimizer(0.1),
        "momentum": lambda step: t.MomentumOptimizer(0.1, 0.9),
        "nesterov": lambda step: t.MomentumOptimizer(0.1, 0.9, use_nesterov=True),
        "adam": lambda step: t.AdamOptimizer(0.05),
        "adagrad": lambda step: t.AdagradOptimizer(0.1),
        "averages": lambda step: t.AdagradDAOptimizer(0.1, step, **regular),
        "adadelta": lambda step: t.AdadeltaOptimizer(0.5),
        "rms": lambda step: t.RMSPropOptimizer(0.05, momentum=0.5),
        "centered": lambda step: t.RMSPropOptimizer(0.05, momentum=0.5, centered=True),
        "leader": lambda step: t.FtrlOptimizer(0.1, beta=0.2, **regular),
        "shrinking": lambda step: t.FtrlOptimizer(0.1, l2_shrinkage_regularization_strength=0.1),
        "proximal adagrad": lambda step: t.ProximalAdagradOptimizer(0.1, **regular),
        "proximal": lambda step: t.ProximalGradientDescentOptimizer(0.1, **regular),
    }
    first, rows = draw.randn(4, 3).astype("f"), draw.randn(5, 3).astype("f")
    xs, places, ys = draw.randn(10, 6, 4).astype("f"), draw.randint(0, 5, (10, 6)), draw.randn(10, 6, 3).astype("f")
    found = {}
    for name, make in kinds.items():
        with tf.Graph().as_default(), v1.Session() as session:
            step = t.get_or_create_global_step()
            w, e = v1.get_variable("w", initializer=first), v1.get_variable("e", initializer=rows)
            x, y = v1.placeholder(tf.float32, [None, 4]), v1.placeholder(tf.float32, [None, 3])
            i = v1.placeholder(tf.int64, [None])
            loss = tf.reduce_mean(tf.square(tf.matmul(x, w) + tf.nn.embedding_lookup(e, i) - y))
            optimizer = make(step)
            train = optimizer.minimize(loss, step)
            session.run(v1.global_variables_initializer())
            feeds = [{x: xs[k], i: places[k], y: ys[k]} for k in range(10)]
            values = [plain(session.run([train, loss], feed)[1]) for feed in feeds]
            names = [v.name for v in v1.global_variables()]
            found[name] = [values, plain(session.run([w, e, step])), names, optimizer.get_slot_names(), train.name]
        step = tf.Variable(0, dtype=tf.int64)
        w, e, optimizer = tf.Variable(first, name="w"), tf.Variable(rows, name="e"), make(step)
        for k in range(10):

            def now(k: int = k, w: Any = w, e: Any = e) -> Any:
                return tf.reduce_mean(tf.square(tf.matmul(xs[k], w) + tf.nn.embedding_lookup(e, places[k]) - ys[k]))

            optimizer.minimize(now, step, var_list=[w, e])
        found[f"{name}, at once"] = plain([w, e, step])
    return found
