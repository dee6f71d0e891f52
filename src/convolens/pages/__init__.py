"""Pages: results as one HTML file that fetches nothing. `figures.py` has what they show."""

from convolens.pages.report import Part, page_style, report

__all__ = ["Part", "page_style", "report"]
