"""CSV: a row for each picture, or for each box."""

from convolens.data.format import Format
from convolens.data.formats.tables.reader import column, read, recognize
from convolens.data.formats.tables.writer import write

FORMAT = Format(
    "csv",
    recognize,
    read,
    write,
    frozenset(
        {"label", "labels", "boxes", "boxes alone", "outside", "splits", "lone split", "partial splits", "order"}
    ),
    column=column,
)
