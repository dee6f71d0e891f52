"""The subband preconditioner: a picture's loss has one curvature for each band of colour and frequency.

Bands are light and two axes of colour, each by octaves of frequency. A restyling's loss is far steeper in some bands
than in others: fine changes of light move the trunk's first features most, broad ones and fine changes of colour hardly
at all. One number for the curvature of all of them makes small steps; one for each band fits the steps to the band.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

# Rows: light, and the two directions of colour across it; each of length 1 and at right angles to the others.
_AXES = ((1 / 3**0.5, 1 / 3**0.5, 1 / 3**0.5), (1 / 2**0.5, -1 / 2**0.5, 0.0), (1 / 6**0.5, 1 / 6**0.5, -2 / 6**0.5))
_OCTAVES = 7  # from the finest; all that is coarser counts to the last
_SPAN = 1000.0  # a band's factor is at most this many times the average one, and at least the average over this


class Subbands:
    """The bands of pictures of one size.

    Args:
        like: a picture, `(1, 3, H, W)`.
    """

    def __init__(self, like: Tensor) -> None:
        self.axes = like.new_tensor(_AXES)
        self.octaves = _octaves(like)

    def energies(self, picture: Tensor) -> Tensor:
        """The sum of squares in each band, `(3, octaves)`; all together the picture's."""
        found = picture.new_empty(len(_AXES), _OCTAVES, dtype=torch.float64)
        for row, axis in zip(found, self.axes, strict=True):  # one after the other: a third of the memory
            power = _power(torch.fft.rfft2(_along(axis, picture), norm="ortho"), picture.shape[-1])
            for octave in range(_OCTAVES):
                row[octave] = (power * (self.octaves == octave)).sum(dtype=torch.float64)
        return found

    def scaled(self, picture: Tensor, factors: Tensor) -> Tensor:
        """The picture with each band multiplied by its factor."""
        out = torch.zeros_like(picture)
        for row, axis in zip(factors, self.axes, strict=True):
            waves = torch.fft.rfft2(_along(axis, picture))
            waves *= row.to(waves.real.dtype)[self.octaves]
            out += axis.view(1, -1, 1, 1) * torch.fft.irfft2(waves, s=picture.shape[-2:])
        return out


def inverse_curvature(steps: Tensor, changes: Tensor) -> Tensor:
    """The inverse of each band's curvature: √(Σ|s|² / Σ|y|²) over steps s and the gradient's changes y.

    Args:
        steps: the energies of s, `(3, octaves)`.
        changes: of y.
    """
    overall = (steps.sum() / changes.sum()).sqrt()
    found = torch.where(changes > 0, steps / changes, overall**2).sqrt()
    return found.clamp(overall / _SPAN, overall * _SPAN)


def _octaves(like: Tensor) -> Tensor:
    """The octave of each coefficient of a real Fourier transform: 0 holds the highest frequencies."""
    rows, columns = like.shape[-2:]
    down, right = torch.fft.fftfreq(rows), torch.fft.rfftfreq(columns)
    frequency = torch.hypot(down[:, None], right[None])
    octave = torch.log2(math.sqrt(0.5) / frequency)  # √½ cycles a pixel is the highest; 0 cycles are infinitely many
    return octave.clamp(0, _OCTAVES - 1).to(like.device, torch.int32)


def _along(axis: Tensor, picture: Tensor) -> Tensor:
    mixed: Tensor = torch.einsum("c,chw->hw", axis, picture[0])
    return mixed if mixed.dtype == torch.float64 else mixed.float()  # there is no transform in half precision


def _power(waves: Tensor, columns: int) -> Tensor:
    """The squared coefficients of a real transform; those that it leaves out, as they mirror others, are counted in."""
    power = waves.real.square() + waves.imag.square()
    mirrored = power[:, 1 : (columns + 1) // 2]
    mirrored.mul_(2)
    return power
