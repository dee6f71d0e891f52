"""`convolens explain`: what made a model say so, and how far that can be trusted."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from convolens.cli.networks import AsJson, Device, Model
from convolens.cli.over_machines import ShardOption
from convolens.cli.telling import answer, answer_line, tell_failure, tell_written


def register(app: typer.Typer) -> None:
    """Adds this group's command."""
    app.command()(explain)


def explain(
    model: Model,
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILES...",
            help='Pictures, folders, patterns such as "a/**/*.jpg", addresses, shards; with --measure one data set, as '
            "for training.",
        ),
    ],
    out: Annotated[
        Path | None, typer.Option(help="A folder for the overlays; or, for one file, the picture to write.")
    ] = None,
    target: Annotated[str | None, typer.Option(help="The class to explain. Default: each picture's likeliest.")] = None,
    against: Annotated[str | None, typer.Option(help="Another class: why the target rather than this?")] = None,
    counterfactual: Annotated[
        bool, typer.Option("--counterfactual", help="Show what speaks against it instead.")
    ] = False,
    method: Annotated[
        list[str] | None,
        typer.Option(help="cam, gradcam, layercam, …; again for several side by side. Default: cam where it is exact."),
    ] = None,
    tap: Annotated[list[str] | None, typer.Option(help="Where to look; again for more. Default: the head's.")] = None,
    relu_weights: Annotated[
        bool, typer.Option("--relu-weights", help="Count only features of positive weight.")
    ] = False,
    flip: Annotated[bool, typer.Option("--flip", help="Mean of the map and that of the mirrored picture.")] = False,
    noise_samples: Annotated[
        int, typer.Option(help="Mean over this many copies with noise; 0: the picture itself.")
    ] = 0,
    maps: Annotated[
        bool, typer.Option("--maps", help="Also write the maps as .npy and .heat.png, beside the overlays.")
    ] = False,
    html: Annotated[
        Path | None,
        typer.Option(help="A page to leaf through: classes, maps on pointing at them, worst mistakes first."),
    ] = None,
    measure: Annotated[
        bool, typer.Option("--measure", help="Measure how far each method can be trusted, on pictures with answers.")
    ] = False,
    count: Annotated[int, typer.Option(help="How many pictures --measure draws.")] = 20,
    thresholds_on: Annotated[
        Path | None, typer.Option(help="Other pictures with boxes, on which --measure chooses where a map's box ends.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of noise, and of the pictures that --measure draws.")] = 0,
    shard: ShardOption = None,
    as_json: AsJson = False,
    device: Device = "auto",
) -> None:
    """Show which part of pictures made a model say so, as a warm overlay.

    Prints for each the class, its probability, and the box around the hottest part; a folder also gets them as JSON
    Lines. Of a network that hears: when, and at which pitch. A file that cannot be read is reported, the others are
    done, and the exit code is 2.

    \b
    Examples:
      convolens explain runs/photos photo.jpg --out why.png
      convolens explain runs/photos holiday/*.jpg --target beach --out why
      convolens explain runs/photos photos-kept-back --html why.html
      convolens explain runs/photos photos-kept-back --measure
    """
    from convolens.errors import ArgumentError
    from convolens.models import load

    if measure:
        if len(files) != 1:
            raise ArgumentError(f"files: need one data set to measure on, got {len(files)}")
        _measure(load(model, device=device), Path(files[0]), method or [], count, seed, thresholds_on, as_json)
        return
    if out is None and html is None:
        raise ArgumentError("--out: need a folder or a picture's name to write, or --html a page's, got none")
    from convolens.inference.explain import explain_files
    from convolens.media.files import need_target

    if html is not None:
        need_target(html)
    options = {"target": target, "against": against, "counterfactual": counterfactual, "taps": tap}
    smoothing = {"relu_weights": relu_weights, "flip": flip, "noise_samples": noise_samples, "seed": seed}
    loaded, methods = load(model, device=device), method or ["auto"]
    from convolens.effects.sounds.hearing import hears

    if hears(loaded):
        from convolens.cli.hearing import explain_sounds

        if len(methods) > 1:
            raise ArgumentError(f"method: need one for a network that hears, got {len(methods)}")
        others = {"html": html, "maps": maps, "shard": shard}
        if explain_sounds(loaded, files, out, others, as_json, method=methods[0], **options, **smoothing):
            raise typer.Exit(2)
        return
    done = failed = 0
    for outcome in explain_files(
        loaded, files, out, methods, page=html, maps=maps, shard=shard, **options, **smoothing
    ):
        done, failed = done + (not outcome.error), failed + bool(outcome.error)
        if out is not None or outcome.error:
            _report(outcome.line(), as_json)
    if out is not None and done:
        tell_written(out)
    if html is not None:
        tell_written(html, f"{done:,} pictures")
    if failed:
        raise typer.Exit(2)


def _report(line: dict[str, Any], as_json: bool) -> None:
    import json

    from convolens.media.annotate import place

    if "error" in line:
        tell_failure(f"error: {line['error']}")
    if as_json:
        answer_line(json.dumps(line))
        return
    if line.get("explanations") == []:
        answer_line(f"{line['path']}  nothing")
    for one in line.get("explanations", ()):
        where = place(one["box_xyxy"]) if one["box_xyxy"] else "nowhere"
        likely = one["probability"]
        certainty = f"(score {one['score']:.2f})" if likely is None else f"{likely:.1%}"
        answer_line(f"{line['path']}  {one['label']} {certainty}  {where}")


def _measure(
    loaded: Any, data: Path, methods: list[str], count: int, seed: int, thresholds_on: Path | None, as_json: bool
) -> None:
    import json

    from convolens.evaluation.explanations import box_thresholds, measure_explanations

    chosen = box_thresholds(loaded, thresholds_on, methods, count=count, seed=seed) if thresholds_on else None
    measured = measure_explanations(loaded, data, methods, count=count, seed=seed, thresholds=chosen)
    answer(json.dumps(measured, indent=2) if as_json else measured.summary())
