"""tf.train.Checkpoint: groups objects, writes what they hold and brings it back."""

from __future__ import annotations

import copy
import os
import weakref
from typing import Any

from millstream.api.public import public
from millstream.base import dtypes, errors
from millstream.base.errors import explain
from millstream.execution.autotrackable import AutoTrackable
from millstream.execution.context import current_graph, init_scope, tracing
from millstream.execution.function import Function
from millstream.execution.trackable import NoDependency, Trackable
from millstream.execution.variable import Variable
from millstream.saving.checkpoint import restoring, writing
from millstream.saving.checkpoint.in_sessions import in_session_graph, session_for, values_in
from millstream.saving.checkpoint.object_graph import Root
from millstream.saving.checkpoint.options import CheckpointOptions
from millstream.saving.checkpoint.state import note_checkpoint
from millstream.saving.checkpoint.status import CheckpointLoadStatus, InitializationOnlyStatus, NameBasedSaverStatus

_SAVED_MODEL_FILES = ("saved_model.pb", "saved_model.pbtxt")
_writers: weakref.WeakSet[writing.Writer] = weakref.WeakSet()


class _Saver:
    """What both classes of checkpoints share: a root that is written and restored."""

    def __init__(self, root: Root) -> None:
        self.root = root
        self.writer = writing.Writer()

    def write(self, prefix: Any, options: CheckpointOptions, session: Any = None) -> Any:
        if options.enable_async and current_graph() is None:
            return self._write_aside(prefix, options)
        self.writer.wait()
        if in_session_graph():
            path = writing.text_of(prefix)
            held = session_for(session, f'save checkpoint to "{path}"')
            values = values_in(held, writing.gathered(self.root.graph()))
            with tracing(None):
                writing.write_values(path, values, options.experimental_sharding_callback)
                options.called_when_written(path)
            return path
        path = writing.write(self.root.graph(), prefix, options.experimental_sharding_callback)
        if current_graph() is None:
            options.called_when_written(path)
        return path

    def _write_aside(self, prefix: Any, options: CheckpointOptions) -> str:
        path = writing.text_of(prefix)
        values = writing.gathered(self.root.graph())

        def work() -> None:
            writing.write_values(path, values, options.experimental_sharding_callback)
            options.called_when_written(path)

        _writers.add(self.writer)
        self.writer.start(work)
        return path

    def read(self, path: Any, options: CheckpointOptions) -> Any:
        if path is None:
            return InitializationOnlyStatus(self.root)
        for writer in list(_writers):
            writer.wait()
        skip = options.experimental_skip_slot_variables
        with init_scope():
            restored = restoring.restore(self.root, writing.text_of(path), skip)
        if isinstance(restored, restoring.NamedRestoration):
            return NameBasedSaverStatus(restored, self.root)
        return CheckpointLoadStatus(restored, self.root, skip)


def _check_trackable(given: Any, name: str) -> None:
    if not isinstance(given, (Trackable, Function)):
        raise ValueError(
            explain(
                f"`Checkpoint` was expecting {name} to be a trackable object (an object derived from `Trackable`), got {given}. If "
                "you believe this object should be trackable (i.e. it is part of the TensorFlow Python API and manages state), "
                "please open an issue."
            )
        )


def restored_path(path: Any) -> Any:
    """Return the checkpoint inside of a saved model, where that is given; else the path itself."""
    if path is None:
        return None
    text = writing.text_of(path)
    if any(os.path.exists(os.path.join(text, name)) for name in _SAVED_MODEL_FILES):
        return os.path.join(text, "variables", "variables")
    return text


