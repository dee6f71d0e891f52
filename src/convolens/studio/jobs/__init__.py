"""Long work: the package's own command line in a process of its own, one after another.

`queue.py` keeps the order and what became of each, `worker.py` is the process around one, `progress.py` reads how far
it is from what it writes anyway.
"""
