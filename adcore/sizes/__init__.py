"""Graphs with named sizes: one graph, and one file, for data of any size.

In such a graph a size is a `Dim`, an integer affine in named dimensions, wherever an int may stand in
a shape, in the length of a loop, or in a shape-like param. Nothing runs, plans or differentiates it
as it is: `at` puts numbers in, infers every type again and compares, and gives an ordinary graph.

>>> import numpy as np
>>> import adcore as ad
>>> g = ad.trace(lambda x: np.sum(x[1:] - x[:-1]), np.zeros(5), dims={"x": ("n",)})
>>> print(g.inputs[0].type, g.at(n=57).inputs[0].type)
float64[n] float64[57]
>>> g(np.array([1.0, 4.0, 9.0]))
np.float64(8.0)
"""

from adcore.sizes.at import at, fitted, static
from adcore.sizes.solve import Sized, parse_size, sizes_of

__all__ = ["Sized", "at", "fitted", "parse_size", "sizes_of", "static"]
