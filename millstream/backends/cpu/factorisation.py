"""Write the instructions of factorisations and solutions of matrices."""

from __future__ import annotations

from millstream.backends.cpu.emitters import simple
from millstream.backends.cpu.movement import with_words

for _name in ("cholesky", "lu", "determinant", "log_determinant", "eigh"):
    simple(_name)
simple("eigenvalues", "eigh")
with_words("triangular_solve", lambda n: (int(n.attributes["lower"]), int(n.attributes["adjoint"])))
with_words("solve", lambda n: (int(n.attributes["adjoint"]),))
with_words("inverse", lambda n: (int(n.attributes["adjoint"]),))
with_words("qr", lambda n: (int(n.attributes["whole"]),))
with_words("svd", lambda n: (int(n.attributes["whole"]),))
with_words("singular_values", lambda n: (0,), "svd")
for _name in ("eig", "matrix_square_root", "matrix_logarithm"):
    simple(_name)
simple("eig_values", "eig")
with_words("tridiagonal_solve", lambda n: (int(n.attributes["pivoting"]), int(n.attributes["perturb"])))
with_words("banded_solve", lambda n: (int(n.attributes["lower"]), int(n.attributes["adjoint"])))
