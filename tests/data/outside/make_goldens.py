"""Writes the data of `truth.py` with our writers, and with those of datumaro and globox, which read ours.

In an environment with convolens, and then in one with datumaro, globox and label-studio-sdk (1.13.12, 2.9.0 and 2.1.2
made the goldens):

    python tests/data/outside/make_goldens.py ours
    python tests/data/outside/make_goldens.py theirs

    ours.zip              what our writers wrote, a folder for each format; pictures are left out
    read_by_others.json   what the others read in it, by format and program
    theirs.zip            what the others wrote, a folder for each program and format, with pictures
"""

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from PIL import Image

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
from truth import BOXES, NAMES, SIZE  # noqa: E402 - of this folder, in an environment without our tests

Found = dict[str, list]  # by a picture's stem: labels and corners


def pictures(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number, stem in enumerate(BOXES):
        Image.new("L", SIZE, 40 * number).save(folder / f"{stem}.png")


def pack(folder: Path, file: Path, *, with_pictures: bool) -> None:
    """Archives a folder, always to the same bytes."""
    with ZipFile(file, "w", ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and (with_pictures or path.suffix != ".png"):
                archive.writestr(ZipInfo(path.relative_to(folder).as_posix()), path.read_bytes(), ZIP_DEFLATED)


def write_ours(folder: Path) -> None:
    """Every format of ours that holds boxes and has a writer, in a folder of its name."""
    from convolens.data.dataset import Box, DataSet, Example
    from convolens.data.format import Placed
    from convolens.data.formats import FORMATS

    for form in FORMATS:
        if form.write is None or not {"boxes", "boxes alone"} <= form.carries:
            continue
        examples = []
        for stem, boxes in BOXES.items():
            found = tuple(Box(NAMES.index(name), corners) for name, corners in boxes)
            labels = tuple(sorted({box.label for box in found}))
            split = "train" if boxes else "validation"
            examples.append(Example(Path(f"{stem}.png"), labels, found, split, SIZE))
        names = [form.place(one, one.path.name, NAMES) for one in examples]
        for name in names:
            pictures((folder / form.name / name).parent)
        data = DataSet(Path("data"), NAMES, tuple(examples), "boxes")
        form.write(folder / form.name, data, [Placed(*one, SIZE) for one in zip(examples, names, strict=True)])


def by_datumaro(name: str) -> Callable[[Path], Found]:
    def read(folder: Path) -> Found:
        import datumaro

        data = datumaro.Dataset.import_from(str(folder), name)
        categories = data.categories()[datumaro.AnnotationType.label]
        return {
            Path(item.id).name: [
                [categories[one.label].name, [one.x, one.y, one.x + one.w, one.y + one.h]]
                for one in item.annotations
                if isinstance(one, datumaro.Bbox)
            ]
            for item in data
        }

    return read


def of_globox(annotations: object) -> Found:
    return {
        Path(str(one.image_id)).stem: [[box.label, [box.xmin, box.ymin, box.xmax, box.ymax]] for box in one.boxes]
        for one in annotations
    }


def by_globox(name: str, pattern: str, **options: object) -> Callable[[Path], Found]:
    """Of every file or folder of a pattern: globox knows no splits."""

    def read(folder: Path) -> Found:
        import globox

        found: Found = {}
        for place in sorted(folder.glob(pattern)):
            given = {"image_folder": folder / "images" / place.name} if name.startswith("yolo") else {}
            one = getattr(globox.AnnotationSet, f"from_{name}")(place, **given, **options)
            if name.startswith("yolo"):
                one.map_labels({str(number): label for number, label in enumerate(NAMES)})
            found |= of_globox(one)
        return found

    return read


def by_label_studio(folder: Path) -> Found:
    """As Label Studio's own converter makes VOC of an export."""
    from xml.etree import ElementTree

    from label_studio_sdk.converter import Converter

    tasks = json.loads((folder / "tasks.json").read_text())
    for number, task in enumerate(tasks):
        task |= {"id": number}
        task["annotations"] = [{"id": number, "completed_by": 1, **one} for one in task["annotations"]]
        task["data"]["image"] = str(folder / task["data"]["image"].partition("?d=")[2])
    with TemporaryDirectory() as place:
        export = Path(place) / "export.json"
        export.write_text(json.dumps(tasks))
        converter = Converter((folder / "labeling.xml").read_text(), place, download_resources=False)
        converter.convert_to_voc(str(export), f"{place}/voc", is_dir=False)
        return {Path(path).stem: list(_voc(ElementTree.parse(path))) for path in Path(place).rglob("*.xml")}


def _voc(tree: object) -> Iterator[list]:
    for one in tree.iter("object"):
        corners = [float(one.findtext(f"bndbox/{name}")) for name in ("xmin", "ymin", "xmax", "ymax")]
        yield [one.findtext("name"), corners]


PICTURES = {"voc": ("JPEGImages",), "labelme": ("train", "val")}  # where our writers have them; elsewhere in images
READERS: dict[str, dict[str, Callable[[Path], Found]]] = {
    "coco": {
        "datumaro": by_datumaro("coco"),
        "globox": by_globox("coco", "annotations/*.json"),
    },
    "voc": {"datumaro": by_datumaro("voc_detection"), "globox": by_globox("pascal_voc", "Annotations")},
    "yolo": {
        "datumaro": by_datumaro("yolo"),
        "globox": by_globox("yolo_v5", "labels/*", image_extension=".png"),
    },
    "cvat": {"datumaro": by_datumaro("cvat"), "globox": by_globox("cvat", "annotations.xml")},
    "labelme": {"globox": by_globox("labelme", "*/")},
    "label-studio": {"label-studio-sdk": by_label_studio},
}


def write_theirs(folder: Path) -> None:
    import datumaro
    import globox

    items = [
        datumaro.DatasetItem(
            stem, subset="train" if boxes else "val",
            media=datumaro.Image.from_file(str(folder / "pictures" / f"{stem}.png")),
            annotations=[
                datumaro.Bbox(x1, y1, x2 - x1, y2 - y1, label=NAMES.index(name), id=number, group=number)
                for number, (name, (x1, y1, x2, y2)) in enumerate(boxes, start=1)
            ],
        )
        for stem, boxes in BOXES.items()
    ]  # fmt: skip
    data = datumaro.Dataset.from_iterable(items, categories=list(NAMES))
    for name in ("coco_instances", "voc_detection", "yolo", "yolo_ultralytics", "cvat", "open_images", "label_me"):
        data.export(str(folder / "datumaro" / name), name, save_media=True, image_ext=".png")
    boxes = globox.AnnotationSet(
        globox.Annotation(
            f"{stem}.png", SIZE, [globox.BoundingBox(label=n, xmin=c[0], ymin=c[1], xmax=c[2], ymax=c[3]) for n, c in b]
        )
        for stem, b in BOXES.items()
    )
    for name in ("coco", "pascal_voc", "cvat", "labelme", "openimage", "yolo_v5"):
        place = folder / "globox" / name
        pictures(place)
        file = {"coco": "a.json", "cvat": "annotations.xml", "openimage": "a.csv"}.get(name, ".")
        numbers = {label: number for number, label in enumerate(NAMES)}
        options = {"yolo_v5": {"label_to_id": numbers}, "coco": {"auto_ids": True}}.get(name, {})
        getattr(boxes, f"save_{name}")(place / file, **options)
        if name == "yolo_v5":
            (place / "classes.txt").write_text("".join(f"{n}\n" for n in NAMES))


def main(what: str) -> None:
    with TemporaryDirectory() as place:
        folder = Path(place)
        if what == "ours":
            write_ours(folder)
            pack(folder, HERE / "ours.zip", with_pictures=False)
            return
        ZipFile(HERE / "ours.zip").extractall(folder / "ours")
        for form in READERS:
            if (folder / "ours" / form).is_dir():
                for place in PICTURES.get(form, ("images/train", "images/val")):
                    pictures(folder / "ours" / form / place)
        found = {
            form: {program: read(folder / "ours" / form) for program, read in programs.items()}
            for form, programs in READERS.items()
            if (folder / "ours" / form).is_dir()
        }
        (HERE / "read_by_others.json").write_text(json.dumps(found, indent=1) + "\n")
        pictures(folder / "pictures")
        write_theirs(folder)
        for unwanted in ("ours", "pictures"):
            for path in sorted((folder / unwanted).rglob("*"), reverse=True):
                path.rmdir() if path.is_dir() else path.unlink()
        pack(folder, HERE / "theirs.zip", with_pictures=True)


if __name__ == "__main__":
    main(sys.argv[1])
