"""The line that each command ends with: what can be done next with what it made.

One for each command, so that none ends in silence; `tests/cli/test_next_step.py` holds the table to the commands.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

Given = Mapping[str, Any]  # the command's arguments by name


def _train(given: Given) -> str:
    from convolens.data.sounds import holds_sounds

    run = given["run"]
    others = "SOUNDS says what is heard in others" if holds_sounds(given["data"]) else "PICTURES says what others show"
    return f"convolens predict {run} {others}; convolens evaluate {run} DATA measures it"


def _are_sounds(files: list[str]) -> bool:
    """Whether it was sounds that were given, by the first one's name."""
    from convolens.media.folders import files_below
    from convolens.media.found_sounds import is_sound

    first = Path(files[0])
    return is_sound(next(files_below(first), "") if first.is_dir() else first)


def _predict(given: Given) -> str:
    if _are_sounds(given["files"]):
        if given["out"] is None:
            return "--out FOLDER keeps the events, as a table and as labels for Audacity"
        return f"open those of {given['out']}/labels in Audacity, and put what you corrected beside the sounds to train"
    if given["shard"] is not None and given["out"] is not None:
        return "convolens merge puts the shares together"
    if given["out"] is None:
        return "--out FOLDER keeps the answers, with annotated pictures"
    if given["as_format"] is None:
        return "--as label-studio (cvat, coco, …) also writes them as a data set, to correct"
    return "correct what is wrong there, and train on it"


def _page(option: str, shows: str) -> Callable[[Given], str]:
    def worded(given: Given) -> str:
        page = given[option]
        return f"open {page} in a browser" if page is not None else f"--{option} page.html shows {shows}"

    return worded


def _explain(given: Given) -> str:
    if given["measure"]:
        return "--method takes the one that can be trusted most"
    if _are_sounds(given["files"]):
        return "convolens predict says when in a whole recording; another --method may show more"
    if given["html"] is not None:
        return f"open {given['html']} in a browser"
    return "--measure, on pictures with answers, says how far such maps can be trusted"


def _quantize(given: Given) -> str:
    what = "SOUNDS" if _are_sounds(given["pictures"]) else "PICTURES"
    return f"convolens predict {given['out']} {what}, as before"


def _similar(given: Given) -> str:
    if given["groups"]:
        return "look at a group before you delete one of it; doctor names copies that need no network"
    sheet = "" if given["out"] is not None or _are_sounds([given["picture"]]) else "--out sheet.jpg shows them; "
    return f"{sheet}convolens features writes a table, which is looked through at once"


def _doctor(given: Given) -> str:
    if given["labels"]:
        return "no label needs a decision; --at-least 0.2 names labels that are less likely wrong"
    if given["kind"] == "boxes":
        return f"convolens train detect {given['data']} teaches a network to find such objects; localize, one a picture"
    return f"convolens train classify {given['data']} teaches a network to tell these classes apart"


def _filter(words: str) -> Callable[[Given], str]:
    """Of a filter of pictures; that it takes a folder is said to whoever gave a single one."""

    def worded(given: Given) -> str:
        is_one = Path(given["source"]).is_file()
        return words + "; a folder in place of the picture does all in it" * is_one

    return worded


def _to(words: str) -> Callable[[Given], str]:
    return lambda given: words.format(**given)


NEXT: Mapping[str, Callable[[Given], str]] = {
    "echo": _to("convolens unecho takes echoes out; --plot shows what changed"),
    "reverb": _to("--wet is how loud the room is; --plot shows what changed"),
    "unecho": _to("--plot shows what changed"),
    "filter": _to("--width is how sharply it cuts; --plot shows what changed"),
    "blur": _filter("a larger --sigma blurs more"),
    "resize": _filter("--interpolation area or lanczos"),
    "unblur": _filter("--kernel disk:4 where you know the blur"),
    "sharpen": _filter("a larger --amount sharpens more"),
    "edges": _to("--gain is how bright they are; --method canny draws lines, --learned outlines"),
    "convolve": _to("--explain says which algorithm was the fastest, and what others would have cost"),
    "train classify": _train,
    "train localize": _train,
    "train detect": _train,
    "train unusual": _train,
    "predict": _predict,
    "evaluate": _page("html", "the worst mistakes"),
    "export": _to("convolens predict {out} PICTURES needs no torch"),
    "quantize": _quantize,
    "explain": _explain,
    "stylize": _to("--strength is how much of the style there is; --keep-colors keeps the content's colors"),
    "doctor": _doctor,
    "features": _to("another --tap says other things; --shard shares the work of many pictures"),
    "similar": _similar,
    "merge": _to("{out} is as one machine would have made it; the parts can go"),
    "apply": _to("convolens doctor {to} --labels looks whether more are wrong"),
    "convert": _to("convolens doctor {out} looks it through"),
    "trace": _to("another --tap sees more, or less"),
    "scan": _to("a smaller --stride says more exactly where"),
    "weights list": _to("convolens weights get NAME fetches some"),
    "weights get": _to("convolens train classify DATA --trunk TRUNK --weights WEIGHTS starts from them"),
    "weights import": _to("convolens train classify DATA --trunk {trunk} --weights {target} starts from them"),
    "weights info": _to("convolens weights import {source} OUT --trunk TRUNK takes them in"),
    "studio": _to("convolens studio {folder} opens it again, with all that was decided"),
    "tour": _to("open {out}/index.html in a browser"),
}


def what_is_next(command: str, given: Given) -> str:
    """What can be done next, in a line."""
    return f"next: {NEXT[command](given)}"
