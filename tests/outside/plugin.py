"""A plugin of pytest: ours in the peers' place before their tests are read, and who was called in each test."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.outside import calls

SUITE = os.environ["OUTSIDE_SUITE"]
outcomes: list[dict[str, object]] = []


def pytest_configure(config: pytest.Config) -> None:
    """Before anything of the peer's tests is imported."""
    if SUITE == "skimage":
        from tests.outside.skimage_names import take_over

        take_over()
        return
    import scipy.ndimage
    import scipy.signal

    from tests.outside import scipy_names

    if SUITE == "signal":
        scipy_names.take_over(scipy_names.SIGNAL, scipy.signal)
    else:
        scipy_names.take_over(scipy_names.NDIMAGE, scipy.ndimage)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):  # type: ignore[no-untyped-def]
    """What became of a test, if it called ours."""
    report = yield
    if call.when == "setup":
        calls.now.clear()
    if call.when == "call" and (calls.now["ours"] or calls.now["peer"]):
        why = "" if call.excinfo is None else f"{call.excinfo.typename}: {str(call.excinfo.value).strip()}"
        outcomes.append(
            {"test": item.nodeid.split("/")[-1], "outcome": report.outcome, "ours": calls.now["ours"],
             "peer": calls.now["peer"], "why": why[:2000]}
        )  # fmt: skip
    return report


def pytest_sessionfinish() -> None:
    """Writes what was seen, for the process that asked."""
    by_name = [[name, whose, count] for (name, whose), count in calls.all_calls.items()]
    Path(os.environ["OUTSIDE_OUT"]).write_text(json.dumps({"tests": outcomes, "calls": by_name}))
