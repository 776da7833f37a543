"""What ops take from the machine while they run is known before: predicted peaks are the measured ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.special as sp

import adcore as ad
from adcore import random
from adcore.extend import op_call
from adcore.scipy import linalg, special

RNG = np.random.default_rng(20260107)
N = 200
A = RNG.normal(size=(N, N)) / N + np.eye(N)
SPD = A @ A.T
X = RNG.uniform(0.5, 2.0, 100_000)
KEY = random.key(1)
IMAGES, KERNELS = RNG.normal(size=(4, 8, 32, 32)), RNG.normal(size=(8, 8, 3, 3))

CASES: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "solve": (np.linalg.solve, (A, A)),
    "qr": (lambda a: tuple(np.linalg.qr(a)), (A,)),
    "svd": (lambda a: tuple(np.linalg.svd(a)), (A,)),
    "eigh": (lambda a: tuple(np.linalg.eigh(a)), (SPD,)),
    "pinv": (np.linalg.pinv, (A[:, :70].copy(),)),
    "gradient of det": (lambda a: ad.jvp(np.linalg.det, (a,), (a,))[1], (A,)),
    "norm": (np.linalg.norm, (X,)),
    "norm, complex": (np.linalg.norm, (X + 1j,)),
    "solve_triangular": (linalg.solve_triangular, (A, A)),
    "lu_factor": (lambda a: linalg.lu_factor(a)[0], (A,)),
    "sqrtm": (linalg.sqrtm, (SPD,)),
    "solve_sylvester": (linalg.solve_sylvester, (A, A, SPD)),
    "solve_banded": (
        lambda ab, b: linalg.solve_banded((1, 1), ab, b),
        (9.0 * np.ones((3, N * N)) - 8.0 * np.eye(3)[:, [0]], np.ones(N * N)),
    ),
    "factor_banded": (
        lambda ab, b: op_call("linalg::solve_factored_banded")(
            *op_call("linalg::factor_banded")(ab, below=1, above=1), b, below=1, above=1
        ),
        (9.0 * np.ones((3, N * N)) - 8.0 * np.eye(3)[:, [0]], np.ones((N * N, 1))),
    ),
    "fft": (np.fft.fft, (X,)),
    "fft2": (np.fft.fft2, (A + 0j,)),
    "irfft": (np.fft.irfft, (X + 0j,)),
    "gamma": (sp.gamma, (X,)),
    "polygamma": (lambda x: special.polygamma(1, x), (X,)),
    "spherical_jn": (lambda x: special.spherical_jn(2, x), (X,)),
    "derivative of erfcx": (lambda x: ad.jvp(sp.erfcx, (x,), (x,))[1], (X,)),
    "logsumexp": (special.logsumexp, (X,)),
    "softmax": (special.softmax, (X,)),
    "log_softmax": (special.log_softmax, (X,)),
    "conv": (lambda x, w: ad.conv(x, w, padding=1), (IMAGES, KERNELS)),
    "conv, cotangent of w": (lambda x, w: ad.grad(lambda w: np.sum(ad.conv(x, w)))(w), (IMAGES, KERNELS)),
    "bits": (lambda k: random.bits(k, X.size), (KEY,)),
    "uniform": (lambda k: random.uniform(k, X.size), (KEY,)),
    "normal": (lambda k: random.normal(k, X.size), (KEY,)),
    "exponential": (lambda k: random.exponential(k, X.size), (KEY,)),
    "randint": (lambda k: random.randint(k, 0, 7, X.size), (KEY,)),
    "permutation": (lambda k: random.permutation(k, X.size), (KEY,)),
}


@pytest.mark.parametrize("name", CASES)
def test_the_measured_peak_is_the_predicted_one(name: str) -> None:
    f, args = CASES[name]
    program = ad.trace(f, *args).compile()
    program.measure(*args)
    measured, predicted = program.measure(*args).peak_bytes, program.plan.cost.peak_bytes
    assert abs(measured - predicted) <= 0.02 * predicted + 65536
