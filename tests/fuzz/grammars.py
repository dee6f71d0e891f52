"""Files made from nothing, by what their formats allow and a little more."""

from __future__ import annotations

import csv
import io
import json
import struct
import zlib
from collections.abc import Callable
from random import Random
from typing import Any

from tests.fuzz.containers import Chunk, join_png, join_riff

NUMBERS: tuple[Any, ...] = (
    0,
    1,
    2,
    7,
    30,
    40,
    -1,
    0.5,
    1e9,
    1e308,
    float("nan"),
    float("inf"),
    1 << 63,
    None,
    "3",
    True,
)
NAMES = ("cat", "dog", "", "é", "a.png", "b.png", "empty.png", "train", "../a.png", "x" * 300, "\x1b[1m", "cat ")


def _tree(luck: Random, keys: tuple[str, ...], depth: int = 0) -> Any:
    way = luck.random()
    if depth > 5 or way < 0.3:
        return luck.choice((*NUMBERS, *NAMES))
    if way < 0.55:
        return [_tree(luck, keys, depth + 1) for _ in range(luck.randrange(4))]
    return {luck.choice(keys): _tree(luck, keys, depth + 1) for _ in range(luck.randrange(5))}


def _maybe(luck: Random, value: Any, otherwise: Callable[[], Any]) -> Any:
    return value if luck.random() < 0.85 else otherwise()


_COCO = ("images", "annotations", "categories", "id", "file_name", "name", "image_id", "category_id", "bbox", "area",
         "iscrowd", "segmentation", "width", "height", "info", "counts", "size", "keypoints")  # fmt: skip


def coco(luck: Random) -> bytes:
    """Rows that mostly fit one another."""

    def other() -> Any:
        return _tree(luck, _COCO)

    def number() -> Any:
        return luck.choice(NUMBERS)

    ids = [luck.choice((1, 2, "a", 3.0, luck.randrange(9))) for _ in range(3)]
    images = [_maybe(luck, {"id": one, "file_name": luck.choice(NAMES[2:7]), "width": 40, "height": number()},
                     other) for one in ids]  # fmt: skip
    kinds = [_maybe(luck, {"id": at, "name": _maybe(luck, luck.choice(NAMES), other)}, other) for at in range(2)]
    boxes = [_maybe(luck, {"id": at, "image_id": luck.choice(ids), "category_id": luck.randrange(3), "area": number(),
                           "bbox": [_maybe(luck, luck.randrange(30), number) for _ in range(4)],
                           "iscrowd": luck.choice((0, 1, None)), "segmentation": other()},
                    other) for at in range(4)]  # fmt: skip
    whole = {"images": images, "annotations": boxes, "categories": kinds}
    return json.dumps(_maybe(luck, whole, other)).encode(errors="surrogatepass")


def voc(luck: Random) -> bytes:
    """Elements that VOC knows, in any order and depth."""
    tags = ("annotation", "object", "name", "bndbox", "xmin", "ymin", "xmax", "ymax", "size", "width", "height",
            "filename", "difficult", "truncated", "part", "polygon", "x1", "y1", "segmented")  # fmt: skip

    def element(depth: int) -> str:
        tag = luck.choice(tags)
        if depth > 6 or luck.random() < 0.35:
            inside = str(luck.choice((*NUMBERS, *NAMES[:7])))
        else:
            inside = "".join(element(depth + 1) for _ in range(luck.randrange(5)))
        return f"<{tag}>{inside}</{tag}>"

    one = "".join(f"<{side}>{luck.choice(NUMBERS)}</{side}>" for side in ("xmin", "ymin", "xmax", "ymax"))
    plain = f"<object><name>{luck.choice(NAMES[:2])}</name><bndbox>{one}</bndbox></object>"
    body = "".join(_maybe(luck, plain, lambda: element(0)) for _ in range(luck.randrange(4)))
    return f"<annotation><filename>a.png</filename>{body}</annotation>".encode()


def description(luck: Random) -> bytes:
    """Keys of a `data.yaml` with values of any kind."""
    keys = ("path", "train", "val", "test", "nc", "names", "kpt_shape", "download", "roboflow", "flip_idx")
    values = ("images", ".", "[images, labels]", "2", "[cat, dog]", "{0: cat, 1: dog}", "\n  - cat\n  - dog", "~", "''",
              "[2, 3]", "|\n  text", "&a [1]", "*a", "!!int 3", "{a: {b: [c]}}", "nan", "- -", "'it''s'")  # fmt: skip
    lines = [f"{luck.choice(keys)}: {luck.choice(values)}" for _ in range(luck.randrange(7))]
    return "\n".join(["train: images", "names: [cat, dog]", *lines][luck.randrange(3) :]).encode()


