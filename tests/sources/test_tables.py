"""Parquet tables that are small on disk and endless in memory, and what their pages say that they take."""

import io
import random

import pytest

import convolens as cl
from convolens.data.reading import read_data
from convolens.errors import DataError, FileError
from convolens.media.found_pictures import find_pictures
from convolens.sources.parquet_pages import unpacked_bytes
from tests.sources.making import png

pyarrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")

ROWS = 2000
BUDGET = 100_000_000
POOLS = []  # for good: what was allocated in one and is kept goes back to it, long after a test


@pytest.fixture(autouse=True)
def budget():
    cl.memory_limit(BUDGET)
    yield
    cl.memory_limit("auto")


@pytest.fixture
def taken():
    """The most bytes that pyarrow held at once."""
    before = pyarrow.default_memory_pool()
    pool = pyarrow.proxy_memory_pool(before)
    POOLS.append(pool)
    pyarrow.set_memory_pool(pool)
    yield pool.max_memory
    pyarrow.set_memory_pool(before)


def repeated(value, kind):
    return pyarrow.DictionaryArray.from_arrays(pyarrow.array([0] * ROWS, pyarrow.int32()), pyarrow.array([value], kind))


def numbered():
    return pyarrow.array([png(0) + number.to_bytes(2) for number in range(ROWS)])


def write(path, columns):
    """Values that repeat are in the file once, and not said to be so in its description."""
    options = {"compression": "zstd", "dictionary_pagesize_limit": 1 << 30, "store_schema": False}
    parquet.write_table(pyarrow.table(columns), path, row_group_size=50_000_000, **options)
    return path


def test_a_picture_that_many_rows_repeat_is_in_memory_once(tmp_path, taken):
    picture = png(3) + random.Random(0).randbytes(4000) + bytes(1 << 20)
    columns = {"image": repeated(picture, pyarrow.binary()), "label": ["a", "b"] * (ROWS // 2)}
    path = write(tmp_path / "t.parquet", columns)
    assert path.stat().st_size < 8000
    for number, one in enumerate(find_pictures([path])):
        assert one.read(8) == png(3)[:8]
        if number == 40:
            break
    examples = read_data(path).examples
    assert len(examples) == ROWS
    assert all(len(example.path.read()) > 1 << 20 for example in examples[::400])
    assert taken() < BUDGET  # 2 GB, were each row's a copy of its own


def test_long_classes_and_names_that_many_rows_repeat_are_refused_in_short_sentences(tmp_path, taken):
    long = repeated("n" * (1 << 20), pyarrow.string())
    with pytest.raises(DataError, match="need a class of at most 4,096 letters, got one of 1,048,576"):
        read_data(write(tmp_path / "t.parquet", {"image": numbered(), "label": long}))
    path = write(tmp_path / "u.parquet", {"image": numbered(), "file_name": long})
    for number, one in enumerate(find_pictures([path])):
        with pytest.raises(FileError, match=f"got one of 1,048,576 in row {number:,}$") as refused:
            one.read()
        assert len(str(refused.value)) < 300
    assert taken() < BUDGET  # 4 GB at a time before


def test_a_column_of_lists_is_no_column_of_classes(tmp_path):
    lists = pyarrow.array([[0] * 10_000] * ROWS)
    with pytest.raises(DataError, match="as texts or whole numbers, found none"):
        read_data(write(tmp_path / "t.parquet", {"image": numbered(), "label": lists}))


def test_rows_of_nothing_are_refused_at_once(tmp_path):
    path = write(tmp_path / "t.parquet", {"image": pyarrow.nulls(2_000_000, pyarrow.binary())})
    (one,) = find_pictures([path])
    with pytest.raises(FileError, match="need a picture in each row, got 2,000,000 rows in a file of"):
        one.read()


@pytest.mark.parametrize("packing", ["none", "snappy", "zstd", "gzip"])
@pytest.mark.parametrize("version", ["1.0", "2.0"])
def test_pages_say_what_they_take_however_they_are_packed(packing, version):
    schema = pyarrow.schema([pyarrow.field("image", pyarrow.binary(), nullable=False)])
    table = pyarrow.table({"image": [b"x" * 100] * 5000}, schema=schema)
    stream = io.BytesIO()
    parquet.write_table(
        table, stream, compression=packing, data_page_version=version, use_dictionary=False, data_page_size=10_000
    )
    column = parquet.ParquetFile(stream).metadata.row_group(0).column(0)
    begin, size = column.data_page_offset, column.total_compressed_size
    assert unpacked_bytes(stream, begin, begin + size) == 5000 * (4 + 100)  # the length of each value, and the value


def test_what_the_end_of_a_table_says_of_its_pages_is_not_believed(tmp_path):
    path = write(tmp_path / "t.parquet", {"image": pyarrow.array([png(0) + bytes(80_000_000)])})
    data = path.read_bytes()
    size = int.from_bytes(data[-8:-4], "little")
    real = parquet.ParquetFile(path).metadata.row_group(0).column(0).total_uncompressed_size
    end = data[-8 - size :].replace(varint(real), varint(100, len(varint(real))))
    path.write_bytes(data[: -8 - size] + end)
    assert parquet.ParquetFile(path).metadata.row_group(0).column(0).total_uncompressed_size == 100
    (one,) = find_pictures([path])
    with pytest.raises(FileError, match="of memory, got a budget of 100 MB"):
        one.read()


def varint(number, size=0):
    """A number of Thrift's compact protocol, in so many bytes at least."""
    number, out = 2 * number, bytearray()
    while number > 127 or len(out) < size - 1:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


@pytest.mark.parametrize("data", [b"", b"\0", b"\x15", b"\x15\x80", b"\x1c" * 99, b"\x15\1\x15\1\x15\1\0"])
def test_what_is_no_page_ends_at_once(data):
    with pytest.raises(ValueError, match=r"page|number"):
        unpacked_bytes(io.BytesIO(data), 0, 100)
