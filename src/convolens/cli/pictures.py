"""`convolens blur|resize|sharpen|edges`: pictures in, pictures out, one or a folder full. Profile and metadata stay."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from convolens.cli.over_machines import ClusterOption, ShardOption, ThreadsOption, WorkersOption
from convolens.cli.telling import tell_failure, tell_written

if TYPE_CHECKING:
    from convolens.clusters.ray_workers import Cluster
    from convolens.sources import Share

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
    run = _Run("blur", {"sigma": sigma, **options}, page, shard, cluster, workers, threads_per_worker)
    _change(source, target, partial(blurred, sigma=widths, **options), run)


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
    run = _Run("resize", {"size": size, **options}, page, shard, cluster, workers, threads_per_worker)
    _change(source, target, partial(resize_by, words=size, **options), run)


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
    run = _Run("sharpen", {"sigma": sigma, **options}, page, shard, cluster, workers, threads_per_worker)
    _change(source, target, partial(sharpened, sigma=sigma, **options), run)


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
        run = _Run("edges", options, page, shard, cluster, workers, threads_per_worker)
        return _change(source, target, partial(edge_picture, **options), run)
    if method != "sobel":
        from convolens.errors import ArgumentError

        raise ArgumentError(f"method: need sobel beside the learned edges, got {method!r}")
    from convolens.features.learned_edges import edges_side_by_side

    run = _Run("edges", {"learned": True, "gain": gain}, page, shard, cluster, workers, threads_per_worker)
    return _change(source, target, partial(edges_side_by_side, gain=gain), run)


def _widths(words: str) -> Any:
    from convolens.errors import ArgumentError

    try:
        widths = [float(word) for word in words.split(",")]
    except ValueError as error:
        raise ArgumentError(f"sigma: need a width, or two as in 0,12, got {words!r}") from error
    return widths[0] if len(widths) == 1 else widths


def _page(words: str | None) -> Any:
    """A page's number, "all", or None.

    Raises:
        ArgumentError: neither.
    """
    from convolens.errors import ArgumentError

    if words is None or words == "all":
        return words
    if not words.isdecimal() or int(words) == 0:
        raise ArgumentError(f"page: need a number from 1 on, or all, got {words!r}")
    return int(words)


class _Run(NamedTuple):
    """What a command was told: its name, its options, which page, which share of the pictures, and whose workers."""

    command: str
    options: dict[str, Any]
    page: str | None
    shard: str | None
    cluster: str | None
    workers: int | None
    threads_per_worker: int


def _change(source: str, target: Path, change: Any, run: _Run) -> None:
    """One picture, or many into a folder: then a bad one is reported and skipped, and the exit code says so."""
    from convolens.clusters.ray_workers import Cluster
    from convolens.effects.pictures.files import change_picture_file, change_picture_files, change_share
    from convolens.media.picture_files import ResultPaths, count_pictures, find_pictures, is_many
    from convolens.progress import track
    from convolens.sources import Share

    page, share = _page(run.page), Share.of(run.shard)
    cluster = Cluster.of(run.cluster, run.workers, 0.0, run.threads_per_worker)
    if cluster is not None:
        return _change_on_cluster(cluster, source, target, change, run, page, share)
    if share is None and not is_many(source):
        change_picture_file(source, target, change, page=page)
        return tell_written(target)
    count = count_pictures([source], target, share)
    if share is not None:
        changes = change_share(source, target, share, run.command, run.options, change, page=page)
    else:
        changes = change_picture_files(
            find_pictures([source], outside=target), ResultPaths([source], target), change, page=page
        )
    done, failures = 0, []
    for outcome in track(changes, target.name, count):
        done += not outcome.error
        failures += [outcome.error] if outcome.error else []
    return _tell_changed(target, done, failures)


def _change_on_cluster(
    cluster: Cluster, source: str, target: Path, change: Any, run: _Run, page: Any, share: Share | None
) -> None:
    from convolens.effects.pictures.on_cluster import change_on_cluster
    from convolens.errors import ArgumentError
    from convolens.media.picture_files import is_many

    if not is_many(source):
        raise ArgumentError(f"cluster: need many pictures, in a folder, a pattern or a shard, got {source}")
    changed = change_on_cluster(cluster, source, target, run.command, run.options, change, page=page, share=share)
    _tell_changed(target, *changed)


def _tell_changed(target: Path, done: int, failures: list[str]) -> None:
    for failure in failures:
        tell_failure(f"skipped: {failure}")
    tell_written(target, f"{done} pictures, {len(failures)} skipped")
    if failures:
        raise typer.Exit(2)
