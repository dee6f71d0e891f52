"""What a file keeps, as other people's programs see it: ffprobe for sounds, exiftool for pictures.

For every reader and every writer that docs/files-read-and-kept.md claims: each fact that the other program finds in the
source is there in the result, or a note names it. `pytest -m slow -s tests/media/test_oracles.py` prints the two tables
of that page. Needs ffmpeg, ffprobe and exiftool on the path, and mutagen.
"""

import io
import json
import shutil
import struct
import subprocess
import warnings

import imagecodecs
import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps

from convolens.effects.pictures.files import change_picture_file
from convolens.effects.sounds.files import change_sound_file

pytestmark = pytest.mark.slow
SOUNDS = [".wav", ".aiff", ".flac", ".mp3", ".ogg", ".opus", ".m4a", ".mka", ".wma"]
SOUND_TARGETS = [".wav", ".aiff", ".flac", ".mp3", ".ogg", ".opus"]
PICTURES = [".png", ".jpg", ".tif", ".webp", ".bmp", ".gif", ".avif", ".jp2", ".jxl", "-16.png", "-16.tif"]
PICTURE_TARGETS = [".png", ".jpg", ".tif", ".webp", ".bmp", ".gif"]
OWN = {
    "encoder",
    "encoded_by",
    "major_brand",
    "minor_version",
    "compatible_brands",
    "handler_name",
    "vendor_id",
    "language",
    "duration",
    "creation_time",
    "iseng",
    "_statistics_writing_app",
    "coding_history",
    "device",
    "wm/encodingsettings",
}
# What our notes call it, where that is not its own name.
WORDS = {
    "time_reference": "broadcast data", "lyrics-eng": "lyrics", "cover": "cover picture", "layout": "speakers",
    "cue": "cue points", "smpl": "loops", "labl": "names of cue points", "bext": "broadcast data", "MARK": "markers",
}  # fmt: skip


def need(*tools):
    missing = [tool for tool in tools if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"needs {', '.join(missing)} on the path")


def run(*command, **options):
    return subprocess.run([str(part) for part in command], check=True, capture_output=True, **options).stdout


def noted(work):
    """What was said meanwhile, in small letters."""
    with warnings.catch_warnings(record=True) as notes:
        warnings.simplefilter("always")
        work()
    return " ".join(str(note.message) for note in notes).lower()


# Sounds


TAGS = {
    "title": "Füße 足", "artist": "Someone", "album": "Somewhere", "date": "1999", "genre": "Blues", "comment": "none",
    "track": "7", "copyright": "nobody", "composer": "Anybody", "album_artist": "Many", "disc": "2",
}  # fmt: skip


def make_sound(path, channels):
    layout = {2: "stereo", 4: "quad", 6: "5.1" if path.suffix in (".flac", ".ogg") else "5.1(side)"}[channels]
    tags = [part for key, text in TAGS.items() for part in ("-metadata", f"{key}={text}")]
    more = {".wav": ["-write_bext", "1"], ".aiff": ["-write_id3v2", "1"]}.get(path.suffix, [])
    codec = {
        ".m4a": ["-c:a", "aac"],
        ".mka": ["-c:a", "flac"],
        ".wma": ["-c:a", "wmav2"],
        ".ogg": ["-c:a", "libvorbis"],
    }
    source = f"anoisesrc=d=0.5:r=48000:a=0.3,aformat=channel_layouts={layout}"
    run("ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", source, *codec.get(path.suffix, []), *tags, *more, path)
    if path.suffix == ".wav":
        add_chunks(path)
    if path.suffix in (".flac", ".mp3", ".m4a"):
        add_cover(path)


def add_chunks(path):
    def chunk(name, data):
        return name + struct.pack("<I", len(data)) + data + bytes(len(data) % 2)

    cue = struct.pack("<I", 1) + struct.pack("<II4sIII", 1, 1000, b"data", 0, 0, 1000)
    loop = struct.pack("<9I", 0, 0, 125000, 60, 0, 0, 0, 1, 0) + struct.pack("<6I", 0, 0, 100, 2000, 0, 0)
    label = chunk(b"LIST", b"adtl" + chunk(b"labl", struct.pack("<I", 1) + b"verse\0"))
    data = path.read_bytes() + chunk(b"cue ", cue) + chunk(b"smpl", loop) + label + chunk(b"iXML", b"<BWFXML/>")
    path.write_bytes(data[:4] + struct.pack("<I", len(data) - 8) + data[8:])


def add_cover(path):
    import mutagen
    from mutagen.flac import Picture
    from mutagen.id3 import APIC, USLT
    from mutagen.mp4 import MP4Cover

    png = io.BytesIO()
    Image.new("RGB", (8, 8), (200, 30, 5)).save(png, "PNG")
    file = mutagen.File(path)
    if path.suffix == ".flac":
        picture = Picture()
        picture.type, picture.mime, picture.data = 3, "image/png", png.getvalue()
        file.add_picture(picture)
        file["MOOD"] = "blue"
    elif path.suffix == ".mp3":
        file.tags.add(APIC(encoding=3, mime="image/png", type=3, desc="", data=png.getvalue()))
        file.tags.add(USLT(encoding=3, lang="eng", desc="", text="la la"))
    else:
        file["covr"] = [MP4Cover(png.getvalue(), MP4Cover.FORMAT_PNG)]
    file.save()


