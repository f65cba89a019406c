"""tf.autograph: Python control flow that becomes graph control flow."""

from __future__ import annotations

from millstream.api.public import publish
from millstream.execution import autograph

publish("autograph.experimental.do_not_convert", autograph.do_not_convert)
publish("autograph.experimental.Feature", autograph.Feature)
publish("autograph.experimental.set_loop_options", autograph.set_loop_options)
publish("autograph.to_graph", autograph.to_graph)
publish("autograph.to_code", autograph.to_code)
publish("autograph.set_verbosity", autograph.set_verbosity)
publish("autograph.trace", autograph.trace)
