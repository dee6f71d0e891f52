"""Training: how well small networks learn in minutes on this machine, and how fast the loop is beside a plain one."""

from __future__ import annotations

import csv
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from skimage import data as photos
from sklearn.datasets import load_digits
from torch import nn

import convolens as cl
from benchmarks.harness import machine, replace_section
from convolens.media.images import write_image
from convolens.training.linear import fit_linear
from convolens.training.speed import multiplies_bfloat16
from examples.digits_on_photos import write_digits

DIGITS = {
    "trunk": "resnet18", "stem": "small", "weights": None, "epochs": 9, "batch": 32, "lr": 2e-3, "ema": 0.98,
    "flip": False, "scale": (0.75, 1.35), "ratio": (0.8, 1.25), "color_jitter": 0.0, "label_smoothing": 0.05,
}  # fmt: skip
FOLDS = 3


def run() -> None:
    """All of it; name parts on the command line for some: `python -m benchmarks.training digits faces`."""
    chosen = sys.argv[1:] if __name__ == "__main__" and sys.argv[1:] else list(PARTS)
    with tempfile.TemporaryDirectory() as folder:
        for name in chosen:
            lines = PARTS[name](Path(folder) / name)
            title = f"Training: {name}"
            text = "\n".join(
                [f"## {title}", "", machine(), "", f"`python -m benchmarks.training {name}`", "", *lines, ""]
            )
            replace_section(title, text)
            print("\n".join(lines), flush=True)


def digits(folder: Path) -> list[str]:
    """scikit-learn's 1,797 digits as PNGs of 8×8 pixels; ResNet18 from scratch, three shuffled stratified folds."""
    found = load_digits()
    images = (found.images * 255 / 16).round().astype(np.uint8)
    start, figures = Clock(), []
    for fold, held_out in enumerate(stratified(found.target, FOLDS)):
        write_classes(folder / f"{fold}" / "train", images[~held_out], found.target[~held_out])
        write_classes(folder / f"{fold}" / "test", images[held_out], found.target[held_out])
        training = cl.train(
            "classify", folder / f"{fold}" / "train", validation=folder / f"{fold}" / "test",
            out=folder / f"{fold}" / "run", overwrite=True, progress=False, **DIGITS,
        )  # fmt: skip
        with (training.folder / "metrics.csv").open() as stream:
            last = float(list(csv.DictReader(stream))[-1]["top1"])
        figures.append(last)
        print(f"fold {fold}: last epoch {last:.2%}, {start}", flush=True)
    return [
        f"ResNet18 with a small stem from scratch on 8×8 pixels, {DIGITS['epochs']} epochs, {FOLDS} shuffled "
        f"stratified folds of scikit-learn's 1,797 digits, accuracy at the end: mean **{np.mean(figures):.2%}** "
        f"({', '.join(f'{value:.2%}' for value in figures)}), {start}.",
    ]


def faces(folder: Path) -> list[str]:
    """scikit-image's subset of Labeled Faces in the Wild: 100 crops of faces, 100 of none, 25×25 pixels."""
    images = (photos.lfw_subset() * 255).round().astype(np.uint8)
    labels = np.repeat([1, 0], 100)
    start, right = Clock(), []
    for fold, held_out in enumerate(stratified(labels, 5)):
        write_classes(folder / f"{fold}" / "train", images[~held_out], labels[~held_out])
        write_classes(folder / f"{fold}" / "test", images[held_out], labels[held_out])
        training = cl.train(
            "classify", folder / f"{fold}" / "train", validation=folder / f"{fold}" / "test", trunk="vgg16",
            weights="hed", taps=("conv2_2", "conv3_3"), size=64, out=folder / f"{fold}" / "run",
            overwrite=True, progress=False,
        )  # fmt: skip
        right.append(training.metrics["top1"])
    return [
        f"Face or not, 200 crops of LFW, frozen `hed` features of conv2_2 and conv3_3 at 64 pixels, five shuffled "
        f"stratified folds: mean **{np.mean(right):.1%}** ({', '.join(f'{value:.1%}' for value in right)}), {start}.",
    ]


def localize(folder: Path) -> list[str]:
    """One digit or none on crops of photos; other photos and other writers' digits to measure on."""
    write_digits(folder / "digits", train=20000, val=1000)
    start = Clock()
    training = cl.train("localize", folder / "digits", out=folder / "run", overwrite=True, minutes=10, **LOCALIZE)
    return [f"At most 10 minutes of training: {_found(training.metrics)}; {start}."]


