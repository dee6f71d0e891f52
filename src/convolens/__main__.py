"""The `convolens` command, also as `python -m convolens`."""

from __future__ import annotations

import sys


def main() -> None:
    """Loads and runs the command line; a Ctrl-C while it is still loading is no mistake of ours either."""
    try:
        from convolens.cli import main as run
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
    run()


if __name__ == "__main__":
    main()
