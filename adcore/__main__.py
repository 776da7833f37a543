"""`python -m adcore`: the same as `adcore`."""

import sys

from adcore.cli import main

sys.exit(main())
