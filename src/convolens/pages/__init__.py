"""Pages: results as one HTML file that fetches nothing. `html.py` makes them, `figures.py` has what they show."""

from convolens.pages.html import Part, page_style, report, skipped_part

__all__ = ["Part", "page_style", "report", "skipped_part"]
