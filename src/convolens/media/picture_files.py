"""Picture files, many at a time: which are meant, where their results go, and what became of each.

One rule for what a folder holds: every picture below it, by its suffix, in order of path; none that is hidden or lies
in a hidden folder, in one that archives or disks bring along, as `__MACOSX` or `@eaDir`, or in a folder of results. A
linked folder counts as a folder; each is entered once, so links that lead back end. One that cannot be looked into is
reported as a picture is that cannot be read, and the others are done. Of an address (`s3://…`) it is the same rule, but
that what is in a store is taken in the store's order, as it is listed. Tar shards and Parquet tables of pictures are
read where they are named or meant by a pattern.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, is_dataclass
from typing import Any, Generic, TypeVar

from numpy.typing import NDArray

from convolens.arrays import plain_fields
from convolens.errors import DtypeError, FileError, MemoryRefused, NothingFoundError, ShapeError, printable
from convolens.media.folders import files_below as files_below
from convolens.media.folders import is_closed_folder as is_closed_folder
from convolens.media.folders import is_left_out as is_left_out
from convolens.media.found_pictures import File as File
from convolens.media.found_pictures import count_pictures as count_pictures
from convolens.media.found_pictures import find_closed as find_closed
from convolens.media.found_pictures import find_pictures as find_pictures
from convolens.media.found_pictures import is_many as is_many
from convolens.media.picture_formats import is_picture as is_picture
from convolens.media.read_ahead import read_ahead
from convolens.media.result_paths import ResultPaths as ResultPaths
from convolens.sources.fetching import fetched_ahead
from convolens.sources.stored import Unreadable

Result = TypeVar("Result")


@dataclass(frozen=True)
class Outcome(Generic[Result]):
    """What became of a file: a result, or the sentence that says why there is none."""

    path: File
    result: Result | None = None
    error: str = ""

    def line(self) -> dict[str, Any]:
        """As plain data: the path as it was given, and the error or the result's fields."""
        if self.error:
            return {"path": str(self.path), "error": self.error}
        return {"path": str(self.path), **(plain_fields(self.result) if is_dataclass(self.result) else {})}


def attempt(path: File, work: Callable[[], Result]) -> Outcome[Result]:
    """Does the work of one file of many: one that cannot be read or used is an outcome, and the others are done."""
    try:
        return Outcome(path, work())
    except (FileError, ShapeError, DtypeError, MemoryRefused, NothingFoundError) as error:
        return failed(path, error)
    except OSError as error:  # what the file system said, where nothing nearer the user worded it
        return Outcome(path, error=f"{path}: {error.strerror or error}")
    except MemoryError:
        return Outcome(path, error=f"{path}: need more memory than this machine has")


def decoded_ahead(files: Iterable[File]) -> Iterator[Outcome[NDArray[Any]]]:
    """Each picture's pixels as displayed, transparency over white; threads fetch and decode a few ahead."""
    from convolens.media.pixels import as_pixels, over_white  # only here: reading files is built on this module
    from convolens.media.weighing import picture_weight

    def decoded(path: File) -> Outcome[NDArray[Any]]:
        return attempt(path, lambda: over_white(as_pixels(path)))

    for _, outcome in read_ahead(decoded, fetched_ahead(files), weigh=picture_weight):
        yield outcome


def failed(path: File, error: Exception) -> Outcome[Any]:
    """The outcome of a file that cannot be used; its sentence names the file, or the shard that it lies in."""
    if isinstance(path, Unreadable):
        return Outcome(path, error=path.why)
    return Outcome(path, error=str(error) if printable(str(path)) in str(error) else f"{path}: {error}")
