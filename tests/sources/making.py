"""Pictures as single files, as a tar shard in WebDataset's layout and as a Parquet table, for tests of sources."""

import io
import tarfile

import numpy as np
from PIL import Image


def png(level, size=(20, 30)):
    stream = io.BytesIO()
    Image.fromarray(np.full((*size, 3), level, np.uint8)).save(stream, "PNG")
    return stream.getvalue()


def write_tar(path, files):
    """Of names and bytes, or `TarInfo`s, in order."""
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        for name, data in files:
            info = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
            info.size = len(data) if info.isreg() else 0
            tar.addfile(info, io.BytesIO(data))
    return path


def write_parquet(path, columns, rows=4):
    import pyarrow
    import pyarrow.parquet

    pyarrow.parquet.write_table(pyarrow.table(columns), path, row_group_size=rows)
    return path


def upload(files, folder, where):
    """What lies in a folder, into a store."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            files.pipe_file(f"{where}/{path.relative_to(folder).as_posix()}", path.read_bytes())
