"""The screen: restyle."""

from __future__ import annotations

from fastapi import APIRouter

from convolens.studio.rendering import Tab

TABS: tuple[Tab, ...] = ()
router = APIRouter()
