"""`convolens blur|resize|unblur|sharpen|edges`: pictures in, pictures out, one or many. Profile and metadata stay."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from convolens.cli.over_machines import ClusterOption, ShardOption, ThreadsOption, WorkersOption
from convolens.cli.picture_runs import Run, change

Source = Annotated[
    str,
    typer.Argument(
        metavar="IN",
        help="A picture (PNG, JPEG, TIFF, WebP, AVIF, …), a folder, 'photos/*.jpg', an address, a tar shard.",
    ),
]
Target = Annotated[
    Path, typer.Argument(metavar="OUT", help="Where to write; the suffix chooses the format. A folder for many.")
]

Boundary = Annotated[
    str, typer.Option(help="What lies past the border: symmetric, reflect, edge, wrap or constant (black).")
]
FillValue = Annotated[float, typer.Option(help="What a constant border is filled with, in levels of the picture.")]
PageOption = Annotated[
    str | None,
    typer.Option("--page", metavar="N|all", help="Of several pages or frames, the N-th or all; the first by default."),
]


def register(app: typer.Typer) -> None:
    """Adds this group's commands."""
    app.command()(blur)
    app.command()(resize)
    app.command()(unblur)
    app.command()(sharpen)
    app.command()(edges)


def blur(
    source: Source,
    target: Target,
    sigma: Annotated[str, typer.Option(help="Width of the blur in pixels; ROWS,COLUMNS for one down, one across.")],
    boundary: Boundary = "symmetric",
    fill_value: FillValue = 0,
    tolerance: Annotated[
        float, typer.Option(help="Error at most, of the picture's largest value: more is faster for a large sigma.")
    ] = 1e-4,
    truncate: Annotated[
        float | None, typer.Option(help="Cut the Gaussian off at this many sigmas, in place of --tolerance.")
    ] = None,
    radius: Annotated[int | None, typer.Option(help="Or at this many pixels.")] = None,
    page: PageOption = None,
    shard: ShardOption = None,
    cluster: ClusterOption = None,
    workers: WorkersOption = None,
    threads_per_worker: ThreadsOption = 1,
) -> None:
    """Blur pictures by a Gaussian.

    \b
    Examples:
      convolens blur photo.jpg soft.jpg --sigma 5
      convolens blur photo.jpg panned.jpg --sigma 0,12
      convolens blur photos soft --sigma 5
      convolens blur dance.gif soft.gif --sigma 2 --page all
      convolens blur /mnt/photos /mnt/soft --sigma 5 --cluster auto
    """
    from convolens.effects.pictures.blur import blur as blurred

    widths = _widths(sigma)
    options: dict[str, Any] = {
        "boundary": boundary, "fill_value": fill_value, "tolerance": tolerance, "truncate": truncate, "radius": radius,
    }  # fmt: skip
    run = Run("blur", {"sigma": sigma, **options}, page, shard, cluster, workers, threads_per_worker)
    change(source, target, partial(blurred, sigma=widths, **options), run)


def resize(
    source: Source,
    target: Target,
    size: Annotated[
        str,
        typer.Option(metavar="N|WxH|P%", help="Pixels of the longer side; width x height; or percent of both sides."),
    ],
    interpolation: Annotated[str, typer.Option(help="area, linear, cubic or lanczos.")] = "cubic",
    no_antialias: Annotated[
        bool, typer.Option("--no-antialias", help="Look at the nearest pixels alone where a picture shrinks.")
    ] = False,
    linear_light: Annotated[
        bool, typer.Option("--linear-light", help="Average light, not the numbers that sRGB keeps of it.")
    ] = False,
    page: PageOption = None,
    shard: ShardOption = None,
    cluster: ClusterOption = None,
    workers: WorkersOption = None,
    threads_per_worker: ThreadsOption = 1,
) -> None:
    """Bring pictures to another size.

    \b
    Examples:
      convolens resize photo.jpg small.jpg --size 1024
      convolens resize photos thumbnails --size 160x120 --interpolation area
      convolens resize scan.png half.png --size 50% --linear-light
    """
    from convolens.effects.pictures.resize import resize_by

    options: dict[str, Any] = {
        "interpolation": interpolation, "antialias": not no_antialias, "linear_light": linear_light,
    }  # fmt: skip
    run = Run("resize", {"size": size, **options}, page, shard, cluster, workers, threads_per_worker)
    change(source, target, partial(resize_by, words=size, **options), run)


