"""`convolens predict|evaluate`: ask a network that has learned."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from convolens.cli.over_machines import ClusterOption, GpusOption, ShardOption, ThreadsOption, WorkersOption
from convolens.cli.telling import answer, answer_line, tell, tell_failure, tell_written

if TYPE_CHECKING:
    from convolens.inference.predict import BulkResult, Predictor

Model = Annotated[Path, typer.Argument(metavar="MODEL", help="A run folder of train, a .safetensors or .onnx file.")]
Data = Annotated[
    Path,
    typer.Argument(
        metavar="DATA",
        help="A folder with a folder of pictures for each class, or CSV, COCO, VOC, YOLO; tar shards, an address.",
    ),
]
Files = Annotated[
    list[str],
    typer.Argument(
        metavar="FILES...", help='Pictures, folders, patterns such as "a/**/*.jpg", addresses such as s3://…, shards.'
    ),
]
Batch = Annotated[int, typer.Option(help="Pictures of one size that go through the network at once.")]
Device = Annotated[str, typer.Option(help="Where to run: auto, cpu, cuda, …")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
REASONS_SHOWN = 5  # of pictures that failed; a thousand would fill the terminal


def register(app: typer.Typer) -> None:
    """Adds this group's commands."""
    app.command()(predict)
    app.command()(evaluate)


