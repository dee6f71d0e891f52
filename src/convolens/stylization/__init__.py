"""Repaint a picture in the style of another, make a texture, or show what a tap keeps of a picture.

A picture is optimised so that at chosen taps of a trunk its features are close to the content's, and their Gram
matrices close to the style's. It is done coarse to fine: each scale starts from the content at its size plus what the
scale before changed, so that detail is never lost to enlargement and large shapes are settled where steps are cheap.

Cost of a step: the trunk's layers forward and, with frozen weights, backward at the picture's size; for tiled layers
once more forward, and the tiles' halos.

Gatys, Ecker & Bethge, "Image Style Transfer Using Convolutional Neural Networks", CVPR 2016.
"""

from __future__ import annotations

from convolens.torch_loading import need_networks

need_networks()

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from os import PathLike
from typing import Any, get_args

from torch import Tensor

from convolens.arrays import Real, as_whole, is_tensor
from convolens.errors import ArgumentError, ShapeError, need_one_of
from convolens.media.pixels import Picture, as_pictures
from convolens.media.shown_arrays import shown_picture
from convolens.models.inputs import in_evaluation_mode
from convolens.stylization.colors import Colors
from convolens.stylization.losses import gram
from convolens.stylization.memory import default_gigabytes
from convolens.stylization.pictures import as_unit, kind_of, opened, resized, sizes_of, with_longer_side
from convolens.stylization.progress import State, Step
from convolens.stylization.scales import INITS, OPTIMIZERS, Schedule, run, steps_by_scale
from convolens.stylization.target import Target, default_taps, in_proportion, number, weighted
from convolens.trunks import Trunk
from convolens.trunks.blocks import PaddingMode, Pooling
from convolens.trunks.options import pick_device
from convolens.trunks.registry import TRUNKS
from convolens.trunks.registry import trunk as make_trunk

__all__ = ["State", "Step", "default_taps", "gram", "stylize"]

Pictures = Picture | Sequence[Picture]


