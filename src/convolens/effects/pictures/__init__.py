"""Effects on pictures: blur, sharpen, edges."""
