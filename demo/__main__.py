"""``python -m demo``: run it in as many terminals as you like; Ctrl-C ends it."""

import signal
import sys

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # quietly, also while the drivers are imported
    from ._program import main  # only from here on

    sys.exit(main())
