"""In place of a cluster: workers in this process, of which some end; the driver may too."""

import pickle
from contextlib import contextmanager

from tests.clusters.test_blocks import Hands


class Near:
    """What `Cluster` is to a driver. What workers are sent is pickled, as Ray would."""

    device = "cpu"

    def __init__(self, *, losses=0.0, seed=0, driver_ends_after=None):
        self.losses, self.seed, self.left = losses, seed, driver_ends_after

    @contextmanager
    def joined(self, work):
        do = pickle.loads(pickle.dumps(work)).begin()

        def block(one):
            if self.left == 0:
                raise KeyboardInterrupt
            self.left = None if self.left is None else self.left - 1
            return do(one)

        yield Hands(block, seed=self.seed, losses=self.losses), 2
