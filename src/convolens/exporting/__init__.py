"""Export: a trained model as one ONNX file that takes pictures as they are and gives answers.

`graph.py` builds graphs, `preprocessing.py` has what comes before the network and `answers.py` the network with what
follows, `tasks.py` what each task's file gives, `network.py` calls torch's exporter, `quantization.py` brings networks
to 8 bits and `eight_bits.py` measures what that costs, `check.py` holds the file to the model, `making.py` puts them
together, `page.py` writes a web page around such a file, and `export.py` is what is called. What reads such a file,
without torch, is `convolens.exported`.
"""

from convolens.torch_loading import need_networks

need_networks("export")
