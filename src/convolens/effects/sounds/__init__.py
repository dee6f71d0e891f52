"""Effects on sounds: echo, its search and its undoing, reverb."""
