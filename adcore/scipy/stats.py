"""scipy.stats' densities and distribution functions for traced arrays; see `adcore.scipy`.

A distribution here has the functions pdf, logpdf, cdf, logcdf, sf, logsf, ppf and isf (pmf and logpmf, if it is
discrete) with SciPy's arguments: the variable, its shape parameters, loc and scale. They are functions of
traced parameters too, with derivatives where the special functions behind them have these. All else
(rvs, fit, mean) is SciPy's own.
Source: the densities as SciPy's reference gives them; Johnson, Kotz and Balakrishnan 1994, "Continuous
univariate distributions".
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from adcore.scipy.theirs import array, arrays, theirs
from adcore.trace import op_call

__getattr__ = theirs("stats")

_gammaln, _betaln, _xlogy = op_call("special::gammaln"), op_call("special::betaln"), op_call("special::xlogy")
_xlog1py, _ndtr, _ndtri = op_call("special::xlog1py"), op_call("special::ndtr"), op_call("special::ndtri")
_log_ndtr, _gammainc, _gammaincc = (op_call(f"special::{n}") for n in ("log_ndtr", "gammainc", "gammaincc"))
_gammaincinv, _gammainccinv = op_call("special::gammaincinv"), op_call("special::gammainccinv")
_betainc, _betaincinv, _stdtr = (op_call(f"special::{n}") for n in ("betainc", "betaincinv", "stdtr"))
_stdtrit, _pdtr, _pdtrc, _bdtr = (op_call(f"special::{n}") for n in ("stdtrit", "pdtr", "pdtrc", "bdtr"))
_expit, _log_expit, _logit = (op_call(f"special::{n}") for n in ("expit", "log_expit", "logit"))

LOG_ROOT_2PI = 0.5 * math.log(2.0 * math.pi)


class _Distribution:
    """What is not written here (rvs, fit, mean, a frozen distribution) is that of SciPy's distribution of the name."""

    name: str

    def __getattr__(self, attribute: str) -> Any:
        if attribute.startswith("__"):
            raise AttributeError(attribute)
        return getattr(__getattr__(self.name), attribute)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """SciPy's frozen distribution."""
        return __getattr__(self.name)(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<distribution {self.name}>"


@dataclass(frozen=True, repr=False)
class Continuous(_Distribution):
    """A distribution by its standard form (loc 0, scale 1), as functions of the variable and shape parameters.

    log_density: inside the support, which is (low, high). below, above: the probabilities of less and of more.
    log_below, log_above: their logarithms, where these can be had without cancellation. quantile: of below.
    """

    name: str
    shapes: int
    log_density: Callable[..., Any]
    below: Callable[..., Any]
    quantile: Callable[..., Any]
    above: Callable[..., Any] | None = None
    log_below: Callable[..., Any] | None = None
    log_above: Callable[..., Any] | None = None
    low: float = -math.inf
    high: float = math.inf
    inside: float = 0.0  # a point of the support, in place of points outside

    def _standard(self, x: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Any, list[Any], Any]:
        """The standardised variable, the scale, the shape parameters, and loc."""
        given = [*args]
        shapes = given[: self.shapes]
        rest = given[self.shapes :]
        loc = rest[0] if rest else kwargs.get("loc", 0.0)
        scale = rest[1] if len(rest) > 1 else kwargs.get("scale", 1.0)
        x, loc, scale, *shapes = arrays(x, loc, scale, *shapes)
        return (x - loc) / scale, scale, shapes, loc

    def _supported(self, y: Any, function: Callable[..., Any], shapes: list[Any], left: float, right: float) -> Any:
        """function(y), with the values `left` and `right` of the support."""
        if self.low == -math.inf and self.high == math.inf:
            return function(y, *shapes)
        inside = (y >= self.low) & (y <= self.high)
        value = function(np.where(inside, y, self.inside), *shapes)
        return np.where(inside, value, np.where(y < self.low, left, right))

    def logpdf(self, x: Any, *args: Any, **kwargs: Any) -> Any:
        """The logarithm of the density; -inf outside of the support."""
        y, scale, shapes, _ = self._standard(x, args, kwargs)
        return self._supported(y, self.log_density, shapes, -math.inf, -math.inf) - np.log(scale)

    def pdf(self, x: Any, *args: Any, **kwargs: Any) -> Any:
        """The density."""
        return np.exp(self.logpdf(x, *args, **kwargs))

    def cdf(self, x: Any, *args: Any, **kwargs: Any) -> Any:
        """The probability of less than x."""
        y, _, shapes, _ = self._standard(x, args, kwargs)
        return self._supported(y, self.below, shapes, 0.0, 1.0)

    def sf(self, x: Any, *args: Any, **kwargs: Any) -> Any:
        """The probability of more than x."""
        y, _, shapes, _ = self._standard(x, args, kwargs)
        return self._supported(y, self.above or (lambda *v: 1.0 - self.below(*v)), shapes, 1.0, 0.0)

    def logcdf(self, x: Any, *args: Any, **kwargs: Any) -> Any:
        """The logarithm of `cdf`."""
        y, _, shapes, _ = self._standard(x, args, kwargs)
        function = self.log_below or (lambda *v: np.log(self.below(*v)))
        return self._supported(y, function, shapes, -math.inf, 0.0)

    def logsf(self, x: Any, *args: Any, **kwargs: Any) -> Any:
        """The logarithm of `sf`."""
        y, _, shapes, _ = self._standard(x, args, kwargs)
        above = self.above or (lambda *v: 1.0 - self.below(*v))
        return self._supported(y, self.log_above or (lambda *v: np.log(above(*v))), shapes, 0.0, -math.inf)

    def ppf(self, q: Any, *args: Any, **kwargs: Any) -> Any:
        """The x of which q is the probability of less."""
        _, scale, shapes, loc = self._standard(0.0, args, kwargs)
        return loc + scale * self.quantile(array(q), *shapes)

    def isf(self, q: Any, *args: Any, **kwargs: Any) -> Any:
        """The x of which q is the probability of more."""
        return self.ppf(1.0 - array(q), *args, **kwargs)


def _student(y: Any, df: Any) -> Any:
    front = _gammaln(0.5 * (df + 1.0)) - _gammaln(0.5 * df) - 0.5 * np.log(math.pi * df)
    return front - 0.5 * (df + 1.0) * np.log1p(y * y / df)


norm = Continuous(
    "norm", 0, lambda y: -0.5 * (y * y) - LOG_ROOT_2PI, _ndtr, _ndtri, lambda y: _ndtr(-y), _log_ndtr,
    lambda y: _log_ndtr(-y),
)  # fmt: skip
t = Continuous(
    "t", 1, _student, lambda y, df: _stdtr(df, y), lambda q, df: _stdtrit(df, q), lambda y, df: _stdtr(df, -y)
)
gamma = Continuous(
    "gamma", 1, lambda y, a: _xlogy(a - 1.0, y) - y - _gammaln(a), lambda y, a: _gammainc(a, y),
    lambda q, a: _gammaincinv(a, q), lambda y, a: _gammaincc(a, y), low=0.0, inside=1.0,
)  # fmt: skip
chi2 = Continuous(
    "chi2", 1, lambda y, df: _xlogy(0.5 * df - 1.0, y) - 0.5 * y - _gammaln(0.5 * df) - 0.5 * math.log(2.0) * df,
    lambda y, df: _gammainc(0.5 * df, 0.5 * y), lambda q, df: 2.0 * _gammaincinv(0.5 * df, q),
    lambda y, df: _gammaincc(0.5 * df, 0.5 * y), low=0.0, inside=1.0,
)  # fmt: skip
beta = Continuous(
    "beta", 2, lambda y, a, b: _xlogy(a - 1.0, y) + _xlog1py(b - 1.0, -y) - _betaln(a, b),
    lambda y, a, b: _betainc(a, b, y), lambda q, a, b: _betaincinv(a, b, q), lambda y, a, b: _betainc(b, a, 1.0 - y),
    low=0.0, high=1.0, inside=0.5,
)  # fmt: skip
expon = Continuous(
    "expon", 0, lambda y: -y, lambda y: -np.expm1(-y), lambda q: -np.log1p(-q), lambda y: np.exp(-y),
    log_above=lambda y: -y, low=0.0, inside=1.0,
)  # fmt: skip
uniform = Continuous(
    "uniform", 0, lambda y: 0.0 * y, lambda y: y, lambda q: q, lambda y: 1.0 - y, low=0.0, high=1.0, inside=0.5
)


def _laplace_quantile(q: Any) -> Any:
    upper = q > 0.5
    x = np.log(2.0 * np.where(upper, 1.0 - q, q))
    return np.where(upper, -x, x)


laplace = Continuous(
    "laplace", 0, lambda y: -np.abs(y) - math.log(2.0),
    lambda y: np.where(y > 0, 1.0 - 0.5 * np.exp(-np.abs(y)), 0.5 * np.exp(-np.abs(y))), _laplace_quantile,
    lambda y: np.where(y > 0, 0.5 * np.exp(-np.abs(y)), 1.0 - 0.5 * np.exp(-np.abs(y))),
)  # fmt: skip
logistic = Continuous(
    "logistic", 0, lambda y: _log_expit(y) + _log_expit(-y), _expit, _logit, lambda y: _expit(-y), _log_expit,
    lambda y: _log_expit(-y),
)  # fmt: skip
cauchy = Continuous(
    "cauchy", 0, lambda y: -np.log1p(y * y) - math.log(math.pi), lambda y: 0.5 + np.arctan(y) / math.pi,
    lambda q: np.tan(math.pi * (q - 0.5)), lambda y: 0.5 - np.arctan(y) / math.pi,
)  # fmt: skip
lognorm = Continuous(
    "lognorm", 1, lambda y, s: -0.5 * (np.log(y) / s) ** 2 - np.log(s * y) - LOG_ROOT_2PI,
    lambda y, s: _ndtr(np.log(y) / s), lambda q, s: np.exp(s * _ndtri(q)), lambda y, s: _ndtr(-np.log(y) / s),
    lambda y, s: _log_ndtr(np.log(y) / s), lambda y, s: _log_ndtr(-np.log(y) / s), low=math.ulp(0.0), inside=1.0,
)  # fmt: skip


# --- discrete distributions ----------------------------------------------------------------------


@dataclass(frozen=True, repr=False)
class Discrete(_Distribution):
    """A distribution of whole numbers: the logarithm of the probability of k, and the probability of up to k."""

    name: str
    log_mass: Callable[..., Any]
    below: Callable[..., Any] | None = None
    above: Callable[..., Any] | None = None

    def logpmf(self, k: Any, *args: Any, loc: Any = 0) -> Any:
        """The logarithm of the probability of k; -inf for what is no number of the support."""
        return self.log_mass(array(k) - loc, *arrays(*args))

    def pmf(self, k: Any, *args: Any, loc: Any = 0) -> Any:
        """The probability of k."""
        return np.exp(self.logpmf(k, *args, loc=loc))

    def cdf(self, k: Any, *args: Any, loc: Any = 0) -> Any:
        """The probability of up to k."""
        if self.below is None:
            raise NotImplementedError(f"{self.name} has no cdf here; use scipy.stats.{self.name}")
        return self.below(array(k) - loc, *arrays(*args))

    def sf(self, k: Any, *args: Any, loc: Any = 0) -> Any:
        """The probability of more than k."""
        if self.above is None:
            return 1.0 - self.cdf(k, *args, loc=loc)
        return self.above(array(k) - loc, *arrays(*args))


def _whole(k: Any, most: Any, log_mass: Callable[[Any], Any]) -> Any:
    """log_mass(k) where k is a whole number from 0 to most, else -inf."""
    inside = (k >= 0) & (k <= most) & (np.floor(k) == k)
    return np.where(inside, log_mass(np.where(inside, k, 0.0)), -math.inf)


def _log_choose(n: Any, k: Any) -> Any:
    return _gammaln(n + 1.0) - _gammaln(k + 1.0) - _gammaln(n - k + 1.0)


poisson = Discrete(
    "poisson", lambda k, mu: _whole(k, math.inf, lambda k: _xlogy(k, mu) - _gammaln(k + 1.0) - mu),
    lambda k, mu: np.where(k < 0, 0.0, _pdtr(np.maximum(k, 0.0), mu)),
    lambda k, mu: np.where(k < 0, 1.0, _pdtrc(np.maximum(k, 0.0), mu)),
)  # fmt: skip
bernoulli = Discrete("bernoulli", lambda k, p: _whole(k, 1, lambda k: _xlogy(k, p) + _xlog1py(1.0 - k, -p)))
binom = Discrete(
    "binom",
    lambda k, n, p: _whole(k, n, lambda k: _log_choose(n, k) + _xlogy(k, p) + _xlog1py(n - k, -p)),
)
geom = Discrete("geom", lambda k, p: _whole(k - 1, math.inf, lambda j: _xlog1py(j, -p) + np.log(p)))


# --- several variables ---------------------------------------------------------------------------


class _Normal(_Distribution):
    """The normal distribution of vectors; see scipy.stats.multivariate_normal."""

    name = "multivariate_normal"

    def logpdf(self, x: Any, mean: Any = None, cov: Any = 1, allow_singular: bool = False) -> Any:
        """The logarithm of the density at x: (..., n). cov: (n, n), its lower triangle is read; or a number, or (n,).

        allow_singular: the density in the space of the eigenvectors whose eigenvalues are not zero; -inf elsewhere.
        """
        x, cov = arrays(x, cov)
        mean = np.zeros(()) if mean is None else array(mean)
        n = max(x.shape[-1] if x.ndim else 1, mean.shape[-1] if mean.ndim else 1, cov.shape[-1] if cov.ndim else 1)
        matrix = _matrix(cov, n)
        apart = x - mean
        apart = np.broadcast_to(apart, (*apart.shape[:-1], n)) if apart.ndim else np.reshape(apart, (1,))
        if allow_singular:
            return _singular(apart, matrix)
        low = np.linalg.cholesky(matrix)
        flat = np.reshape(apart, (-1, n))
        z = np.linalg.solve(low, np.swapaxes(flat, 0, 1))
        half = np.sum(np.log(np.diagonal(low)))
        return np.reshape(-0.5 * np.sum(z * z, axis=0), apart.shape[:-1]) - half - n * LOG_ROOT_2PI

    def pdf(self, x: Any, mean: Any = None, cov: Any = 1, allow_singular: bool = False) -> Any:
        """The density at x."""
        return np.exp(self.logpdf(x, mean, cov, allow_singular))

    def entropy(self, mean: Any = None, cov: Any = 1) -> Any:
        """The differential entropy, which does not depend on the mean."""
        cov = array(cov)
        n = max(1 if mean is None else np.size(mean), cov.shape[-1] if cov.ndim else 1)
        low = np.linalg.cholesky(_matrix(cov, n))
        flat = 0.0 if mean is None else 0.0 * np.sum(array(mean))
        return np.sum(np.log(np.diagonal(low))) + n * (0.5 + LOG_ROOT_2PI) + flat


def _matrix(cov: Any, n: int) -> Any:
    return cov if cov.ndim == 2 else np.eye(n) * (cov if cov.ndim else np.reshape(cov, (1,)))


def _singular(apart: Any, cov: Any) -> Any:
    w, v = np.linalg.eigh(cov)
    keep = w > 1e6 * float(np.finfo(w.dtype).eps) * np.max(np.abs(w))
    z = apart @ v
    size = np.sum(np.where(keep, z * z / np.where(keep, w, 1.0), 0.0), axis=-1)
    half = 0.5 * np.sum(np.log(np.where(keep, w, 1.0))) + np.sum(keep) * LOG_ROOT_2PI
    outside = np.sum(np.where(keep, 0.0, z * z), axis=-1) > 1e-16 * np.maximum(1.0, np.sum(z * z, axis=-1))
    return np.where(outside, -math.inf, -0.5 * size - half)


class _Dirichlet(_Distribution):
    """The distribution of shares; see scipy.stats.dirichlet."""

    name = "dirichlet"

    def logpdf(self, x: Any, alpha: Any) -> Any:
        """The logarithm of the density at x: (n, ...), or (n - 1, ...) without the last share. alpha: (n,)."""
        x, alpha = arrays(x, alpha)
        if x.shape[0] + 1 == alpha.shape[0]:
            x = np.concatenate([x, 1.0 - np.sum(x, axis=0, keepdims=True)])
        norm = np.sum(_gammaln(alpha)) - _gammaln(np.sum(alpha))
        powers = np.reshape(alpha - 1.0, (-1, *(1,) * (x.ndim - 1)))
        return np.sum(_xlogy(powers, x), axis=0) - norm

    def pdf(self, x: Any, alpha: Any) -> Any:
        """The density at x."""
        return np.exp(self.logpdf(x, alpha))


multivariate_normal, dirichlet = _Normal(), _Dirichlet()
