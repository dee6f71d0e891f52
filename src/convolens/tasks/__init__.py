"""Tasks: small heads and losses on taps of a trunk. Classify, explain, learned edges."""
