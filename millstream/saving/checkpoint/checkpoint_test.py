"""tf.train.Checkpoint and its kin: what is matched, what waits, what is refused, which files there are."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
import weakref
from pathlib import Path
from typing import Any

import pytest

import millstream as tf


def module(**held: Any) -> Any:
    made = tf.Module()
    for name, value in held.items():
        setattr(made, name, value)
    return made


def saved(folder: Path, **objects: Any) -> str:
    return tf.train.Checkpoint(**objects).save(folder / "saved")


def test_objects_that_come_later_get_their_values(tmp_path: Path) -> None:
    path = saved(tmp_path, a=tf.Variable(1.0), m=module(x=tf.Variable([1.0, 2.0]), y=[tf.Variable(3.0)]))
    checkpoint = tf.train.Checkpoint()
    status = checkpoint.restore(path)
    with pytest.raises(AssertionError, match="Unresolved object in checkpoint"):
        status.assert_consumed()
    assert status.assert_existing_objects_matched() is status
    checkpoint.a = tf.Variable(0.0)
    checkpoint.m = module(x=tf.Variable([0.0, 0.0]), y=[])
    checkpoint.m.y.append(tf.Variable(0.0))
    values = (checkpoint.a.numpy(), checkpoint.m.x.numpy().tolist(), checkpoint.m.y[0].numpy())
    assert values == (1.0, [1.0, 2.0], 3.0)
    assert status.assert_consumed() is status
    checkpoint.m.z = tf.Variable(1.0)
    with pytest.raises(AssertionError, match="Found 1 Python objects that were not bound"):
        status.assert_existing_objects_matched()
    assert int(checkpoint.save_counter) == 1


def test_members_of_dictionaries_and_tuples_that_come_later_get_their_values(tmp_path: Path) -> None:
    held = module(table={"a": tf.Variable(1.0), "inner": {"x": tf.Variable(2.0)}}, pair=(tf.Variable(3.0),))
    path = tf.train.Checkpoint(held=held).write(tmp_path / "a")
    late = module()
    checkpoint = tf.train.Checkpoint(held=late)
    status = checkpoint.read(path)
    late.table = {}
    late.table["a"] = tf.Variable(0.0)
    late.table["inner"] = {}
    late.table["inner"]["x"] = tf.Variable(0.0)
    late.pair = (tf.Variable(0.0),)
    status.assert_consumed()
    assert [float(v) for v in (late.table["a"], late.table["inner"]["x"], late.pair[0])] == [1.0, 2.0, 3.0]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_of_two_restored_checkpoints_the_last_one_counts(tmp_path: Path, order: tuple[int, int]) -> None:
    variable = tf.Variable(0.0)
    checkpoint = tf.train.Checkpoint(v=variable)
    paths = [
        checkpoint.save(tmp_path / "a"),
        checkpoint.save(tmp_path / "a") if variable.assign(1.0) is not None else "",
    ]
    late = tf.train.Checkpoint()
    for number in order:
        late.restore(paths[number]).expect_partial()
    late.v = tf.Variable(9.0)
    assert float(late.v) == order[1]


def test_values_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    path = tf.train.Checkpoint(v=tf.Variable([1.0, 2.0])).write(tmp_path / "a")
    with pytest.raises(ValueError, match=r"incompatible tensor with shape \(2,\) .* variable with shape \(3,\)"):
        tf.train.Checkpoint(v=tf.Variable([1.0, 2.0, 3.0])).read(path)
    with pytest.raises(
        tf.errors.InvalidArgumentError, match="expected dtype int32 does not equal original dtype float32"
    ):
        tf.train.Checkpoint(v=tf.Variable([1, 2])).read(path)


def test_a_list_keeps_a_later_member_that_does_not_fit(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = saved(tmp_path, m=module(y=[tf.Variable([1.0, 2.0]), tf.Variable([3.0])]))
    later = module(y=[])
    tf.train.Checkpoint(m=later).restore(path).expect_partial()
    with caplog.at_level(logging.WARNING, "millstream"):
        later.y.append(tf.Variable([[5.0, 6.0]]))
    later.y.append(tf.Variable([0.0]))
    assert "Member 0 of a list keeps its value" in caplog.text
    assert [v.numpy().tolist() for v in later.y] == [[[5.0, 6.0]], [3.0]]
    assert saved(tmp_path / "again", m=later)


def test_matches_are_checked_from_both_sides(tmp_path: Path) -> None:
    path = tf.train.Checkpoint(v=tf.Variable(1.0), w=tf.Variable(1)).write(tmp_path / "a")
    one = tf.train.Checkpoint(v=tf.Variable(0.0))
    status = one.read(path)
    with pytest.raises(AssertionError, match=r"\(root\)\.w"):
        status.assert_consumed()
    status.assert_existing_objects_matched().assert_nontrivial_match().expect_partial()
    nothing = tf.train.Checkpoint(q=tf.Variable(0.0))
    with pytest.raises(AssertionError, match="Nothing except the root object matched"):
        nothing.read(path).expect_partial().assert_nontrivial_match()


def test_restoring_from_nothing_fails_every_check() -> None:
    status = tf.train.Checkpoint(v=tf.Variable(1.0)).restore(None)
    for check in ("assert_consumed", "assert_existing_objects_matched", "assert_nontrivial_match", "run_restore_ops"):
        with pytest.raises(AssertionError, match="No checkpoint specified"):
            getattr(status, check)()
    status.initialize_or_restore()


def test_a_weakly_referenced_root_and_a_saved_model_are_restored(tmp_path: Path) -> None:
    root = module(v=tf.Variable(1.0))
    checkpoint = tf.train.Checkpoint(weakref.ref(root))
    path = checkpoint.save(tmp_path / "a")
    root.v.assign(0.0)
    checkpoint.restore(path).assert_consumed()
    assert float(root.v) == 1.0
    os.makedirs(tmp_path / "model" / "variables")
    (tmp_path / "model" / "saved_model.pb").touch()
    tf.train.Checkpoint(root).write(tmp_path / "model" / "variables" / "variables")
    fresh = module(v=tf.Variable(0.0))
    tf.train.Checkpoint(fresh).restore(tmp_path / "model").expect_partial()
    assert float(fresh.v) == 1.0


def test_the_state_of_an_iterator_and_of_random_numbers_is_kept(tmp_path: Path) -> None:
    iterator = iter(tf.data.Dataset.range(20).shuffle(5, seed=1))
    random = tf.random.Generator.from_seed(3)
    checkpoint = tf.train.Checkpoint(iterator=iterator, random=random)
    next(iterator)
    path = checkpoint.write(tmp_path / "a")
    rest, numbers = [int(x) for x in iterator], random.normal([3]).numpy().tolist()
    checkpoint.read(path).assert_consumed()
    assert [int(x) for x in iterator] == rest
    assert random.normal([3]).numpy().tolist() == numbers


def test_a_checkpoint_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(tf.errors.NotFoundError, match=r"missing the checkpoint suffix \(e\.g\. the '-1'"):
        tf.train.Checkpoint().restore(tmp_path / "none")


def test_what_is_left_over_is_warned_of_unless_expected(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = saved(tmp_path, a=tf.Variable(1.0), b=tf.Variable(2.0))
    for expected in (True, False):
        caplog.clear()
        with caplog.at_level(logging.WARNING, "millstream"):
            checkpoint = tf.train.Checkpoint(a=tf.Variable(0.0))
            status = checkpoint.restore(path)
            if expected:
                status.expect_partial()
            del checkpoint, status
            import gc

            gc.collect()
        assert ("(root).b" in caplog.text) is not expected


def test_a_root_is_saved_with_what_is_beside_it(tmp_path: Path) -> None:
    root = module(v=tf.Variable(1.0))
    path = tf.train.Checkpoint(root, extra=tf.Variable(5)).save(tmp_path / "a")
    assert [name for name, _ in tf.train.list_variables(path)][1:] == [
        f"{name}/.ATTRIBUTES/VARIABLE_VALUE" for name in ("extra", "save_counter", "v")
    ]
    fresh = module(v=tf.Variable(0.0))
    checkpoint = tf.train.Checkpoint(fresh, extra=tf.Variable(0))
    checkpoint.restore(path).assert_consumed()
    assert (float(fresh.v), int(checkpoint.extra), int(checkpoint.save_counter)) == (1.0, 5, 1)
    with pytest.raises(ValueError, match=r"keyword argument v if root\.v already exists"):
        tf.train.Checkpoint(fresh, v=tf.Variable(3.0))
    with pytest.raises(ValueError, match="to be a trackable object"):
        tf.train.Checkpoint(a=3)


def test_a_variable_under_two_names_is_saved_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    variable = tf.Variable(1.0)
    path = tf.train.Checkpoint(a=variable, b=variable, c=[variable]).write(tmp_path / "a")
    assert len(tf.train.list_variables(path)) == 2
    checkpoint = tf.train.Checkpoint(a=tf.Variable(0.0), b=tf.Variable(0.0))
    with caplog.at_level(logging.WARNING, "millstream"):
        status = checkpoint.read(path)
    assert (float(checkpoint.a), float(checkpoint.b)) == (1.0, 0.0)
    with pytest.raises(AssertionError):
        status.expect_partial().assert_consumed()


def test_lists_whose_members_moved_are_refused(tmp_path: Path) -> None:
    held = module(many=[tf.Variable(1.0), tf.Variable(2.0)])
    held.many[0] = tf.Variable(3.0)
    with pytest.raises(ValueError, match="A list element was replaced"):
        tf.train.Checkpoint(held=held).write(tmp_path / "a")
    with pytest.raises(ValueError, match="non-string key"):
        tf.train.Checkpoint(held=module(table={1: tf.Variable(1.0)})).write(tmp_path / "a")


def test_a_manager_keeps_the_last_ones_and_goes_on(tmp_path: Path) -> None:
    step = tf.Variable(0, dtype=tf.int64)
    checkpoint = tf.train.Checkpoint(step=step)
    manager = tf.train.CheckpointManager(
        checkpoint, tmp_path / "m", 2, checkpoint_name="q", step_counter=step, checkpoint_interval=2
    )
    paths = []
    for _ in range(7):
        paths.append(manager.save())
        step.assign_add(1)
    assert [path is None for path in paths] == [False, True] * 3 + [False]
    assert manager.checkpoints == paths[4::2]
    assert sorted(os.listdir(tmp_path / "m")) == [
        "checkpoint", "q-3.data-00000-of-00001", "q-3.index", "q-4.data-00000-of-00001", "q-4.index",
    ]  # fmt: skip
    again = tf.train.CheckpointManager(tf.train.Checkpoint(step=tf.Variable(-1, dtype=tf.int64)), tmp_path / "m", 1)
    assert again.checkpoints == manager.checkpoints
    assert again.restore_or_initialize() == manager.latest_checkpoint == tf.train.latest_checkpoint(tmp_path / "m")
    assert int(again.checkpoint.step) == 6
    assert again.save(checkpoint_number=77) == str(tmp_path / "m" / "ckpt-77")
    assert again.checkpoints == [again.latest_checkpoint]


def test_a_manager_preserves_one_from_time_to_time(tmp_path: Path) -> None:
    manager = tf.train.CheckpointManager(tf.train.Checkpoint(), tmp_path, 1, keep_checkpoint_every_n_hours=1e-9)
    for _ in range(3):
        manager.save()
    assert len(manager.checkpoints) == 1
    assert len([name for name in os.listdir(tmp_path) if name.endswith(".index")]) == 3


def test_a_manager_without_checkpoints_calls_the_users_function(tmp_path: Path) -> None:
    called = []
    manager = tf.train.CheckpointManager(tf.train.Checkpoint(), tmp_path, 1, init_fn=lambda: called.append(1))
    assert manager.restore_or_initialize() is None
    assert called == [1]
    with pytest.raises(ValueError, match="positive integer"):
        tf.train.CheckpointManager(tf.train.Checkpoint(), tmp_path, 0)
    with pytest.raises(ValueError, match="`step_counter` should be passed"):
        tf.train.CheckpointManager(tf.train.Checkpoint(), tmp_path, 1, checkpoint_interval=3)


def test_what_is_written_aside_are_the_values_of_that_moment(tmp_path: Path) -> None:
    variable = tf.Variable(tf.ones([1000]))
    checkpoint = tf.train.Checkpoint(v=variable)
    started, go_on = threading.Event(), threading.Event()

    class Waits(tf.train.experimental.ShardingCallback):
        description = "waits until the variable was changed"

        def __call__(self, shardable_tensors: Any) -> Any:
            started.set()
            go_on.wait(10)
            return tf.train.experimental.ShardByTaskPolicy()(shardable_tensors)

    options = tf.train.CheckpointOptions(enable_async=True, experimental_sharding_callback=Waits())
    path = checkpoint.save(tmp_path / "a", options)
    assert started.wait(10)
    variable.assign_add(tf.ones([1000]))
    go_on.set()
    checkpoint.sync()
    assert tf.train.load_variable(path, "v/.ATTRIBUTES/VARIABLE_VALUE").sum() == 1000.0
    assert tf.train.latest_checkpoint(tmp_path) == path


@pytest.mark.slow
def test_a_program_that_ends_finishes_what_it_writes_aside(tmp_path: Path) -> None:
    code = """
