"""See ARCHITECTURE.md: the room `api`."""
