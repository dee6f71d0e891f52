"""Which pictures a store, a shard or a table stands for: the same as the folder that they were made of."""

import itertools
import re
import tarfile
import time

import fsspec
import numpy as np
import pytest
from fsspec.spec import AbstractFileSystem

from convolens.errors import ArgumentError, FileError, FileNote, FormatError, MissingExtraError
from convolens.media.images import read_header, read_image, write_image
from convolens.media.picture_files import decoded_ahead, find_pictures, is_many
from convolens.sources import Share, Stored, as_address, retries
from convolens.sources.found import in_shard, is_shard
from tests.sources.making import png, upload, write_parquet, write_tar

COUNT = 10


@pytest.fixture
def photos(tmp_path):
    """Pictures of growing brightness, in two folders."""
    for number in range(COUNT):
        path = tmp_path / "photos" / "ab"[number % 2] / f"{number:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(number))
    return tmp_path / "photos"


def levels(*sources, **options):
    """What each picture is called below its source, and its brightness; or its error."""
    found = {}
    for one in decoded_ahead(find_pictures(sources, **options)):
        assert str(one.path) not in found
        found[str(one.path)] = one.error or int(one.result[0, 0, 0])
    return found


def test_a_store_gives_what_the_folder_gives(photos, store):
    upload(store, photos.parent, "/bucket")
    near = {name[len(str(photos)) :]: level for name, level in levels(photos).items()}
    far = {name[len("memory://bucket/photos") :]: level for name, level in levels("memory://bucket/photos").items()}
    assert far == near and list(far) == list(near)
    assert sorted(far.values()) == list(range(COUNT))


def test_patterns_files_and_paths_made_of_addresses_lead_into_a_store(photos, store):
    from pathlib import Path

    upload(store, photos.parent, "/bucket")
    assert sorted(levels("memory://bucket/photos/a/*.png").values()) == [0, 2, 4, 6, 8]
    assert sorted(levels("memory://bucket/**/0[1-3].png").values()) == [1, 2, 3]
    assert list(levels("memory://bucket/photos/b/03.png").items()) == [("memory://bucket/photos/b/03.png", 3)]
    assert len(levels(Path("memory://bucket/photos"))) == COUNT  # one slash is left in it
    assert (read_image("memory://bucket/photos/b/03.png") == 3).all()
    assert read_header(next(find_pictures(["memory://bucket/photos/b/03.png"]))).size == (30, 20)


def test_hidden_files_and_results_in_a_store_are_passed_over_and_others_are_told(photos, store):
    upload(store, photos.parent, "/bucket")
    store.pipe_file("/bucket/photos/.trash/1.png", png(1))
    store.pipe_file("/bucket/photos/out/1.png", png(1))
    store.pipe_file("/bucket/photos/notes.txt", b"words")
    with pytest.warns(FileNote, match=re.escape("passed over 1 .txt")):
        assert len(levels("memory://bucket/photos", outside="memory://bucket/photos/out")) == COUNT


def test_a_tar_shard_gives_its_pictures_in_order_near_and_far(tmp_path, store):
    files = [(f"a/{n}.{end}", png(n) if end == "png" else b"7") for n in range(COUNT) for end in ("cls", "png")]
    shard = write_tar(tmp_path / "s.tar", files)
    upload(store, tmp_path, "/bucket")
    for source in (str(shard), "memory://bucket/s.tar", "memory://bucket/*.tar"):
        found = levels(source)
        assert list(found.values()) == list(range(COUNT))
        assert next(iter(found)).endswith("s.tar/a/0.png")
    assert is_many(shard) and is_many("memory://bucket/s.tar") and not is_many("memory://bucket/x.png")


def test_a_table_gives_its_pictures_in_order_near_and_far(tmp_path, store):
    pictures = [png(n) for n in range(COUNT)]
    named = [{"bytes": one, "path": f"{n}.png"} for n, one in enumerate(pictures)]
    write_parquet(tmp_path / "a.parquet", {"image": named, "label": [0, 1] * 5})
    write_parquet(tmp_path / "b.parquet", {"note": list("abcdefghij"), "photo": pictures})
    upload(store, tmp_path, "/bucket")
    for where in (str(tmp_path), "memory://bucket"):
        assert list(levels(f"{where}/a.parquet").items())[3] == (f"{where}/a.parquet/3.png", 3)
        assert list(levels(f"{where}/b.parquet").items())[9] == (f"{where}/b.parquet/row-00000009", 9)
    again = [one.read() for one in map(unheld, in_shard(str(tmp_path / "b.parquet")))]
    assert again == pictures


def unheld(one: Stored) -> Stored:
    from dataclasses import replace

    return replace(one, held=None)


