"""See ARCHITECTURE.md: the room `compiler`."""
