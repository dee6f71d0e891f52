"""Workflows: pictures on disk in, trained models and figures about them out."""

from convolens.errors import need_networks

need_networks()  # without importing them: reading data takes no torch