def test_shards_in_a_folder_are_told_and_read_where_they_are_named(tmp_path):
    write_tar(tmp_path / "s.tar", [("0.png", png(0))])
    with pytest.raises(FileError, match=r"found 1 \.tar \(pictures in shards: give their names or a pattern"):
        list(find_pictures([tmp_path]))
    write_image(tmp_path / "1.png", np.full((20, 30, 3), 1, np.uint8))
    with pytest.warns(FileNote, match=r"passed over 1 \.tar"):
        assert list(levels(tmp_path).values()) == [1]
    assert list(levels(tmp_path / "*.tar").values()) == [0]


# What is wrong with a shard, and what is read of it all the same.


def test_a_shard_that_is_cut_short_gives_what_is_whole_and_says_so(tmp_path, store):
    whole = write_tar(tmp_path / "w.tar", [(f"{n}.png", png(n)) for n in range(4)]).read_bytes()
    starts = [at for at in range(0, len(whole), 512) if whole[at : at + 7] in [b"%d.png\0\0" % n for n in range(4)]]
    for cut in (starts[3] + 520, starts[3] + 100, starts[3], starts[3] + 512):
        (tmp_path / "s.tar").write_bytes(whole[:cut])
        store.pipe_file(f"/bucket/{cut}.tar", whole[:cut])
        for source in (str(tmp_path / "s.tar"), f"memory://bucket/{cut}.tar"):
            *good, last = levels(source).items()
            assert [level for _, level in good] == [0, 1, 2]
            assert last[0] == source and "need a whole shard, got one that is cut short" in last[1], cut


def test_a_damaged_header_ends_a_shard_with_a_sentence(tmp_path):
    data = bytearray(write_tar(tmp_path / "w.tar", [(f"{n}.png", png(n)) for n in range(4)]).read_bytes())
    at = data.index(b"2.png\0\0")
    data[at + 150] ^= 0xFF
    (tmp_path / "s.tar").write_bytes(data)
    *good, last = levels(tmp_path / "s.tar").values()
    assert good == [0, 1] and "damaged shard: no header at byte" in last


@pytest.mark.parametrize("content", [b"", b"x" * 2000, b"\x1f\x8b" + b"z" * 3000, bytes(511)])
def test_a_shard_that_is_no_tar_is_one_sentence(tmp_path, content):
    (tmp_path / "s.tar").write_bytes(content)
    (error,) = levels(tmp_path / "s.tar").values()
    assert error.startswith(f"{tmp_path / 's.tar'}: need a")


def test_names_that_lead_out_links_and_second_samples_are_refused_and_the_others_are_read(tmp_path):
    link = tarfile.TarInfo("link.png")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    hard = tarfile.TarInfo("hard.png")
    hard.type, hard.linkname = tarfile.LNKTYPE, "0.png"
    files = [("0.png", png(0)), ("../1.png", png(1)), ("/etc/2.png", png(2)), (link, b""), (hard, b""),
             ("0.png", png(3)), ("4.png", png(4)), ("notes.txt", b"")]  # fmt: skip
    found = list(levels(write_tar(tmp_path / "s.tar", files)).values())
    assert [one for one in found if isinstance(one, int)] == [0, 4]
    told = " ".join(one for one in found if isinstance(one, str))
    for sentence in (
        "need names that stay inside, got '../1.png'", "need names that stay inside, got '/etc/2.png'",
        "got 'link.png', a link, which is not followed", "got 'hard.png', a link, which is not followed",
        "need samples of different names, got two of '0.png'; the first is taken",
    ):  # fmt: skip
        assert sentence in told


def test_sizes_that_headers_claim_take_no_memory(tmp_path):
    import tracemalloc

    huge = tarfile.TarInfo("0.png")
    huge.size = 1 << 40
    long = tarfile.TarInfo("x")
    long.type, long.size = tarfile.GNUTYPE_LONGNAME, 1 << 30
    extended = tarfile.TarInfo("x")
    extended.type, extended.size = tarfile.XHDTYPE, 1 << 34
    tracemalloc.start()
    for number, header in enumerate((huge, long, extended)):
        path = tmp_path / f"{number}.tar"
        path.write_bytes(header.tobuf(tarfile.GNU_FORMAT) + bytes(2048))
        assert all(error.startswith(f"{path}: need ") for error in levels(path).values())
    assert tracemalloc.get_traced_memory()[1] < 20e6
    tracemalloc.stop()