def stylize(
    content: Picture | None,
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
    masks: Sequence[Any] | None = None,
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
) -> Any:
    """The content repainted in the style.

    Losses are relative (see `losses`), so that the default weights suit any trunk, tap and size.

    Args:
        content: a path, bytes, an open file, a Pillow picture, an array or tensor `(H, W)` or `(H, W, C)`, uint8,
            uint16 or float in [0, 1]; None makes a texture.
        style: one such picture, or several; None leaves the content alone: with `init="noise"` the result shows what
            `content_taps` keep of it.
        content_weight: of the content's features.
        style_weight: of the style's Gram matrices, shared by taps and styles.
        tv_weight: of the mean squared step between neighbouring pixels: more is smoother.
        tv_color_weight: of steps of colour beside those of light: more leaves less speckle of colour.
        content_taps: taps of the trunk; None picks one in the middle of the trunk (conv4_2 of a VGG).
        style_taps: None picks the first at each stride (conv1_1, conv2_1, … of a VGG).
        tap_weights: style tap → weight relative to the others; 1 where not named.
        mix: how much each style counts; equal by default.
        masks: `(H, W)` of the content's size for each style, uint8 or float in [0, 1], a path or an array: where it
            applies. None lets each style apply everywhere.
        strength: 0 gives the content, 1 only the style, drawn on the content; the style's weight goes with its cube.
        keep_colors: True or "luminance" restyles light and dark only; "histogram" first gives the style's colours the
            content's mean and covariance.
        size: of the result: the longer side, or (height, width); None keeps the content's.
        scales: coarse to fine: how many, or the longer side of each; None chooses by size.
        steps: at the finest scale (each coarser one takes twice as many), or a number for each scale.
        optimizer: "lbfgs" or "adam".
        init: "content", "noise", "style" or a picture; None is the content, or noise where there is none.
        seed: of the noise.
        trunk: a name from `TRUNKS`, or a trunk, whose weights, pooling and padding then hold.
        weights: of a trunk given by name, as in `cl.trunk`.
        pooling: "average" or "max".
        padding: what the trunk gets past the border: "edge" repeats the last pixel and leaves no rim; "constant" is as
            trained.
        memory: gigabytes that the computation may take; a picture that needs more goes through the trunk's first
            layers, or all, in tiles, with the same result: slower by a tenth to a half. None: what `cl.memory_limit`
            was set to, or 2.5, or less where less is free.
        device: of a trunk given by name: auto, cpu, cuda, …
        resume: a `State` of an earlier run with the same arguments, to continue from.
        on_step: called with a `Step` after each. What it raises ends the run.

    Returns:
        The picture, of the content's kind and dtype: for a tensor a tensor, on its device; for anything else an array,
        which a notebook shows as the picture that it is, `.plot()` draws and `.save("restyled.png")` writes. uint8 and
        uint16 are rounded, transparency is kept, grey becomes RGB.

    Raises:
        ArgumentError: an option that cannot be used; a tap that the trunk lacks.
        ShapeError: no picture, a mask of another size, or a picture too small for the deepest tap.
        WeightsError: the trunk's weights are not there.
        MemoryRefused: even in tiles it needs more than `cl.memory_limit`.

    Differs from the paper in the losses, which are relative; in the total variation; in going coarse to fine.

    >>> import numpy as np
    >>> photo, painting = np.zeros((32, 48, 3), np.uint8), np.full((32, 32, 3), 200, np.uint8)
    >>> restyled = stylize(photo, painting, steps=2, trunk="vgg11", weights=None)
    >>> restyled.shape, restyled.dtype
    ((32, 48, 3), dtype('uint8'))
    """
    source = None if content is None else opened(content, "content")
    style_list = [] if style is None else list(as_pictures(style, "style")[0])
    if source is None and not style_list:
        raise ArgumentError("stylize: need a content or a style, got neither")
    if resume is not None and not isinstance(resume, State):
        raise ArgumentError(f"resume: need the state of an earlier run, as a Step gives it, got {resume!r:.60}")
    if on_step is not None and not callable(on_step):
        raise ArgumentError(f"on_step: need a function that takes a Step, got {on_step!r:.60}")
    network = _trunk(trunk, weights, pooling, padding, device)
    picture = None if source is None else as_unit(source, "content")
    styles = [as_unit(one, f"style {at}") for at, one in enumerate(style_list, 1)]
    whole = _result_size(picture, size)
    colors = Colors.of(keep_colors, None if picture is None else resized(picture, whole))
    for_content, for_style = default_taps(network)
    toward_style = 2 * number("strength", strength, maximum=1) if styles else 0.0
    # The cube, as weights look different only by orders of magnitude.
    style_total = number("style_weight", style_weight) * toward_style**3
    target = Target(
        trunk=network,
        content=None if picture is None else colors.content(picture),
        styles=[colors.style(one) for one in styles],
        masks=_masks(masks, len(styles), picture),
        content_taps=_chosen(network, content_taps, for_content, "content_taps") if picture is not None else (),
        content_weight=number("content_weight", content_weight) * (2 - toward_style if styles else 1),
        style_taps=weighted(_chosen(network, style_taps, for_style, "style_taps"), tap_weights, style_total),
        mix=in_proportion([1.0] * len(styles) if mix is None else mix, 1.0, "mix", len(styles)),
        tv_weight=number("tv_weight", tv_weight) * (toward_style if styles else 1),
        tv_color_weight=number("tv_color_weight", tv_color_weight),
        memory=default_gigabytes() if memory is None else number("memory", memory),
    )
    sizes = sizes_of(whole, scales)
    network.need_size(target.taps, sizes[0], "content" if source is not None else "size")
    need_one_of("optimizer", optimizer, OPTIMIZERS)
    schedule = Schedule(sizes, steps_by_scale(steps, len(sizes)), optimizer, _init(init, picture), seed)
    kind = kind_of(source, whole)

    def restore(found: Tensor) -> Any:
        return kind.restore(colors.result(resized(found.float().cpu(), whole)))

    with _frozen(network):
        made = restore(run(target, schedule, resume, on_step, restore))
    return made if is_tensor(made) else shown_picture(made, f"{whole[1]}×{whole[0]} pixels, strength {strength:g}")


