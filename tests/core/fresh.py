"""A process of its own, for what a process does once, or for what depends on all that it holds."""

import os
import subprocess
import sys


def run(code, *arguments, **environment):
    """The ended process that ran `code`; under the sanitizers, with the sanitized core."""
    like_this_one = ["-S"] if sys.flags.no_site else []
    command = [sys.executable, *like_this_one, "-c", code, *arguments]
    environment = {**os.environ, **environment}
    return subprocess.run(command, capture_output=True, text=True, timeout=100, check=False, env=environment)
