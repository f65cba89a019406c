"""Public names and argument conversion. Every module of this folder publishes its names with `public`."""
