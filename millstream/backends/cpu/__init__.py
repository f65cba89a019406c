"""The cpu back end: plans for our own runtime."""
