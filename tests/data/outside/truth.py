"""The data that other programs and ours write for one another: two pictures with boxes and one without."""

NAMES = ("cat", "dog")
SIZE = (40, 30)  # width, height
# Whole numbers, which every format can tell; by the picture's stem.
BOXES: dict[str, list[tuple[str, tuple[int, int, int, int]]]] = {
    "a": [("cat", (2, 4, 12, 20))],
    "b": [("dog", (10, 10, 30, 28)), ("cat", (4, 2, 8, 8))],
    "empty": [],
}
