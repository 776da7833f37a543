"""What plugin authors test with: the laws that ops, strategies and functions obey, checked by machine.

One line tests a whole package, one test per op and law, from the samples that ops list beside their rules:

    from adcore.testing import laws

    test_acme = laws("acme")

`check_op` is the same for one op, `check_grads` for a function, `check_adjoint` for one with ODEs in it,
`check_strategy` for a strategy. Each passes, or raises `LawError` that says which law, at which sample, with the
numbers.

>>> from adcore.testing import check_op
>>> import numpy as np
>>> from adcore.extend import Sample, elementwise, op
>>> rule = elementwise(lambda y, x: 1 / (1 + np.exp(-x)))
>>> @op("acme::softplus", rule=rule, elementwise=True, samples=(Sample(((3,),)),))
... def softplus(x):
...     return np.logaddexp(0.0, x)
>>> check_op(softplus)
"""

from adcore.errors import LawError
from adcore.samples import Sample
from adcore.testing.adjoint import AdjointReport, check_adjoint
from adcore.testing.function import check_grads
from adcore.testing.op import LAWS, check_op, laws
from adcore.testing.strategy import check_strategy

__all__ = [
    "LAWS",
    "AdjointReport",
    "LawError",
    "Sample",
    "check_adjoint",
    "check_grads",
    "check_op",
    "check_strategy",
    "laws",
]
