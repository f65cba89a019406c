"""Write the instructions of reductions."""
