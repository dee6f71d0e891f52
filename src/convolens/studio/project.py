"""The project: the folder that the studio was given, and what it keeps there.

FOLDER/.studio/studio.db   what was decided, and the jobs      FOLDER/.studio/uploads   what was dropped
FOLDER/.studio/data        classes made on the spot            FOLDER/.studio/runs      what was trained
FOLDER/.studio/jobs        what each job said

A name that begins with a dot, so that readers of folders of classes pass it over. Nothing else in FOLDER is written to.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from convolens.errors import FileError
from convolens.media.files import AnyPath, make_folder
from convolens.media.result_folders import BEST

HOME = ".studio"
DEPTH = 3  # folders below the project's that are looked at for models
MOST_IN_ONE = 1_000  # names of one folder that are looked at: a model does not lie among thousands of pictures
MOST_LOOKED_AT = 2_000  # folders; a data set of many classes is not listed to its end


@dataclass(frozen=True)
class Project:
    """A folder that somebody works in.

    Attributes:
        folder: as given, resolved. Files outside it are never read, those in it never changed.
        home: what the studio keeps, in `folder`.
    """

    folder: Path
    home: Path

    @classmethod
    def in_folder(cls, folder: AnyPath) -> Project:
        """The project of a folder, whose home is made if it is missing.

        Raises:
            FileError: there is no such folder, or nothing can be written in it.
        """
        there = Path(folder).resolve()
        if not there.is_dir():
            raise FileError(f"{folder}: need a folder to work in, found {'a file' if there.exists() else 'none'}")
        project = cls(there, there / HOME)
        for one in (project.home, project.uploads, project.data, project.runs, project.jobs):
            make_folder(one)
        return project

    @property
    def uploads(self) -> Path:
        """Pictures and sounds that were dropped."""
        return self.home / "uploads"

    @property
    def data(self) -> Path:
        """Data sets made in the studio, a folder each."""
        return self.home / "data"

    @property
    def runs(self) -> Path:
        """Run folders of trainings."""
        return self.home / "runs"

    @property
    def jobs(self) -> Path:
        """What jobs said, a folder each."""
        return self.home / "jobs"

    def inside(self, path: str | Path) -> Path:
        """A path that was asked for, links resolved.

        Args:
            path: relative to the project's folder, or absolute.

        Raises:
            FileError: it leads outside the project's folder, is no path at all, or nothing is there.
        """
        try:
            found = (self.folder / path).resolve(strict=True)
        except (OSError, ValueError, RuntimeError) as error:  # none there, a null byte, a circle of links
            raise FileError(f"{path}: need something in the project's folder, found none") from error
        if not found.is_relative_to(self.folder):
            raise FileError(f"{path}: need something in the project's folder; this leads outside")
        return found

    def name_of(self, path: Path) -> str:
        """How a path in the project is called: relative to its folder, with `/`."""
        return path.relative_to(self.folder).as_posix()

    def called(self, path: Path) -> str:
        """How a path that may be outside the project is called: as `name_of` in it, else in whole."""
        return self.name_of(path) if path.is_relative_to(self.folder) else str(path)

    def title_of(self, path: Path) -> str:
        """How people know a model: by its run's name; of another folder than the studio's, by where it is."""
        above = self.runs if path.is_relative_to(self.runs) else self.folder
        return path.relative_to(above).with_suffix("" if path.is_file() else path.suffix).as_posix()

    def argument(self, path: Path) -> str:
        """A path in the project as a word of a command line that is run in its folder, never taken for an option."""
        name = self.name_of(path)
        return f"./{name}" if name.startswith("-") else name

    def models(self) -> list[Path]:
        """Models in the project: run folders, and single files, the newest first."""
        found = [*_models_in(self.runs, 1), *_models_in(self.folder, DEPTH)]
        return sorted(set(found), key=lambda one: one.stat().st_mtime, reverse=True)


def _models_in(folder: Path, depth: int) -> Iterator[Path]:
    """Run folders and model files in a folder and those below it; links to folders are not followed."""
    waiting, looked_at = [(folder, 0)], 0
    while waiting and looked_at < MOST_LOOKED_AT:
        here, deep = waiting.pop()
        looked_at += 1
        if (here / BEST).is_file():
            yield here
            continue
        try:
            with os.scandir(here) as entries:
                inside = list(islice(entries, MOST_IN_ONE))
        except OSError:
            continue
        yield from (Path(one) for one in inside if one.name.endswith((".safetensors", ".onnx")) and one.is_file())
        if deep < depth:
            folders = sorted((one for one in inside if _is_open_folder(one)), key=lambda one: one.name)
            waiting += [(Path(one), deep + 1) for one in folders]


def _is_open_folder(one: os.DirEntry[str]) -> bool:
    return one.is_dir(follow_symlinks=False) and not one.name.startswith(".")
