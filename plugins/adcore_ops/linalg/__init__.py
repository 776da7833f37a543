"""Linear algebra: the functions of numpy.linalg, and those of scipy.linalg that need SciPy to run.

Every op takes stacks of matrices in its last two axes. The rules are written in NumPy, from the
papers named in each file; none conjugates where the pairing Re sum(y_bar * x_dot) does not.
"""

from adcore_ops.linalg import eigen, equations, factor, matrix_functions, norm, singular, solve, triangular
from adcore_ops.linalg.functions import FUNCTIONS

FAMILIES = (solve, factor, eigen, singular, norm, triangular, matrix_functions, equations)

OPS = [op for family in FAMILIES for op in family.OPS]

__all__ = ["FUNCTIONS", "OPS"]
