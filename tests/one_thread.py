import pytest
import torch

from convolens.settings import threads


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    """Tests run side by side; on small pictures threads only wait for one another."""
    before = threads(), torch.get_num_threads()
    threads(1)
    yield
    threads(before[0])
    torch.set_num_threads(before[1])