def unblur(
    source: Source,
    target: Target,
    kernel: Annotated[
        str | None,
        typer.Option(
            help="The blur: disk:4, gaussian:2, motion:15,30 (pixels, degrees) or a file with weights; disk, gaussian "
            "or motion alone to find its width. By default the likeliest is found."
        ),
    ] = None,
    method: Annotated[
        str, typer.Option(help="tv, which keeps edges, or wiener, which takes a fifth of the time.")
    ] = "tv",
    noise: Annotated[
        float | None, typer.Option(help="Standard deviation in levels of the picture; found by default.")
    ] = None,
    page: PageOption = None,
    shard: ShardOption = None,
    cluster: ClusterOption = None,
    workers: WorkersOption = None,
    threads_per_worker: ThreadsOption = 1,
) -> None:
    """Take a blur out of pictures: of a lens out of focus, a camera that moved, or a Gaussian.

    How wide it is, and its kind, are found in the picture itself, or given. Where none shows, or the noise covers what
    it left, it says so and writes nothing.

    \b
    Examples:
      convolens unblur soft.jpg crisp.png
      convolens unblur scans crisp --kernel disk
      convolens unblur shaken.png still.png --kernel motion:15,30
    """
    from convolens.effects.pictures.unblur import unblur_by
    from convolens.media.picture_files import is_many

    options: dict[str, Any] = {"method": method, "noise": noise}
    run = Run("unblur", {"kernel": kernel, **options}, page, shard, cluster, workers, threads_per_worker)
    tell = None if is_many(source) else typer.echo
    change(source, target, partial(unblur_by, words=kernel, tell=tell, **options), run)


def sharpen(
    source: Source,
    target: Target,
    sigma: Annotated[float, typer.Option(help="Size of the detail in pixels.")] = 1.5,
    amount: Annotated[
        float, typer.Option(help="How much of the detail is added: 0 none, 1 doubles it; below 0 takes away.")
    ] = 1.0,
    threshold: Annotated[float, typer.Option(help="Detail below this many levels is left as it is.")] = 0.0,
    boundary: Boundary = "symmetric",
    fill_value: FillValue = 0,
    page: PageOption = None,
    shard: ShardOption = None,
    cluster: ClusterOption = None,
    workers: WorkersOption = None,
    threads_per_worker: ThreadsOption = 1,
) -> None:
    """Sharpen pictures by unsharp masking: add what a blur of them leaves out.

    \b
    Examples:
      convolens sharpen photo.jpg crisp.jpg --sigma 1.5 --amount 0.8
      convolens sharpen 'scans/*.tif' crisp
    """
    from convolens.effects.pictures.sharpen import sharpen as sharpened

    options: dict[str, Any] = {"amount": amount, "threshold": threshold, "boundary": boundary, "fill_value": fill_value}
    run = Run("sharpen", {"sigma": sigma, **options}, page, shard, cluster, workers, threads_per_worker)
    change(source, target, partial(sharpened, sigma=sigma, **options), run)


def edges(
    source: Source,
    target: Target,
    method: Annotated[str, typer.Option(help="sobel, scharr, prewitt, canny, log or dog.")] = "sobel",
    gain: Annotated[float, typer.Option(help="Brightness: at 1, a step from black to white gives white.")] = 1.0,
    sigma: Annotated[float, typer.Option(help="Size in pixels, for canny, log and dog.")] = 1.0,
    low: Annotated[float, typer.Option(help="For canny: the weakest gradient of a line.")] = 0.1,
    high: Annotated[float, typer.Option(help="For canny: what a line must reach somewhere.")] = 0.2,
    quantiles: Annotated[
        bool, typer.Option("--quantiles", help="For canny: low and high are fractions of the pixels.")
    ] = False,
    boundary: Boundary = "symmetric",
    learned: Annotated[
        bool, typer.Option("--learned", help="Beside Sobel's, on the right, edges as HED learned them.")
    ] = False,
    page: PageOption = None,
    shard: ShardOption = None,
    cluster: ClusterOption = None,
    workers: WorkersOption = None,
    threads_per_worker: ThreadsOption = 1,
) -> None:
    """Show where brightness or color changes, as gray pictures.

    Gradients by Sobel's, Scharr's or Prewitt's weights; lines by Canny; detail of one size about a middle gray by the
    Laplacian of a Gaussian (log) or a difference of Gaussians (dog).

    \b
    Examples:
      convolens edges photo.jpg edges.png --gain 2
      convolens edges photo.jpg lines.png --method canny --sigma 2
      convolens edges photo.jpg both.png --learned
    """
    from convolens.effects.pictures.edge_pictures import edge_picture

    if not learned:
        options: dict[str, Any] = {
            "method": method, "gain": gain, "sigma": sigma, "low": low, "high": high, "quantiles": quantiles,
            "boundary": boundary,
        }  # fmt: skip
        run = Run("edges", options, page, shard, cluster, workers, threads_per_worker)
        return change(source, target, partial(edge_picture, **options), run)
    if method != "sobel":
        from convolens.errors import ArgumentError

        raise ArgumentError(f"method: need sobel beside the learned edges, got {method!r}")
    from convolens.features.learned_edges import edges_side_by_side

    run = Run("edges", {"learned": True, "gain": gain}, page, shard, cluster, workers, threads_per_worker)
    return change(source, target, partial(edges_side_by_side, gain=gain), run)


def _widths(words: str) -> Any:
    from convolens.errors import ArgumentError

    try:
        widths = [float(word) for word in words.split(",")]
    except ValueError as error:
        raise ArgumentError(f"sigma: need a width, or two as in 0,12, got {words!r}") from error
    return widths[0] if len(widths) == 1 else widths
