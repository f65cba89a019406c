"""Linear operators (`tf.linalg.LinearOperator…`): matrices known by what they do."""

from millstream.api.linear_operators import algebra, banded, low_rank_update
