"""Objects to save: made, filled and compared by the same code here and under TensorFlow.

As a program (`python cases.py write|check FOLDER`) it uses the TensorFlow of the Python that runs it.
"""

import collections
import os
import sys

import ml_dtypes
import numpy as np

Pair = collections.namedtuple("Pair", "first second")

KINDS = [
    np.float32, np.float64, np.float16, np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32, np.uint64,
    np.bool_, np.complex64, np.complex128, ml_dtypes.bfloat16, ml_dtypes.float8_e5m2, ml_dtypes.float8_e4m3fn,
    ml_dtypes.int4, ml_dtypes.uint4,
]  # fmt: skip


def kinds(tf, filled):
    """Variables of all element types, scalars, empty ones, and strings."""
    found = {}
    for kind in KINDS:
        numbers = np.array([[0, 1, 2], [3, 4, 5]]).astype(kind) if filled else np.zeros((2, 3), kind)
        found[np.dtype(kind).name] = tf.Variable(tf.constant(numbers))
    found["scalar"] = tf.Variable(7.5 if filled else 0.0)
    found["empty"] = tf.Variable(tf.zeros([0, 4]))
    found["texts"] = tf.Variable([["a", "", "ü" * 200], ["\0", "x", "yz"]] if filled else [["", "", ""]] * 2)
    found["no texts"] = tf.Variable(tf.zeros([0], tf.string))
    return tf.train.Checkpoint(**{name.replace(" ", "_"): value for name, value in found.items()})


def structures(tf, filled):
    """Modules that hold lists, dictionaries, tuples, modules, the same variable twice, and each other."""
    step = iter(range(1, 100))

    def variable(*sizes):
        return tf.Variable(tf.fill(sizes, float(next(step)) if filled else 0.0), name=f"v{len(sizes)}")

    class State(tf.train.experimental.PythonState):
        text = "[1, 2]" if filled else ""

        def serialize(self):
            return self.text

        def deserialize(self, string_value):
            self.text = string_value.decode()

    class Own(tf.Module):
        def __init__(self):
            super().__init__()
            self.numbers = [3.5, 4.5] if filled else [0.0, 0.0]

        def _serialize_to_tensors(self):
            return {"first": tf.constant(self.numbers[0]), "second": tf.constant(self.numbers[1])}

        def _restore_from_tensors(self, tensors):
            self.numbers = [float(tensors["first"]), float(tensors["second"])]

    root = tf.Module()
    root.one, root.many = variable(), [variable(2), [variable(3), {"deep": variable(1, 2)}]]
    root.table = {"a/b.c": variable(), "plain": (variable(), (variable(2),))}
    root.pair = Pair(variable(), [variable()])
    root.order = collections.OrderedDict(z=variable(), a=variable())
    root.inner = tf.Module()
    root.inner.shared, root.inner.outer = root.one, root
    root.nothing, root.numbers = [], [1, 2]
    root.state, root.own = State(), Own()
    root.random = tf.random.Generator.from_seed(5 if filled else 1)
    return tf.train.Checkpoint(root=root, beside=variable(2, 2))


def tables(tf, filled):
    """Tables that may change."""
    words = tf.lookup.experimental.MutableHashTable(tf.string, tf.int64, -1)
    rows = tf.lookup.experimental.DenseHashTable(
        tf.string, tf.float32, [0.0, 0.0], "empty", "deleted", initial_num_buckets=16
    )
    whole = tf.lookup.experimental.DenseHashTable(tf.int64, tf.int64, 0, -1, -2, initial_num_buckets=8)
    if filled:
        words.insert(["a"], [1])
        rows.insert([f"key {i}" for i in range(14)], [[float(i), -float(i)] for i in range(14)])
        rows.erase(tf.constant(["key 3"]))
        whole.insert(tf.constant([1, 9, 17, -100], tf.int64), tf.constant([10, 90, 170, 5], tf.int64))
    return tf.train.Checkpoint(words=words, rows=rows, whole=whole)


