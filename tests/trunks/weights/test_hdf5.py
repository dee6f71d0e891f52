"""HDF5 files that are made or damaged to do harm: each is one sentence, in seconds, and nothing outside it is read."""

import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest

from convolens.errors import WeightsError
from convolens.trunks.registry import trunk
from convolens.trunks.weights import hdf5, keras
from convolens.trunks.weights.hdf5 import open_hdf5

NUMBERS = np.arange(12, dtype=np.float32).reshape(3, 4)


def test_arrays_come_as_they_are(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["layer/kernel"] = NUMBERS
        file["layer/half"] = NUMBERS.astype(">f2")
        file.create_dataset("packed", data=NUMBERS, compression="gzip")
        file["names"] = [b"a"]
        file["optimizer_weights/momentum"] = NUMBERS
        file["layer"].attrs["weight_names"] = [b"kernel", b"half"]
    with open_hdf5(tmp_path / "a.h5") as file:
        assert file.groups == {"": [], "/layer": ["kernel", "half"]}
        assert file.shapes == dict.fromkeys(("/layer/kernel", "/layer/half", "/packed"), (3, 4))
        assert sorted(file.children("")) == ["layer", "names", "packed"]
        for name in ("/layer/half", "/packed", "/layer/kernel"):
            np.testing.assert_array_equal(file.read(name), NUMBERS)
        with pytest.raises(WeightsError, match=r"a\.h5: /names: need floats"):
            file.read("/names")


def external(file):
    (Path(file.filename).parent / "secret").write_bytes(bytes(48))
    file.create_dataset("a", (3, 4), "f4", external=[("secret", 0, 48)])


def virtual(file):
    with h5py.File(Path(file.filename).parent / "other.h5", "w") as other:
        other["a"] = NUMBERS
    layout = h5py.VirtualLayout((3, 4), "f4")
    layout[:] = h5py.VirtualSource("other.h5", "a", (3, 4))
    file.create_virtual_dataset("a", layout)


def linked(file):
    file["a"] = h5py.ExternalLink("other.h5", "/a")


def soft(file):
    file["a"] = h5py.SoftLink("/b")


def cycle(file):
    file["a"] = file["/"]


def few_chunks(file):
    file.create_dataset("a", (400, 400), "f4", chunks=(100, 100), compression="gzip")[:100, :100] = 1


def many_names(file):
    file.attrs["weight_names"] = [b"a"] * 100


BAD = {
    external: "/a: need numbers in the file itself, got some in other files",
    virtual: "/a: need numbers in the file itself, got some in other files",
    linked: "/a: need what is in the file itself, got a link to elsewhere",
    soft: "/a: need what is in the file itself, got a link to elsewhere",
    cycle: "need at most 20,000 groups and arrays, got more",
    few_chunks: "/a: need 160,000 numbers, got fewer",
    many_names: "/: need at most 64 names of weights, got 100",
}


@pytest.mark.bad_input
@pytest.mark.parametrize("make", BAD, ids=lambda make: make.__name__)
def test_what_leads_out_of_the_file_or_claims_more_than_it_holds_is_refused(make, tmp_path):
    with h5py.File(tmp_path / "bad.h5", "w") as file:
        make(file)
    with pytest.raises(WeightsError, match=rf"bad\.h5: {BAD[make]}"), open_hdf5(tmp_path / "bad.h5"):
        pass


def test_a_child_that_takes_too_long_is_ended(tmp_path, monkeypatch):
    (tmp_path / "child.py").write_text("while True: pass")
    (tmp_path / "a.h5").write_bytes(b"\x89HDF\r\n\x1a\n")
    monkeypatch.setattr(hdf5, "_CHILD", tmp_path / "child.py")
    monkeypatch.setattr(hdf5, "SECONDS", 0.5)
    start = time.perf_counter()
    with pytest.raises(WeightsError, match=r"a\.h5: need an HDF5 file that is read in seconds, got one that takes"):
        keras.read_keras(tmp_path / "a.h5")
    assert time.perf_counter() - start < 5


@pytest.mark.parametrize(("budget", "addresses"), [(1 << 40, 3 << 30), (1 << 29, (1 << 29) + (1 << 30))])
def test_the_childs_own_clock_and_memory_are_limited(budget, addresses):
    code = (
        f"import hdf5_child as child, resource; child.limit(child.__file__, {budget}); "
        "print(*map(resource.getrlimit, (resource.RLIMIT_CPU, resource.RLIMIT_AS)))"
    )
    told = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(hdf5.__file__).parent, capture_output=True, text=True, check=True
    )
    assert told.stdout.strip() == f"(4, 4) ({addresses}, {addresses})"


@pytest.mark.bad_input
def test_damage_anywhere_is_one_sentence(tmp_path):
    with h5py.File(tmp_path / "whole.h5", "w") as file:
        file["block1_conv1/kernel"] = NUMBERS
        file["block1_conv1"].attrs["weight_names"] = [b"kernel"]
    whole = (tmp_path / "whole.h5").read_bytes()
    for at in (*range(8, 100, 13), *range(100, len(whole), 401)):
        damaged = bytearray(whole)
        damaged[at] ^= 0x55
        (tmp_path / "a.h5").write_bytes(damaged)
        with pytest.raises(WeightsError, match=r"a\.h5: "):  # whole, it is no network
            trunk("vgg16", weights=tmp_path / "a.h5")
