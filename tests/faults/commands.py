"""The commands that are disturbed, on inputs so small that each takes a second or two.

They run in a folder that holds `in`, which nothing may change, and `out`, which is empty before.
"""

from __future__ import annotations

import csv
import shutil
import tarfile
from dataclasses import dataclass
from pathlib import Path
from zipfile import ZipFile

from tests.faults.children import apart

ARCHIVE = Path(__file__).parents[1] / "data_of_0_1_0" / "files.zip"
_TRUNK = "--trunk resnet18 --weights in/weights/trunk.safetensors"
_TRAIN = f"{_TRUNK} --tap layer2.1 --batch 4 --epochs 2 --size 32 --precision float32 --device cpu --out out/run"
_STYLIZE = f"{_TRUNK} --content-tap layer2.0 --style-tap stem --style-tap layer1.0 --steps 12 --scales 1 --device cpu"


@dataclass(frozen=True)
class Command:
    """A command line.

    Attributes:
        line: as typed.
        again: what is typed behind it when it was killed and is run again.
        code: its exit code where nothing disturbs it.
        same: whether a rerun ends with the bits of an undisturbed run.
        locks: whether it keeps others from where it writes, as those do that write more than one file.
        slow: whether it takes seconds.
    """

    line: str
    again: str = ""
    code: int = 0
    same: bool = True
    locks: bool = False
    slow: bool = False


COMMANDS = {
    "train classify": Command(f"train classify in/photos --finetune all {_TRAIN}", "--resume", locks=True),
    "train localize": Command(f"train localize in/one.csv {_TRAIN}", "--resume", locks=True),
    "train detect": Command(f"train detect in/several.csv {_TRAIN}", "--resume", locks=True),
    "train head": Command(
        f"train classify in/photos {_TRUNK} --tap layer2.1 --size 32 --device cpu --out out/run",
        "--overwrite",
        locks=True,
    ),
    "predict": Command("predict in/runs/labels in/pictures --out out/predicted --batch 4 --device cpu", locks=True),
    "predict detect": Command(
        "predict in/runs/detect in/pictures --out out/found --max-detections 3 --threshold 0.01 --coco in/coco.json "
        "--device cpu",
        locks=True,
    ),
    "explain": Command(
        "explain in/runs/head in/photos/square --maps --html out/why.html --out out/why --device cpu", locks=True
    ),
    "evaluate": Command("evaluate in/runs/head in/photos --html out/page.html --device cpu"),
    "blur": Command("blur in/pictures out/soft --sigma 2", locks=True),
    "edges": Command("edges in/pictures/01.png out/edges.jpg"),
    "sharpen": Command("sharpen in/pictures/01.png out/crisp.tif"),
    "echo": Command("echo in/sound.wav out/cave.wav --delay 0.1 --weight 0.5 --plot out/cave.png"),
    "reverb": Command("reverb in/sound.wav in/room.wav out/hall.flac"),
    "unecho": Command("unecho in/echoed.wav out/dry.wav"),
    "convolve sound": Command("convolve in/sound.wav in/room.wav out/convolved.wav"),
    "convolve picture": Command("convolve in/pictures/01.png emboss out/relief.png"),
    "stylize": Command(f"stylize in/pictures/01.png in/pictures/03.png out/restyled.png {_STYLIZE}", locks=True),
    "stylize resumed": Command(
        f"stylize in/pictures/01.png in/pictures/03.png out/restyled.png --save-every 2 {_STYLIZE}",
        "--resume",
        same=False,  # L-BFGS begins anew, as its history is not kept
        locks=True,
    ),
    "stylize folder": Command(f"stylize in/few in/pictures/03.png out/restyled {_STYLIZE} --steps 4", locks=True),
    "weights import": Command("weights import in/vgg11.pth out/trunk.safetensors --trunk vgg11", slow=True),
    "weights import .h5": Command("weights import in/hed.h5 out/trunk.safetensors --trunk vgg16", slow=True),
    "convert": Command("convert in/several.csv out/yolo --to yolo", locks=True),
    "predict part": Command(
        "predict in/runs/labels in/pictures --out out/part --shard 1/2 --batch 4 --device cpu", locks=True
    ),
    "predict shard": Command("predict in/runs/labels in/photos.tar --out out/predicted --device cpu", locks=True),
    "blur part": Command("blur in/pictures out/soft --sigma 2 --shard 2/2", locks=True),
    "merge": Command("merge in/parts/1 in/parts/2 --out out/whole"),
    "features": Command("features in/runs/head in/few --out out/features.parquet --device cpu"),
    "export": Command("export in/runs/head out/model.onnx --check in/pictures/01.png", slow=True),
    "quantize": Command("quantize in/runs/head in/few --out out/small.safetensors --labeled in/photos --at-most 100"),
    "apply": Command("apply in/labels.changes.csv in/photos --to out/mended", locks=True),
    "doctor labels": Command(
        f"doctor in/photos --labels --out out/labels.changes.csv --html out/labels.html {_TRUNK} --tap layer2.1 "
        "--size 32 --device cpu",
        code=1,  # there are doubtful ones
    ),
    "doctor": Command("doctor in/several.csv --html out/doctor.html"),
    "scan": Command("scan in/runs/head in/pictures/01.png out/scan.png --class disc --window 16 --device cpu"),
    "trace": Command(f"trace in/pictures/01.png out/traced.png --tap layer1.0 {_TRUNK} --device cpu"),
    "resize": Command("resize in/pictures out/small --size 50%", locks=True),
    "unblur": Command("unblur in/pictures/01.png out/crisp.png --kernel gaussian:1"),
    "filter": Command("filter in/sound.wav lowpass out/low.wav --frequency 500 --plot out/low.png"),
    "filter folder": Command("filter in/tones lowpass out/dull --frequency 500", locks=True),
    "similar": Command("similar in/pictures/01.png in/few --model in/runs/labels --out out/alike.png --device cpu"),
    "train unusual": Command(
        f"train unusual in/pictures {_TRUNK} --size 32 --device cpu --out out/run", "--overwrite", locks=True
    ),
    "predict unusual": Command("predict in/unusual in/few --out out/predicted --device cpu", locks=True),
    "train sounds": Command(
        f"train classify in/tones --finetune all {_TRAIN.replace('--size 32 ', '')}", "--resume", locks=True
    ),
    "predict sounds": Command("predict in/heard in/tones/low --out out/predicted --device cpu", locks=True),
    "explain sounds": Command("explain in/heard in/tones/low --out out/why --device cpu", locks=True),
    "tour": Command("tour --out out/tour --only blur", locks=True),
}
# Those that do many pictures, and the folder they lie in: one that cannot be done keeps none of the others.
MANY = {
    "predict": "pictures",
    "predict detect": "pictures",
    "features": "few",
    "explain": "photos",
    "blur": "pictures",
    "stylize folder": "few",
    "resize": "pictures",
    "predict unusual": "few",
}


