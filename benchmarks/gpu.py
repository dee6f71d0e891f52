"""On a GPU: every public call gives what the CPU gives; how fast networks are beside plain torch; waits; memory.

`python -m benchmarks.gpu` takes under ten minutes and writes its section. `--rehearse` goes through all of it on the
CPU with small sizes, in about a minute, and writes nothing: so that the script works when a GPU is at hand.
"""

from __future__ import annotations

import itertools
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import convolens as cl
from benchmarks.gpu_calls import CALLS
from benchmarks.harness import difference_in_all, largest_difference, machine, replace_section
from benchmarks.layers import LastMap, a_trunk, in_a_row, of_torch, step
from convolens.media.images import write_image

TITLE = "On a GPU"
TOLERANCE = 1e-3  # of the largest value: cuDNN sums in another order, and through many layers
IN_BFLOAT16 = 5e-2
WAIT = "called a synchronizing"  # how torch's warnings of waits begin


@dataclass(frozen=True)
class Setting:
    """Where it runs, and how large it is."""

    device: torch.device
    side: int
    batches: tuple[int, ...]
    seconds: float

    @property
    def is_gpu(self) -> bool:
        """Whether it is one, and no rehearsal."""
        return self.device.type == "cuda"

    def wait(self) -> None:
        """For all that was launched."""
        if self.is_gpu:
            torch.cuda.synchronize()

    def milliseconds(self, call: Callable[[], Any]) -> float:
        """The median of a call, once it is warm."""
        for _ in range(3):
            call()
        samples, end = [], time.perf_counter() + self.seconds
        while time.perf_counter() < end or len(samples) < 5:
            self.wait()
            start = time.perf_counter()
            call()
            self.wait()
            samples.append((time.perf_counter() - start) * 1e3)
        return float(np.median(samples))

    def peak(self, call: Callable[[], Any]) -> str:
        """Megabytes that a call takes at its peak, beside what was there."""
        if not self.is_gpu:
            return "–"
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        call()
        torch.cuda.synchronize()
        return f"{(torch.cuda.max_memory_allocated() - before) / 1e6:.0f}"

    def half(self) -> AbstractContextManager[Any]:
        """Within it layers compute in bfloat16."""
        return torch.autocast(self.device.type, torch.bfloat16)


def main() -> None:
    rehearsal = "--rehearse" in sys.argv
    if not rehearsal and not torch.cuda.is_available():
        sys.exit("gpu: need a CUDA device, found none; --rehearse goes through all of it on the CPU")
    device = torch.device("cpu" if rehearsal else "cuda")
    setting = Setting(device, 64, (1, 2), 0.2) if rehearsal else Setting(device, 224, (1, 8, 64), 2.0)
    name = "rehearsed on the CPU" if rehearsal else torch.cuda.get_device_name()
    lines = [f"## {TITLE}", "", machine(), "", f"{name}; `python -m benchmarks.gpu`", ""]
    for part in (same_answers, inference, training, whole_calls, waits):
        lines += [*part(setting), ""]
        print("\n".join(lines[-12:]), flush=True)
    if not rehearsal:
        replace_section(TITLE, "\n".join(lines))


def same_answers(setting: Setting) -> list[str]:
    """Every public call that takes tensors, on both."""
    torch.backends.cudnn.allow_tf32 = False  # ten bits of mantissa are no float32
    apart = {}
    for name, call in CALLS.items():
        expected, found = call(torch.device("cpu")), call(setting.device)
        apart[name] = max(
            largest_difference(_plain(one), _plain(two)) for one, two in zip(found, expected, strict=True)
        )
    torch.backends.cudnn.allow_tf32 = True  # torch's default, for all engines alike
    wrong = {name: value for name, value in apart.items() if not value <= TOLERANCE}
    if wrong:
        raise ValueError(f"gpu: need every call within {TOLERANCE:g} of the CPU's, got {wrong}")
    worst = max(apart, key=lambda name: apart[name])
    return [f"{len(apart)} public calls give what the CPU gives, within {apart[worst]:.1e} (`{worst}`)."]


def _plain(value: Any) -> np.ndarray:
    return value.detach().cpu().numpy() if isinstance(value, Tensor) else np.asarray(value)


def inference(setting: Setting) -> list[str]:
    """Networks without gradients, in float32 and bfloat16, beside torch's own layers."""
    lines = [
        "| inference | ours, ms | PyTorch | channels-last | torch.compile | ours, MB |",
        "|---|---|---|---|---|---|",
    ]
    for name in ("resnet50", "vgg16"):
        for batch in setting.batches:
            for half in (False, True):
                lines.append(_inference_row(setting, name, batch, half=half))
    return lines


