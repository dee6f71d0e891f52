"""Hugging Face's `metadata.jsonl`: a JSON object a line for each picture."""

from convolens.data.format import Format
from convolens.data.formats.metadata.reader import column, read, recognize

FORMAT = Format("metadata", recognize, read, column=column)
