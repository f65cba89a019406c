"""The jobs of the command `millstream`, one module each."""
