"""The page escapes what names hold, and carries every suspect; a browser's part is under `slow`."""

import json
import re

import numpy as np
from markupsafe import escape

from convolens.data import DataSet, Example
from convolens.labels import LabelCheck, Suspect, as_page
from convolens.media.images import write_image

EVIL = '<img src=x onerror="alert(1)">'


def found(tmp_path, name="</script><b>.png", label=EVIL):
    path = tmp_path / name.replace("/", "_")
    write_image(tmp_path / "plain.png", np.zeros((20, 20, 3), np.uint8))
    (tmp_path / "plain.png").rename(path)
    data = DataSet(tmp_path, (label, "b"), (Example(path, (0,)),), "label")
    suspect = Suspect(path, label, "b", 0.9, path, None)
    return LabelCheck(data, 1, 1.0, (0.5, 1.0), 0.9, (suspect,), (), ("see <b>",), ())


def test_names_and_classes_are_text_on_the_page(tmp_path):
    page = as_page(found(tmp_path))
    assert EVIL not in page and escape(EVIL) in page
    assert page.count("<script") == page.count("</script>") == 2
    assert "See &lt;b&gt;." in page
    data = json.loads(re.search(r'id="changes">(.*?)</script>', page, re.S)[1])
    assert data["rows"] == [["<_script><b>.png", EVIL, "b", "0.9000", ""]]


def test_pages_fetch_nothing(tmp_path):
    page = as_page(found(tmp_path))
    assert not re.search(r'(?:src|href)="(?!data:)', page) and "@import" not in page and "url(" not in page
