"""How much memory this process holds."""

import resource
from pathlib import Path


def resident():
    """Bytes of this process's memory that the system keeps in RAM."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()
