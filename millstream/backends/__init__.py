"""The back ends: cpu (our runtime) and reference (NumPy)."""
