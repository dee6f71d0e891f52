"""Label Studio's JSON, of a full export or JSON-MIN."""

from convolens.data.format import Format
from convolens.data.formats.label_studio.reader import read, recognize
from convolens.data.formats.label_studio.writer import write

FORMAT = Format(
    "label-studio",
    recognize,
    read,
    write,
    frozenset(
        {
            "boxes", "label", "labels", "boxes alone", "outlines", "scores",
            "splits", "lone split", "partial splits", "classes", "order",
        }
    ),
    reads_outlines=True,
)  # fmt: skip
