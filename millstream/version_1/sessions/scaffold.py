"""tf.compat.v1.train.Scaffold: what a graph needs around its model, made where it is not given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millstream.api.public import public, root
from millstream.base.errors import explain
from millstream.version_1.variables.keys import GraphKeys, add_to_collection, get_collection

tf: Any = root()


@public("compat.v1.train.Scaffold")
class Scaffold:
    """What a graph needs around its model: what initialises it, says that it is ready, summarises and saves it.

    Args:
      init_op: initialises global variables.
      init_feed_dict: what is fed to it.
      init_fn: is called as init_fn(scaffold, session) after it.
      ready_op: gives the names of what is not initialised.
      ready_for_local_init_op: likewise, before `local_init_op`.
      local_init_op: initialises local variables and tables.
      summary_op: gives all summaries.
      saver: saves variables.
      copy_from_scaffold: another one, whose parts are taken where none is given here.
      local_init_feed_dict: what is fed to `local_init_op`.
    """

    def __init__(
        self,
        init_op: Any = None,
        init_feed_dict: Any = None,
        init_fn: Callable[..., Any] | None = None,
        ready_op: Any = None,
        ready_for_local_init_op: Any = None,
        local_init_op: Any = None,
        summary_op: Any = None,
        saver: Any = None,
        copy_from_scaffold: Any = None,
        local_init_feed_dict: Any = None,
    ) -> None:
        if copy_from_scaffold is not None and not isinstance(copy_from_scaffold, Scaffold):
            raise TypeError(explain("copy_from_scaffold is not a Scaffold instance."))

        def of(name: str, value: Any) -> Any:
            return getattr(copy_from_scaffold, name, None) if value is None else value

        self._init_op, self._ready_op = of("init_op", init_op), of("ready_op", ready_op)
        self._ready_for_local_init_op = of("ready_for_local_init_op", ready_for_local_init_op)
        self._local_init_op, self._summary_op = of("local_init_op", local_init_op), of("summary_op", summary_op)
        self._saver, self._init_feed_dict = of("saver", saver), of("init_feed_dict", init_feed_dict)
        self._local_init_feed_dict = of("local_init_feed_dict", local_init_feed_dict)
        self._init_fn = (lambda scaffold, session: init_fn(scaffold, session)) if init_fn else None
        if copy_from_scaffold is not None and init_fn is None:
            self._init_fn = copy_from_scaffold._init_fn

    def finalize(self) -> Scaffold:
        """Make what was not given, and end the graph."""
        v1 = tf.compat.v1
        if self._init_op is None:
            self._init_op = Scaffold.get_or_default(
                "init_op",
                GraphKeys.INIT_OP,
                lambda: tf.group(
                    v1.global_variables_initializer(), v1.initializers.variables(get_collection("resources"))
                ),
            )
        if self._ready_op is None:
            self._ready_op = Scaffold.get_or_default("ready_op", GraphKeys.READY_OP, v1.report_uninitialized_variables)
        if self._ready_for_local_init_op is None:
            self._ready_for_local_init_op = Scaffold.get_or_default(
                "ready_for_local_init_op",
                GraphKeys.READY_FOR_LOCAL_INIT_OP,
                lambda: v1.report_uninitialized_variables(v1.global_variables()),
            )
        if self._local_init_op is None:
            self._local_init_op = Scaffold.get_or_default(
                "local_init_op", GraphKeys.LOCAL_INIT_OP, Scaffold.default_local_init_op
            )
        if self._summary_op is None:
            self._summary_op = Scaffold.get_or_default("summary_op", GraphKeys.SUMMARY_OP, v1.summary.merge_all)
        if self._saver is None:
            self._saver = _saver_or_default()
        self._saver.build()
        v1.get_default_graph().finalize()
        return self

    @property
    def init_fn(self) -> Any:
        """What is called after `init_op`."""
        return self._init_fn

    @property
    def init_op(self) -> Any:
        """What initialises global variables."""
        return self._init_op

    @property
    def ready_op(self) -> Any:
        """What gives the names of what is not initialised."""
        return self._ready_op

    @property
    def ready_for_local_init_op(self) -> Any:
        """Likewise, before `local_init_op`."""
        return self._ready_for_local_init_op

    @property
    def local_init_op(self) -> Any:
        """What initialises local variables and tables."""
        return self._local_init_op

    @property
    def local_init_feed_dict(self) -> Any:
        """What is fed to `local_init_op`."""
        return self._local_init_feed_dict

    @property
    def summary_op(self) -> Any:
        """What gives all summaries."""
        return self._summary_op

    @property
    def saver(self) -> Any:
        """What saves variables."""
        return self._saver

    @property
    def init_feed_dict(self) -> Any:
        """What is fed to `init_op`."""
        return self._init_feed_dict

    @staticmethod
    def get_or_default(arg_name: str, collection_key: str, default_constructor: Callable[[], Any]) -> Any:
        """Return the one item of a collection, which is made where there is none; RuntimeError where there are several."""
        found = get_collection(collection_key)
        if found:
            if len(found) > 1:
                raise RuntimeError(
                    explain(
                        f"More than one item in the collection {collection_key!r}. Please indicate which one to use by passing "
                        f"it to the tf.Scaffold constructor as: tf.Scaffold({arg_name}=item to use)"
                    )
                )
            return found[0]
        made = default_constructor()
        if made is not None:
            add_to_collection(collection_key, made)
        return made

    @staticmethod
    def default_local_init_op() -> Any:
        """Return what initialises local variables and fills tables."""
        return tf.group(tf.compat.v1.local_variables_initializer(), tf.compat.v1.tables_initializer())


def _saver_or_default() -> Any:
    savers = get_collection(GraphKeys.SAVERS)
    if len(savers) > 1:
        raise RuntimeError(
            explain("More than one item in collection SAVERS. Please indicate which one to use: Scaffold(saver=...).")
        )
    if savers:
        return savers[0]
    made = tf.compat.v1.train.Saver(sharded=True, allow_empty=True)
    add_to_collection(GraphKeys.SAVERS, made)
    return made
