"""``python -m mongolock_async``: the same as ``mongolock``."""

import sys

from ._cli import main

sys.exit(main())
