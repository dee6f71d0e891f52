"""The peers' own tests, run against ours under their names: `python -m tests.outside`."""
