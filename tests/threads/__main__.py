"""The command."""

import sys

from tests.threads.run import main

if __name__ == "__main__":
    sys.exit(main())
