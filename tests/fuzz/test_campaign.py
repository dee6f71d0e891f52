"""The campaign on a few cases of each kind: none may be a finding, and a finding must be seen."""

import inspect
import itertools
import json
import subprocess
import sys
from pathlib import Path
from random import Random
from types import SimpleNamespace

import pytest

import convolens as cl
from tests.fuzz import blocks, calls, containers, pictures, sounds, supervisor, weights
from tests.fuzz.formats import FORMATS, change_of
from tests.fuzz.minimise import smallest

ROOT = Path(__file__).parents[2]


def campaign(*options, code="from tests.fuzz.campaign import main; raise SystemExit(main())"):
    command = [sys.executable, "-c", code, "--minutes", "5", *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def rows_of(done):
    return [line.rsplit(maxsplit=8) for line in done.stdout.splitlines()[2:]]


@pytest.mark.slow
def test_a_few_cases_of_each_kind_give_no_finding(tmp_path):
    done = campaign("--cases", "150", "--seed", "7", "--keep", str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    table = rows_of(done)
    assert [row[0].strip() for row in table] == [*FORMATS, "calls", "all"]
    assert all(int(row[1]) > 0 for row in table), done.stdout
    assert table[-1][1] == "150"
    assert int(table[-1][3]) > 30  # typed errors
    assert [path.name for path in tmp_path.iterdir()] == ["state.json"]


@pytest.mark.slow
@pytest.mark.parametrize("mutators", ["first", "second"])
def test_two_minutes_give_no_finding(tmp_path, mutators):
    done = campaign("--minutes", "2", "--seed", "8", "--keep", str(tmp_path), "--mutators", mutators)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_a_campaign_is_resumed_where_it_stood(tmp_path):
    options = ("--only", "text kernel", "--keep", str(tmp_path))
    campaign(*options, "--cases", "20")
    done = campaign(*options, "--cases", "10", "--resume")
    assert json.loads((tmp_path / "state.json").read_text())["next"] == 30
    assert rows_of(done)[-1][1] == "30"


BROKEN = """
import os, time
from tests.fuzz import formats, supervisor, worker

before, supervisor.HANG_SECONDS = worker.work, 2
supervisor.MOST_MEMORY, worker.MEMORY = 1 << 30, 1 << 27

def read(path):
    match path.read_bytes()[-1:]:
        case b"1": raise KeyError("a")
        case b"2": raise AssertionError
        case b"3":
            while True: pass
        case b"4": os._exit(3)
        case b"5": b"1" * (1 << 28)
        case b"6": held = b"1" * (1 << 30); time.sleep(60)

def work(*given):  # its process imports this module to find it
    before(*given)

def change(data, luck):
    return data + b"%d" % luck.randrange(7)

supervisor.work = work
form = formats.FORMATS["text kernel"]
formats.FORMATS["text kernel"] = formats.Format(form.name, lambda: [b"long "], change, read)
"""


def behaviours(seed, count):
    """What the broken reader will do in each case."""
    found = []
    for number in range(count):
        luck = Random(f"{seed}/{number}")
        luck.choice([b"long "])
        found.append(luck.randrange(7))
    return found


@pytest.mark.slow
def test_every_kind_of_finding_is_seen_and_kept(tmp_path):
    seed = next(seed for seed in range(99_999) if sorted(behaviours(seed, 7)) == list(range(7)))
    (tmp_path / "broken.py").write_text(BROKEN)
    code = (
        f"import sys; sys.path[:0] = ['.', {str(tmp_path)!r}]; import broken; from tests.fuzz.campaign import main; "
        "raise SystemExit(main())"
    )
    kept = tmp_path / "kept"
    done = campaign("--cases", "7", "--seed", str(seed), "--only", "text kernel", "--keep", str(kept), code=code)
    assert done.returncode == 1, done.stdout + done.stderr
    assert rows_of(done)[-1][1:] == ["7", "1", "0", "1", "1", "1", "2", "1"], done.stdout + done.stderr
    smallest_files = {path.read_bytes() for path in kept.glob("*.txt") if not path.read_bytes().startswith(b"seed")}
    assert {b"1", b"2"} <= smallest_files  # as small as they could be made


@pytest.mark.parametrize(("step", "outcome"), [(0.005, "clean"), (0.0, "hang"), (0.05, "hang")])
def test_what_goes_on_slowly_on_a_crowded_machine_is_no_hang(monkeypatch, step, outcome):
    looks = itertools.count(1)
    watching = object.__new__(supervisor.Supervisor)
    watching.process = SimpleNamespace(pid=0)
    watching.pipe = SimpleNamespace(poll=lambda seconds: next(looks) > 1000, recv=lambda: ("clean", "", ""))
    taken = itertools.count(7, step)
    monkeypatch.setattr(supervisor.watch, "processor_seconds", lambda pid: next(taken))
    monkeypatch.setattr(supervisor.watch, "resident", lambda pid: 0)
    monkeypatch.setattr(watching, "ended", lambda *told: told)
    assert watching.next()[0] == outcome


def test_every_public_function_is_called():
    public = {name for name in cl.__all__ if name not in calls.NOT_CALLED}
    public |= {f"layers.{name}" for name in cl.layers.__all__}
    assert public == {*calls.CALLS, *calls.SLOW}
    for name, right in ({name: one for name, (_, one) in calls.CALLS.items()} | calls.SLOW).items():
        known = inspect.signature(calls._function(name)).parameters
        assert set(right(Random(0))) <= set(known) or any(one.kind is one.VAR_KEYWORD for one in known.values()), name


def test_what_was_right_gives_what_it_must():
    for name, (_, right) in calls.CALLS.items():
        arguments = right(Random(0))
        calls.truths.check(name, arguments, calls._function(name)(**arguments), is_right=True)


@pytest.mark.parametrize(
    ("split", "join", "seeds"),
    [
        (containers.split_png, containers.join_png, pictures.png_seeds),
        (containers.split_jpeg, containers.join_jpeg, pictures.jpeg_seeds),
        (containers.split_riff, containers.join_riff, pictures.webp_seeds),
        (containers.split_riff, containers.join_riff, sounds.aiff_seeds),
        (containers.split_flac, containers.join_flac, sounds.flac_seeds),
        (containers.split_ogg, containers.join_ogg, sounds.ogg_seeds),
        (blocks.split_mp3, blocks.join_mp3, sounds.mp3_seeds),
        (blocks.split_gif, blocks.join_gif, pictures.gif_seeds),
        (containers.split_boxes, containers.join_boxes, pictures.modern_seeds),
    ],
)
def test_a_file_taken_apart_and_put_together_is_the_same(split, join, seeds):
    for seed in seeds():
        if seeds is not pictures.modern_seeds or seed[4:8] in (b"ftyp", b"JXL "):
            assert join(*split(seed)) == seed


READ_BEFORE = (
    *("mp3", "onnx", "via", "via table", "createml", "supervisely", "visdrone", "crowdhuman", "tar shard"),
    *("part's lines", "decisions", "share"),
)


@pytest.mark.filterwarnings("ignore::convolens.errors.FileNote")  # shapes without an area, boxes passed over
@pytest.mark.parametrize("kind", READ_BEFORE)
def test_what_is_changed_was_read_before(tmp_path, kind):
    form = FORMATS[kind]
    form.stage(tmp_path)
    for seed in form.seeds():
        form.read(form.put(tmp_path, seed))


def test_checksums_of_hdf5_are_those_that_it_wrote():
    assert blocks.lookup3(b"Four score and seven years ago") == 0x17770551
    newest = weights.hdf5_seeds()[2]
    assert newest.count(b"OHDR") > 3
    assert blocks._with_checksums(newest) == newest
    spoiled = bytearray(newest)
    spoiled[spoiled.index(b"OHDR") + 20] ^= 1
    assert blocks._with_checksums(bytes(spoiled)) not in (newest, bytes(spoiled))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of Pillow's, of its format IM
@pytest.mark.parametrize("mutators", ["first", "second"])
def test_a_case_is_made_of_the_seed_and_its_number_alone(mutators):
    for kind in ("png", "coco", "wav", "npy", "mp3", "gif", "bmp pnm …", "hdf5", "onnx"):
        change, seed = change_of(kind, mutators), FORMATS[kind].seeds()[0]
        made = [change(seed, Random(f"5/{number}")) for number in range(30)]
        assert made == [change(seed, Random(f"5/{number}")) for number in range(30)]
        assert len(set(made)) > 20


def test_what_is_kept_is_as_small_as_it_can_be():
    assert smallest(b"a long text with an X and a Y in it", lambda data: b"X" in data and b"Y" in data) == b"XY"
