"""Publishes the messages that event files are made of."""

from __future__ import annotations

from millstream.api.public import publish
from millstream.base.messages import message
from millstream.summary import file_writer, imported, version_1  # noqa: F401 - they publish themselves

for _name in (
    "Event",
    "HistogramProto",
    "LogMessage",
    "SessionLog",
    "Summary",
    "SummaryDescription",
    "SummaryMetadata",
):
    publish(f"compat.v1.{_name}", message(_name))
