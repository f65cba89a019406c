"""tf.summary: numbers, pictures, sounds, texts and graphs over time, in the event files that TensorBoard reads."""

from millstream.summary import graphs as _graphs
from millstream.summary import kinds as _kinds
from millstream.summary import names as _names
