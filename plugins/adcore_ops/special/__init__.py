"""Special functions: those of scipy.special, recorded where a traced array meets SciPy's ufuncs.

SciPy is imported when one of them first runs, not when this package is.
"""

from adcore_ops.special import (
    bessel,
    distributions,
    entropy,
    erf,
    families,
    gamma,
    hypergeometric,
    incomplete,
    integrals,
    sums,
)
from adcore_ops.special.row import FUNCTIONS

FAMILIES = (gamma, erf, entropy, bessel, integrals, hypergeometric, distributions, families, incomplete, sums)

OPS = [op for family in FAMILIES for op in family.OPS]

__all__ = ["FUNCTIONS", "OPS"]
