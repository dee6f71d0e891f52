"""A kernel that knows what it is: an array like any other, with a name and what is known of its weights."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from convolens.convolution.product import Product


class NamedKernel(np.ndarray):
    """Weights with a name; what is made of them (a slice, a sum, a copy) is an array of which nothing is known.

    It cannot be written to, as its values would no longer be what is known of them; a copy can.

    Attributes:
        name: what it is called, None for an array of which nothing is known.
        number: the size in pixels that it was asked for with, if it has one.
        product: the lines that it is the product of, where they are known; of a Gaussian also its sigmas.
    """

    name: str | None = None
    number: float | None = None
    product: Product | None = None

    def __array_finalize__(self, source: Any) -> None:
        """A view or result has the class's attributes: nothing known."""

    def __array_wrap__(self, result: Any, context: Any = None, return_scalar: bool = False) -> Any:
        """What arithmetic makes of it is no kernel: an array, or a number."""
        plain = np.asarray(result)
        return plain if plain.ndim else plain[()]

    @property
    def sigma(self) -> float | None:
        """Width of a Gaussian in samples."""
        return self.product.sigmas[0] if self.product is not None and self.product.sigmas else None

    @property
    def radius(self) -> tuple[int, ...]:
        """Samples to each side of its center, for each axis."""
        return tuple(size // 2 for size in self.shape)

    @property
    def nonzeros(self) -> int:
        """Weights that are not zero."""
        return int(np.count_nonzero(self))

    def astype(self, dtype: Any, *args: Any, **options: Any) -> NDArray[Any]:
        """The kernel in another dtype; as floats it keeps what is known of it."""
        weights: NDArray[Any] = np.asarray(self).astype(dtype, *args, **options)
        if self.name is None or weights.dtype.kind != "f":
            return weights
        return named(weights, self.name, self.number, self.product and self.product.astype(weights.dtype))

    def __repr__(self) -> str:
        """Name and size; for the weights print it, or ask NumPy."""
        if self.name is None:
            return repr(np.asarray(self))
        asked = repr(self.name) if self.number is None else f"{self.name!r}, {self.number:g}"
        return f"<kernel {asked}: {' × '.join(map(str, self.shape))}, {self.nonzeros} not zero>"


def named(weights: NDArray[Any], name: str, number: float | None = None, product: Product | None = None) -> NamedKernel:
    """Weights by a name, with what is known of them.

    >>> kernel = named(np.array([0.5, 0.5]), "mean", 2)
    >>> kernel, kernel[:1]
    (<kernel 'mean', 2: 2, 2 not zero>, array([0.5]))
    """
    kernel = weights.copy().view(NamedKernel)
    kernel.name, kernel.number, kernel.product = name, number, product
    kernel.flags.writeable = False
    return kernel
