"""What `convolens` alone says: what people come for, each in one command."""

from __future__ import annotations

COMMANDS = (
    ("convolens blur photo.jpg soft.jpg --sigma 3", "blur a picture, or a folder of them; edges and sharpen likewise"),
    ("convolens unecho recording.wav clear.wav", "take the echoes out of a recording; echo and reverb add some"),
    ("convolens train classify photos --out runs/photos", "teach a network your pictures, a folder for each class"),
    ("convolens predict runs/photos holiday", "say what other pictures show"),
    ("convolens explain runs/photos beach.jpg --out why.png", "show where in a picture it saw that"),
)


def text() -> str:
    """The commands, and where to go on."""
    lines = [f"  {what}\n      {command}" for command, what in COMMANDS]
    head = "Sounds, pictures, and the networks that look at them. On your own files:"
    more = (
        "All at once, on sounds and pictures that come with it: convolens tour\n"
        "All commands: convolens --help. One of them: convolens COMMAND --help"
    )
    return "\n\n".join([head, *lines, more])
