"""An ODE method is a table of numbers."""

from adcore.extend import Tableau

# Heun 1900, with Euler's method for the error estimate; dense output: the parabola through y, y1 and the first slope.
HEUN = Tableau(
    name="acme_heun", order=2, error_order=1,
    a=((), (1.0,)), b=(1 / 2, 1 / 2), c=(0.0, 1.0),
    errors=((-1 / 2, 1 / 2),), dense_weights=((1.0, -1 / 2), (0.0, 1 / 2)),
)  # fmt: skip
