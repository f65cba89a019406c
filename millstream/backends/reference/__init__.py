"""The reference back end: the NumPy meaning of each primitive, one after the other. Slow, and the measure of the others."""
