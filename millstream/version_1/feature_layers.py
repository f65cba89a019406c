"""tf.compat.v1.feature_column's input_layer and linear_model: columns with their variables in the graph, by scopes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from millstream.api.feature_column import check_categorical, check_embedding
from millstream.api.feature_column_dense import EmbeddingColumn
from millstream.api.feature_column_kinds import (
    CategoricalColumn,
    DenseColumn,
    FeatureColumn,
    FeatureTransformationCache,
)
from millstream.api.public import public, root
from millstream.base import dtypes
from millstream.base.errors import explain
from millstream.version_1.variables.keys import GraphKeys, collecting_graph
from millstream.version_1.variables.scope import get_variable, variable_scope

tf: Any = root()


class _SharedEmbedding(EmbeddingColumn):
    """A column of vectors that has its table together with others, under one name."""

    shared_name: str

    @property
    def name(self) -> str:
        """The source's name, and what is done to it."""
        return f"{self.categorical_column.name}_shared_embedding"


class _Variables:
    """Makes the variables of columns in the scopes that they are asked for in."""

    def __init__(self, collections: Iterable[str], trainable: bool) -> None:
        self._collections, self._trainable = [*collections], trainable
        self._made: dict[tuple[Any, str], Any] = {}
        self.of_column: dict[Any, list[Any]] = {}

    def create_variable(
        self,
        feature_column: Any,
        name: str,
        shape: Any,
        dtype: Any = None,
        trainable: bool = True,
        use_resource: bool = True,
        initializer: Any = None,
    ) -> Any:
        """Return a new variable of a column; one that columns share where it is there already."""
        shared = getattr(feature_column, "shared_name", None)
        tables = collecting_graph().__dict__.setdefault("shared_embeddings", {})
        made = tables.get((shared, name))
        if made is None or shared is None:
            made = get_variable(
                name,
                shape,
                dtype or dtypes.float32,
                initializer,
                trainable=trainable and self._trainable,
                collections=list(
                    dict.fromkeys([*self._collections, GraphKeys.GLOBAL_VARIABLES, GraphKeys.MODEL_VARIABLES])
                ),
            )
        if shared is not None:
            tables[shared, name] = made
        self._made[feature_column, name] = made
        parts = made._get_variable_list() if hasattr(made, "_get_variable_list") else [made]
        self.of_column.setdefault(feature_column, []).extend(parts)
        return made

    def get_variable(self, feature_column: Any, name: str) -> Any:
        """Return a variable of a column."""
        return self._made[feature_column, name]


def _sorted(feature_columns: Any, kinds: tuple[Any, ...], hint: str) -> list[Any]:
    """Return the columns by their names.

    Raises:
      ValueError: there are none, one is of another kind, or two have one name.
    """
    columns: list[Any] = [feature_columns] if isinstance(feature_columns, FeatureColumn) else list(feature_columns)
    if not columns:
        raise ValueError(explain("feature_columns must not be empty."))
    names: dict[str, Any] = {}
    for column in columns:
        if not isinstance(column, kinds):
            raise ValueError(explain(f"Items of feature_columns must be a {hint} Given: {column}"))
        if column.name in names:
            raise ValueError(
                explain(f"Duplicate feature column name found for columns: {column} and {names[column.name]}")
            )
        names[column.name] = column
    return sorted(columns, key=lambda column: column.name)


def _scope_of(column: Any) -> Any:
    return variable_scope(None, getattr(column, "shared_name", column.name))


@public("compat.v1.feature_column.input_layer")
def input_layer(
    features: Mapping[str, Any],
    feature_columns: Any,
    weight_collections: Iterable[str] | None = None,
    trainable: bool = True,
    cols_to_vars: dict[Any, list[Any]] | None = None,
    cols_to_output_tensors: dict[Any, Any] | None = None,
) -> Any:
    """Return what dense columns make of features, side by side in the order of the columns' names.

    Args:
      features: tensors and sparse tensors by name.
      feature_columns: the columns.
      weight_collections: more collections that the variables are added to.
      trainable: whether optimizers change the variables.
      cols_to_vars: is filled with the variables of each column.
      cols_to_output_tensors: is filled with the tensor of each column.

    Raises:
      ValueError: there are no columns, one is not dense, or two have one name.
    """
    hint = "_DenseColumn. You can wrap a categorical column with an embedding_column or indicator_column."
    columns = _sorted(feature_columns, (DenseColumn,), hint)
    with variable_scope(None, "input_layer", values=list(features.values())):
        cache, variables = FeatureTransformationCache(features), _Variables(weight_collections or (), trainable)
        parts = []
        for column in columns:
            with _scope_of(column):
                column.create_state(variables)
                part = tf.reshape(column.get_dense_tensor(cache, variables), [-1, column.variable_shape.num_elements()])
            parts.append(part)
            if cols_to_output_tensors is not None:
                cols_to_output_tensors[column] = part
            if cols_to_vars is not None:
                cols_to_vars[column] = variables.of_column.get(column, [])
        return tf.concat(parts, 1, name="concat")


