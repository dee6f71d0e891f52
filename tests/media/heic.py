"""Writes a HEIC: one picture of HEVC by PyAV's encoder, in a container made by hand (ISO 23008-12)."""

import io
import struct

import av
import numpy as np


def _box(name, *content):
    data = b"".join(content)
    return struct.pack(">I", 8 + len(data)) + name + data


def _full(name, *content, version=0):
    return _box(name, bytes([version, 0, 0, 0]), *content)


def _encoded(pixels):
    """The decoder's configuration and the one frame, as an MP4 has them."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as out:
        stream = out.add_stream("libx265", rate=1, options={"x265-params": "log-level=none:crf=0:keyint=1"})
        stream.width, stream.height = pixels.shape[1], pixels.shape[0]
        stored, stream.pix_fmt = ("rgb48le", "yuv444p10le") if pixels.dtype == np.uint16 else ("rgb24", "yuv444p")
        out.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format=stored)))
        out.mux(stream.encode())
    data = file.getvalue()
    at = data.index(b"hvcC") - 4
    configuration = data[at : at + int.from_bytes(data[at : at + 4], "big")]
    at = data.index(b"mdat") - 4
    return configuration, data[at + 8 : at + int.from_bytes(data[at : at + 4], "big")]


def heic(pixels, turned=0):
    """The bytes of a HEIC of RGB pixels, of 16 bits as 10, shown turned to the left by so many quarters."""
    configuration, frame = _encoded(np.ascontiguousarray(pixels))
    height, width = pixels.shape[:2]
    properties = [configuration, _full(b"ispe", struct.pack(">II", width, height)), _box(b"irot", bytes([turned]))]
    linked = struct.pack(">IHB", 1, 1, 3) + bytes([0x81, 2, 0x83])
    meta = [
        _full(b"hdlr", bytes(4) + b"pict" + bytes(13)),
        _full(b"pitm", struct.pack(">H", 1)),
        _full(b"iinf", struct.pack(">H", 1), _full(b"infe", struct.pack(">HH", 1, 0) + b"hvc1\0", version=2)),
        _box(b"iprp", _box(b"ipco", *properties), _full(b"ipma", linked)),
    ]
    kind = _box(b"ftyp", b"heic" + bytes(4) + b"mif1heic")
    size = len(_full(b"meta", *meta, _place(0, 0)))
    head = kind + _full(b"meta", *meta, _place(len(kind) + size + 8, len(frame)))
    return head + _box(b"mdat", frame)


def _place(offset, size):
    return _full(b"iloc", b"\x44\0" + struct.pack(">HHHHII", 1, 1, 0, 1, offset, size))