def _trunk(
    trunk: str | Trunk, weights: str | PathLike[str] | None, pooling: Pooling, padding: PaddingMode, device: str
) -> Trunk:
    if isinstance(trunk, Trunk):
        return trunk
    need_one_of("trunk", trunk, TRUNKS)
    need_one_of("pooling", pooling, get_args(Pooling))
    need_one_of("padding", padding, get_args(PaddingMode))
    made = _named_trunk(trunk, weights if weights is None else str(weights), pooling, padding)
    return made.to(pick_device(device))


@lru_cache(maxsize=1)  # a folder of pictures, or frame after frame, reads the weights once
def _named_trunk(name: str, weights: str | None, pooling: Pooling, padding: PaddingMode) -> Trunk:
    return make_trunk(name, weights=weights, device="cpu", pooling=pooling, padding_mode=padding)


@contextmanager
def _frozen(trunk: Trunk) -> Iterator[None]:
    """The trunk in evaluation mode with weights that take no gradient, and afterwards as it was before."""
    trainable = [parameter for parameter in trunk.parameters() if parameter.requires_grad]
    trunk.requires_grad_(False)
    try:
        with in_evaluation_mode(trunk):
            yield
    finally:
        for parameter in trainable:
            parameter.requires_grad_(True)


def _result_size(content: Tensor | None, size: int | tuple[int, int] | None) -> tuple[int, int]:
    own = None if content is None else (int(content.shape[2]), int(content.shape[3]))
    if size is None:
        if own is None:
            raise ArgumentError("size: need the texture's height and width, or one number for both, got None")
        return own
    listed = size if isinstance(size, Sequence) and not isinstance(size, str | bytes) else (size,)
    if len(listed) not in (1, 2):
        raise ArgumentError(f"size: need the longer side, or height and width, got {len(listed)} numbers")
    first, *second = (as_whole(side, "size", 1) for side in listed)
    if second:
        return first, second[0]
    return (first, first) if own is None else with_longer_side(own, first)


def _chosen(trunk: Trunk, taps: Sequence[str] | None, default: Sequence[str], subject: str) -> tuple[str, ...]:
    """The taps that were asked for; an empty list of the command line's asks for none in particular."""
    is_open = taps is None or (isinstance(taps, list | tuple) and not taps)
    return trunk.chosen(default if is_open else taps, subject)


def _masks(masks: Sequence[Any] | None, styles: int, content: Tensor | None) -> list[Tensor | None]:
    """Where each style applies, `(1, 1, H, W)` in [0, 1]."""
    if masks is None:
        return [None] * styles
    is_list = isinstance(masks, Sequence) and not isinstance(masks, str | bytes)
    if not is_list or len(masks) != styles:
        got = len(masks) if is_list else f"{masks!r:.200}"
        raise ArgumentError(f"masks: need one for each of the {styles} styles, got {got}")
    found: list[Tensor | None] = []
    for at, mask in enumerate(masks, 1):
        unit = None if mask is None else as_unit(mask, f"mask {at}")[:, :1]
        if unit is not None and content is not None and unit.shape[2:] != content.shape[2:]:
            want, have = tuple(content.shape[2:]), tuple(unit.shape[2:])
            raise ShapeError(f"mask {at}: need the content's {want[0]}×{want[1]} pixels, got {have[0]}×{have[1]}")
        if unit is not None and not bool(unit.any()):
            raise ArgumentError(f"mask {at}: need some place where it is above 0, got none")
        found.append(unit)
    return found


def _init(init: str | Picture | None, content: Tensor | None) -> str | Tensor:
    if init is None:
        return "noise" if content is None else "content"
    if isinstance(init, str) and init in INITS:
        return init
    return as_unit(init, "init")
