"""See ARCHITECTURE.md: the room `execution`."""
