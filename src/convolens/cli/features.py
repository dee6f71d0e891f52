"""`convolens features`: what taps give, as a table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from convolens.cli.networks import Batch, Device, Files
from convolens.cli.over_machines import ClusterOption, GpusOption, ShardOption, ThreadsOption, WorkersOption
from convolens.cli.telling import tell, tell_written


def register(app: typer.Typer) -> None:
    """Adds this group's command."""
    app.command()(features)


def features(
    model: Annotated[
        str, typer.Argument(metavar="MODEL|TRUNK", help="A run folder, a .safetensors file, or a trunk: resnet50.")
    ],
    files: Files,
    out: Annotated[Path, typer.Option(help="The table: .parquet, or .npz.")],
    tap: Annotated[list[str] | None, typer.Option(help="Whose features; again for more. Default: the model's.")] = None,
    weights: Annotated[str, typer.Option(help="Of a trunk: a name, such as hed, or a file.")] = "hed",
    shard: ShardOption = None,
    cluster: ClusterOption = None,
    workers: WorkersOption = None,
    gpus_per_worker: GpusOption = 0.0,
    threads_per_worker: ThreadsOption = 1,
    batch: Batch = 16,
    device: Device = "auto",
) -> None:
    """Write what a network's taps give for pictures as a table: a path, and the mean of each feature over the picture.

    Of a network that hears, for sounds: for each part of a recording as long as it takes at once, with its times. A
    file that cannot be read is reported, the others are done, and the exit code is 2.

    \b
    Examples:
      convolens features runs/photos holiday --out holiday.parquet
      convolens features vgg16 holiday --tap conv4_3 --out holiday.npz
      convolens features runs/birds recordings --out recordings.parquet
      convolens features resnet50 '/mnt/shards/*.tar' --out /mnt/shards.parquet --cluster auto --workers 64
    """
    from convolens.inference.pooled_features import features_of_files
    from convolens.loading import load
    from convolens.trunks.registry import TRUNKS
    from convolens.trunks.registry import trunk as make_trunk

    if cluster is not None:
        device = "cpu"  # workers choose theirs
    known: Any = make_trunk(model, weights=weights, device=device) if model in TRUNKS else load(model, device=device)
    found = features_of_files(
        known, files, out, taps=tap, batch=batch, shard=shard, cluster=cluster, workers=workers,
        gpus_per_worker=gpus_per_worker, threads_per_worker=threads_per_worker,
    )  # fmt: skip
    for sentence in found.failed:
        tell(f"error: {sentence}")
    tell_written(found.table, f"{found.done:,} rows, {len(found.failed):,} failed")
    if found.failed:
        raise typer.Exit(2)