def test_a_shard_without_pictures_and_a_table_without_them_say_what_they_hold(tmp_path):
    path = write_tar(tmp_path / "s.tar", [("0.txt", b"a"), ("1.txt", b"b")])
    assert list(levels(path).values()) == [f"{path}: need pictures in the shard, found 2 .txt"]
    table = write_parquet(tmp_path / "t.parquet", {"path": ["a", "b"], "n": [1, 2]})
    (error,) = levels(table).values()
    assert error == f"{table}: need a column of encoded pictures (binary), found none among the columns path, n"


def test_a_damaged_table_is_one_sentence_and_cells_are_judged_singly(tmp_path):
    whole = write_parquet(tmp_path / "w.parquet", {"image": [png(n) for n in range(COUNT)]}).read_bytes()
    table = tmp_path / "t.parquet"
    for content in (b"", whole[: len(whole) // 2], whole[: len(whole) // 2] + whole[-100:], b"PAR1" + bytes(99)):
        table.write_bytes(content)
        *_, last = levels(table).values()
        assert last.startswith(f"{table}: need a Parquet file, got one that is none, damaged or cut short")
    columns = {"key": ["a", "../b", "a", "d", None], "image": [png(0), png(1), png(2), None, png(4)]}
    found = list(levels(write_parquet(table, columns)).values())
    assert [one for one in found if isinstance(one, int)] == [0, 4]
    assert "need names that stay inside, got '../b'" in found[1]
    assert "need samples of different names, got two of 'a'" in found[2]
    assert "need an encoded picture in each row, got none in that of 'd'" in found[3]


def test_a_row_group_beyond_the_budget_of_memory_is_refused(tmp_path):
    import convolens as cl

    noise = np.random.default_rng(0).bytes(40_000_000)
    table = write_parquet(tmp_path / "t.parquet", {"image": [noise, noise]})
    cl.memory_limit(50_000_000)
    try:
        (error,) = levels(table).values()
    finally:
        cl.memory_limit("auto")
    assert "of memory, got a budget of 50 MB" in error and "smaller row groups" in error


# Stores that do not answer well.


class Ill(AbstractFileSystem):
    """A store that does what it is told to instead of answering."""

    protocol = "ill"
    cachable = False
    answers: list = []  # noqa: RUF012 - set by tests
    asked = 0

    def info(self, path, **_):
        return {"name": path, "size": 4, "type": "file"}

    def cat_file(self, path, start=None, end=None, **_):
        Ill.asked += 1
        answer = Ill.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def ill():
    fsspec.register_implementation("ill", Ill, clobber=True)
    Ill.answers, Ill.asked = [], 0
    return Ill


class AnswerError(Exception):
    def __init__(self, status):
        super().__init__(f"answered {status}")
        self.status = status


def test_a_fault_that_passes_is_waited_for(ill, impatient):
    ill.answers = [AnswerError(503), TimeoutError(), b"pi", b"pixe"]  # one of them cut off
    (one,) = find_pictures(["ill://b/a.png"])
    assert one.read() == b"pixe" and ill.asked == 4


def test_a_fault_that_stays_is_one_sentence(ill, impatient):
    ill.answers = [ConnectionError("broken pipe")] * 9
    (one,) = decoded_ahead(find_pictures(["ill://b/a.png"]))
    assert re.fullmatch(
        r"ill://b/a.png: need a file, got no whole answer from the store in 4 tries and 0 seconds: broken pipe",
        one.error,
    )
    assert ill.asked == 4


def test_waits_grow(monkeypatch):
    waited = []
    monkeypatch.setattr(retries.time, "sleep", waited.append)
    with pytest.raises(FileError, match="in 6 tries"):
        retries.patiently("ill://x", "a file", lambda: (_ for _ in ()).throw(TimeoutError()))
    assert [round(wait, 2) for wait in waited] == sorted(round(wait, 2) for wait in waited)
    assert all(most / 2 <= wait <= most for wait, most in zip(waited, retries.WAITS, strict=True))


class NoCredentialsError(Exception):
    """Called as botocore's is."""


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        (
            FileNotFoundError("The specified bucket does not exist"),
            "found nothing there: The specified bucket does",
        ),
        (FileNotFoundError("b/a.png"), "found nothing there"),
        (NoCredentialsError("Unable to locate credentials"), "found no credentials for the store; credentials are the"),
        (PermissionError("Access Denied"), "access is denied: Access Denied; credentials are the store's own"),
        (IsADirectoryError("b"), "got a folder"),
        (AnswerError(404), "the store refuses: answered 404"),
    ],
)
def test_what_another_try_cannot_mend_is_said_at_once(ill, fault, sentence):
    ill.answers = [fault] * 9
    (one,) = decoded_ahead(find_pictures(["ill://b/a.png"]))
    assert one.error.startswith(f"ill://b/a.png: need a file, {sentence}") and ill.asked == 1


