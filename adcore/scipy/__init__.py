"""SciPy's functions for traced arrays, under SciPy's names: `import adcore.scipy.linalg as linalg`.

SciPy's ufuncs (`scipy.special.gamma`) are recorded as they are. Its other functions ask an array for its
numbers, which a traced one has not got yet; those that models need most are here. Each module has every
name of SciPy's own: what is not written here is SciPy's function, and works on arrays that are not traced.

    linalg   triangular, banded and Sylvester systems; LU, Cholesky; expm, logm, sqrtm, ...; block_diag
    special  logsumexp, softmax, polygamma, multigammaln, spherical Bessel functions, ...
    fft      the transforms, and the cosine and sine transforms
    signal   convolve, correlate, fftconvolve, convolve2d, correlate2d
    stats    densities and distribution functions: norm, t, gamma, beta, chi2, poisson, multivariate_normal, ...

>>> import numpy as np
>>> import adcore as ad
>>> from adcore.scipy import special
>>> ad.grad(lambda x: special.logsumexp(x))(np.zeros(2))
array([0.5, 0.5])
"""

import importlib

PARTS = ("fft", "linalg", "signal", "special", "stats")


def __getattr__(name: str) -> object:
    """The parts, imported when they are first asked for."""
    if name in PARTS:
        return importlib.import_module(f"adcore.scipy.{name}")
    raise AttributeError(f"adcore.scipy has {', '.join(PARTS)}, but no {name!r}")
