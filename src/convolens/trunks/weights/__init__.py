"""Anyone's weights: the table of published ones, files of several formats, timm's models on the Hugging Face hub."""
