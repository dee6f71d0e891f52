"""The error tree: every mistake a caller can make is a `ConvolensError` with one clear sentence.

The sentence is `subject: need X, got Y`, with the remedy where there is one. The command line prints it and exits
with code 2. Each child also derives from the built-in error a Python programmer would expect to catch.
"""

from __future__ import annotations

from collections.abc import Iterable
from unicodedata import category

MOST_SHOWN = 20  # names of a table that a message lists


def printable(text: str) -> str:
    r"""The text with escapes in place of what a terminal would obey, and of bytes of names that are not UTF-8.

    >>> print(printable("caf\udce9\x1b[2J.png"))
    caf\xe9\x1b[2J.png
    """
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else _escaped(letter) for letter in text)


def _escaped(letter: str) -> str:
    code = ord(letter)
    if category(letter) == "Zs" or letter in "\u200c\u200d":  # wide blanks; what joins letters of some scripts
        return letter
    if 0xDC80 <= code <= 0xDCFF:  # how Python keeps a byte of a name that is not UTF-8
        return f"\\x{code - 0xDC00:02x}"
    return letter.encode("unicode_escape").decode()


class FileNote(UserWarning):
    """What is said of a file that was used nonetheless: mended, read in part, or written without all it carried."""

    def __str__(self) -> str:
        return printable(super().__str__())


class ConvolensError(Exception):
    """Base of all errors that Convolens raises on purpose."""

    def __str__(self) -> str:  # names of files and classes come from anywhere
        return printable(super().__str__())


class ArgumentError(ConvolensError, ValueError):
    """An argument has a value that cannot be used."""


class ShapeError(ConvolensError, ValueError):
    """An array has the wrong number of dimensions or the wrong size."""


class DtypeError(ConvolensError, TypeError):
    """An array or argument is of a kind that cannot be used."""


class NothingFoundError(ArgumentError):
    """What is to be undone does not show in this picture or sound, or nothing of it can be got back."""


class BoundaryError(ArgumentError):
    """A boundary word that is not one of `numpy.pad`'s, or one that cannot be used here."""


class OverflowRefused(ConvolensError, OverflowError):  # noqa: N818 - it refuses, rather than errs
    """An integer result would not fit in 64 bits."""


class MemoryRefused(ConvolensError, MemoryError):  # noqa: N818 - it refuses, rather than errs
    """More memory is needed than the budget (`cl.memory_limit`) allows; nothing was allocated."""


class MethodError(ArgumentError):
    """The algorithm asked for cannot do this convolution."""


class DeviceError(ConvolensError, RuntimeError):
    """Tensors are on different devices, or the device asked for is absent."""


class LayerShapeError(ShapeError, RuntimeError):
    """A `ShapeError` of a layer: torch's own layers raise a RuntimeError for it."""


class LayerDtypeError(DtypeError, RuntimeError):
    """A `DtypeError` of a layer: torch's own layers raise a RuntimeError for it."""


class LayerArgumentError(ArgumentError, RuntimeError):
    """An `ArgumentError` of a layer: torch's own raise a ValueError or a RuntimeError, as they happen to."""


class FileError(ConvolensError, OSError):
    """A file cannot be read or written."""


class FormatError(FileError):
    """A file is not what its name says, is damaged, or is larger than the limits allow."""


class WeightsError(FileError):
    """A weights or model file cannot be used: another network's, damaged, or not safe to load."""


class DataError(ConvolensError, ValueError):
    """A data set cannot be trained on or evaluated."""


class TrainingError(ConvolensError, RuntimeError):
    """A training cannot go on."""


class ExportError(ConvolensError, RuntimeError):
    """A model cannot be exported, or its export does not give the model's answers."""


class MissingExtraError(ConvolensError, ImportError):
    """A package that an optional part needs is not installed."""


UNREADABLE = (FileError, MemoryRefused)  # what reading may raise on one file of many, after which the others are done


def need_one_of(subject: str, value: object, known: Iterable[str], error: type[ConvolensError] = ArgumentError) -> None:
    """Refuses a name that is not in a table, and suggests the one that it is likest.

    Raises:
        ConvolensError: of the kind given, if the value is not one of the known names.

    >>> need_one_of("mode", "vaild", ("full", "same", "valid"))
    Traceback (most recent call last):
    convolens.errors.ArgumentError: mode: need one of full, same, valid, got 'vaild'; did you mean 'valid'?
    """
    names = tuple(known)
    if not isinstance(value, str) or value not in names:
        shown = ", ".join(names[:MOST_SHOWN]) + (", …" if len(names) > MOST_SHOWN else "")
        raise error(f"{subject}: need one of {shown}, got {value!r:.200}{did_you_mean(value, names)}")


def did_you_mean(value: object, known: Iterable[str]) -> str:
    """The end of a refusal: the known name that a misspelt one is likest, or nothing where it is like none.

    >>> did_you_mean("resnet81", ("vgg16", "resnet18")), did_you_mean("alexnet", ("vgg16", "resnet18"))
    ("; did you mean 'resnet18'?", '')
    """
    from difflib import get_close_matches

    near = get_close_matches(str(value).lower(), list(known), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def need_package(name: str, extra: str, why: str) -> MissingExtraError:
    """The error for a missing optional package, with its remedy.

    >>> str(need_package("torch", "networks", "trunk"))
    "trunk: needs the package torch, which is not installed; pip install 'convolens[networks]'"
    """
    return MissingExtraError(
        f"{why}: needs the package {name}, which is not installed; pip install 'convolens[{extra}]'"
    )