def labels(luck: Random) -> bytes:
    """Lines of numbers, mostly of a class and four fractions."""
    lines = []
    for _ in range(luck.randrange(6)):
        count = luck.choice((4, 4, 4, 4, 6, 8, 5, 3, 0, 1, 40))
        lines.append(" ".join([str(luck.randrange(3)), *(str(_maybe(luck, round(luck.random(), 3),
                     lambda: luck.choice(NUMBERS))) for _ in range(count))]))  # fmt: skip
    return "\n".join(lines).encode()


def table(luck: Random) -> bytes:
    """Columns that are known, in any order, and cells that mostly fit."""
    heads = ("path", "filename", "image", "label", "class", "labels", "split", "x1", "y1", "x2", "y2", "xmin", "ymin",
             "xmax", "ymax", "x", "y", "w", "h", "width", "height", "cat", "dog", "id", "ImageID", "XMin")  # fmt: skip
    chosen = luck.choice(
        (["path", "label"], ["path", "label", "x1", "y1", "x2", "y2"], luck.sample(heads, luck.randrange(1, 9)))
    )
    out = io.StringIO()
    rows = csv.writer(out, delimiter=luck.choice(",,,;\t"), quoting=luck.choice((0, 0, 1)))
    rows.writerow(chosen)
    for _ in range(luck.randrange(6)):
        count = _maybe(luck, len(chosen), lambda: luck.randrange(10))
        rows.writerow(
            [luck.choice(NAMES) if at < 2 else luck.choice((*NUMBERS, luck.randrange(40))) for at in range(count)]
        )
    return out.getvalue().encode(errors="surrogatepass")


def predictions(luck: Random) -> bytes:
    """Lines of JSON."""
    keys = ("path", "error", "label", "scores", "boxes")
    lines = [_maybe(luck, {"path": luck.choice(NAMES)}, lambda: _tree(luck, keys)) for _ in range(luck.randrange(6))]
    return b"".join(json.dumps(line).encode() + luck.choice((b"\n", b"\n", b"\r\n", b"")) for line in lines)


