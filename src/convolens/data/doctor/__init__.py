"""The doctor: reads data of any format and says what is in it, and what in it would spoil a training.

files.py        opens every file              duplicates.py   the same picture twice, and in two splits
annotations.py  classes, boxes, ids           report.py       text, JSON and a page
"""

from convolens.data.doctor.diagnosis import COLUMNS, Diagnosis, Finding, Instance, diagnose
from convolens.data.doctor.report import as_page, as_text

__all__ = ["COLUMNS", "Diagnosis", "Finding", "Instance", "as_page", "as_text", "diagnose"]
