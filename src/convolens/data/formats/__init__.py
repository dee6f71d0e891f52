"""The formats of data, a package for each, which know nothing of one another.

folders  a folder for each class      voc           Pascal VOC's XML files
tables   CSV: labels or boxes         yolo          text files of fractions, data.yaml, obj.data
coco     COCO's JSON                  label_studio  Label Studio's JSON
cvat     CVAT for images, XML         labelme       labelme's JSON files
open_images  Open Images' CSV         metadata      Hugging Face's metadata.jsonl
via      VIA's JSON and CSV           createml      Create ML's JSON
supervisely  Supervisely's folders    visdrone      VisDrone's text files
crowdhuman   CrowdHuman's .odgt       sounds        folders or a CSV of sounds
audacity     Audacity's label files   raven         Raven's selection tables
"""

from convolens.data.format import Format
from convolens.data.formats import (
    audacity,
    coco,
    createml,
    crowdhuman,
    cvat,
    folders,
    label_studio,
    labelme,
    metadata,
    open_images,
    raven,
    sounds,
    supervisely,
    tables,
    via,
    visdrone,
    voc,
    yolo,
)

# In the order in which they are tried: what is plain to recognize comes first, any folder last.
FORMATS: tuple[Format, ...] = (
    yolo.FORMAT,
    yolo.OUTLINES,
    coco.FORMAT,
    label_studio.FORMAT,
    createml.FORMAT,
    via.FORMAT,
    crowdhuman.FORMAT,
    cvat.FORMAT,
    voc.FORMAT,
    visdrone.FORMAT,
    open_images.FORMAT,
    metadata.FORMAT,
    raven.FORMAT,
    audacity.FORMAT,
    sounds.FORMAT,
    tables.FORMAT,
    supervisely.FORMAT,
    labelme.FORMAT,
    folders.FORMAT,
)

__all__ = ["FORMATS", "Format"]