def wav(luck: Random) -> bytes:
    """A format chunk of any numbers, and samples."""
    tag = luck.choice((1, 1, 1, 3, 6, 7, 2, 0x11, 0xFFFE, 0x55, luck.randrange(65536)))
    channels, bits = luck.choice((1, 2, 2, 6, 0, 255, 65535)), luck.choice((8, 16, 24, 32, 64, 0, 12, 1))
    rate = luck.choice((8000, 44100, 1, 0, 0xFFFFFFFF, 1 << 31))
    align = luck.choice((channels * bits // 8 & 0xFFFF, 0, 1, luck.randrange(65536)))
    content = struct.pack("<HHIIHH", tag, channels, rate, rate * align & 0xFFFFFFFF, align, bits)
    content += luck.randbytes(luck.choice((0, 0, 2, 24)))
    chunks = [Chunk(b"fmt ", content), Chunk(b"data", luck.randbytes(luck.choice((0, 1, 64, 600))))]
    for _ in range(luck.choice((0, 0, 1, 2))):
        name = luck.choice((b"fact", b"LIST", b"cue ", b"smpl", b"PEAK", b"ds64", b"data", b"fmt ", b"id3 ", b"    "))
        chunks.insert(luck.randrange(len(chunks) + 1), Chunk(name, luck.randbytes(luck.randrange(80))))
    return join_riff(luck.choice((b"RIFF", b"RIFF", b"RF64", b"RIFX")) + bytes(4) + b"WAVE", chunks)


def png(luck: Random) -> bytes:
    """A header of any numbers that are allowed, or not, and as much packed data as that needs, or not."""
    width, height = luck.choice((1, 5, 9, 300)), luck.choice((1, 5, 9, 0, 1 << 31, 20_000))
    depth, color = luck.choice(((8, 0), (8, 2), (8, 3), (16, 2), (1, 0), (2, 3), (16, 6), (8, 4), (3, 1), (16, 3)))
    interlaced = luck.choice((0, 0, 1, 2))
    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, luck.choice((0, 0, 0, 1)), interlaced)
    line = 1 + -(-width * depth * {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}.get(color, 1) // 8)
    data = luck.choice((b"\0", b"\1", b"\5")) * (line * min(height, 400)) + luck.randbytes(luck.choice((0, 0, 9)))
    chunks = [Chunk(b"IHDR", header), Chunk(b"IDAT", zlib.compress(data)), Chunk(b"IEND", b"")]
    names = (
        b"PLTE",
        b"tRNS",
        b"iCCP",
        b"tEXt",
        b"zTXt",
        b"iTXt",
        b"eXIf",
        b"pHYs",
        b"gAMA",
        b"acTL",
        b"fcTL",
        b"fdAT",
        b"IDAT",
    )
    for _ in range(luck.choice((0, 1, 2, 3))):
        chunks.insert(
            luck.randrange(1, len(chunks)), Chunk(luck.choice(names), luck.randbytes(luck.choice((0, 1, 3, 26, 300))))
        )
    return join_png(b"\x89PNG\r\n\x1a\n", chunks)


def tiff(luck: Random) -> bytes:
    """One directory of any fields."""
    width, height = luck.choice((1, 4, 9)), luck.choice((1, 4, 9))
    order, bits = luck.choice("<>"), luck.choice((1, 4, 8, 16, 32))
    samples = luck.choice((1, 3, 4))
    data = luck.randbytes(-(-width * height * samples * bits // 8))
    fields = {256: width, 257: height, 258: bits, 259: luck.choice((1, 1, 1, 5, 8, 32773, 7, 3)),
              262: luck.choice((0, 1, 2, 3, 5, 6)),
              273: 8, 277: samples, 278: height, 279: len(data), 284: luck.choice((1, 2)), 274: luck.randrange(10),
              317: luck.choice((1, 2, 3)), 339: luck.choice((1, 2, 3, 4)), 338: luck.randrange(4)}  # fmt: skip
    for _ in range(luck.choice((0, 1, 2))):
        fields[luck.choice([*fields, 320, 322, 323, 324, 325, 34675, 34665, 700])] = luck.choice(
            (0, 1, 2, 16, 65535, 8, 1 << 20)
        )
    kept = [one for one in sorted(fields.items()) if luck.random() < 0.97]
    body = b"".join(struct.pack(order + "HHII", tag, luck.choice((3, 4, 4)), 1, value) for tag, value in kept)
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8 + len(data) + len(data) % 2)
    return head + data + bytes(len(data) % 2) + struct.pack(order + "H", len(kept)) + body + bytes(4)


def pnm(luck: Random) -> bytes:
    """P1 to P7, with numbers that may fit."""
    numbers = (1, 2, 3, 0, -1, 255, 65535, 70_000, "# a\n2")
    words = [luck.choice(("P1", "P2", "P3", "P4", "P5", "P6", "P7", "Pf", "PF", "P5"))]
    words += [str(luck.choice(numbers)) for _ in range(luck.choice((3, 3, 2, 4)))]
    return "\n".join(words).encode() + b"\n" + luck.randbytes(luck.randrange(40))


def npy(luck: Random) -> bytes:
    """A header as Python writes it, of dtypes and shapes that may be."""
    descr = luck.choice(
        ("'<f4'", "'>f8'", "'|b1'", "'<i8'", "'<c16'", "'|O'", "'<U2'", "[('a', '<f4')]", "'<f2'", "'f'", "3")
    )
    shape = luck.choice(
        ("(2, 3)", "()", "(6,)", "(0, 4)", "(-1,)", "(2, 3, 1)", "[2]", "(1 << 40,)", "(1099511627776,)")
    )
    text = f"{{'descr': {descr}, 'fortran_order': {luck.choice((True, False, 1))}, 'shape': {shape}, }}".encode()
    version = luck.choice((b"\1\0", b"\1\0", b"\2\0", b"\3\0", b"\4\0"))
    size = struct.pack("<H" if version[0] == 1 else "<I", len(text) + 1)
    return b"\x93NUMPY" + version + size + text + b"\n" + luck.randbytes(luck.choice((0, 24, 48, 96)))


def rows(luck: Random) -> bytes:
    """Rows of numbers."""
    lines = [[str(luck.choice(NUMBERS)) for _ in range(luck.randrange(5))] for _ in range(luck.randrange(5))]
    return "\n".join(luck.choice((" ", ", ", "\t", ";")).join(line) for line in lines).encode()


def tensors(luck: Random) -> bytes:
    """A safetensors file of any names, dtypes, shapes and offsets."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}} if luck.random() < 0.5 else {}
    at = 0
    for number in range(luck.randrange(4)):
        shape = [luck.choice((0, 1, 2, 3, -1, 1 << 40)) if luck.random() < 0.2 else 2 for _ in range(luck.randrange(4))]
        size = luck.choice((4 * 2 ** len(shape), 0, 3))
        header[luck.choice((f"conv1.weight{number}", "a", ""))] = {
            "dtype": luck.choice(("F32", "F32", "F16", "BF16", "I64", "BOOL", "X", "F8_E4M3")), "shape": shape,
            "data_offsets": [at, at + size]}  # fmt: skip
        at += size
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + luck.randbytes(max(at, 0))


GRAMMARS: dict[str, Callable[[Random], bytes]] = {
    "wav": wav, "png": png, "tiff": tiff, "bmp pnm …": pnm, "coco": coco, "voc": voc, "yolo data.yaml": description,
    "yolo labels": labels, "csv": table, "predictions": predictions, "npy": npy, "text kernel": rows,
    "safetensors": tensors,
}  # fmt: skip