import sys
import millstream as tf
checkpoint = tf.train.Checkpoint(v=tf.Variable(tf.ones([1000, 1000])))
checkpoint.save(sys.argv[1], tf.train.CheckpointOptions(enable_async=True))
"""
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "a")], check=True, timeout=60)
    assert tf.train.load_variable(tmp_path, "v/.ATTRIBUTES/VARIABLE_VALUE").sum() == 1e6


def test_what_fails_aside_is_raised_when_it_is_waited_for(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    checkpoint = tf.train.Checkpoint(v=tf.Variable(1.0))
    checkpoint.write(tmp_path / "file" / "a", tf.train.CheckpointOptions(enable_async=True))
    with pytest.raises(tf.errors.OpError):
        checkpoint.sync()
    checkpoint.sync()


def test_shards_hold_what_the_callback_says_and_nothing_else(tmp_path: Path) -> None:
    class Drops(tf.train.experimental.ShardingCallback):
        description = "drops one"

        def __call__(self, shardable_tensors: Any) -> Any:
            return tf.train.experimental.ShardByTaskPolicy()(shardable_tensors[1:])

    options = tf.train.CheckpointOptions(experimental_sharding_callback=Drops())
    with pytest.raises(RuntimeError, match="were not found in the checkpoint shards"):
        tf.train.Checkpoint(v=tf.Variable(1.0)).write(tmp_path / "a", options)
    policy = tf.train.experimental.MaxShardSizePolicy(100)
    value = tf.reshape(tf.range(300.0), [3, 100])
    options = tf.train.CheckpointOptions(experimental_sharding_callback=policy)
    path = tf.train.Checkpoint(v=tf.Variable(value)).write(tmp_path / "b", options)
    sizes = [os.path.getsize(tmp_path / name) for name in os.listdir(tmp_path) if name.startswith("b.data")]
    assert sorted(sizes)[-2] <= 100
    assert tf.train.load_variable(path, "v/.ATTRIBUTES/VARIABLE_VALUE").tolist() == value.numpy().tolist()


def test_callbacks_are_called_when_it_is_written(tmp_path: Path) -> None:
    heard: list[Any] = []
    options = tf.train.CheckpointOptions(experimental_write_callbacks=[heard.append, lambda: heard.append(0)])
    path = tf.train.Checkpoint().save(tmp_path / "a", options)
    assert heard == [path, 0]
    assert len(options.experimental_write_callbacks) == 2


def test_a_traced_function_writes_whenever_it_runs(tmp_path: Path) -> None:
    variable = tf.Variable(1.0)
    checkpoint = tf.train.Checkpoint(v=variable)

    @tf.function
    def step() -> Any:
        variable.assign_add(1.0)
        return checkpoint.write(str(tmp_path / "a"))

    for value in (2.0, 3.0):
        assert step().numpy().decode() == str(tmp_path / "a")
        assert tf.train.load_variable(tmp_path / "a", "v/.ATTRIBUTES/VARIABLE_VALUE") == value

    @tf.function
    def save() -> None:
        checkpoint.save(str(tmp_path / "a"))

    with pytest.raises(NotImplementedError, match=r"Calling tf\.train\.Checkpoint\.save"):
        save()


def test_the_state_of_a_folder_is_text(tmp_path: Path) -> None:
    path = saved(tmp_path, v=tf.Variable(1.0))
    text = (tmp_path / "checkpoint").read_text()
    assert text == 'model_checkpoint_path: "saved-1"\nall_model_checkpoint_paths: "saved-1"\n'
    assert tf.train.get_checkpoint_state(tmp_path).model_checkpoint_path == path
    (tmp_path / "checkpoint").write_text("nonsense")
    assert tf.train.get_checkpoint_state(tmp_path) is None
    (tmp_path / "checkpoint").write_text("")
    with pytest.raises(ValueError, match="Invalid checkpoint state"):
        tf.train.get_checkpoint_state(tmp_path)
    (tmp_path / "checkpoint").write_text('model_checkpoint_path: "gone"')
    assert tf.train.latest_checkpoint(tmp_path) is None
    assert list(tf.train.checkpoints_iterator(tmp_path, timeout=0)) == []


def test_a_reader_gives_names_shapes_types_and_values(tmp_path: Path) -> None:
    path = saved(tmp_path, v=tf.Variable([1.0, 2.0]), s=tf.Variable("text"))
    reader = tf.train.load_checkpoint(tmp_path)
    name = "v/.ATTRIBUTES/VARIABLE_VALUE"
    assert reader.has_tensor(name)
    assert not reader.has_tensor("v")
    assert reader.get_variable_to_shape_map()[name] == [2]
    assert reader.get_variable_to_dtype_map()[name] is tf.float32
    assert reader.get_tensor(name).tolist() == [1.0, 2.0]
    assert reader.get_tensor("s/.ATTRIBUTES/VARIABLE_VALUE") == b"text"
    assert f"{name} (DT_FLOAT) [2]" in reader.debug_string().decode()
    assert tf.train.load_variable(path, f"{name}:0").tolist() == [1.0, 2.0]
    with pytest.raises(ValueError, match="Couldn't find 'checkpoint' file"):
        tf.train.load_checkpoint(os.path.dirname(__file__))


def test_views_show_objects_of_both_sides(tmp_path: Path) -> None:
    root = module(v=tf.Variable(1.0), many=[tf.Variable(2.0)])
    view = tf.train.CheckpointView(tf.train.Checkpoint(root).write(tmp_path / "a"))
    assert view.children(0) == {"v": 1, "many": 2, "root": 0}
    assert view.descendants() == [0, 1, 2, 3]
    other = module(v=tf.Variable(0.0), more=tf.Variable(0.0))
    matched, only_there, only_here = view.diff(other)
    assert list(matched) == [0, 1]
    assert matched[1] is other.v
    assert only_there == [2, 3]
    assert [item is other.more for item in only_here] == [True]
    assert len(tf.train.TrackableView(root).descendants()) == 4


def test_a_damaged_graph_of_objects_is_refused(tmp_path: Path) -> None:
    from millstream.saving.bundle_writer import BundleWriter
    from millstream.saving.checkpoint.object_graph import KEY

    for text in (b"\xff", b"", b"\x0a\x04\x0a\x02\x08\x07"):
        with BundleWriter(str(tmp_path / "a")) as writer:
            writer.add(KEY, tf.constant(text))
        with pytest.raises(tf.errors.DataLossError, match="is damaged"):
            tf.train.Checkpoint().read(tmp_path / "a")


def test_slot_variables_are_restored_with_their_variable(tmp_path: Path) -> None:
    class Optimizer(tf.__internal__.tracking.AutoTrackable):
        """Keeps one number for each variable, as optimizers of version 1 do."""

        def __init__(self) -> None:
            self._slots: dict[Any, Any] = tf.__internal__.tracking.AutoTrackable._no_dependency(self, {})

        def get_slot_names(self) -> list[str]:
            return ["speed"]

        def get_slot(self, variable: Any, name: str) -> Any:
            return self._slots[variable.ref()]

        def _create_or_restore_slot_variable(self, slot_variable_position: Any, slot_name: str, variable: Any) -> Any:
            made = self._slots[variable.ref()] = tf.Variable(0.0)
            return made

    variable, optimizer = tf.Variable(1.0), Optimizer()
    optimizer._slots[variable.ref()] = tf.Variable(5.0)
    path = tf.train.Checkpoint(v=variable, o=optimizer).write(tmp_path / "a")
    assert "v/.OPTIMIZER_SLOT/o/speed/.ATTRIBUTES/VARIABLE_VALUE" in dict(tf.train.list_variables(path))
    for later in (False, True):
        checkpoint = tf.train.Checkpoint(v=tf.Variable(0.0))
        if not later:
            checkpoint.o = Optimizer()
        status = checkpoint.read(path)
        if later:
            checkpoint.o = Optimizer()
        assert float(checkpoint.o.get_slot(checkpoint.v, "speed")) == 5.0
        status.assert_consumed()


def test_an_object_that_stands_for_another_one_is_saved_as_that(tmp_path: Path) -> None:
    tracking = tf.__internal__.tracking

    class Wrapper(tracking.DelegatingTrackableMixin, tracking.Trackable):
        """Stands for what it holds."""

    inner = module(v=tf.Variable(1.0))
    path = tf.train.Checkpoint(m=Wrapper(inner)).write(tmp_path / "a")
    assert "m/v/.ATTRIBUTES/VARIABLE_VALUE" in dict(tf.train.list_variables(path))
    other = module(v=tf.Variable(0.0))
    tf.train.Checkpoint(m=Wrapper(other)).read(path).assert_consumed()
    assert float(other.v) == 1.0
    plain = module(v=tf.Variable(0.0))
    tf.train.Checkpoint(m=plain).read(path).assert_consumed()
    assert float(plain.v) == 1.0