def make_inputs(folder: Path) -> None:
    """Writes what the commands read: squares and discs, boxes, models, sounds."""
    with ZipFile(ARCHIVE) as archive:
        for name in archive.namelist():
            if name.startswith(("pictures/", "weights/", "runs/")) and "stopped" not in name:
                archive.extract(name, folder)
        for name in ("one.csv", "several.csv", "coco.json", "label.csv"):
            archive.extract(name, folder)
    with (folder / "label.csv").open(newline="") as stream:
        for row in csv.DictReader(stream):
            (folder / "photos" / row["label"]).mkdir(parents=True, exist_ok=True)
            shutil.copy(folder / row["path"], folder / "photos" / row["label"])
    (folder / "few").mkdir()
    for number in (1, 2):
        shutil.copy(folder / f"pictures/{number:02}.png", folder / "few")
    _write_shard(folder)
    _write_decisions(folder)
    apart(lambda: _write_parts(folder))
    apart(lambda: _write_weights(folder))
    _write_sounds(folder)
    _write_tones(folder)
    apart(lambda: _write_models(folder))


def _write_shard(folder: Path) -> None:
    """The photos as a tar shard in WebDataset's layout."""
    with tarfile.open(folder / "photos.tar", "w") as shard:
        for path in sorted((folder / "photos").rglob("*.png")):
            shard.add(path, path.relative_to(folder / "photos").as_posix())


def _write_decisions(folder: Path) -> None:
    """One picture gets the other class, and one is left out."""
    paths = sorted(path.relative_to(folder / "photos").as_posix() for path in (folder / "photos").rglob("*.png"))
    classes = sorted({path.partition("/")[0] for path in paths})
    rows = [(paths[0], *classes, 0.9, "relabel"), (paths[-1], *classes[::-1], 0.8, "set aside")]
    with (folder / "labels.changes.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([("path", "label", "suggested", "probability", "decision"), *rows])


def _write_parts(folder: Path) -> None:
    """What two machines predicted, each for its share."""
    import convolens as cl
    from convolens.inference.predict import predict_files

    (folder / "parts").mkdir()
    for number in (1, 2):
        predict_files(
            cl.load(folder / "runs/labels", device="cpu"), [folder / "few"], folder / "parts" / str(number),
            shard=f"{number}/2", progress=False,
        )  # fmt: skip


def _write_weights(folder: Path) -> None:
    """Weights of published networks are of full width, by which they are told."""
    import torch

    import convolens as cl
    from convolens.trunks.weights.loading import get
    from convolens.trunks.weights.table import WEIGHTS

    torch.save(cl.trunk("vgg11", seed=0, device="cpu").state_dict(), folder / "vgg11.pth")
    shutil.copy(get(WEIGHTS["vgg16/hed"]), folder / "hed.h5")


def _write_sounds(folder: Path) -> None:
    import numpy as np
    import soundfile

    noise = np.random.default_rng(0).uniform(-0.5, 0.5, (40_000, 2))
    soundfile.write(folder / "sound.wav", noise, 8000)
    soundfile.write(
        folder / "echoed.wav", np.pad(noise, ((0, 800), (0, 0))) + np.pad(noise, ((800, 0), (0, 0))) / 2, 8000
    )
    soundfile.write(folder / "room.wav", noise[:800] * np.geomspace(1, 1e-3, 800)[:, None], 8000)


def _write_tones(folder: Path) -> None:
    """Two classes of sounds that a network hears apart."""
    import numpy as np
    import soundfile

    luck, times = np.random.default_rng(0), np.arange(2_000) / 8_000
    for name, pitch in (("low", 300), ("high", 1_500)):
        (folder / "tones" / name).mkdir(parents=True)
        for number in range(4):
            tone = np.sin(2 * np.pi * pitch * (1 + number / 20) * times) / 2 + luck.uniform(-0.05, 0.05, times.size)
            soundfile.write(folder / "tones" / name / f"{number}.wav", tone, 8_000)


def _write_models(folder: Path) -> None:
    """Models of kinds that 0.1.0 did not have."""
    import convolens as cl

    small = {"trunk": "resnet18", "weights": folder / "weights/trunk.safetensors", "device": "cpu", "progress": False}
    cl.train("unusual", folder / "pictures", size=32, out=folder / "unusual", **small)
    cl.train("classify", folder / "tones", taps="layer2.1", out=folder / "heard", **small)