@pytest.mark.parametrize(
    ("address", "kind", "sentence"),
    [
        ("memory://nothing/photos", FileError, "need a file or a folder, found nothing there"),
        ("memory://nothing/*.png", FileError, "need a folder, found nothing there"),
        ("memory://*/a.png", FileError, "need a bucket's name before the pattern"),
        ("nfs4://host/a", FileError, "need an address of a kind that fsspec knows (s3, gs, https, …), got 'nfs4'"),
        ("https://example.org/*.jpg", FileError, "need a file, got a pattern; the web has no lists"),
        ("https://me:secret@example.org/a.png", FileError, "need an address without a password"),
        ("gs://bucket/a", MissingExtraError, "needs a package that is not installed"),
    ],
)
def test_an_address_that_leads_nowhere_is_one_sentence(store, address, kind, sentence):
    with pytest.raises(kind) as caught:
        list(find_pictures([address]))
    assert sentence in str(caught.value) and "secret" not in str(caught.value)


def test_an_address_that_is_a_folder_where_a_shard_is_meant(store):
    store.pipe_file("/bucket/s.tar/a.png", png(1))
    with pytest.raises(FileError, match=r"memory://bucket/s.tar: need a shard, got a folder"):
        list(in_shard("memory://bucket/s.tar"))


class Misleading(AbstractFileSystem):
    """A store whose keys have dots for names, as S3's may."""

    protocol = "misleading"
    cachable = False

    def info(self, path, **_):
        return {"name": path, "size": 0, "type": "directory"}

    def ls(self, path, detail=True, **_):
        return [{"name": f"b/{name}", "size": 5, "type": "file"} for name in ("../x.png", "y/../../z.png")]


def test_keys_that_would_lead_out_of_a_folder_are_refused():
    fsspec.register_implementation("misleading", Misleading, clobber=True)
    found = levels("misleading://b")
    assert len(found) == 2 and all("need names that stay inside" in error for error in found.values())


# Shares.


def test_shares_are_disjoint_whole_and_do_not_depend_on_where_the_folder_is(photos, store, tmp_path):
    upload(store, photos.parent, "/bucket")
    near = [set(levels(photos, share=Share(n, 3)).values()) for n in (1, 2, 3)]
    far = [set(levels("memory://bucket/photos", share=Share(n, 3)).values()) for n in (1, 2, 3)]
    assert near == far
    assert sorted(itertools.chain(*near)) == list(range(COUNT))


def test_shards_are_dealt_out_in_turn(tmp_path):
    for number in range(7):
        write_tar(tmp_path / f"{number}.tar", [(f"{number}.png", png(number))])
    dealt = [list(levels(tmp_path / "*.tar", share=Share(n, 3)).values()) for n in (1, 2, 3)]
    assert dealt == [[0, 3, 6], [1, 4], [2, 5]]


@pytest.mark.bad_input
@pytest.mark.parametrize("given", ["17/16", "0/4", "3", "3/", "a/b", "-1/4", 3, "1/9999999", ""])
def test_a_share_that_is_none_is_refused(given):
    with pytest.raises(ArgumentError, match=r"^shard: need a number"):
        Share.of(given)


# Laziness.


class Endless(AbstractFileSystem):
    """A store of a million pictures, which it lists as they are asked for."""

    protocol = "endless"
    cachable = False
    listed = 0

    def info(self, path, **_):
        return {"name": path, "size": 0, "type": "directory"}

    def ls(self, path, detail=True, **_):
        for number in range(1_000_000):
            Endless.listed += 1
            yield {"name": f"b/{number:07}.png", "size": None, "type": "file"}

    def _open(self, path, **_):
        import io

        return io.BytesIO(png(7))


def test_the_first_of_a_million_pictures_is_there_before_they_are_listed():
    fsspec.register_implementation("endless", Endless, clobber=True)
    Endless.listed, began = 0, time.monotonic()
    first = next(iter(decoded_ahead(find_pictures(["endless://b"]))))
    assert str(first.path) == "endless://b/0000000.png" and not first.error
    assert Endless.listed < 100 and time.monotonic() - began < 5


def test_what_is_an_address_and_what_is_a_path():
    from pathlib import Path

    assert as_address(Path("s3://b/a.jpg")) == "s3://b/a.jpg"
    assert as_address("c:/photos") is None and as_address(Path("photos:/x")) is None
    assert is_shard("a/B.TAR") and is_shard(Path("a.parquet")) and not is_shard("https://x.org/a?b=c.tar")


def test_unreadable_is_no_picture_by_accident(tmp_path):
    path = write_tar(tmp_path / "s.tar", [("../0.png", png(0))])
    (one,) = find_pictures([path])
    with pytest.raises(FormatError, match="stay inside"):
        one.read()
