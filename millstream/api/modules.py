"""tf.Module, tf.name_scope and the tracking classes."""

from __future__ import annotations

from millstream.api.public import publish
from millstream.execution import data_structures, trackable
from millstream.execution.autotrackable import AutoTrackable
from millstream.execution.critical_section import CriticalSection
from millstream.execution.module import Module
from millstream.execution.name_scope import NameScope

publish("Module", Module)
publish("name_scope", NameScope)
publish("CriticalSection", CriticalSection)
publish("__internal__.tracking.AutoTrackable", AutoTrackable)
publish("__internal__.tracking.Trackable", trackable.Trackable)
publish("__internal__.tracking.CheckpointInitialValue", trackable.CheckpointInitialValue)
publish("__internal__.tracking.CheckpointInitialValueCallable", trackable.CheckpointInitialValueCallable)
publish("__internal__.tracking.DelegatingTrackableMixin", trackable.DelegatingTrackableMixin)
publish("__internal__.tracking.TrackableReference", trackable.TrackableReference)
publish("__internal__.tracking.TrackableDataStructure", data_structures.TrackableDataStructure)
publish("__internal__.tracking.no_automatic_dependency_tracking", trackable.no_automatic_dependency_tracking)
publish("__internal__.tracking.sticky_attribute_assignment", data_structures.sticky_attribute_assignment)
publish("__internal__.tracking.wrap", data_structures.wrap_or_unwrap)