@public("compat.v1.feature_column.linear_model")
def linear_model(
    features: Mapping[str, Any],
    feature_columns: Any,
    units: int = 1,
    sparse_combiner: str = "sum",
    weight_collections: Iterable[str] | None = None,
    trainable: bool = True,
    cols_to_vars: dict[Any, list[Any]] | None = None,
) -> Any:
    """Return the sum of what each column's weights make of features, and of a bias.

    Args:
      features: tensors and sparse tensors by name.
      feature_columns: the columns: dense ones are multiplied by their weights, categories pick theirs.
      units: how many sums there are.
      sparse_combiner: how the weights of several categories of a row become one: "sum", "mean" or "sqrtn".
      weight_collections: more collections that the variables are added to.
      trainable: whether optimizers change the variables.
      cols_to_vars: is filled with the variables of each column, and those of the bias under "bias".

    Raises:
      ValueError: there are no columns, or two have one name.
    """
    columns = _sorted(feature_columns, (DenseColumn, CategoricalColumn), "FeatureColumn.")
    with variable_scope(None, "linear_model", values=list(features.values())):
        cache, variables = FeatureTransformationCache(features), _Variables(weight_collections or (), trainable)
        sums = []
        for column in columns:
            with _scope_of(column):
                sums.append(_weighted(column, cache, variables, units, sparse_combiner))
            if cols_to_vars is not None:
                cols_to_vars[column] = variables.of_column.get(column, [])
        bias = variables.create_variable("bias", "bias_weights", [units], initializer=tf.compat.v1.zeros_initializer())
        if cols_to_vars is not None:
            cols_to_vars["bias"] = variables.of_column["bias"]
        return tf.nn.bias_add(tf.add_n(sums), bias, name="weighted_sum")


def _weighted(column: Any, cache: Any, variables: _Variables, units: int, combiner: str) -> Any:
    """Return the sums of one column's weights."""
    is_picked = isinstance(column, CategoricalColumn)
    size = column.num_buckets if is_picked else column.variable_shape.num_elements()
    zeros = tf.compat.v1.zeros_initializer()
    weights = variables.create_variable(column, "weights", [size, units], initializer=zeros)
    column.create_state(variables)
    if not is_picked:
        return tf.matmul(tf.reshape(column.get_dense_tensor(cache, variables), [-1, size]), weights)
    pair = column.get_sparse_tensors(cache, variables)
    ids, shares = (
        None if t is None else tf.sparse.reshape(t, [tf.shape(t)[0], -1]) for t in (pair.id_tensor, pair.weight_tensor)
    )
    return tf.nn.safe_embedding_lookup_sparse(weights, ids, shares, combiner)


@public("compat.v1.feature_column.shared_embedding_columns")
def shared_embedding_columns(
    categorical_columns: Sequence[Any],
    dimension: int,
    combiner: str = "mean",
    initializer: Any = None,
    shared_embedding_collection_name: str | None = None,
    ckpt_to_load_from: Any = None,
    tensor_name_in_ckpt: Any = None,
    max_norm: Any = None,
    trainable: bool = True,
    use_safe_embedding_lookup: bool = True,
) -> list[Any]:
    """Return dense columns of learnt vectors that have one table together.

    Args:
      categorical_columns: columns of categories, as many in each.
      dimension, combiner, initializer, ckpt_to_load_from, tensor_name_in_ckpt, max_norm, trainable,
        use_safe_embedding_lookup: as `tf.feature_column.embedding_column` has them.
      shared_embedding_collection_name: the scope of the table; of the columns' names without it.

    Raises:
      ValueError: arguments do not fit, or the columns have different numbers of categories.
    """
    found = check_embedding(dimension, initializer, ckpt_to_load_from, tensor_name_in_ckpt)
    for column in categorical_columns:
        check_categorical(column)
    counts = {column.num_buckets for column in categorical_columns}
    if len(counts) != 1:
        raise ValueError(
            explain(
                "To use shared_embedding_column, all categorical_columns must have the same number of buckets. Given: "
                f"{ {column.name: column.num_buckets for column in categorical_columns} }"
            )
        )
    name = shared_embedding_collection_name
    if name is None:
        name = f"{'_'.join(sorted(column.name for column in categorical_columns))}_shared_embedding"
    made = []
    for column in categorical_columns:
        shared = _SharedEmbedding(
            column, dimension, combiner, found, None, None, max_norm, trainable, use_safe_embedding_lookup
        )
        shared.shared_name = name
        made.append(shared)
    return made
