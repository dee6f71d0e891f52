"""The command; the campaign is a module of its own, as its processes import it."""

import sys

from tests.fuzz.campaign import main

if __name__ == "__main__":
    sys.exit(main())