def shards(tf, filled):
    """Tensors that are cut where a file of data is full."""
    numbers = np.arange(600, dtype=np.float32).reshape(20, 30) * filled
    return tf.train.Checkpoint(
        a=tf.Variable(numbers), b=tf.Variable(numbers[0]), c=tf.Variable("text" * 100 if filled else "")
    )


CASES = {"kinds": kinds, "structures": structures, "tables": tables, "shards": shards}


def write(tf, name, folder):
    """Write a case as FOLDER/<name>."""
    options = None
    if name == "shards":
        policy = tf.train.experimental.MaxShardSizePolicy(700)
        options = tf.train.CheckpointOptions(experimental_sharding_callback=policy)
    return CASES[name](tf, True).write(os.path.join(folder, name), options)


def check(tf, name, folder):
    """Read a case into fresh objects; raise AssertionError where anything is not as it was written."""
    made, wanted = CASES[name](tf, False), CASES[name](tf, True)
    status = made.read(os.path.join(folder, name))
    status.assert_consumed()
    status.assert_existing_objects_matched()
    status.assert_nontrivial_match()
    compare(tf, made, wanted)


def compare(tf, made, wanted):
    """Compare two checkpoints' objects, one by one."""
    ours = tf.train.TrackableView(made.root if hasattr(made, "root") else made).descendants()
    theirs = tf.train.TrackableView(wanted.root if hasattr(wanted, "root") else wanted).descendants()
    assert len(ours) == len(theirs)
    for one, other in zip(ours, theirs, strict=True):
        if isinstance(one, tf.Variable):
            assert one.dtype == other.dtype
            found, values = np.asarray(one.numpy()), np.asarray(other.numpy())
            assert found.shape == values.shape
            assert found.tolist() == values.tolist(), one
        elif hasattr(one, "export"):
            assert pairs_of(one) == pairs_of(other)
        else:
            assert getattr(one, "text", None) == getattr(other, "text", None)
            assert list(getattr(one, "numbers", ())) == list(getattr(other, "numbers", ()))


def pairs_of(table):
    """Return what a table holds."""
    keys, values = (tensor.numpy() for tensor in table.export())
    pairs = zip(keys.ravel().tolist(), values.reshape(keys.size, -1).tolist(), strict=True)
    return {key: value for key, value in pairs if key not in (b"empty", b"deleted", -1, -2)}


def names_and_values(model):
    """Return the values of a Keras model and its optimizer."""
    return [np.asarray(v.numpy()) for v in [*model.weights, *model.optimizer.variables]]


def keras_model(tf, filled):
    """A model of 60 variables with an optimizer that keeps two for each trainable one."""
    keras = tf.keras
    inputs = outputs = keras.Input((3,))
    for _ in range(15):
        outputs = keras.layers.Dense(3, activation="tanh")(outputs)
    for _ in range(5):
        outputs = keras.layers.BatchNormalization()(outputs)
    model = keras.Model(inputs, keras.layers.Dense(1)(outputs))
    model.compile(keras.optimizers.Adam(0.01), "mse")
    model.optimizer.build(model.trainable_variables)
    for number, variable in enumerate([*model.weights, *model.optimizer.variables]):
        variable.assign(np.full(variable.shape, number if filled else 0).astype(variable.dtype))
    return tf.train.Checkpoint(model=model, optimizer=model.optimizer)


def write_keras(tf, folder):
    """Write the Keras model as FOLDER/keras-1."""
    return keras_model(tf, True).save(os.path.join(folder, "keras"))


def check_keras(tf, folder):
    """Read the Keras model; raise AssertionError where anything is not as it was written."""
    made, wanted = keras_model(tf, False), keras_model(tf, True)
    made.restore(os.path.join(folder, "keras-1")).assert_existing_objects_matched()
    assert int(made.save_counter) == 1
    found, values = names_and_values(made.model), names_and_values(wanted.model)
    assert len(found) >= 100
    for one, other in zip(found, values, strict=True):
        assert one.dtype == other.dtype
        assert one.tolist() == other.tolist()


if __name__ == "__main__":
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    import tensorflow

    task, place = sys.argv[1:]
    for each in CASES:
        (write if task == "write" else check)(tensorflow, each, place)
    (write_keras if task == "write" else check_keras)(tensorflow, place)
