"""The formats of data, a package for each, which know nothing of one another.

folders  a folder for each class      voc   Pascal VOC's XML files
tables   CSV: labels or boxes         yolo  text files of fractions, data.yaml, obj.data
coco     COCO's JSON
"""

from convolens.data.format import Format
from convolens.data.formats import coco, folders, tables, voc, yolo

# In the order in which they are tried: what is plain to recognize comes first, any folder last.
FORMATS: tuple[Format, ...] = (
    yolo.FORMAT,
    coco.FORMAT,
    voc.FORMAT,
    tables.FORMAT,
    folders.FORMAT,
)

__all__ = ["FORMATS", "Format"]