@public("train.Checkpoint")
class Checkpoint(AutoTrackable):
    """Groups objects so that what they hold can be written to files and brought back.

    Args:
      root: an object to start from, or a weak reference to it. Without it, the checkpoint itself, which holds `kwargs`.
      **kwargs: objects to save by name; lists, dictionaries and tuples of them too.

    Raises:
      ValueError: an object that cannot be saved, or one by whose name `root` already holds another one.

    >>> variable = tf.Variable([1.0, 2.0])
    >>> checkpoint = tf.train.Checkpoint(variable=variable)
    >>> path = checkpoint.save(f"{tempfile.mkdtemp()}/model")
    >>> _ = variable.assign([0.0, 0.0])
    >>> _ = checkpoint.restore(path).assert_consumed()
    >>> variable.numpy().tolist()
    [1.0, 2.0]
    """

    def __init__(self, root: Any = None, **kwargs: Any) -> None:
        super().__init__()
        attached: list[tuple[str, Any]] | None = None
        self._save_counter: Any = None
        self._counting: Any = None  # in graphs of sessions, the operation that counts
        trackable_root: Any = self
        if root is not None:
            trackable_root = root() if isinstance(root, weakref.ref) else root
            _check_trackable(trackable_root, "root")
            attached = []
            kwargs["root"] = root
            trackable_root._maybe_initialize_trackable()
            self._save_counter = NoDependency(trackable_root._lookup_dependency("save_counter"))
        for name, value in sorted(kwargs.items()):
            setattr(self, name, value)
            # As it was set: lists and dictionaries are wrapped.
            held = getattr(self, name)
            held = held() if isinstance(held, weakref.ref) else held
            _check_trackable(held, name)
            if attached is None:
                continue
            child = trackable_root._lookup_dependency(name)
            if child is None:
                attached.append((name, held if isinstance(held, tuple) else weakref.ref(held)))
            elif child is not held:
                raise ValueError(
                    explain(
                        f"Cannot create a Checkpoint with keyword argument {name} if root.{name} already exists; leave it out, or "
                        "give it another name."
                    )
                )
        self._saver = NoDependency(_Saver(Root(trackable_root, attached)))

    def _make_save_counter(self) -> None:
        if self._save_counter is not None:
            return
        with init_scope():
            counter = Variable(0, dtype=dtypes.int64, trainable=False, name="save_counter")
            self._track_trackable(counter, "save_counter")
            self._save_counter = NoDependency(counter)
            saver: _Saver = self._saver  # type: ignore[assignment]
            if saver.root.attached is not None:
                saver.root.attached.append(("save_counter", counter))
                # The root keeps what waits for the counter, though it will never hold it.
                for position in saver.root.object._deferred_dependencies.pop("save_counter", ())[:1]:
                    position.restore(counter)

    @property
    def save_counter(self) -> Any:
        """The variable that counts calls to `save`, and numbers what they write."""
        self._make_save_counter()
        return self._save_counter

    def write(self, file_prefix: Any, options: Any = None) -> Any:
        """Write a checkpoint and return its path. It is not numbered, and `tf.train.latest_checkpoint` does not learn of it.

        Inside of a traced function it is written whenever that runs.

        Args:
          file_prefix: where to, without endings; folders on the way are made.
          options: `tf.train.CheckpointOptions`.

        Raises:
          tf.errors.OpError: it cannot be written. What was there before is kept.
        """
        return self._write(file_prefix, options)

    def _write(self, file_prefix: Any, options: Any = None, session: Any = None) -> Any:
        return self._saver.write(file_prefix, options or CheckpointOptions(), session)  # type: ignore[attr-defined]

    def save(self, file_prefix: Any, options: Any = None) -> str:
        """Count, write a checkpoint whose path ends with the number, note it as the latest, and return its path.

        Args:
          file_prefix: where to, without number and endings.
          options: `tf.train.CheckpointOptions`.

        Raises:
          NotImplementedError: inside of a traced function; `write` works there.
          tf.errors.OpError: it cannot be written.
        """
        return self._save(file_prefix, options)

    def _save(self, file_prefix: Any, options: Any = None, session: Any = None) -> str:
        graph = current_graph()
        if graph is not None and graph.building_function:
            raise NotImplementedError(
                explain(
                    "Calling tf.train.Checkpoint.save() from a function is not supported, as save() modifies saving metadata in "
                    "ways not supported by TensorFlow Operations. Consider using tf.train.Checkpoint.write(), a lower-level API "
                    "which does not update metadata. tf.train.latest_checkpoint and related APIs will not see this checkpoint."
                )
            )
        options = copy.copy(options) if options else CheckpointOptions()
        number = self._next_number(session, file_prefix)
        options.experimental_write_callbacks = [*(options.experimental_write_callbacks or ()), note_checkpoint]
        return str(self._write(f"{writing.text_of(file_prefix)}-{number}", options, session))

    def _next_number(self, session: Any, file_prefix: Any) -> int:
        if not in_session_graph():
            return int(self.save_counter.assign_add(1).numpy())
        session = session_for(session, f'save checkpoint to "{writing.text_of(file_prefix)}"')
        if self._save_counter is None:
            session.run(self.save_counter.initializer)
        if self._counting is None:
            self._counting = NoDependency(self.save_counter.assign_add(1, read_value=True))
        return int(session.run(self._counting))

    def read(self, save_path: Any, options: Any = None) -> Any:
        """Bring values back from a checkpoint that `write` wrote; return a status with checks, as `restore` does.

        Args:
          save_path: what `write` returned.
          options: `tf.train.CheckpointOptions`.
        """
        return self._saver.read(save_path, options or CheckpointOptions())  # type: ignore[attr-defined]

    def restore(self, save_path: Any, options: Any = None) -> Any:
        """Bring values back from a checkpoint: to objects that are there now, and to others when they come.

        Args:
          save_path: what `save` returned, the folder of a saved model, or None for none. Checkpoints of
            `tf.compat.v1.train.Saver` are matched by the names of variables.
          options: `tf.train.CheckpointOptions`.

        Returns:
          A status. Its `assert_consumed()` checks that everything on both sides was matched,
          `assert_existing_objects_matched()` that all objects were, `assert_nontrivial_match()` that any was;
          `expect_partial()` keeps it from warning of what was left over.

        Raises:
          tf.errors.NotFoundError: there is no such checkpoint.
          tf.errors.DataLossError: it is damaged.
          ValueError: a value has a shape that its variable cannot hold.
        """
        try:
            status = self.read(restored_path(save_path), options)
        except errors.NotFoundError as error:
            raise errors.NotFoundError(
                None,
                None,
                f"Error when restoring from checkpoint or SavedModel at {save_path}: {error.message}\nPlease double-check that "
                "the path is correct. You may be missing the checkpoint suffix (e.g. the '-1' in 'path/to/ckpt-1').",
            ) from None
        self._make_save_counter()
        if isinstance(status, NameBasedSaverStatus):
            status.add_to_optionally_restored(self.save_counter)
        return status

    def sync(self) -> None:
        """Wait until all is written; raise what kept it from that."""
        self._saver.writer.wait()  # type: ignore[attr-defined]


@public("compat.v1.train.Checkpoint")
class CheckpointV1(Checkpoint):
    """Groups objects so that what they hold can be written to files and brought back.

    Args:
      **kwargs: objects to save by name.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)

    def write(self, file_prefix: Any, session: Any = None) -> Any:  # type: ignore[override]
        """Write a checkpoint, of a graph with what a session holds, and return its path."""
        return self._write(file_prefix, None, session)

    def save(self, file_prefix: Any, session: Any = None) -> str:  # type: ignore[override]
        """Count, write a checkpoint whose path ends with the number, note it as the latest, and return its path."""
        return self._save(file_prefix, None, session)

    def restore(self, save_path: Any) -> Any:  # type: ignore[override]
        """Bring values back from a checkpoint: to objects that are there now, and to others when they come."""
        return super().restore(save_path)
