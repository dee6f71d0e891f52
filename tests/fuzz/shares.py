"""What is written to be read by a later command: decisions on labels, and the parts that several machines made."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryDirectory

from convolens.data import DataSet, read_data
from convolens.inference.merging import merge_parts
from convolens.inference.predict import predict_files
from convolens.labels import apply_changes
from convolens.media.images import write_image
from convolens.sources import Share
from tests.fuzz.form import Format
from tests.fuzz.networks import PICTURE, stage_classes
from tests.fuzz.predictions import Guesser
from tests.fuzz.trees import change_json, change_lines_of_json, change_table, change_text

PICTURES = 6
LINES, PART = "predictions.jsonl", "part.json"


def decision_seeds() -> list[bytes]:
    """Lines with every decision; as a spreadsheet leaves them."""
    head = "path,label,suggested,probability,decision\n"
    rows = "cat/0.png,cat,dog,0.98,relabel\ndog/1.png,dog,cat,0.6,set aside\ncat/2.png,cat,dog,0.5,keep\n"
    return [
        (head + rows).encode(),
        ("\ufeff" + head + rows + "dog/2.png,dog,cat,0.5,\n").replace(",", ";").encode(),
        (head + "gone.png,cat,dog,0.9,relabel\n" + rows).encode(),
    ]


def apply(path: Path) -> None:
    """Applies decisions; the new data has what was not set aside, in classes of the old."""
    out, data = path.parent / "new", path.parent / "data"
    rmtree(out, ignore_errors=True)
    mended = apply_changes(path, data, to=out, link=True, progress=False)
    old, new = read_data(data), read_data(out)
    assert len(new.examples) == len(old.examples) - mended.set_aside, mended
    assert set(new.class_names) <= set(old.class_names), new.class_names

    def names(found: DataSet) -> dict[int, str]:
        return {one.file.stat().st_ino: found.class_names[one.labels[0]] for one in found.examples}

    before, after = names(old), names(new)
    assert after.keys() <= before.keys(), after
    assert sum(before[one] != after[one] for one in after) <= mended.relabelled, (before, after)


def stage_parts(folder: Path) -> None:
    """Pictures, and what two machines made of them."""
    (folder / "in").mkdir()
    for number in range(PICTURES):
        write_image(folder / "in" / f"{number}.png", PICTURE[:8, :8])
    for number in (1, 2):
        part = folder / f"part-{number}"
        predict_files(Guesser(), [folder / "in"], part, pictures=False, progress=False, shard=f"{number}/2")


@cache
def made() -> tuple[bytes, bytes]:
    """What the first part says that it is, and its lines; its folder is called FOLDER."""
    with TemporaryDirectory() as name:
        stage_parts(Path(name))
        first = Path(name, "part-1")
        return tuple((first / one).read_bytes().replace(name.encode(), b"FOLDER") for one in (PART, LINES))


def part_seeds() -> list[bytes]:
    """Whole, and under way."""
    whole = json.loads(made()[0])
    return [made()[0], json.dumps(whole | {"complete": False}).encode()]


def line_seeds() -> list[bytes]:
    """Of pictures that are done, that failed, and that were written somewhere."""
    lines = made()[1].splitlines(keepends=True)
    written = json.dumps(json.loads(lines[0]) | {"written": "FOLDER/part-1/a.png"}).encode() + b"\n"
    return [made()[1], b"".join([written, *lines[1:]]), b"".join([b'{"path": "x.png", "error": "damaged"}\n', *lines])]


def put_part(folder: Path, data: bytes) -> Path:
    """The description of the first part."""
    return _put(folder, PART, data, 0)


def put_lines(folder: Path, data: bytes) -> Path:
    """The lines of the first part."""
    return _put(folder, LINES, data, 1)


def _put(folder: Path, name: str, data: bytes, which: int) -> Path:
    part = folder / "part-1"
    for one, content in zip((PART, LINES), made(), strict=True):
        (part / one).write_bytes(content.replace(b"FOLDER", bytes(folder)))
    (part / name).write_bytes(data.replace(b"FOLDER", bytes(folder)))
    (part / "a.png").write_bytes(b"a picture")
    return part


def merge(part: Path) -> None:
    """Merges; each line of both parts is there once, and so is each result."""
    out, other = part.parent / "whole", part.parent / "part-2"
    rmtree(out, ignore_errors=True)
    merged = merge_parts([part, other], out)
    lines = [json.loads(line) for line in (out / LINES).read_bytes().splitlines()]
    paths = [line["path"] for line in lines]
    assert len(set(paths)) == len(paths) == merged.pictures + len(merged.failed), paths
    expected = sum(len((one / LINES).read_bytes().splitlines()) for one in (part, other))
    assert len(paths) == expected, (paths, expected)
    assert (out / "a.png").read_bytes() == b"a picture"
    assert not (out / PART).exists()


def resume(part: Path) -> None:
    """Goes on with the first part; afterwards it is whole, and both are as many pictures as there are."""
    folder = part.parent
    predict_files(Guesser(), [folder / "in"], part, pictures=False, progress=False, shard="1/2")
    told = json.loads((part / PART).read_bytes())
    assert told["complete"] is True, told
    count = sum(len((folder / one / LINES).read_bytes().splitlines()) for one in ("part-1", "part-2"))
    assert count == PICTURES, count


def merge_and_resume(part: Path) -> None:
    """Both, whatever the first says."""
    from convolens.errors import ConvolensError

    refused = None
    for act in (merge, resume):
        try:
            act(part)
        except ConvolensError as error:
            refused = error
    if refused is not None:
        raise refused


def read_share(path: Path) -> None:
    """The word for a share; all shares of so many take each name once."""
    share = Share.of(path.read_bytes().decode(errors="surrogateescape"))
    assert share is not None
    assert 1 <= share.number <= share.count
    if share.count < 50:
        for name in ("a.png", "é/b.png", "x" * 300):
            assert sum(Share(number, share.count).takes(name) for number in range(1, share.count + 1)) == 1
        assert sum(Share(number, share.count).takes_at(7) for number in range(1, share.count + 1)) == 1


FORMATS = {
    "decisions": Format(
        "labels.changes.csv",
        decision_seeds,
        change_table,
        apply,
        stage_classes,
        commands=(
            lambda path, out: ["apply", path, path.parent / "data", "--to", out / "new"],
            lambda path, out: ["apply", path, path.parent / "data", "--to", out / "new", "--format", "csv"],
        ),
    ),
    "part": Format(
        PART,
        part_seeds,
        change_json,
        merge_and_resume,
        stage_parts,
        put_part,
        (lambda path, out: ["merge", path, path.parent / "part-2", "--out", out / "whole"],),
    ),
    "part's lines": Format(
        LINES,
        line_seeds,
        change_lines_of_json,
        merge,
        stage_parts,
        put_lines,
        (lambda path, out: ["merge", path.parent / "part-2", path, "--out", out / "whole"],),
    ),
    "share": Format(
        "share.txt",
        lambda: [b"1/2", b"16/16", b"3/1000000"],
        change_text,
        read_share,
        turns=1,
    ),
}
