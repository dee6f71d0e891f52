"""The command: `python -m tests.faults kills|steps|full|permission|rivals|signals|streams`."""

import os

# Before anything is imported: what has threads cannot be forked.
os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "COLUMNS": "200"}

import sys

from tests.faults.campaign import main

if __name__ == "__main__":
    sys.exit(main())