def sound_facts(path):
    """What ffprobe says of a sound, and the chunks of a WAV or AIFF, walked here."""
    told = json.loads(run("ffprobe", "-v", "error", "-show_format", "-show_streams", "-of", "json", path))
    sounds = [one for one in told["streams"] if one["codec_type"] == "audio"]
    facts = {"rate": sounds[0]["sample_rate"], "channels": sounds[0]["channels"]}
    for tags in (told["format"].get("tags", {}), sounds[0].get("tags", {})):
        facts |= {key.lower(): text for key, text in tags.items() if key.lower() not in OWN}
    if any(one["codec_type"] == "video" for one in told["streams"]):
        facts["cover"] = "there"
    if sounds[0]["channels"] > 2 and "channel_layout" in sounds[0]:
        facts["layout"] = sounds[0]["channel_layout"]
    if "author" in facts:  # as an AIFF calls it
        facts["artist"] = facts.pop("author")
    for plain in [key for key in facts if key.startswith("id3v2_priv")]:
        del facts[plain]
    data = path.read_bytes()
    if data[:4] in (b"RIFF", b"FORM"):
        facts |= {
            name: held.hex() for name, held in walked(data) if name in ("cue ", "smpl", "bext", "labl", "iXML", "MARK")
        }
    return {key.strip(): value for key, value in facts.items()}


def walked(data, at=12):
    order = "<" if data[:4] == b"RIFF" else ">"
    while at + 8 <= len(data):
        name, (size,) = data[at : at + 4], struct.unpack(order + "I", data[at + 4 : at + 8])
        held = data[at + 8 : at + 8 + size]
        yield ("labl" if held[:4] == b"adtl" else name.decode("latin-1")), held
        at += 8 + size + size % 2


def the_same(key, before, after, from_flac):
    if key == "track":
        return str(after).split("/")[0] == str(before).split("/")[0]
    if key == "date":
        return str(before)[:4] == str(after)[:4]
    if key == "layout" and from_flac and {before, after} == {"5.1", "5.1(side)"}:
        return True  # RFC 9639 says "back or surround" of a FLAC's six, ffprobe "side"
    return before == after


def lost(before, after, told, from_flac):
    """The facts that are gone, and of these the ones that no note names."""
    gone = [key for key, value in before.items() if not the_same(key, value, after.get(key), from_flac)]
    named = [name.replace(" ", "").replace("_", "") for name in told.rpartition("samples: ")[2].split(", ")]
    return gone, [key for key in gone if not any(names(name, key) for name in named)]


def names(name, key):
    word = WORDS.get(key, key).lower().replace(" ", "").replace("_", "")
    return name == word or (word in name and key not in ("artist", "album"))


@pytest.fixture(scope="module")
def tables():
    """What is printed at the end: for sounds and pictures, kept and named of all facts by source and target."""
    found = {"sounds": {}, "pictures": {}}
    yield found
    for what, cells in found.items():
        if cells:
            targets = list(dict.fromkeys(target for _, target in cells))
            print(f"\n\n| {what} from \\ to | {' | '.join(targets)} |\n|---|{'---|' * len(targets)}")
            for source in dict.fromkeys(source for source, _ in cells):
                print(f"| {source} | {' | '.join(cells[source, target] for target in targets)} |")


@pytest.mark.parametrize("source", SOUNDS)
@pytest.mark.parametrize("channels", [2, 4, 6])
def test_what_a_sound_says_is_kept_or_named(source, channels, tmp_path, tables):
    need("ffmpeg", "ffprobe")
    pytest.importorskip("mutagen")
    if channels > 2 and source in (".mp3", ".wma", ".opus"):
        pytest.skip("holds two channels")
    path = tmp_path / f"in{source}"
    make_sound(path, channels)
    before, silent = sound_facts(path), {}
    assert before["title"] == TAGS["title"]
    for target in SOUND_TARGETS:
        if channels > 2 and target == ".mp3":
            continue
        out = tmp_path / f"out{target}"
        told = noted(lambda out=out: change_sound_file(path, out, lambda blocks, rate: blocks))
        after = sound_facts(out)
        if source == ".opus" or target == ".opus":
            after["rate"] = before["rate"]  # an Opus is of 48 kHz to every decoder
        gone, unnamed = lost(before, after, told, source == ".flac" or target == ".flac")
        if channels == 2:
            tables["sounds"][source, target] = (
                f"{len(before) - len(gone)} + {len(gone) - len(unnamed)} of {len(before)}"
            )
        if unnamed:
            silent[target] = {key: (before[key], after.get(key)) for key in unnamed}
    assert not silent


# Pictures


