"""Variables are found by their names, scopes say what they are like, and mistakes are refused as TensorFlow refuses them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import millstream as tf
from millstream.version_1.variables.store import EagerVariableStore

v1: Any = tf.compat.v1


@pytest.fixture
def graph() -> Iterator[Any]:
    with tf.Graph().as_default() as made:
        yield made


def names(variables: Any) -> list[str]:
    return [v.name for v in variables]


@pytest.mark.usefixtures("graph")
class TestInGraphs:
    def test_a_variable_is_made_once_and_reused_where_the_scope_says_so(self) -> None:
        with v1.variable_scope("a") as scope:
            first = v1.get_variable("w", [2, 3])
            with pytest.raises(ValueError, match="Variable a/w already exists, disallowed"):
                v1.get_variable("w", [2, 3])
        with v1.variable_scope("a", reuse=True):
            assert v1.get_variable("w", [2, 3]) is first
            with pytest.raises(ValueError, match="Variable a/nope does not exist"):
                v1.get_variable("nope", [1])
            with pytest.raises(ValueError, match="specified shape"):
                v1.get_variable("w", [3, 3])
            with pytest.raises(ValueError, match="specified dtype"):
                v1.get_variable("w", [2, 3], tf.int32)
        with v1.variable_scope(scope, reuse=v1.AUTO_REUSE):
            assert v1.get_variable("new", [1]) is v1.get_variable("new", [1])
        assert names(v1.global_variables()) == ["a/w:0", "a/new:0"]

    def test_ops_are_named_after_the_scope_each_time_anew_and_variables_after_its_name(self) -> None:
        with v1.variable_scope("a") as first:
            pass
        with v1.variable_scope("a") as second:
            assert tf.constant(1.0, name="c").name == "a_1/c:0"
            assert v1.get_variable("v", [1]).name == "a/v:0"
        with v1.variable_scope(first):
            assert tf.constant(1.0, name="c").name == "a_2/c:0"
        assert (first.original_name_scope, second.original_name_scope) == ("a/", "a_1/")
        with v1.variable_scope(None, "a") as third:
            assert third.name == "a_1"
        with tf.name_scope("n"):
            assert v1.get_variable("q", [1]).name == "q:0"

    def test_scopes_hand_down_what_they_were_given(self) -> None:
        with v1.variable_scope("a", initializer=v1.ones_initializer(), dtype=tf.float64), v1.variable_scope("b"):
            made = v1.get_variable("w", [2])
        assert made.dtype is tf.float64
        with v1.Session() as session:
            session.run(v1.global_variables_initializer())
            assert session.run(made).tolist() == [1.0, 1.0]

    def test_partitioners_divide_variables_that_act_as_one(self) -> None:
        with v1.variable_scope("p", partitioner=v1.fixed_size_partitioner(3)):
            whole = v1.get_variable("w", initializer=tf.range(7.0))
            assert v1.get_variable("scalar", []).name == "p/scalar:0"
        assert names(whole._get_variable_list()) == ["p/w/part_0:0", "p/w/part_1:0", "p/w/part_2:0"]
        value = tf.convert_to_tensor(whole)
        with v1.variable_scope("p", reuse=True):
            assert v1.get_variable("w", [7]) is whole
        with v1.variable_scope("p"), pytest.raises(ValueError, match="partitioned version of the variable was found"):
            v1.get_variable("w", [7])
        with v1.Session() as session:
            session.run(v1.global_variables_initializer())
            assert session.run(value).tolist() == list(range(7))

    def test_regularizers_give_losses_that_the_graph_collects(self) -> None:
        with v1.variable_scope("r", regularizer=tf.reduce_sum):
            v1.get_variable("w", [3], initializer=v1.ones_initializer())
            v1.get_variable("free", [3], regularizer=v1.no_regularizer)
        (loss,) = v1.losses.get_regularization_losses()
        assert loss.name.startswith("r/w/Regularizer/")

    def test_custom_getters_are_asked_from_the_inside_out(self) -> None:
        asked = []

        def getter(label: str) -> Any:
            def get(getter: Any, name: str, *args: Any, **kwargs: Any) -> Any:
                asked.append(label)
                return getter(f"{name}_{label}", *args, **kwargs)

            return get

        with v1.variable_scope("a", custom_getter=getter("outer")):
            with v1.variable_scope("b", custom_getter=getter("inner")):
                assert v1.get_variable("w", [1]).name == "a/b/w_inner_outer:0"
        assert asked == ["inner", "outer"]

    def test_templates_make_their_variables_once(self) -> None:
        scale = v1.make_template("scale", lambda x: x * v1.get_variable("w", []))
        scale(1.0)
        scale(2.0)
        assert names(scale.variables) == ["scale/w:0"]
        fresh = v1.make_template("fresh", lambda: v1.Variable(1.0))
        fresh()
        with pytest.raises(ValueError, match="variable created when calling a template after the first time"):
            fresh()

    def test_collections_are_kept_by_graph_and_found_by_scope(self) -> None:
        v1.get_variable("a/w", [1])
        v1.get_variable("b/w", [1], trainable=False, collections=["mine"])
        v1.get_local_variable("c", [1])
        assert names(v1.trainable_variables("a")) == ["a/w:0"]
        assert names(v1.get_collection("mine")) == ["b/w:0"]
        assert names(v1.local_variables()) == ["c:0"]
        with tf.Graph().as_default():
            assert v1.global_variables() == []

    def test_what_can_be_no_variable_is_refused(self) -> None:
        with pytest.raises(ValueError, match="If initializer is a constant, do not specify shape"):
            v1.get_variable("k", initializer=1.0, shape=[])
        with pytest.raises(ValueError, match="did not get an initializer"):
            v1.get_variable("k")
        with pytest.raises(ValueError, match="explicit dtype"):
            v1.get_variable("k", initializer=1.0, dtype=tf.int32)
        with pytest.raises(TypeError, match="default_name"):
            v1.variable_scope(None)
        with pytest.raises(ValueError, match="reuse parameter"):
            v1.variable_scope("a", reuse=3)


def test_where_ops_run_at_once_each_call_makes_a_variable_unless_a_store_keeps_them() -> None:
    with v1.variable_scope("a"):
        first, second = v1.get_variable("w", [1]), v1.get_variable("w", [1])
    assert first.name == second.name == "a/w:0"
    assert first is not second
    store = EagerVariableStore()
    with store.as_default():
        assert v1.get_variable("z", [1]) is v1.get_variable("z", [1])
    assert names(store.variables()) == ["z:0"]


def test_the_global_step_is_found_again_in_graphs_and_without() -> None:
    with tf.Graph().as_default():
        assert v1.train.get_global_step() is None
        assert v1.train.get_or_create_global_step() is v1.train.get_global_step()
        with pytest.raises(ValueError, match="already exists"):
            v1.train.create_global_step()
    with pytest.raises(TypeError, match="integer"):
        v1.train.assert_global_step(tf.Variable(1.0))
