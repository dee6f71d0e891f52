"""moto's server of S3 with a folder's files in a bucket from the start: that they come there is not what is tested.

python -m tests.sources.s3_server PORT BUCKET FOLDER
"""

import sys
from pathlib import Path

from moto import server
from moto.core import DEFAULT_ACCOUNT_ID
from moto.s3.models import s3_backends


def main(port: str, bucket: str, folder: str) -> None:
    """Fills the bucket and serves."""
    backend = s3_backends[DEFAULT_ACCOUNT_ID]["aws"]
    backend.create_bucket(bucket, "us-east-1")
    for path in sorted(Path(folder).rglob("*")):
        if path.is_file():
            backend.put_object(bucket, path.relative_to(folder).as_posix(), path.read_bytes())
    server.main(["-H", "127.0.0.1", "-p", port])


if __name__ == "__main__":
    main(*sys.argv[1:])
