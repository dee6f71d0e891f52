"""Pictures with classes in tar shards, in Parquet tables, and in folders of a store."""

from convolens.data.formats.stored.reader import is_stored, read_stored

__all__ = ["is_stored", "read_stored"]
