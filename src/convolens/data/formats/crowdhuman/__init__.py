"""CrowdHuman's `.odgt`, which is only read."""

from convolens.data.format import Format
from convolens.data.formats.crowdhuman.reader import read, recognize

FORMAT = Format("crowdhuman", recognize, read)
