"""Annotations in which anything may stand anywhere: each is read, a fault or a typed error, and never another one."""

import copy
import json
import random
import re

import pytest

from convolens.data.reading import read_with_faults
from convolens.errors import ConvolensError
from tests.data.writing import WRITERS

ODD = (
    None, True, False, 0, -1, 1.5, 10**400, float("nan"), float("inf"), "", "a", "\0", "../../etc/passwd", "x" * 5000,
    [], {}, [None], [[]], {"a": []}, {"": None}, [1, 2, 3, 4], "http://[", "/data/local-files/?d=", "s3://b/a.png",
    "é\ud800",
)  # fmt: skip
IN_TEXT = ("", "nan", "inf", "-1", "1e400", "cat", "&lt;", "\x01", "0" * 5000, "é", '"', "a,b", "1;2;3", "../..", "%00")
TRIES = 60


def spots(node, path=()):
    """The ways to all places in a tree."""
    yield path
    for key, value in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
        yield from spots(value, (*path, key))


def changed(tree, luck: random.Random):
    """The tree with something odd in one or two places, or without one."""
    tree = copy.deepcopy(tree)
    for _ in range(luck.choice((1, 1, 2))):
        *way, last = luck.choice([path for path in spots(tree) if path] or [(None,)])
        node = tree
        for key in way:
            node = node[key]
        if last is None:
            return copy.deepcopy(luck.choice(ODD))
        if luck.random() < 0.2:
            del node[last]
        else:
            node[last] = copy.deepcopy(luck.choice(ODD))
    return tree


def mutants(text: str, suffix: str, luck: random.Random):
    """The file with what it says changed here and there."""
    if suffix == ".json":
        return json.dumps(changed(json.loads(text), luck))
    if suffix == ".jsonl":
        return "\n".join(json.dumps(changed(json.loads(line), luck)) for line in text.splitlines())
    marks = r'(?<=")[^"<>]*(?=")|(?<=>)[^<>]+(?=<)' if suffix == ".xml" else r"[^,;\n]+"
    found = list(re.finditer(marks, text))
    one = luck.choice(found)
    return text[: one.start()] + luck.choice(IN_TEXT) + text[one.end() :]


@pytest.mark.parametrize("name", [name for name in WRITERS if name != "yolo"])
def test_anything_anywhere_is_read_a_fault_or_a_typed_error(tmp_path, name):
    luck = random.Random(name)
    WRITERS[name](tmp_path)
    files = sorted(path for ending in ("json", "jsonl", "xml", "csv", "odgt") for path in tmp_path.rglob(f"*.{ending}"))
    texts = {file: file.read_text() for file in files}
    form = {
        "csv with sizes": "csv",
        "label studio": "label-studio",
        "label studio, min": "label-studio",
        "via, a table": "via",
    }.get(name, name)
    for _ in range(TRIES):
        file = luck.choice(files)
        mutant = mutants(texts[file], file.suffix, luck)
        file.write_text(mutant, encoding="utf-8", errors="surrogatepass")
        try:
            read_with_faults(luck.choice((tmp_path, file)), format=luck.choice((form, None)), outlines=True)
        except ConvolensError:
            pass
        except Exception as error:
            error.add_note(f"{file.name}: {mutant}")
            raise
        file.write_text(texts[file])