def predict(
    model: Model,
    files: Files,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for predictions.jsonl and annotated pictures; of a store, for the former. Default: print."
        ),
    ] = None,
    top: Annotated[int | None, typer.Option(help="How many classes to name for each picture; 3 by default.")] = None,
    unknown: Annotated[
        float | None,
        typer.Option(
            help="Classifiers: call pictures unknown that are like none it learned from, and of those that are at most "
            "this fraction: 0.01."
        ),
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(
            help="From which objectness a localizer, score a detector names an object, 0.5 by default; from "
            "which score an inspector calls a picture unusual, 1 by default; from which probability a network that "
            "hears names a sound, 0.5 by default."
        ),
    ] = None,
    nms_iou: Annotated[
        float | None,
        typer.Option(help="Detectors: of two boxes of a class with a larger IoU one stays; 0.45 by default."),
    ] = None,
    soft: Annotated[
        bool, typer.Option("--soft", help="Detectors: the other stays too, with a lower score (soft-NMS).")
    ] = False,
    top_k: Annotated[
        int | None, typer.Option(help="Detectors: the likeliest of each class, before that; 400 by default.")
    ] = None,
    max_detections: Annotated[
        int | None, typer.Option(help="Detectors: the likeliest of a picture, after that; 200 by default.")
    ] = None,
    tile: Annotated[
        int | None,
        typer.Option(help="Detectors: look at large pictures also in overlapping squares of this side in pixels."),
    ] = None,
    coco: Annotated[
        Path | None,
        typer.Option(help="Detectors, with --out: also write results.json, with the ids of this COCO JSON."),
    ] = None,
    as_format: Annotated[
        str | None,
        typer.Option(
            "--as",
            help="With --out: also a data set to correct, in a folder of this name: csv, coco, voc, yolo, "
            "label-studio, cvat, labelme, or folders of classes.",
        ),
    ] = None,
    table: Annotated[
        Path | None, typer.Option(help="With --out: also a row for each class or object, as .csv or .parquet.")
    ] = None,
    pictures: Annotated[
        bool, typer.Option("--pictures/--no-pictures", help="With --out: also write annotated pictures.")
    ] = True,
    shard: ShardOption = None,
    cluster: ClusterOption = None,
    workers: WorkersOption = None,
    gpus_per_worker: GpusOption = 0.0,
    threads_per_worker: ThreadsOption = 1,
    batch: Batch = 16,
    as_json: AsJson = False,
    device: Device = "auto",
) -> None:
    """Say what pictures show: a line for each picture or object, or, with --out, JSON Lines and annotated pictures.

    A network that was trained by sounds takes sound files of any length and says what is heard from when to when, with
    --out also as events.csv and Audacity's label files.

    A file that cannot be read is reported, the others are done, and the exit code is 2. Into the same --out again, an
    interrupted run is resumed, and what failed is tried again.

    \b
    Examples:
      convolens predict runs/photos holiday/*.jpg
      convolens predict runs/photos holiday --out predicted
      convolens predict runs/photos holiday --unknown 0.01
      convolens predict runs/street street --tile 600 --out found --coco street/instances.json
      convolens predict runs/street street --out found --as cvat
      convolens predict runs/birds monday.flac --out heard
      convolens predict runs/photos 's3://bucket/shards/*.tar' --out part-3 --shard 3/16
      convolens predict runs/photos /mnt/photos --out /mnt/predicted --cluster auto --gpus-per-worker 1
    """
    from convolens.errors import ArgumentError
    from convolens.inference.predict import predict_files
    from convolens.loading import load
    from convolens.sources import as_address
    from convolens.sources.copies import brought_here

    if cluster is not None and out is None:
        raise ArgumentError("cluster: need --out too, which its workers write into")
    loaded: Any = load(model, device=device if cluster is None else "cpu")  # workers choose theirs
    from convolens.effects.sounds.hearing import hears

    if hears(loaded):
        from convolens.cli.hearing import predict_sounds

        others = {
            "top": top, "nms_iou": nms_iou, "soft": soft, "top_k": top_k, "max_detections": max_detections,
            "tile": tile, "coco": coco, "as": as_format, "table": table, "shard": shard, "cluster": cluster,
            "workers": workers, "gpus_per_worker": gpus_per_worker > 0, "threads_per_worker": threads_per_worker > 1,
            "pictures": not pictures,
        }  # fmt: skip
        failed = predict_sounds(
            loaded, files, out, threshold=0.5 if threshold is None else threshold, unknown=unknown, batch=batch,
            others=others, as_json=as_json,
        )  # fmt: skip
        if failed:
            raise typer.Exit(2)
        return
    if top is None and loaded.task == "classify":
        top = 3
    options: dict[str, Any] = {
        "top": top, "unknown": unknown, "threshold": threshold, "nms_iou": nms_iou, "soft": soft or None,
        "top_k": top_k, "max_detections": max_detections, "tile": tile,
    }  # fmt: skip
    options = {name: value for name, value in options.items() if value is not None}
    if coco is not None and (out is None or loaded.task != "detect"):
        raise ArgumentError("coco: need a detector and --out, which results.json goes into")
    known = None
    if coco is not None:  # before the work, which may take hours
        from convolens.evaluation.detections import read_coco_ids

        known = read_coco_ids(coco, loaded.class_names)
    if out is None and not pictures:
        raise ArgumentError("pictures: need --out too, got --no-pictures where none would be written")
    if out is None and (as_format is not None or table is not None):
        raise ArgumentError(f"{'table' if as_format is None else 'as'}: need --out too, where predictions are kept")
    far = out is not None and as_address(out)
    if far and as_format is not None:
        raise ArgumentError("--out: need a folder of this machine beside --as, which copies pictures, got an address")
    form = None
    if out is not None and as_format is not None:
        from convolens.inference.as_data import need_format

        form = need_format(as_format, loaded, out)
    if table is not None:
        from convolens.media.table_files import need_table

        need_table(table)
    if out is None:
        failed = _print_predictions(loaded, files, shard, as_json, batch, options)
    else:
        found = predict_files(
            loaded, files, out, batch=batch, pictures=pictures, shard=shard, cluster=cluster, workers=workers,
            gpus_per_worker=gpus_per_worker, threads_per_worker=threads_per_worker, **options,
        )  # fmt: skip
        failed = found.failed
        before = f", {found.before:,} before" if found.before else ""
        tell(f"{found.done:,} done, {found.failed:,} failed{before}")
        _tell_reasons(found, far=bool(far))
        tell_written(found.lines, "" if far or not pictures else f"annotated pictures are in {out / 'pictures'}")
        if known is not None or form is not None or table is not None:
            with brought_here(found.lines, "predictions") as lines:
                _write_more(Path(lines), out, loaded, known, form, table)
    if failed:
        raise typer.Exit(2)


def _tell_reasons(found: BulkResult, *, far: bool) -> None:
    """Says why pictures failed: the first reasons, and where all of them are."""
    from convolens.inference.lines import prediction_lines

    if not found.failed:
        return
    if not far:
        errors = (line["error"] for line in prediction_lines(Path(found.lines)) if "error" in line)
        for sentence in islice(errors, REASONS_SHOWN):
            tell_failure(f"error: {sentence}")
    if far or found.failed > REASONS_SHOWN:
        tell_failure(f"error: {found.failed:,} pictures failed; why is in their lines of {found.lines}")


