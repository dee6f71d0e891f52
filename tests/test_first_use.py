"""What several threads use first at once: each finds it whole."""

import sys
import threading

import pytest

from convolens import first_use

CIRCLE = {
    "one": "import circle.two, time; time.sleep(0.2); value = 1\ndef other(): return circle.two.value",
    "two": "import time; time.sleep(0.05); import circle.one; value = 2\ndef other(): return circle.one.value",
}


@pytest.fixture
def circle(tmp_path, monkeypatch):
    """Two modules that import one another, slowly."""
    for name, text in CIRCLE.items():
        (tmp_path / "circle").mkdir(exist_ok=True)
        (tmp_path / "circle" / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    yield "circle"
    for name in [name for name in sys.modules if name.split(".")[0] == "circle"]:
        del sys.modules[name]
        first_use._whole.pop(name, None)


def test_modules_in_a_circle_are_whole_for_each_of_two_threads(circle):
    found = {}

    def use(name):
        try:
            found[name] = first_use.loaded(f"{circle}.{name}").other()
        except AttributeError as error:
            found[name] = error

    threads = [threading.Thread(target=use, args=(name,)) for name in CIRCLE]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {"one": 2, "two": 1}
