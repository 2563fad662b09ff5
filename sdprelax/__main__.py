"""``python -m sdprelax``: the command line."""

import os
import sys

if __name__ == "__main__":
    # -m looks for modules in the current folder first: a user's own random.py there is not Python's.
    if sys.path[:1] == [os.getcwd()]:
        del sys.path[0]
    from sdprelax.cli import main

    main()