def _write_more(lines: Path, out: Path, model: Any, known: Any, form: Any, table: Path | None) -> None:
    """What is made of the lines of predictions: COCO's results, a data set, a table."""
    if known is not None:
        from convolens.evaluation.detections import write_coco_results

        write_coco_results(lines, known, out / "results.json")
        tell_written(out / "results.json")
    if form is not None:
        from convolens.inference.as_data import write_as

        written = write_as(lines, out / form.name, form, model)
        tell_written(written.path)
        tell(str(written))
    if table is not None:
        from convolens.inference.lines import prediction_rows
        from convolens.media.table_files import write_table

        write_table(table, prediction_rows(lines))
        tell_written(table)


def _print_predictions(
    model: Predictor, files: list[str], shard: str | None, as_json: bool, batch: int, options: dict[str, Any]
) -> int:
    """A line for each picture or object as soon as it is done; how many failed."""
    import json

    from convolens.inference.predict import predictions
    from convolens.media.annotate import in_lines
    from convolens.media.picture_files import find_pictures
    from convolens.sources import Share

    failed = 0
    for one in predictions(model, find_pictures(files, share=Share.of(shard)), batch=batch, **options):
        if one.error:
            failed += 1
            tell_failure(f"error: {one.error}")
        if as_json:
            answer_line(json.dumps(one.line()))
        elif not one.error:
            for line in in_lines(one.result):
                answer_line(f"{one.path}  {line}")
    return failed


def evaluate(
    model: Model,
    data: Data,
    split: Annotated[
        str | None, typer.Option(help="Of data in splits: train, validation or test. Default: the last there is.")
    ] = None,
    html: Annotated[
        Path | None, typer.Option(help="Also write a page: confusion, reliability, the worst mistakes.")
    ] = None,
    table: Annotated[
        Path | None, typer.Option(help="Also write a row for each class and one for all, as .csv or .parquet.")
    ] = None,
    unfamiliar: Annotated[
        str | None,
        typer.Option(
            metavar="PICTURES", help="Classifiers: pictures of other things; also measure how well they are told apart."
        ),
    ] = None,
    cluster: ClusterOption = None,
    workers: WorkersOption = None,
    gpus_per_worker: GpusOption = 0.0,
    threads_per_worker: ThreadsOption = 1,
    batch: Batch = 16,
    as_json: AsJson = False,
    device: Device = "auto",
) -> None:
    """Measure a model on pictures that it was not trained on.

    \b
    Examples:
      convolens evaluate runs/photos photos-kept-back
      convolens evaluate runs/photos photos-kept-back --html photos.html
      convolens evaluate runs/photos photos-kept-back --unfamiliar other-photos
      convolens evaluate runs/photos 's3://bucket/test-*.tar' --cluster ray://head:10001
    """
    import json

    from convolens.evaluation.evaluate import evaluate as measure
    from convolens.loading import load
    from convolens.media.table_files import need_table, write_table

    if table is not None:
        need_table(table)
    found = measure(
        load(model, device=device if cluster is None else "cpu"), data, split=split, batch=batch, html=html,
        unfamiliar=unfamiliar, cluster=cluster, workers=workers, gpus_per_worker=gpus_per_worker,
        threads_per_worker=threads_per_worker,
    )  # fmt: skip
    from convolens.distributed import leads  # here, as it loads torch, which the former say where it is missing

    if not leads():
        return
    for one in found["skipped"]:
        tell_failure(f"skipped: {one['reason']}")
    if html is not None:
        tell_written(html)
    if table is not None:
        each = [("all", found), *found.get("per_class", {}).items()]  # the first is of all, whatever a class is called
        write_table(table, [{"class": name, **_plain(numbers)} for name, numbers in each])
        tell_written(table)
    answer(json.dumps(found, indent=2) if as_json else found)


def _plain(numbers: dict[str, Any]) -> dict[str, Any]:
    """What a cell can hold."""
    return {name: value for name, value in numbers.items() if isinstance(value, str | int | float)}
