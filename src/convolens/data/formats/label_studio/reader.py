"""Label Studio's JSON: a list of tasks, as the full export or as JSON-MIN. See https://labelstud.io/guide/task_format.

Rectangles, turned ones too, polygons and ellipses give objects, choices labels of the whole picture; brushes and key
points are passed over with a word. Of several annotations of a task the one marked as ground truth is taken, or the
first; a task that nobody has annotated is left out, or its first prediction taken, with a word. A labeling
configuration beside the file, `*.xml`, gives the classes their order. Pictures are found by the ends of their addresses
and by `?d=`, with or without the eight digits that uploading puts before a name; nothing is fetched.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from convolens.data.by_name import Gathered, Picture
from convolens.data.dataset import Reading
from convolens.data.files import SPLITS, annotation_files
from convolens.data.formats.label_studio.configuration import Configuration, configuration_in
from convolens.data.formats.label_studio.regions import Found, found_in
from convolens.data.formats.label_studio.tasks import Task, is_elsewhere, looks_right, names_of, tasks_in
from convolens.data.picture_names import FIRST, PictureNames, pictures_of
from convolens.errors import DataError, FileError
from convolens.media.images import read_header


def recognize(path: Path) -> bool:
    """Whether it is such a JSON file, or a folder with one at its top or in its splits."""
    return next(_json_files(path), None) is not None


def read(root: Path, known: tuple[str, ...] | None, *, outlines: bool = False) -> Reading:
    """The regions of every task of every such file."""
    files = list(_json_files(root)) or ([(root, "")] if root.is_file() else [])
    if not files:
        raise DataError(f"{root}: need Label Studio's JSON, a list of tasks, found none")
    found = Gathered(root, known)
    for file, split in files:
        reader = _File(file, split if len(files) > 1 else "", found, outlines)
        reader.read()
    told = configuration_in(root if root.is_dir() else root.parent) or Configuration()
    pictures = found.pictures.values()
    if any(picture.objects for picture in pictures) or (told.shapes and not any(one.labels for one in pictures)):
        return found.reading(told.shapes, "boxes")
    return found.reading(told.choices, told.choice)


def _json_files(path: Path) -> Iterator[tuple[Path, str]]:
    return (one for one in annotation_files(path, "*.json") if looks_right(one[0]))


class _File:
    """One file on its way to pictures."""

    def __init__(self, path: Path, split: str, found: Gathered, outlines: bool) -> None:
        self.path, self.split, self.found, self.outlines = path, split, found, outlines

    def read(self) -> None:
        """Adds its pictures, in their order."""
        tasks = list(tasks_in(self.path))
        addresses = [one.address for one in tasks[: 4 * FIRST] if isinstance(one, Task)]
        finder = pictures_of(self.path, [names_of(one)[0] for one in addresses], self.split)
        for task in tasks:
            if isinstance(task, str):
                self.found.fault(self.path, "unreadable annotation", task)
            elif task.regions is None:
                self._note("not annotated", f"task {task.at} is not annotated, and is left out")
            else:
                self._add(task, task.regions, finder)

    def _add(self, task: Task, regions: list[dict[str, object]], finder: PictureNames) -> None:
        where = f"task {task.at}"
        try:
            path = finder.find(*names_of(task.address))
            if path is None and is_elsewhere(task.address):
                self._fault("address for a picture", f"{where}: need the names of picture files, got the address "
                            f"{task.address!r:.200}; download it beside")  # fmt: skip
                return
            path = path or finder.path(names_of(task.address)[-1])
            told = found_in(regions, lambda: read_header(path).size, outlines=self.outlines)
        except (ValueError, FileError) as error:
            self._fault("unreadable annotation", f"{where}: {error}")
            return
        self._say(task, told)
        split = SPLITS.get(str(task.data.get("split", "")).lower(), self.split)
        picture = Picture(path, f"{self.path}: {where}", split, told.size)
        picture.labels, picture.objects = told.choices, told.objects
        self.found.add(picture)

    def _say(self, task: Task, told: Found) -> None:
        for trouble in told.troubles:
            self._fault("unreadable annotation", f"task {task.at}: {trouble}")
        for kind in told.passed_over:
            self._note("shape passed over", f"task {task.at}: passed over a region that is no box or outline: {kind}")
        if task.several > 1:
            self._note("several annotations", f"task {task.at} has {task.several} annotations, of which one is taken")
        if task.predicted:
            self._note("prediction", f"task {task.at} is not annotated; its first prediction is taken")

    def _fault(self, kind: str, sentence: str) -> None:
        self.found.fault(self.path, kind, f"{self.path}: {sentence}")

    def _note(self, kind: str, sentence: str) -> None:
        self.found.note(self.path, kind, f"{self.path}: {sentence}")
