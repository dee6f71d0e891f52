"""Measure: how good a model is, each number with its pictures; and why it said so.

measuring.py  numbers, confusion, reliability, curves, worst mistakes, faithfulness
explaining.py one picture, with what spoke for a class, against another, at any taps
plots.py      plots as SVG, whose points are links
"""

from fastapi import APIRouter

from convolens.studio.rendering import Tab
from convolens.studio.screens.model import explaining, measuring

TABS = (Tab("Measure", "/measure", "how good a model is, and why it said so"),)
router = APIRouter()
router.include_router(measuring.router)
router.include_router(explaining.router)
