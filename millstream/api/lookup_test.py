"""Tables in traced functions and in datasets."""

import millstream as tf


def _table():
    start = tf.lookup.KeyValueTensorInitializer(["a", "b"], tf.constant([5, 7], tf.int64))
    return tf.lookup.StaticHashTable(start, -1)


def test_a_dataset_maps_through_a_table():
    found = tf.data.Dataset.from_tensor_slices(["a", "z", "b"]).map(_table().lookup)
    assert [int(x) for x in found] == [5, -1, 7]


def test_a_traced_function_takes_keys_of_any_size():
    table = _table()
    find = tf.function(table.lookup, input_signature=[tf.TensorSpec([None], tf.string)])
    assert find(tf.constant(["b"])).numpy().tolist() == [7]
    assert find(tf.constant(["z", "a"])).numpy().tolist() == [-1, 5]


def test_changes_in_a_traced_function_happen_in_their_order():
    table = tf.lookup.experimental.MutableHashTable(tf.string, tf.int64, -1)

    @tf.function
    def change(key):
        before = table.lookup(key)
        table.insert(key, tf.constant([3], tf.int64))
        between = table.lookup(key)
        table.remove(key)
        return before, between, table.lookup(key)

    assert [int(x[0]) for x in change(tf.constant(["k"]))] == [-1, 3, -1]
    assert int(table.size()) == 0


def test_many_keys_come_and_go():
    table = tf.lookup.experimental.MutableHashTable(tf.int64, tf.string, "none")
    keys = tf.range(1000, dtype=tf.int64)
    table.insert(keys, tf.strings.as_string(keys))
    table.remove(keys[::2])
    table.remove(keys[:900])
    assert int(table.size()) == 50
    assert table.lookup(keys[897:903]).numpy().tolist() == [b"none", b"none", b"none", b"none", b"901", b"none"]
    assert table.export()[0].numpy().tolist() == list(range(901, 1000, 2))