def ablation(folder: Path) -> list[str]:
    """The same with one of the three parts of the loss left out; each sees 8,000 pictures once."""
    write_digits(folder / "digits", train=8000, val=1000)
    lines = ["| loss | object or none | AUC | class | mean IoU |", "|---|---|---|---|---|"]
    for left_out in (None, "object", "class", "box"):
        weights = {} if left_out is None else {f"{left_out}_weight": 0.0}
        training = cl.train(
            "localize", folder / "digits", out=folder / f"{left_out}", overwrite=True, epochs=1, **LOCALIZE, **weights
        )
        found = training.metrics
        name = "all three" if left_out is None else f"without {left_out}"
        row = [found[key] for key in ("object_accuracy", "object_auc", "class_accuracy", "mean_iou")]
        lines.append(f"| {name} | {row[0]:.1%} | {row[1]:.3f} | {row[2]:.1%} | {row[3]:.3f} |")
        print(lines[-1], flush=True)
    return lines


LOCALIZE: dict[str, Any] = {
    "trunk": "resnet18", "weights": None, "width": 0.5, "taps": "layer2.1", "size": 96, "batch": 16, "lr": 1.5e-3,
    "ema": 0.998, "color_jitter": 0.3, "scale": (0.8, 1.2), "ratio": (1 / 1.1, 1.1), "flip": False, "progress": False,
}  # fmt: skip


def _found(metrics: dict[str, Any]) -> str:
    return (
        f"object or none right {metrics['object_accuracy']:.1%} (AUC {metrics['object_auc']:.3f}), "
        f"class {metrics['class_accuracy']:.1%}, mean IoU {metrics['mean_iou']:.3f} of {metrics['count']} pictures"
    )


def frozen(folder: Path) -> list[str]:
    """What an epoch costs a loop that runs a frozen trunk each time, and a step of the head on kept features."""
    model = cl.classifier("vgg16", weights="hed", classes=("a", "b", "c"), taps=("conv2_1", "conv3_1", "conv4_1"))
    batch = torch.rand(16, 3, 64, 64)
    with torch.inference_mode():
        count = model.features(batch).shape[1]
        start = _processor_seconds()
        model.features(batch)
        epoch = (_processor_seconds() - start) / 16 * 600
    labels, start = torch.randint(0, 3, (600,)), _processor_seconds()
    steps = list(fit_linear(torch.rand(600, count), lambda scores: nn.functional.cross_entropy(scores, labels), 3))
    step = (_processor_seconds() - start) / len(steps)
    return [f"600 pictures of 64², `hed` at three taps: {epoch:.2f} s of processor time to run the trunk over them, "
            f"{1e3 * step:.0f} ms for a step of the head on kept features: **{epoch / step:.0f}×**."]  # fmt: skip


def throughput(folder: Path) -> list[str]:
    """ResNet18 at 224², batch 16, from JPEGs of 500×375: the loop against a plain one on torch's own layers."""
    write_photos(folder / "data", PHOTOS)
    rounds: dict[str, list[float]] = {"ours": [], "plain": [], "autocast": []}
    for number in range(2):
        rounds["plain"].append(plain_rate(folder / "data"))
        rounds["autocast"].append(plain_rate(folder / "data", half=True))
        rounds["ours"].append(our_rate(folder / "data", folder / f"{number}"))
    ours, plain, autocast = (float(np.median(rounds[name])) for name in ("ours", "plain", "autocast"))
    kind = "bfloat16" if multiplies_bfloat16(torch.device("cpu")) else "float32"
    return [f"ResNet18, 224², batch 16, pictures a second with reading: ours {ours:.1f} (in {kind}, as it chose by "
            f"itself), plain torch loop {plain:.1f}: **{ours / plain:.2f}×**; a plain loop with bfloat16 autocast "
            f"{autocast:.1f}: {ours / autocast:.2f}×."]  # fmt: skip


PHOTOS = 96  # 6 steps


def threads(folder: Path) -> list[str]:
    """A step by one thread and by all, on a machine at rest and beside a program that keeps one core busy."""
    every = torch.get_num_threads()
    lines = ["| a step of | threads | at rest, ms | one core busy, ms |", "|---|---|---|---|"]
    for name, width, batch in (("ResNet18, a quarter wide, 16 of 64²", 0.25, 16), ("ResNet18, 32 of 128²", 1.0, 32)):
        side = 64 if width < 1 else 128
        trunk = cl.trunk("resnet18", width=width).train()
        x = torch.randn(batch, 3, side, side).contiguous(memory_format=torch.channels_last)
        for count in (1, every):
            cl.threads(count)
            rest = _step_ms(trunk, x)
            with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as busy:
                beside = _step_ms(trunk, x)
                busy.kill()
            lines.append(f"| {name} | {count} | {rest:.0f} | {beside:.0f} |")
    cl.threads(every)
    return lines


def _step_ms(trunk: nn.Module, x: torch.Tensor, seconds: float = 8.0) -> float:
    """The median of forward and backward."""
    times: list[float] = []
    while sum(times) < seconds or len(times) < 5:
        start = time.perf_counter()
        trunk(x)[trunk.taps[-1]].square().mean().backward()  # type: ignore[index, union-attr]
        times.append(time.perf_counter() - start)
    return 1e3 * float(np.median(times))


