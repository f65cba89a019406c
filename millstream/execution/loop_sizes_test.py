"""Gradients through loops and branches whose sizes are known only when they run."""

import numpy as np

import millstream as tf

MATRIX = tf.TensorSpec((None, 4))
MASK = tf.TensorSpec((None,), tf.bool)


def ones():
    return tf.ones((3, 4)), tf.fill((1, 4), 2.0), tf.constant([True, False, True])


def test_a_state_whose_size_only_the_loop_knows_flows_back():
    @tf.function(input_signature=[MATRIX, tf.TensorSpec((None, 1), tf.bool)])
    def gradient(x, mask):
        with tf.GradientTape() as tape:
            tape.watch(x)
            state = tf.zeros_like(x)
            for _ in tf.range(3):
                state = tf.where(tf.tile(mask, [1, 4]), tf.tanh(x + state), state)
            total = tf.reduce_sum(state)
        return tape.gradient(total, x)

    found = gradient(tf.ones((3, 4)), tf.constant([[True], [False], [True]])).numpy()
    np.testing.assert_allclose(found, np.repeat([[0.09136115], [0.0], [0.09136115]], 4, 1), rtol=1e-5)


def test_a_state_that_grows_each_turn_flows_back():
    @tf.function(input_signature=[MATRIX, MATRIX])
    def gradients(x, other):
        with tf.GradientTape() as tape:
            tape.watch((x, other))
            _, rows = tf.while_loop(
                lambda turn, rows: turn < 2,
                lambda turn, rows: (
                    turn + 1,
                    tf.concat([rows, tf.where(rows > 0.5, rows + other, rows * other)], 0),
                ),
                [tf.constant(0), x],
                shape_invariants=[tf.TensorShape([]), tf.TensorShape([None, 4])],
            )
            total = tf.reduce_sum(rows * rows)
        return tape.gradient(total, (x, other))

    x, other = gradients(tf.ones((1, 4)), tf.fill((1, 4), 2.0))
    assert x.numpy().tolist() == [[24.0] * 4]
    assert other.numpy().tolist() == [[32.0] * 4]


def test_a_mask_in_a_branch_of_a_loop_flows_back():
    @tf.function(input_signature=[MATRIX, MATRIX, MASK])
    def gradients(x, other, mask):
        with tf.GradientTape() as tape:
            tape.watch((x, other))
            total = 0.0
            for turn in tf.range(3):
                rows = tf.boolean_mask(x, mask)
                if tf.equal(turn, 1):
                    rows = rows[:1]
                total += tf.reduce_sum(tf.where(rows > 0.0, rows + other, rows * other))
        return tape.gradient(total, (x, other))

    x, other = gradients(*ones())
    assert tf.convert_to_tensor(x).numpy().tolist() == [[3.0] * 4, [0.0] * 4, [2.0] * 4]
    assert other.numpy().tolist() == [[5.0] * 4]


def test_a_mask_in_one_branch_flows_back():
    @tf.function(input_signature=[MATRIX, MATRIX, MASK, tf.TensorSpec(())])
    def gradients(x, other, mask, which):
        with tf.GradientTape() as tape:
            tape.watch((x, other))
            if which > 0:
                rows = tf.boolean_mask(x, mask)
                total = tf.reduce_sum(tf.where(rows > 0.0, rows + other, rows * other))
            else:
                total = tf.reduce_sum(x) * tf.reduce_sum(other)
        return tape.gradient(total, (x, other))

    x, other = gradients(*ones(), 1.0)
    assert x.numpy().tolist() == [[1.0] * 4, [0.0] * 4, [1.0] * 4]
    assert other.numpy().tolist() == [[2.0] * 4]
    x, other = gradients(*ones(), -1.0)
    assert x.numpy().tolist() == [[8.0] * 4] * 3
    assert other.numpy().tolist() == [[12.0] * 4]


def test_masked_recurrent_layers_stack_and_train():
    from millstream import keras

    keras.utils.set_random_seed(3)
    model = keras.Sequential(
        [
            keras.layers.Embedding(20, 7, mask_zero=True),
            keras.layers.LSTM(5, return_sequences=True),
            keras.layers.GRU(4),
            keras.layers.Dense(2),
        ]
    )
    random = np.random.default_rng(0)
    x, y = random.integers(0, 20, (6, 11)), random.normal(size=(6, 2)).astype("float32")
    model.compile("rmsprop", "mse")
    losses = model.fit(x, y, epochs=3, batch_size=4, verbose=0, shuffle=False).history["loss"]
    assert losses[2] < losses[0]


def test_masked_recurrent_layers_of_open_sizes_are_recorded_by_a_tape_around_them():
    from millstream import keras

    keras.utils.set_random_seed(5)
    start = keras.Input((None,), dtype="int32")
    x = keras.layers.Embedding(20, 7, mask_zero=True)(start)
    x = keras.layers.LSTM(5, return_sequences=True)(x)
    model = keras.Model(start, keras.layers.GRU(4)(x))

    def gradients(words):
        with tf.GradientTape() as tape:
            total = tf.reduce_sum(model(words, training=True))
        return tape.gradient(total, model.trainable_variables)

    words = tf.constant(np.random.default_rng(0).integers(0, 20, (6, 11)), tf.int32)
    found = []
    for signature in (None, [tf.TensorSpec((None, None), tf.int32)]):
        for function in (lambda words: model(words, training=True), gradients):
            traced = tf.function(function, input_signature=signature)
            with tf.GradientTape() as tape:
                results = traced(words)
                last = tf.reduce_sum(results if tf.is_tensor(results) else results[-1])
            again = tape.gradient(last, model.trainable_variables)
            found.append([tf.convert_to_tensor(g).numpy() for g in again if g is not None])
    for closed, opened in zip(found[:2], found[2:], strict=True):
        assert len(closed) == len(opened) > 5
        for a, b in zip(closed, opened, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
