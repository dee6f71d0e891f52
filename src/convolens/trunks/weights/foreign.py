"""Files that people give as weights and that are something else: told by their content, with what helps."""

from __future__ import annotations

START_BYTES = 264  # a tar archive says so behind 257
_UNPACK = "unpack it and give the file in it"
_EXPORT = "it holds a program, not a state dict; export one where the model was made: torch.save(model.state_dict(), …)"
_STARTS = (
    (b"version https://git-lfs", "a pointer of Git LFS to the file; git lfs pull fetches the file itself"),
    (b"<", "a web page, as failed downloads leave; download it again"),
    (b"\x1f\x8b", f"a gzip archive; {_UNPACK}"),
    (b"BZh", f"a bzip2 archive; {_UNPACK}"),
    (b"\xfd7zXZ", f"an xz archive; {_UNPACK}"),
    (b"7z\xbc\xaf", f"a 7-Zip archive; {_UNPACK}"),
    (b"\x93NUMPY", "one array of NumPy's; save all of them by their names in a .safetensors file"),
    (b"{", "a JSON file; give the file of tensors beside it"),
)
_ONNX_FIRST = 0x08  # the number of its version, which protobuf writes first
_ONNX_NEXT = (0x12, 0x1A, 0x22, 0x28, 0x32, 0x3A, 0x42)  # any of a model's other fields


def foreign(start: bytes, suffix: str) -> str:
    """What a file that begins so is, and what helps; nothing where it is not known.

    >>> foreign(b"<!DOCTYPE html>", ".pth")
    'a web page, as failed downloads leave; download it again'
    """
    if start[257:262] == b"ustar":
        return f"a tar archive; {_UNPACK}"
    if start[4:8] == b"TFL3":
        return f"a TensorFlow Lite model; {_EXPORT}"
    if suffix == ".onnx" or (len(start) > 2 and start[0] == _ONNX_FIRST and start[1] < 32 and start[2] in _ONNX_NEXT):
        return f"an ONNX model; {_EXPORT}"
    return next((what for begin, what in _STARTS if start.lstrip().startswith(begin)), "")
