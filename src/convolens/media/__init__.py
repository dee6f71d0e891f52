"""Files in and out: sounds, pictures, and drawings of results."""
