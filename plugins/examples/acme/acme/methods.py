"""Another rule for a named call (`adcore.region`), chosen by a line of config:

[strategy.methods]
"call:encoder" = "acme_frozen"
"""

from adcore.extend import ZERO, Method

FROZEN = Method("call:*", "acme_frozen", lambda: ZERO)
"""The derivative stops there: the call counts as a constant."""
