"""Shared by all tests: annotations are checked by beartype while tests run, and everything random is seeded."""

import pytest
from hypothesis import HealthCheck, settings
from jaxtyping import config, install_import_hook

install_import_hook("convolens", "beartype.beartype")

# Deadlines measure the machine, not the code; derandomised so that a failure is the same failure tomorrow.
settings.register_profile(
    "default", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow], print_blob=False
)
settings.load_profile("default")


@pytest.fixture(autouse=True)
def _annotations_are_not_checked_where_input_is_bad(request):
    unchecked = request.node.get_closest_marker("bad_input") is not None
    config.update("jaxtyping_disable", unchecked)
    yield
    config.update("jaxtyping_disable", False)
