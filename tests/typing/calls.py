"""Calls of the public names, each with the type that a checker must give it: never read by Python, only by checkers."""

from typing import assert_type

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn, zeros

import convolens as cl
from convolens.convolution import Convolver
from convolens.convolution.named import NamedKernel
from convolens.data.conversion import Converted
from convolens.effects.pictures.blur_search import Blur
from convolens.effects.sounds.echo_search import Echoes
from convolens.effects.sounds.spectrogram_look import Spectrogram
from convolens.evaluation.result import Evaluation
from convolens.explanation import Explanation
from convolens.explanation.wrap import Wrapped
from convolens.exported import Exported, ExportedDetector
from convolens.exporting.export import Export
from convolens.features.convolutionalize import Scanner
from convolens.features.listening import Listened
from convolens.features.shared_trunk import SharedTrunk
from convolens.inference.near_copies import NearCopies
from convolens.inference.pooled_features import Features
from convolens.inference.predict import BulkResult
from convolens.inference.similar import Similar
from convolens.media.shown_arrays import ShownPicture
from convolens.models import Classifier, Detector, Inspector, Localizer, Model
from convolens.models.classify import Prediction
from convolens.models.detect import Detections
from convolens.models.localize import Location
from convolens.planning import Plan
from convolens.training.run_folder import Run
from convolens.trunks import Trunk
from convolens.trunks.receptive import ReceptiveField, ReceptiveFields

singles = np.zeros((8, 8), np.float32)
doubles = np.zeros((8, 8))
bytes_ = np.zeros((8, 8), np.uint8)
whole = np.zeros(8, np.int32)
tensor = zeros(8, 8)
network = nn.Conv2d(3, 4, 3)

# The process.
assert_type(cl.__version__, str)
assert_type(cl.threads(), int)
assert_type(cl.memory_limit("2GB"), int)
assert_type(cl.precision("exact") in ("exact", "fast"), bool)

# The convolution.
assert_type(cl.convolve(singles, singles), NDArray[np.float32])
assert_type(cl.convolve(singles, [[1, 2], [3, 4]], "same"), NDArray[np.float32])
assert_type(cl.convolve(whole, whole), NDArray[np.int64])
assert_type(cl.convolve(tensor, [[1.0]]), Tensor)
assert_type(cl.convolve([[1.0]], tensor), Tensor)
assert_type(cl.correlate(doubles, doubles, "valid", method="fft"), NDArray[np.float64])
assert_type(cl.correlate(tensor, tensor), Tensor)
assert_type(cl.plan(doubles, doubles, measure=True), Plan)
assert_type(cl.plan(doubles, doubles).method, str)
assert_type(cl.convolve_gradients(doubles, doubles, doubles), tuple[NDArray[np.float64], NDArray[np.float64]])
assert_type(cl.convolve_gradients(tensor, tensor, tensor), tuple[Tensor, Tensor])
assert_type(cl.convolver([0.5, 0.5], "same", boundary="edge"), Convolver)

# Sounds.
assert_type(cl.read_audio("a.wav"), tuple[NDArray[np.float32], int])
assert_type(cl.write_audio("a.wav", singles, 48000), None)
assert_type(cl.echo(singles, 48000, [0.3], [0.5]), NDArray[np.float32])
assert_type(cl.echo(tensor, 48000, 0.3, 0.5, feedback=0.2), Tensor)
assert_type(cl.spectrogram(singles, 48000), Spectrogram)
assert_type(cl.spectrogram(tensor, 48000), Tensor)
assert_type(cl.reverb(doubles, singles), NDArray[np.float64])
assert_type(cl.reverb(tensor, tensor, wet=0.5), Tensor)
assert_type(cl.unecho(singles, 48000), NDArray[np.float32])
assert_type(cl.find_echoes(singles, 48000), Echoes)

# Pictures.
assert_type(cl.read_image("a.png"), NDArray[np.uint8 | np.uint16])
assert_type(cl.read_image(b"what the file holds"), NDArray[np.uint8 | np.uint16])
assert_type(cl.write_image("a.png", bytes_), None)
assert_type(cl.blur(bytes_, 2), NDArray[np.uint8])
assert_type(cl.blur(cl.read_image("a.png"), (0, 12)), NDArray[np.uint8 | np.uint16])
assert_type(cl.blur(tensor, tensor.mean()), Tensor)
assert_type(cl.resize(bytes_, 4), NDArray[np.uint8])
assert_type(cl.resize(tensor, (4, 5), interpolation="area"), Tensor)
assert_type(cl.unblur(bytes_, cl.kernel("motion", 12, angle=30)), NDArray[np.uint8])
assert_type(cl.unblur(singles, "disk", method="wiener"), NDArray[np.float32])
assert_type(cl.find_blur(bytes_), Blur)
assert_type(cl.sharpen(singles, amount=0.8), NDArray[np.float32])
assert_type(cl.sharpen(tensor), Tensor)
assert_type(cl.sobel(bytes_), NDArray[np.float32])
assert_type(cl.sobel(cl.read_image("a.png")), NDArray[np.float32])
assert_type(cl.sobel(doubles), NDArray[np.float64])
assert_type(cl.sobel(tensor), Tensor)
assert_type(cl.scharr(bytes_), NDArray[np.float32])
assert_type(cl.prewitt(tensor), Tensor)
assert_type(cl.sobel_gradients(doubles), tuple[NDArray[np.float64], NDArray[np.float64]])
assert_type(cl.sobel_gradients(tensor), tuple[Tensor, Tensor])
assert_type(cl.laplacian_of_gaussian(bytes_, 2), NDArray[np.float32])
assert_type(cl.difference_of_gaussians(singles, 2), NDArray[np.float32])
assert_type(cl.canny(bytes_), NDArray[np.bool_])
assert_type(cl.canny(tensor), Tensor)
assert_type(cl.learned_edges(bytes_), NDArray[np.float32])
assert_type(cl.kernel("gaussian", 2.5), NamedKernel)

