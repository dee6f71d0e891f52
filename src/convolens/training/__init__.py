"""The one loop that every task is trained by: from a `TrainingTask` (what) and `Settings` (how) to a run folder.

`train.py`, with every option, is read by the command line at each start: nothing here loads torch by itself.
"""
