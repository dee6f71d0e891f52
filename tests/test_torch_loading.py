"""How torch is loaded: with threads that soon sleep, and nothing of that left in the environment."""

import os
import subprocess
import sys

import pytest

# A torch that tells what it was loaded with, and ends there.
STAND_IN = "import os; raise SystemExit(os.environ.get('GOMP_SPINCOUNT', 'unset'))"


def seen_by_torch(tmp_path, program, **environment):
    (tmp_path / "torch.py").write_text(STAND_IN)
    kept = {name: value for name, value in os.environ.items() if name not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")}
    kept |= {"PYTHONPATH": str(tmp_path), **environment}
    return subprocess.run([sys.executable, "-c", program], env=kept, capture_output=True, text=True).stderr.strip()


@pytest.mark.parametrize("room", ["layers", "trunks", "models", "evaluation", "stylization"])
def test_waiting_threads_soon_sleep_whichever_room_is_entered_first(tmp_path, room):
    assert seen_by_torch(tmp_path, f"import convolens.{room}") == "2000"


def test_what_the_user_chose_stays(tmp_path):
    assert seen_by_torch(tmp_path, "import convolens.layers", GOMP_SPINCOUNT="7") == "7"
    assert seen_by_torch(tmp_path, "import convolens.layers", OMP_WAIT_POLICY="active") == "unset"


def test_nothing_of_it_is_left_to_child_processes():
    program = "import os, convolens.layers; print(os.environ.get('GOMP_SPINCOUNT'))"
    environment = {name: value for name, value in os.environ.items() if name != "GOMP_SPINCOUNT"}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "None"
