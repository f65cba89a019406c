"""See ARCHITECTURE.md: the room `autodiff`."""