def make_picture(path):
    """By Pillow and exiftool: everything that exiftool can put into such a file."""
    ramp = np.dstack(
        [np.tile(np.arange(48), (32, 1)) * 5, np.tile(np.arange(32)[:, None], (1, 48)) * 7, np.full((32, 48), 90)]
    )
    image = Image.fromarray(ramp.astype(np.uint8))
    if "-16" in path.name:
        deep = ramp.astype(np.uint16) * 257
        encode = imagecodecs.png_encode if path.suffix == ".png" else imagecodecs.tiff_encode
        path.write_bytes(encode(deep))
    elif path.suffix == ".jxl":
        path.write_bytes(imagecodecs.jpegxl_encode(ramp.astype(np.uint8), lossless=True, usecontainer=True))
    else:
        options = {".jpg": {"quality": 95}, ".webp": {"lossless": True}, ".avif": {"quality": 95}}.get(path.suffix, {})
        image.save(path, dpi=(300, 300), **options)
    profile = path.parent / "p.icc"
    profile.write_bytes(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    words = [
        "-Make=Maker", "-Model=A camera", "-DateTimeOriginal=2026:11:29 10:00:00", "-Artist=Füße", "-LensModel=A lens",
        "-GPSLatitude=48.1", "-GPSLatitudeRef=N", "-XMP-dc:Title=Füße 足", "-XMP-xmp:Rating=4", "-Copyright=nobody",
        "-UserComment=a word", f"-ICC_Profile<={profile}", "-IPTC:Keywords=one", "-Comment=a comment",
        "-EXIF:XResolution=300", "-EXIF:YResolution=300",
    ]  # fmt: skip
    if path.suffix in (".jpg", ".tif", ".webp", ".png", ".avif"):
        words.append("-EXIF:Orientation#=6")
    for word in words:  # each by itself: what a format has no place for is refused
        subprocess.run(
            ["exiftool", "-q", "-q", "-overwrite_original", "-charset", "exif=UTF8", word, str(path)],
            check=False,
            capture_output=True,
        )


FACTS = {
    "Make": "EXIF",
    "Model": "EXIF",
    "DateTimeOriginal": "EXIF",
    "LensModel": "EXIF",
    "Artist": "EXIF",
    "Copyright": "EXIF",
    "UserComment": "EXIF",
    "GPSLatitude": "EXIF",
    "Title": "XMP",
    "Rating": "XMP",
    "Keywords": "IPTC",
    "Comment": "comment",
}


# As what else exiftool puts it into such a file.
OTHERWISE = {(".png", key): ("texts",) for key in FACTS} | {(".gif", key): ("xmp",) for key in FACTS}
OTHERWISE |= {(kind, "resolution"): ("exif", "texts") for kind in ("webp", "avif", ".jxl", ".jp2", ".png")}
UNSEEN = {(".avif", "Artist")}  # Pillow's decoder of AVIF writes question marks for texts that are not ASCII


def picture_facts(path):
    told = json.loads(run("exiftool", "-j", "-charset", "exif=UTF8", path))[0]
    facts = {key: told[key] for key in FACTS if key in told}
    if icc := run("exiftool", "-b", "-ICC_Profile", path):
        facts["profile"] = icc.hex()
    unit = {"inches": 1, "cm": 2.54}.get(told.get("ResolutionUnit"))
    if unit and told["XResolution"] > 2:
        facts["resolution"] = round(told["XResolution"] * unit)
    elif told.get("PixelsPerUnitX", told.get("PixelsPerMeterX", 0)) > 2:
        facts["resolution"] = round(told.get("PixelsPerUnitX", told.get("PixelsPerMeterX")) * 0.0254)
    return facts


@pytest.mark.parametrize("source", PICTURES)
def test_what_a_picture_says_is_kept_or_named(source, tmp_path, tables):
    need("exiftool")
    path = tmp_path / f"in{source}"
    make_picture(path)
    before, silent = picture_facts(path), {}
    assert before
    for target in PICTURE_TARGETS:
        if "-16" in source and target not in (".png", ".tif"):
            tables["pictures"][source, target] = "refused"
            continue
        out = tmp_path / f"out{target}"
        told = noted(lambda out=out: change_picture_file(path, out, lambda pixels: pixels))
        after = picture_facts(out)
        gone = [key for key, value in before.items() if after.get(key) != value]
        words = {key: (FACTS.get(key, key).lower(), *OTHERWISE.get((source[-4:], key), ())) for key in gone}
        unnamed = [key for key in gone if not any(word in told for word in words[key]) and (source, key) not in UNSEEN]
        tables["pictures"][source, target] = f"{len(before) - len(gone)} + {len(gone) - len(unnamed)} of {len(before)}"
        if unnamed:
            silent[target] = {key: (str(before[key])[:30], str(after.get(key))[:30]) for key in unnamed}
        if "-16" not in source and source not in (".jxl",):
            with Image.open(path) as shown, Image.open(out) as written:
                assert ImageOps.exif_transpose(shown).size == ImageOps.exif_transpose(written).size
    assert not silent
