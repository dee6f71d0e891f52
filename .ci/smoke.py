"""What an installed wheel must do on its own: an echo and a blur from the command line, checked by definition."""

import shutil
import subprocess
import tempfile
import wave
from pathlib import Path

import numpy as np
from PIL import Image

RATE = 8000


def main() -> None:
    """Refuses to run where a compiler could have helped."""
    for compiler in ("cc", "c++", "gcc", "g++", "clang", "clang++"):
        assert shutil.which(compiler) is None, f"{compiler} is on the PATH; the environment is not bare"
    with tempfile.TemporaryDirectory() as folder:
        check_echo(Path(folder))
        check_blur(Path(folder))
    print("the wheel makes an echo and a blur in a bare environment")


def check_echo(folder: Path) -> None:
    """A click comes back after half a second at half its height."""
    click = np.zeros(RATE, np.int16)
    click[0] = 16384
    with wave.open(str(folder / "in.wav"), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes(click.tobytes())
    convolens("echo", folder / "in.wav", folder / "out.wav", "--delay", "0.5", "--weight", "0.5")
    with wave.open(str(folder / "out.wav"), "rb") as file:
        echoed = np.frombuffer(file.readframes(file.getnframes()), np.int16)
    assert list(np.flatnonzero(echoed)) == [0, RATE // 2]
    assert list(echoed[[0, RATE // 2]]) == [16384, 8192]


def check_blur(folder: Path) -> None:
    """A white point becomes a Gaussian: as bright in the middle as 255 / (2πσ²) says, the same on all sides."""
    point = np.zeros((41, 41), np.uint8)
    point[20, 20] = 255
    Image.fromarray(point).save(folder / "in.png")
    convolens("blur", folder / "in.png", folder / "out.png", "--sigma", "1")
    blurred = np.asarray(Image.open(folder / "out.png")).astype(int)
    assert abs(blurred[20, 20] - 255 / (2 * np.pi)) <= 1
    assert (blurred == blurred.T).all()
    assert (blurred == blurred[::-1]).all()
    assert abs(blurred.sum() - 255) <= 12  # each of a few dozen pixels is rounded


def convolens(*arguments: object) -> None:
    """One command line."""
    subprocess.run(["convolens", *map(str, arguments)], check=True)


if __name__ == "__main__":
    main()
