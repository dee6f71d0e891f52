"""onnxruntime-web, which runs models in browsers: three files of one version, by hash, from npm or from a folder.

It has 15 MB, more than a package of Python should carry for those who want no page. The npm on this machine fetches it
once, from wherever it is set up to look; the files are kept in the cache folder. Without npm, or without a network,
they are given by hand.
"""

from __future__ import annotations

import hashlib
import subprocess
import tarfile
from pathlib import Path
from shutil import which
from tempfile import TemporaryDirectory

from convolens.errors import ExportError, FileError
from convolens.media.files import AnyPath, as_path, make_folder, writing
from convolens.trunks.weights.download import cache_folder

VERSION = "1.30.0"
_PACKED = f"onnxruntime-web@{VERSION}"
# Plain WebAssembly, without GPU: what every browser of today has. In the order that a page needs them.
FILES = {
    "ort.wasm.min.js": "faece07e84faa9001f5104bbe4e5c70861d06cb2376a0dea1fa0ad33a67adc81",
    "ort-wasm-simd-threaded.mjs": "e13f7f94fc51b4ca72b12faeb1ee95f4ace6dfbc8939bc718aabdc0a27c4299b",
    "ort-wasm-simd-threaded.wasm": "3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2",
}
_MOST_BYTES = 64 << 20  # of each file
_FOLDERS = ("", "dist", "package/dist", "node_modules/onnxruntime-web/dist")  # where they may be in what is given
_SECONDS = 600


def browser_runtime(given: AnyPath | None = None) -> list[bytes]:
    """The contents of `FILES`, in order, each checked by its hash.

    Args:
        given: onnxruntime-web as npm packs it (a `.tgz`), or a folder that has it; None takes the kept files, or else
            has npm fetch them.

    Raises:
        FileError: nothing is there, or the files are not in it.
        ExportError: of another version, or npm is missing or cannot fetch it.
    """
    if given is not None:
        return _of(as_path(given, "where onnxruntime-web is"))
    kept = cache_folder().parent / f"onnxruntime-web-{VERSION}"
    if not all((kept / name).is_file() for name in FILES):
        with TemporaryDirectory() as folder:
            contents = _of(_packed(Path(folder)))
        make_folder(kept)
        for name, content in zip(FILES, contents, strict=True):
            with writing(kept / name) as draft:
                draft.write_bytes(content)
    return _of(kept)


def _packed(folder: Path) -> Path:
    """What npm fetches, in a folder."""
    by_hand = f"run `npm pack {_PACKED}` where there is one, and give the file by runtime"
    npm = which("npm")
    if npm is None:
        raise ExportError(f"page: need onnxruntime-web {VERSION}, found no npm to fetch it; {by_hand}")
    command = [npm, "pack", _PACKED, "--ignore-scripts", "--silent", "--pack-destination", str(folder)]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=_SECONDS, check=False)
        reason = done.stderr.strip().splitlines()[-1:] or ["npm said nothing"]
    except (OSError, subprocess.TimeoutExpired) as error:
        reason = [str(error)]
    found = list(folder.glob("*.tgz"))
    if not found:
        raise ExportError(f"page: need onnxruntime-web {VERSION}, npm cannot fetch it: {reason[0]:.200}; {by_hand}")
    return found[0]


def _of(place: Path) -> list[bytes]:
    try:
        if place.is_dir():
            folder = next((place / one for one in _FOLDERS if (place / one / next(iter(FILES))).is_file()), place)
            return [_checked(folder / name, name, _read(folder / name)) for name in FILES]
        with tarfile.open(place) as packed:
            return [_checked(place, name, _member(packed, name)) for name in FILES]
    except (OSError, tarfile.TarError, EOFError) as error:
        if isinstance(error, FileError):
            raise
        raise FileError(f"{place}: need onnxruntime-web {VERSION}, as npm packs it, or its folder: {error}") from error


def _read(path: Path) -> bytes:
    with path.open("rb") as stream:
        return stream.read(_MOST_BYTES)


def _member(packed: tarfile.TarFile, name: str) -> bytes:
    try:
        stream = packed.extractfile(f"package/dist/{name}")
    except KeyError as error:
        raise tarfile.TarError(f"{name} is not in it") from error
    if stream is None:
        raise tarfile.TarError(f"{name} is no file in it")
    return stream.read(_MOST_BYTES)


def _checked(place: Path, name: str, content: bytes) -> bytes:
    if hashlib.sha256(content).hexdigest() != FILES[name]:
        raise ExportError(
            f"{place}: need {name} of onnxruntime-web {VERSION}, got another; it is damaged or of another version"
        )
    return content
