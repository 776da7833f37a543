"""Special functions: those of scipy.special, recorded where a traced array meets SciPy's ufuncs.

SciPy is imported when one of them first runs, not when this package is.
"""

import numpy as np

from adcore_ops.special import (
    bessel,
    distributions,
    elliptic,
    entropy,
    erf,
    families,
    gamma,
    hypergeometric,
    incomplete,
    integrals,
    inverses,
    pairs,
    sums,
)
from adcore_ops.special.row import FUNCTIONS as ROWS

FAMILIES = (
    gamma,
    erf,
    entropy,
    bessel,
    integrals,
    elliptic,
    hypergeometric,
    distributions,
    inverses,
    pairs,
    families,
    incomplete,
    sums,
)

OPS = [op for family in FAMILIES for op in family.OPS]

IN_NUMPY_TOO = {"cbrt": np.cbrt, "exp2": np.exp2, "expm1": np.expm1, "log1p": np.log1p, "round": np.rint}
"""Functions of scipy.special that NumPy has itself: they record NumPy's op."""

FUNCTIONS = ROWS | {f"scipy.special:{name}": function for name, function in IN_NUMPY_TOO.items()}

__all__ = ["FUNCTIONS", "OPS"]
