"""Work that a cluster's workers do in blocks, each whole or not at all: pictures to lines, to pictures, to numbers."""
