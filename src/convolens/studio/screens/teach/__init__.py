"""Teach: classes made on the spot (`making.py`), a training as a job (`training.py`), trying it (`playing.py`)."""

from __future__ import annotations

from fastapi import APIRouter

from convolens.studio.rendering import Tab
from convolens.studio.screens.teach import making, playing, training

TABS = (Tab("Teach", "/teach", "a network your pictures, then play with it"),)
router = APIRouter()
for part in (training, making, playing):
    router.include_router(part.router)