def _inference_row(setting: Setting, name: str, batch: int, *, half: bool) -> str:
    row = in_a_row(a_trunk(name)).eval().to(setting.device)
    theirs, last = of_torch(row), of_torch(row).to(memory_format=torch.channels_last)
    ours = row.to(memory_format=torch.channels_last)
    x = torch.randn(batch, 3, setting.side, setting.side, device=setting.device)
    x_last = x.contiguous(memory_format=torch.channels_last)
    compiled = torch.compile(last) if setting.is_gpu else last

    def call(network: nn.Module, batch: Tensor) -> Callable[[], Tensor]:
        def run() -> Tensor:
            with torch.inference_mode(), setting.half() if half else nullcontext():
                found: Tensor = network(batch)
                return found

        return run

    calls = [call(one, given) for one, given in ((ours, x_last), (theirs, x), (last, x_last), (compiled, x_last))]
    _need_near(name, calls[0](), [one() for one in calls[1:]], IN_BFLOAT16 if half else TOLERANCE)
    times = " | ".join(f"{setting.milliseconds(one):.2f}" for one in calls)
    words = f"{name}, batch {batch}, {'bfloat16' if half else 'float32'}"
    return f"| {words} | {times} | {setting.peak(calls[0])} |"


def _need_near(name: str, ours: Tensor, theirs: list[Tensor], tolerance: float) -> None:
    for other in theirs:
        difference = difference_in_all(_plain(ours.float()), _plain(other.float()))
        if not difference <= tolerance:
            raise ValueError(f"{name}: need torch within {tolerance:g} of ours, got {difference:g}")


def training(setting: Setting) -> list[str]:
    """A step of the whole trunk, in float32 and bfloat16."""
    lines = ["| training step | ours, ms | channels-last | ours, MB |", "|---|---|---|---|"]
    for name in ("resnet50", "resnet18", "vgg16"):
        for half in (False, True):
            trunk = a_trunk(name).train().to(setting.device)
            row = of_torch(in_a_row(trunk)).to(memory_format=torch.channels_last)
            ours = LastMap(trunk).to(memory_format=torch.channels_last)
            x = torch.randn(setting.batches[-1], 3, setting.side, setting.side, device=setting.device)
            x = x.contiguous(memory_format=torch.channels_last)
            calls = [_on_device(setting, step_without_copy(one, x), half=half) for one in (ours, row)]
            times = " | ".join(f"{setting.milliseconds(one):.1f}" for one in calls)
            words = f"{name}, batch {len(x)}, {'bfloat16' if half else 'float32'}"
            lines.append(f"| {words} | {times} | {setting.peak(calls[0])} |")
    return lines


def step_without_copy(model: nn.Module, x: Tensor) -> Callable[[], Any]:
    """`layers.step`, whose gradient stays on the device."""
    optimizer = torch.optim.SGD(model.parameters(), 1e-6)

    def run() -> None:
        optimizer.zero_grad()
        model(x).float().square().mean().backward()
        optimizer.step()

    return run if x.device.type == "cuda" else step(model, x)


def _on_device(setting: Setting, call: Callable[[], Any], *, half: bool) -> Callable[[], Any]:
    def run() -> None:
        with setting.half() if half else nullcontext():
            call()

    return run


def whole_calls(setting: Setting) -> list[str]:
    """Photos to detections, and restyling."""
    draw = np.random.default_rng(0)
    photo = draw.integers(0, 256, (480, 640, 3), np.uint8) if setting.is_gpu else draw.random((80, 96, 3), np.float32)
    detector = cl.detector("vgg16", classes=20, size=300 if setting.is_gpu else 128, device=str(setting.device))
    found = setting.milliseconds(lambda: detector.predict([photo] * setting.batches[-1], batch=setting.batches[-1]))
    side, steps = (512, 40) if setting.is_gpu else (64, 2)
    trunk = cl.trunk("vgg19", device=str(setting.device))
    restyle = {"trunk": trunk, "size": side, "scales": 1, "steps": steps, "device": str(setting.device)}
    start = time.perf_counter()
    cl.stylize(photo, photo[::-1].copy(), weights=None, **restyle)
    setting.wait()
    restyled = (time.perf_counter() - start) * 1e3 / steps
    return [
        f"SSD300, {setting.batches[-1]} photos to detections: {found:.0f} ms.",
        "",
        f"Restyling at {side} pixels with VGG19: {restyled:.1f} ms a step.",
    ]


def waits(setting: Setting) -> list[str]:
    """How often a training's steps wait for the GPU: at each, the loop would be as slow as its launches."""
    with tempfile.TemporaryDirectory() as folder:
        draw = np.random.default_rng(0)
        for number in range(64):
            place = Path(folder, "data", "dark" if number % 2 else "light")
            place.mkdir(parents=True, exist_ok=True)
            write_image(place / f"{number}.png", draw.integers(0, 100 + 155 * (number % 2), (48, 48, 3), np.uint8))
        steps: list[int] = []
        seen: list[int] = []

        def on_step(row: Any) -> None:
            steps.append(len(caught))

        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            if setting.is_gpu:
                torch.cuda.set_sync_debug_mode("warn")
            try:
                cl.train(
                    "classify", Path(folder, "data"), trunk="resnet18", size=32, epochs=3, batch=8,
                    out=Path(folder, "run"), progress=False, on_step=on_step, device=str(setting.device),
                )  # fmt: skip
            finally:
                if setting.is_gpu:
                    torch.cuda.set_sync_debug_mode("default")
            seen = [at for at, one in enumerate(caught) if WAIT in str(one.message)]
    between = [sum(first <= at < last for at in seen) for first, last in itertools.pairwise(steps)]
    return [f"Waits for the device between two steps of a training: {np.median(between):g} (median of {len(between)})."]


if __name__ == "__main__":
    main()