def our_rate(data: Path, out: Path) -> float:
    """Pictures a second of the second of two epochs, without measuring."""
    cl.train("classify", data, trunk="resnet18", weights=None, size=224, batch=16, epochs=2, validation=1 / PHOTOS,
             out=out, overwrite=True, progress=False, checkpoint_seconds=1e9)  # fmt: skip
    steps = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    epochs = [step for step in steps if step["event"] == "epoch"]
    return float(epochs[1]["pictures_per_second"])


def plain_rate(data: Path, *, half: bool = False) -> float:
    """Pillow, resized and cropped as torchvision's RandomResizedCrop does, torch's layers in their own order."""
    paths = sorted(data.rglob("*.jpg"))
    model = as_torchs(cl.trunk("resnet18")).train()
    dense = nn.Linear(512, 2)
    optimizer = torch.optim.AdamW([*model.parameters(), *dense.parameters()], lr=1e-3)
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    random, times = np.random.default_rng(0), []
    for start in range(0, len(paths), 16):
        before = time.perf_counter()
        chosen = paths[start : start + 16]
        batch = torch.stack([(_plain_picture(path, random) - mean) / deviation for path in chosen]).permute(0, 3, 1, 2)
        labels = torch.tensor([int(path.parent.name) for path in chosen])
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            scores = dense(model(batch.contiguous())["layer4.1"].mean(dim=(2, 3)))
        optimizer.zero_grad()
        nn.functional.cross_entropy(scores.float(), labels).backward()
        optimizer.step()
        times.append(time.perf_counter() - before)
    return 16 / float(np.median(times[1:]))


def _plain_picture(path: Path, random: np.random.Generator) -> torch.Tensor:
    with Image.open(path) as image:
        picture = image.convert("RGB")
    width, height = picture.size
    share = random.uniform(0.35, 1.0) ** 0.5
    wide, high = round(width * share), round(height * share)
    left, top = random.integers(0, width - wide + 1), random.integers(0, height - high + 1)
    crop = picture.crop((left, top, left + wide, top + high)).resize((224, 224), Image.Resampling.BILINEAR)
    if random.random() < 0.5:
        crop = crop.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return torch.from_numpy(np.asarray(crop).copy()).float() / 255


def as_torchs(model: nn.Module) -> nn.Module:
    """The same network on torch's own convolutions and pooling."""
    for name, child in model.named_children():
        if isinstance(child, cl.layers.Conv2d):
            made = nn.Conv2d(child.in_channels, child.out_channels, child.kernel_size, child.stride, child.padding,
                             bias=child.bias is not None)  # fmt: skip
            made.load_state_dict(child.state_dict())
            setattr(model, name, made)
        elif isinstance(child, cl.layers.MaxPool2d):
            setattr(model, name, nn.MaxPool2d(child.kernel_size, child.stride, child.padding))
        else:
            as_torchs(child)
    return model


def write_photos(folder: Path, count: int) -> None:
    """Crops of scikit-image's coloured photos as JPEGs of a camera's proportions, in two classes."""
    sources = [photos.astronaut(), photos.chelsea(), photos.coffee(), photos.rocket()]
    random = np.random.default_rng(0)
    for number in range(count):
        source = sources[number % len(sources)]
        y, x = random.integers(0, source.shape[0] - 150), random.integers(0, source.shape[1] - 200)
        target = folder / str(number % 2)
        target.mkdir(parents=True, exist_ok=True)
        image = Image.fromarray(source[y : y + 150, x : x + 200]).resize((500, 375), Image.Resampling.BICUBIC)
        image.save(target / f"{number:04}.jpg", quality=90)


def stratified(labels: NDArray[Any], folds: int, seed: int = 0) -> list[NDArray[np.bool_]]:
    """For each fold what is held out; every class is dealt out evenly."""
    of = np.empty(len(labels), int)
    for label in np.unique(labels):
        members = np.random.default_rng([seed, label]).permutation(np.flatnonzero(labels == label))
        of[members] = np.arange(len(members)) % folds
    return [of == fold for fold in range(folds)]


def write_classes(folder: Path, images: NDArray[np.uint8], labels: NDArray[Any]) -> None:
    """A folder for each class."""
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        target = folder / str(label)
        target.mkdir(parents=True, exist_ok=True)
        write_image(target / f"{number:04}.png", image)


class Clock:
    """Wall and processor time since it was made."""

    def __init__(self) -> None:
        self.wall, self.processor = time.perf_counter(), _processor_seconds()

    def __str__(self) -> str:
        wall, processor = time.perf_counter() - self.wall, _processor_seconds() - self.processor
        return f"{wall:.0f} s on the clock, {processor:.0f} s of processor time"


def _processor_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


PARTS: dict[str, Callable[[Path], list[str]]] = {
    "digits": digits,
    "faces": faces,
    "localize": localize,
    "ablation": ablation,
    "throughput": throughput,
    "frozen": frozen,
    "threads": threads,
}

if __name__ == "__main__":
    run()
