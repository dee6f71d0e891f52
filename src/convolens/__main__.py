"""`python -m convolens` is the `convolens` command."""

from convolens.cli import main

main()
