"""``python -m sdprelax``: the command line."""

from sdprelax.cli import main

if __name__ == "__main__":
    main()
