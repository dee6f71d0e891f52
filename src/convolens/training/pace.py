"""How fast a training goes, and so how much of it fits into the time that there is."""

from __future__ import annotations

import time

from convolens.progress import clock

MEASURING = 2 / 3  # of what a picture takes to learn from: forward once for what is predicted, once for the loss
WORTH_SAYING = 60.0  # seconds: nobody plans what takes less
FORECAST_STEPS = 4  # after this number of steps, or an epoch of fewer, the pace is known well enough


class Pace:
    """How fast the steps of an epoch are; the first, which takes longer, counts only while there is no other.

    Attributes:
        seconds: that a picture takes; 0 before the first step.
    """

    def __init__(self) -> None:
        self.seconds, self.steps = 0.0, 0
        self._since, self._pictures = time.monotonic(), 0

    def step(self, pictures: int) -> None:
        """Takes in that a step on a number of pictures is done."""
        now = time.monotonic()
        self._pictures += pictures
        self.seconds = (now - self._since) / self._pictures
        if self.steps == 0:
            self._since, self._pictures = now, 0
        self.steps += 1

    @property
    def speed(self) -> float:
        """Pictures a second; 0 before the first step."""
        return 1 / self.seconds if self.seconds else 0.0

    def measuring(self, pictures: int) -> float:
        """Estimates the seconds that measuring on a number of pictures takes."""
        return MEASURING * self.seconds * pictures

    def epochs_in(self, seconds: float, pictures: int, validation: int) -> float:
        """Estimates how many epochs of `pictures`, with the measuring after each on `validation`, take that time."""
        return seconds / max(self.seconds * pictures + self.measuring(validation), 1e-9)


def forecast(epochs: float, pictures: int, minutes: float, wanted: int | None) -> str:
    """What will fit into a budget of time, in a sentence; empty where the number of epochs that is wanted does.

    >>> forecast(12.3, 800, 3, None)
    'about 12 epochs of 800 pictures fit into 3 minutes'
    >>> forecast(0.25, 80_000, 1.5, 4)
    'about 25% of an epoch of 80,000 pictures fits into 1.5 minutes'
    """
    if wanted is not None and epochs >= wanted:
        return ""
    many = f"{epochs:.0f} epochs" if epochs >= 1.5 else "one epoch" if epochs >= 0.95 else f"{epochs:.0%} of an epoch"
    return f"about {many} of {pictures:,} pictures fit{'' if epochs >= 1.5 else 's'} into {minutes:g} minutes"


def duration(epochs: int, pictures: int, seconds: float) -> str:
    """How long a number of epochs takes, in a sentence; empty where that is hardly worth one.

    >>> duration(30, 800, 4210)
    '30 epochs of 800 pictures take about 1:10:10; a budget of minutes, or Ctrl-C, ends sooner'
    """
    if seconds < WORTH_SAYING:
        return ""
    many = f"{epochs} epochs" if epochs > 1 else "an epoch"
    return f"{many} of {pictures:,} pictures take{'s' if epochs == 1 else ''} about {clock(seconds)}; " + (
        "a budget of minutes, or Ctrl-C, ends sooner"
    )
