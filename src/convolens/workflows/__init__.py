"""Workflows: pictures on disk in, trained models and figures about them out."""

import convolens.tasks  # noqa: F401 - says what to install where torch is missing
