"""The public names with their types, for editors and checkers; at run time `__init__.py` looks them up on first use.

NumPy in gives NumPy out, with its dtype where that is kept; a tensor in gives a tensor out. What says its types itself
is taken from where it is defined. `tests/test_stub.py` holds both kinds to what runs.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from os import PathLike
from typing import Any, Literal, TypeVar, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image
from torch import Tensor

from convolens import errors as errors
from convolens import layers as layers
from convolens.arrays import Real
from convolens.convolution import convolver as convolver
from convolens.convolution.arrange import Axes
from convolens.convolution.named import NamedKernel
from convolens.convolution.resizing import Interpolation
from convolens.data.conversion import convert as convert
from convolens.effects.pictures.blur_search import find_blur as find_blur
from convolens.effects.sounds.echo_search import find_echoes as find_echoes
from convolens.effects.sounds.echo_taps import Weights
from convolens.effects.sounds.spectrogram_look import Spectrogram
from convolens.evaluation.evaluate import evaluate as evaluate
from convolens.explanation import Explanation, HasTapScores, TapScores
from convolens.explanation import explain as explain
from convolens.explanation.wrap import wrap_module as wrap_module
from convolens.exporting.export import export as export
from convolens.features.convolutionalize import convolutionalize as convolutionalize
from convolens.features.listening import listen as listen
from convolens.features.shared_trunk import share_trunk as share_trunk
from convolens.inference.near_copies import near_copies as near_copies
from convolens.inference.pooled_features import features_of_files as features_of_files
from convolens.inference.predict import predict_files as predict_files
from convolens.inference.quantize import quantize as quantize
from convolens.inference.similar import similar as similar
from convolens.layers import fuse as fuse
from convolens.loading import load as load
from convolens.media.audio import write_audio as write_audio
from convolens.media.files import AnyPath, OpenFile
from convolens.media.images import Source
from convolens.media.images import write_image as write_image
from convolens.media.pixels import Picture
from convolens.media.shown_arrays import ShownPicture
from convolens.models.classify import classifier as classifier
from convolens.models.detect.build import detector as detector
from convolens.models.localize import localizer as localizer
from convolens.planning import Plan
from convolens.settings import memory_limit as memory_limit
from convolens.settings import precision as precision
from convolens.settings import threads as threads
from convolens.shapes import Boundary, Mode
from convolens.stylization import Pictures, State, Step
from convolens.training.train import train as train
from convolens.trunks import Trunk
from convolens.trunks import receptive_fields as receptive_fields
from convolens.trunks.blocks import PaddingMode, Pooling
from convolens.trunks.registry import trunk as trunk

__version__: str

_Number = TypeVar("_Number", bound=np.number | np.bool_)
_Inexact = TypeVar("_Inexact", bound=np.inexact)
_Floating = TypeVar("_Floating", bound=np.floating)
_Single = TypeVar("_Single", np.float32, np.float64)  # kept by filters that give every other dtype as float32

_Exact = np.integer | np.bool_  # their convolution is int64, exactly
_Plain = float | Sequence[float] | Sequence[Sequence[float]]  # a kernel written out takes the other array's dtype
_Sigma = Real | Sequence[Real | Tensor] | NDArray[np.floating | np.integer] | Tensor  # a tensor has a gradient too
_NoKeeper = np.integer | np.bool_ | np.float16

# The convolution.

@overload
def convolve(
    x: Tensor,
    kernel: Tensor | ArrayLike,
    mode: Mode = "full",
    *,
    axes: Axes = None,
    boundary: Boundary | Sequence[Boundary] = "constant",
    fill_value: complex = 0,
    origin: int | Sequence[int] = 0,
    step: int | Sequence[int] = 1,
    weights: Tensor | ArrayLike | None = None,
    method: str = "auto",
    tolerance: Real = 0,
    out: None = None,
) -> Tensor: ...
@overload
def convolve(
    x: ArrayLike,
    kernel: Tensor,
    mode: Mode = "full",
    *,
    axes: Axes = None,
    boundary: Boundary | Sequence[Boundary] = "constant",
    fill_value: complex = 0,
    origin: int | Sequence[int] = 0,
    step: int | Sequence[int] = 1,
    weights: Tensor | ArrayLike | None = None,
    method: str = "auto",
    tolerance: Real = 0,
    out: None = None,
) -> Tensor: ...
@overload
def convolve(
    x: NDArray[_Inexact],
    kernel: NDArray[_Inexact] | _Plain,
    mode: Mode = "full",
    *,
    axes: Axes = None,
    boundary: Boundary | Sequence[Boundary] = "constant",
    fill_value: complex = 0,
    origin: int | Sequence[int] = 0,
    step: int | Sequence[int] = 1,
    weights: ArrayLike | None = None,
    method: str = "auto",
    tolerance: Real = 0,
    out: NDArray[_Inexact] | None = None,
) -> NDArray[_Inexact]: ...
@overload
def convolve(
    x: NDArray[_Exact],
    kernel: NDArray[_Exact],
    mode: Mode = "full",
    *,
    axes: Axes = None,
    boundary: Boundary | Sequence[Boundary] = "constant",
    fill_value: complex = 0,
    origin: int | Sequence[int] = 0,
    step: int | Sequence[int] = 1,
    weights: None = None,
    method: str = "auto",
    tolerance: Real = 0,
    out: NDArray[np.int64] | None = None,
) -> NDArray[np.int64]: ...
@overload
def convolve(
    x: ArrayLike,
    kernel: ArrayLike,
    mode: Mode = "full",
    *,
    axes: Axes = None,
    boundary: Boundary | Sequence[Boundary] = "constant",
    fill_value: complex = 0,
    origin: int | Sequence[int] = 0,
    step: int | Sequence[int] = 1,
    weights: ArrayLike | None = None,
    method: str = "auto",
    tolerance: Real = 0,
    out: NDArray[Any] | None = None,
) -> NDArray[Any]: ...
@overload
def correlate(
    x: Tensor,
    kernel: Tensor | ArrayLike,
    mode: Mode = "full",
    *,
    axes: Axes = None,
    boundary: Boundary | Sequence[Boundary] = "constant",
    fill_value: complex = 0,
    origin: int | Sequence[int] = 0,
    step: int | Sequence[int] = 1,
    weights: Tensor | ArrayLike | None = None,
    method: str = "auto",
    tolerance: Real = 0,
    out: None = None,
) -> Tensor: ...
@overload
def correlate(
    x: ArrayLike,
    kernel: Tensor,
    mode: Mode = "full",
    *,
    axes: Axes = None,
    boundary: Boundary | Sequence[Boundary] = "constant",
    fill_value: complex = 0,
    origin: int | Sequence[int] = 0,
    step: int | Sequence[int] = 1,
    weights: Tensor | ArrayLike | None = None,
    method: str = "auto",
    tolerance: Real = 0,
    out: None = None,
) -> Tensor: ...
@overload
def correlate(
    x: NDArray[_Inexact],
    kernel: NDArray[_Inexact] | _Plain,
    mode: Mode = "full",
    *,
    axes: Axes = None,
    boundary: Boundary | Sequence[Boundary] = "constant",
    fill_value: complex = 0,
    origin: int | Sequence[int] = 0,
    step: int | Sequence[int] = 1,
    weights: ArrayLike | None = None,
    method: str = "auto",
    tolerance: Real = 0,
    out: NDArray[_Inexact] | None = None,
) -> NDArray[_Inexact]: ...
@overload
def correlate(
    x: NDArray[_Exact],
    kernel: NDArray[_Exact],
    mode: Mode = "full",
    *,
    axes: Axes = None,
    boundary: Boundary | Sequence[Boundary] = "constant",
    fill_value: complex = 0,
    origin: int | Sequence[int] = 0,
    step: int | Sequence[int] = 1,
    weights: None = None,
    method: str = "auto",
    tolerance: Real = 0,
    out: NDArray[np.int64] | None = None,
) -> NDArray[np.int64]: ...
@overload
def correlate(
    x: ArrayLike,
    kernel: ArrayLike,
    mode: Mode = "full",
    *,
    axes: Axes = None,
    boundary: Boundary | Sequence[Boundary] = "constant",
    fill_value: complex = 0,
    origin: int | Sequence[int] = 0,
    step: int | Sequence[int] = 1,
    weights: ArrayLike | None = None,
    method: str = "auto",
    tolerance: Real = 0,
    out: NDArray[Any] | None = None,
) -> NDArray[Any]: ...
def plan(
    x: Tensor | ArrayLike,
    kernel: Tensor | ArrayLike,
    mode: Mode = "full",
    *,
    axes: Axes = None,
    boundary: Boundary | Sequence[Boundary] = "constant",
    fill_value: complex = 0,
    origin: int | Sequence[int] = 0,
    step: int | Sequence[int] = 1,
    method: str = "auto",
    tolerance: Real = 0,
    measure: bool = False,
) -> Plan: ...
@overload
def convolve_gradients(
    x: Tensor,
    kernel: Tensor | ArrayLike,
    upstream: Tensor | ArrayLike,
    mode: Mode = "full",
    *,
    axes: Axes = None,
    boundary: Boundary | Sequence[Boundary] = "constant",
    fill_value: complex = 0,
    origin: int | Sequence[int] = 0,
    step: int | Sequence[int] = 1,
) -> tuple[Tensor, Tensor]: ...
@overload
def convolve_gradients(
    x: ArrayLike,
    kernel: Tensor,
    upstream: Tensor | ArrayLike,
    mode: Mode = "full",
    *,
    axes: Axes = None,
    boundary: Boundary | Sequence[Boundary] = "constant",
    fill_value: complex = 0,
    origin: int | Sequence[int] = 0,
    step: int | Sequence[int] = 1,
) -> tuple[Tensor, Tensor]: ...
@overload
def convolve_gradients(
    x: NDArray[_Inexact],
    kernel: NDArray[_Inexact],
    upstream: NDArray[_Inexact],
    mode: Mode = "full",
    *,
    axes: Axes = None,
    boundary: Boundary | Sequence[Boundary] = "constant",
    fill_value: complex = 0,
    origin: int | Sequence[int] = 0,
    step: int | Sequence[int] = 1,
) -> tuple[NDArray[_Inexact], NDArray[_Inexact]]: ...
@overload
def convolve_gradients(
    x: ArrayLike,
    kernel: ArrayLike,
    upstream: ArrayLike,
    mode: Mode = "full",
    *,
    axes: Axes = None,
    boundary: Boundary | Sequence[Boundary] = "constant",
    fill_value: complex = 0,
    origin: int | Sequence[int] = 0,
    step: int | Sequence[int] = 1,
) -> tuple[NDArray[Any], NDArray[Any]]: ...

# Sounds.

def read_audio(path: AnyPath, *, seconds: Real | None = None) -> tuple[NDArray[np.float32], int]: ...
@overload
def echo(
    samples: Tensor,
    rate: Real,
    delays: Real | Sequence[Real],
    weights: Weights,
    *,
    dry: Real = 1.0,
    feedback: Real = 0.0,
    sub_sample: bool = False,
) -> Tensor: ...
@overload
def echo(
    samples: NDArray[_Floating],
    rate: Real,
    delays: Real | Sequence[Real],
    weights: Weights,
    *,
    dry: Real = 1.0,
    feedback: Real = 0.0,
    sub_sample: bool = False,
) -> NDArray[_Floating]: ...
def echo_kernel(
    rate: Real, delays: Real | Sequence[Real], weights: Weights, *, dry: Real = 1.0, sub_sample: bool = False
) -> NamedKernel: ...
@overload
def reverb(
    samples: Tensor,
    impulse: Tensor,
    *,
    dry: Real = 0.7,
    wet: Real = 0.3,
    rate: Real | None = None,
    impulse_rate: Real | None = None,
    pre_delay: Real = 0.0,
) -> Tensor: ...
@overload
def reverb(
    samples: NDArray[_Floating],
    impulse: NDArray[np.floating],
    *,
    dry: Real = 0.7,
    wet: Real = 0.3,
    rate: Real | None = None,
    impulse_rate: Real | None = None,
    pre_delay: Real = 0.0,
) -> NDArray[_Floating]: ...
@overload
def spectrogram(
    samples: Tensor,
    rate: Real,
    *,
    n_fft: int = 2048,
    hop: int | None = None,
    length: int | None = None,
    window: str = "hann",
    center: bool = True,
    boundary: Boundary = "constant",
    power: Real | None = 2.0,
    mels: int | None = None,
    low: Real = 0.0,
    high: Real | None = None,
    mel_scale: str = "slaney",
    mel_norm: str | None = "slaney",
) -> Tensor: ...
@overload
def spectrogram(
    samples: NDArray[_Floating],
    rate: Real,
    *,
    n_fft: int = 2048,
    hop: int | None = None,
    length: int | None = None,
    window: str = "hann",
    center: bool = True,
    boundary: Boundary = "constant",
    power: Real | None = 2.0,
    mels: int | None = None,
    low: Real = 0.0,
    high: Real | None = None,
    mel_scale: str = "slaney",
    mel_norm: str | None = "slaney",
) -> Spectrogram: ...
def unecho(
    samples: NDArray[_Floating],
    rate: Real,
    delays: Real | Sequence[Real] | None = None,
    weights: Real | Sequence[Real] | None = None,
    *,
    reference: NDArray[np.floating] | None = None,
    regularization: Real = 0.0,
) -> NDArray[_Floating]: ...

# Pictures.

def read_image(source: Source, *, page: int | None = None) -> NDArray[np.uint8 | np.uint16]: ...
def draw_boxes(
    image: Picture,
    boxes_xyxy: NDArray[np.number],
    labels: Sequence[str] | None = None,
    scores: Sequence[Real] | NDArray[np.number] | None = None,
    *,
    kinds: Sequence[str] | Sequence[int] | NDArray[np.integer] | None = None,
) -> NDArray[np.uint8]: ...
@overload
def blur(
    image: Tensor,
    sigma: _Sigma,
    *,
    order: int | Sequence[int] = 0,
    boundary: Boundary | Sequence[Boundary] = "symmetric",
    fill_value: Real = 0,
    tolerance: Real = 0.0001,
    truncate: Real | None = None,
    radius: int | Sequence[int] | None = None,
) -> Tensor: ...
@overload
def blur(
    image: NDArray[_Number],
    sigma: _Sigma,
    *,
    order: Literal[0] = 0,
    boundary: Boundary | Sequence[Boundary] = "symmetric",
    fill_value: Real = 0,
    tolerance: Real = 0.0001,
    truncate: Real | None = None,
    radius: int | Sequence[int] | None = None,
) -> NDArray[_Number]: ...
@overload
def blur(
    image: NDArray[np.number | np.bool_],
    sigma: _Sigma,
    *,
    order: int | Sequence[int] = 0,
    boundary: Boundary | Sequence[Boundary] = "symmetric",
    fill_value: Real = 0,
    tolerance: Real = 0.0001,
    truncate: Real | None = None,
    radius: int | Sequence[int] | None = None,
) -> NDArray[Any]: ...
@overload
def resize(
    image: Tensor,
    size: int | tuple[int, int],
    *,
    interpolation: Interpolation = "cubic",
    antialias: bool = True,
    linear_light: bool = False,
) -> Tensor: ...
@overload
def resize(
    image: NDArray[_Number],
    size: int | tuple[int, int],
    *,
    interpolation: Interpolation = "cubic",
    antialias: bool = True,
    linear_light: bool = False,
) -> NDArray[_Number]: ...
def unblur(
    image: NDArray[_Number],
    kernel: ArrayLike | str | None = None,
    *,
    method: Literal["tv", "wiener"] = "tv",
    noise: Real | None = None,
    boundary: Literal["wrap"] | None = None,
) -> NDArray[_Number]: ...
@overload
def sharpen(
    image: Tensor,
    sigma: _Sigma = 1.5,
    *,
    amount: Real = 1.0,
    threshold: Real = 0.0,
    boundary: Boundary | Sequence[Boundary] = "symmetric",
    fill_value: Real = 0,
) -> Tensor: ...
@overload
def sharpen(
    image: NDArray[_Number],
    sigma: _Sigma = 1.5,
    *,
    amount: Real = 1.0,
    threshold: Real = 0.0,
    boundary: Boundary | Sequence[Boundary] = "symmetric",
    fill_value: Real = 0,
) -> NDArray[_Number]: ...
@overload
def sobel(image: Tensor, *, boundary: Boundary | Sequence[Boundary] = "symmetric", fill_value: Real = 0) -> Tensor: ...
@overload
def sobel(  # type: ignore[overload-overlap]
    image: NDArray[_Single], *, boundary: Boundary | Sequence[Boundary] = "symmetric", fill_value: Real = 0
) -> NDArray[_Single]: ...
@overload
def sobel(
    image: NDArray[_NoKeeper], *, boundary: Boundary | Sequence[Boundary] = "symmetric", fill_value: Real = 0
) -> NDArray[np.float32]: ...
@overload
def scharr(image: Tensor, *, boundary: Boundary | Sequence[Boundary] = "symmetric", fill_value: Real = 0) -> Tensor: ...
@overload
def scharr(  # type: ignore[overload-overlap]
    image: NDArray[_Single], *, boundary: Boundary | Sequence[Boundary] = "symmetric", fill_value: Real = 0
) -> NDArray[_Single]: ...
@overload
def scharr(
    image: NDArray[_NoKeeper], *, boundary: Boundary | Sequence[Boundary] = "symmetric", fill_value: Real = 0
) -> NDArray[np.float32]: ...
@overload
def prewitt(
    image: Tensor, *, boundary: Boundary | Sequence[Boundary] = "symmetric", fill_value: Real = 0
) -> Tensor: ...
@overload
def prewitt(  # type: ignore[overload-overlap]
    image: NDArray[_Single], *, boundary: Boundary | Sequence[Boundary] = "symmetric", fill_value: Real = 0
) -> NDArray[_Single]: ...
@overload
def prewitt(
    image: NDArray[_NoKeeper], *, boundary: Boundary | Sequence[Boundary] = "symmetric", fill_value: Real = 0
) -> NDArray[np.float32]: ...
@overload
def sobel_gradients(
    image: Tensor, *, boundary: Boundary | Sequence[Boundary] = "symmetric", fill_value: Real = 0
) -> tuple[Tensor, Tensor]: ...
@overload
def sobel_gradients(  # type: ignore[overload-overlap]
    image: NDArray[_Single], *, boundary: Boundary | Sequence[Boundary] = "symmetric", fill_value: Real = 0
) -> tuple[NDArray[_Single], NDArray[_Single]]: ...
@overload
def sobel_gradients(
    image: NDArray[_NoKeeper], *, boundary: Boundary | Sequence[Boundary] = "symmetric", fill_value: Real = 0
) -> tuple[NDArray[np.float32], NDArray[np.float32]]: ...
@overload
def laplacian_of_gaussian(
    image: Tensor,
    sigma: _Sigma,
    *,
    boundary: Boundary | Sequence[Boundary] = "symmetric",
    fill_value: Real = 0,
    truncate: Real = 4.0,
) -> Tensor: ...
@overload
def laplacian_of_gaussian(  # type: ignore[overload-overlap]
    image: NDArray[_Single],
    sigma: _Sigma,
    *,
    boundary: Boundary | Sequence[Boundary] = "symmetric",
    fill_value: Real = 0,
    truncate: Real = 4.0,
) -> NDArray[_Single]: ...
@overload
def laplacian_of_gaussian(
    image: NDArray[_NoKeeper],
    sigma: _Sigma,
    *,
    boundary: Boundary | Sequence[Boundary] = "symmetric",
    fill_value: Real = 0,
    truncate: Real = 4.0,
) -> NDArray[np.float32]: ...
@overload
def difference_of_gaussians(
    image: Tensor,
    low: _Sigma,
    high: _Sigma | None = None,
    *,
    boundary: Boundary | Sequence[Boundary] = "symmetric",
    fill_value: Real = 0,
    truncate: Real | None = None,
) -> Tensor: ...
@overload
def difference_of_gaussians(  # type: ignore[overload-overlap]
    image: NDArray[_Single],
    low: _Sigma,
    high: _Sigma | None = None,
    *,
    boundary: Boundary | Sequence[Boundary] = "symmetric",
    fill_value: Real = 0,
    truncate: Real | None = None,
) -> NDArray[_Single]: ...
@overload
def difference_of_gaussians(
    image: NDArray[_NoKeeper],
    low: _Sigma,
    high: _Sigma | None = None,
    *,
    boundary: Boundary | Sequence[Boundary] = "symmetric",
    fill_value: Real = 0,
    truncate: Real | None = None,
) -> NDArray[np.float32]: ...
@overload
def canny(
    image: Tensor,
    sigma: Real = 1.0,
    *,
    low: Real = 0.1,
    high: Real = 0.2,
    quantiles: bool = False,
    mask: Tensor | NDArray[np.bool_] | None = None,
    boundary: Boundary | Sequence[Boundary] = "symmetric",
) -> Tensor: ...
@overload
def canny(
    image: NDArray[np.number | np.bool_],
    sigma: Real = 1.0,
    *,
    low: Real = 0.1,
    high: Real = 0.2,
    quantiles: bool = False,
    mask: NDArray[np.bool_] | None = None,
    boundary: Boundary | Sequence[Boundary] = "symmetric",
) -> NDArray[np.bool_]: ...
def learned_edges(image: NDArray[np.number | np.bool_], *, device: str = "auto") -> NDArray[np.float32]: ...
def kernel(
    name: str,
    size: Real | Sequence[Real] | None = None,
    *,
    rate: Real | None = None,
    width: Real | None = None,
    gain: Real | None = None,
    angle: Real | None = None,
) -> NamedKernel: ...

# Networks.

@overload
def explain_top(  # type: ignore[overload-overlap]
    model: TapScores | HasTapScores,
    images: Picture,
    count: int,
    *,
    counterfactual: bool = False,
    method: str = "auto",
    taps: str | Sequence[str] | None = None,
    relu_weights: bool = False,
    flip: bool = False,
    noise_samples: int = 0,
    seed: int = 0,
    batch: int = 8,
    device: str = "auto",
) -> list[Explanation]: ...
@overload
def explain_top(
    model: TapScores | HasTapScores,
    images: Iterable[Picture],
    count: int,
    *,
    counterfactual: bool = False,
    method: str = "auto",
    taps: str | Sequence[str] | None = None,
    relu_weights: bool = False,
    flip: bool = False,
    noise_samples: int = 0,
    seed: int = 0,
    batch: int = 8,
    device: str = "auto",
) -> list[list[Explanation]]: ...
@overload
def stylize(
    content: Tensor,
    style: Pictures | None,
    *,
    content_weight: Real = 1.0,
    style_weight: Real = 5.0,
    tv_weight: Real = 5.0,
    tv_color_weight: Real = 10.0,
    content_taps: Sequence[str] | None = None,
    style_taps: Sequence[str] | None = None,
    tap_weights: Mapping[str, Real] | None = None,
    mix: Sequence[Real] | None = None,
    masks: Sequence[Picture | None] | None = None,
    strength: Real = 0.5,
    keep_colors: bool | str = False,
    size: int | tuple[int, int] | None = None,
    scales: int | Sequence[int] | None = None,
    steps: int | Sequence[int] = 60,
    optimizer: str = "lbfgs",
    init: str | Picture | None = None,
    seed: int = 0,
    trunk: str | Trunk = "vgg16",
    weights: str | PathLike[str] | None = "hed",
    pooling: Pooling = "max",
    padding: PaddingMode = "edge",
    memory: Real | None = None,
    device: str = "auto",
    resume: State | None = None,
    on_step: Callable[[Step], object] | None = None,
) -> Tensor: ...
@overload
def stylize(
    content: NDArray[_Number],
    style: Pictures | None,
    *,
    content_weight: Real = 1.0,
    style_weight: Real = 5.0,
    tv_weight: Real = 5.0,
    tv_color_weight: Real = 10.0,
    content_taps: Sequence[str] | None = None,
    style_taps: Sequence[str] | None = None,
    tap_weights: Mapping[str, Real] | None = None,
    mix: Sequence[Real] | None = None,
    masks: Sequence[Picture | None] | None = None,
    strength: Real = 0.5,
    keep_colors: bool | str = False,
    size: int | tuple[int, int] | None = None,
    scales: int | Sequence[int] | None = None,
    steps: int | Sequence[int] = 60,
    optimizer: str = "lbfgs",
    init: str | Picture | None = None,
    seed: int = 0,
    trunk: str | Trunk = "vgg16",
    weights: str | PathLike[str] | None = "hed",
    pooling: Pooling = "max",
    padding: PaddingMode = "edge",
    memory: Real | None = None,
    device: str = "auto",
    resume: State | None = None,
    on_step: Callable[[Step], object] | None = None,
) -> ShownPicture[_Number]: ...
@overload
def stylize(
    content: str | PathLike[str] | bytes | OpenFile | Image.Image | None,
    style: Pictures | None,
    *,
    content_weight: Real = 1.0,
    style_weight: Real = 5.0,
    tv_weight: Real = 5.0,
    tv_color_weight: Real = 10.0,
    content_taps: Sequence[str] | None = None,
    style_taps: Sequence[str] | None = None,
    tap_weights: Mapping[str, Real] | None = None,
    mix: Sequence[Real] | None = None,
    masks: Sequence[Picture | None] | None = None,
    strength: Real = 0.5,
    keep_colors: bool | str = False,
    size: int | tuple[int, int] | None = None,
    scales: int | Sequence[int] | None = None,
    steps: int | Sequence[int] = 60,
    optimizer: str = "lbfgs",
    init: str | Picture | None = None,
    seed: int = 0,
    trunk: str | Trunk = "vgg16",
    weights: str | PathLike[str] | None = "hed",
    pooling: Pooling = "max",
    padding: PaddingMode = "edge",
    memory: Real | None = None,
    device: str = "auto",
    resume: State | None = None,
    on_step: Callable[[Step], object] | None = None,
) -> ShownPicture[np.uint8 | np.uint16]: ...
@overload
def gram(features: Tensor, mask: Tensor | None = None) -> Tensor: ...
@overload
def gram(features: NDArray[_Floating], mask: NDArray[np.number | np.bool_] | None = None) -> NDArray[_Floating]: ...
