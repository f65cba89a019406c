"""See ARCHITECTURE.md: the room `backends`."""
