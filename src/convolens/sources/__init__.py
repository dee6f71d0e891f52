"""Where files come from that are no files of this machine: object stores, tar shards, tables of pictures.

There is one idea: a `Stored`, something with a name and bytes, which whoever reads pictures takes as well as a path. A
source is a lazy, ordered sequence of them (`found.py`), read in constant memory and a few ahead (`fetching.py`).

    addresses.py  what is an address (`s3://…`, `https://…`, `memory://…`), and fsspec's file system for it
    retries.py    waiting longer and longer for a store that answers badly, then one sentence
    listing.py    what is in a store, listed lazily
    stored.py     what all have in common; a single object of a store
    tar_shards.py, tables.py   what lies in a shard or in a table
    blocks.py     bytes from anywhere in a large object, read in blocks
    sharding.py   which files are whose, where several machines share the work
    sinks.py      what is written back to a store, whole or not at all
"""

from convolens.sources.addresses import AnyPath, as_address
from convolens.sources.sharding import Share
from convolens.sources.stored import Stored

__all__ = ["AnyPath", "Share", "Stored", "as_address"]
