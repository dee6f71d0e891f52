"""The texts of documents and of the tour with smaller numbers: tests ask whether they run, not how good it gets."""

import re

SMALLER = {"minutes": "0.02", "epochs": "2", "steps": "2", "--count": "1"}


def hurried(text):
    """What is shown, training for a second, restyling in two steps and measuring one picture."""
    for name, number in SMALLER.items():
        text = re.sub(rf"({name}[ =])\d+", rf"\g<1>{number}", text)
    return text