# Layers.
assert_type(cl.layers.Conv2d(3, 4, 3), cl.layers.Conv2d)
assert_type(cl.layers.MaxPool2d(2), cl.layers.MaxPool2d)
assert_type(cl.layers.conv2d(singles, singles, padding="same"), NDArray[np.float32])
assert_type(cl.layers.conv2d(tensor, tensor), Tensor)
assert_type(cl.layers.conv2d_backward(tensor, tensor, tensor), tuple[Tensor, Tensor, Tensor])
assert_type(cl.layers.max_pool2d(singles, 2), NDArray[np.float32])
assert_type(cl.layers.max_pool2d(tensor, 2, return_argmax=True), tuple[Tensor, Tensor])
assert_type(cl.layers.max_pool2d_backward(tensor, tensor, (1, 8, 8)), Tensor)
assert_type(cl.fuse(network), nn.Module)

# Trunks.
trunk = cl.trunk("vgg16", weights="hed", pooling="average")
assert_type(trunk, Trunk)
assert_type(trunk.taps, tuple[str, ...])
assert_type(trunk.receptive_field("conv4_3"), ReceptiveField)
assert_type(cl.receptive_fields(trunk), ReceptiveFields)
assert_type(cl.convolutionalize(network, 224), Scanner)
assert_type(cl.share_trunk(trunk, {"a": network}), SharedTrunk)

# Models.
classifier = cl.classifier("resnet50", classes=["cat", "dog"])
localizer = cl.localizer("resnet18", classes=2)
detector = cl.detector("vgg16", classes=3)
loaded = cl.load("best.safetensors")
assert_type(classifier, Classifier)
assert_type(localizer, Localizer)
assert_type(detector, Detector)
assert_type(loaded, Model | Exported)
assert_type(classifier.predict("a.jpg"), Prediction)
assert_type(classifier.predict(["a.jpg", "b.jpg"]), list[Prediction])
assert_type(localizer.predict(bytes_), Location)
assert_type(detector.predict(tensor, threshold=0.3), Detections)
if loaded.task == "detect":
    assert_type(loaded, Detector | ExportedDetector)
    assert_type(loaded.predict("a.jpg"), Detections)
elif loaded.task == "classify":
    assert_type(loaded.predict("a.jpg").labels, tuple[str, ...])

# Training and measuring.
run = cl.train("classify", "photos", trunk="vgg16", weights="hed", taps="conv4_3", lr=3e-4, out="runs/photos")
assert_type(run, Run)
assert_type(cl.convert("photos", "table", to="csv", split=(0.8, 0.2)), Converted)
assert_type(cl.evaluate(classifier, "photos", split="test"), Evaluation)
assert_type(cl.predict_files(classifier, ["photos"], "out", cluster="auto"), BulkResult)
assert_type(cl.features_of_files(classifier, ["photos"], "out.parquet"), Features)
assert_type(cl.listen(classifier, "monday.flac"), Listened)
assert_type(cl.similar(classifier, "photo.jpg", "photos"), Similar)
assert_type(cl.near_copies(classifier, "photos"), NearCopies)
found = detector.predict(bytes_)
assert_type(cl.draw_boxes(bytes_, found.boxes_xyxy, found.labels, found.scores), NDArray[np.uint8])
assert_type(run.load(), Classifier | Localizer | Detector | Inspector)

# Explaining and stylizing.
assert_type(cl.explain(classifier, "a.jpg"), Explanation)
assert_type(cl.explain(classifier, ["a.jpg", "b.jpg"], method="gradcam"), list[Explanation])
assert_type(cl.explain(detector, "a.jpg"), list[Explanation])
assert_type(cl.explain_top(classifier, "a.jpg", 3), list[Explanation])
assert_type(cl.explain_top(classifier, ["a.jpg"], 3), list[list[Explanation]])
assert_type(cl.wrap_module(network, "0"), Wrapped)
assert_type(cl.stylize(bytes_, "painting.jpg"), ShownPicture[np.uint8])
assert_type(cl.stylize(tensor, tensor, strength=0.7), Tensor)
assert_type(cl.stylize("photo.jpg", ["a.jpg", "b.jpg"]), ShownPicture[np.uint8 | np.uint16])
assert_type(cl.gram(singles), NDArray[np.float32])
assert_type(cl.gram(tensor), Tensor)
assert_type(cl.export(classifier, "a.onnx"), Export)
assert_type(cl.quantize(classifier, bytes_), Classifier)
assert_type(cl.echo_kernel(48000, 0.3, 0.5), NamedKernel)

# Errors.
assert_type(cl.errors.ShapeError("x: need 3, got 2"), cl.errors.ShapeError)

# What a checker must refuse: under `--strict` an ignore that nothing needs is an error too.
cl.no_such_thing(3)  # type: ignore[attr-defined]
cl.blur(bytes_, 2, bogus=3)  # type: ignore[call-overload]
cl.convolve(singles, singles, boundary="mirror")  # type: ignore[arg-type]
cl.train("classify", "photos", out="run", bogus=3)  # type: ignore[arg-type]
cl.layers.conv3d(tensor, tensor)  # type: ignore[attr-defined]
