"""The algorithms, one file each: each is a `job.Algorithm`, exact within the error bound that it states."""
