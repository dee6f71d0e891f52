"""Options of commands that several machines can share: which part of the pictures, and whose workers."""

from __future__ import annotations

from typing import Annotated

import typer

ShardOption = Annotated[
    str | None,
    typer.Option("--shard", metavar="N/M", help="Do the N-th of M equal shares of the pictures; see convolens merge."),
]
ClusterOption = Annotated[
    str | None,
    typer.Option(
        "--cluster",
        metavar="ADDRESS",
        help="By the workers of a cluster of Ray: its address, auto for the one that this machine is part of, or local "
        "for workers on this machine.",
    ),
]
WorkersOption = Annotated[
    int | None, typer.Option("--workers", help="Of the cluster. Default: as many as it has room for.")
]
GpusOption = Annotated[float, typer.Option("--gpus-per-worker", help="Less than 1 where several share one.")]
ThreadsOption = Annotated[int, typer.Option("--threads-per-worker", help="And processors that each is given.")]
