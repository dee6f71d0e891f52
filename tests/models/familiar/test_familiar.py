"""What is familiar to a classifier: statistics against NumPy's, the rate that is promised, files, and the commands."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file

import convolens as cl
from convolens.cli import run as command
from convolens.errors import ArgumentError, WeightsError
from convolens.evaluation.familiar import familiarity_metrics
from convolens.inference.lines import prediction_rows
from convolens.inference.predict import predict_files
from convolens.models.familiar import ClassStatistics, Familiarity, KeptOut

OPTIONS = {"trunk": "resnet18", "width": 0.25, "taps": ["stem", "layer1.1"], "size": 32, "progress": False}


def drawn(count, groups=3, features=12, seed=0):
    """Correlated features around a mean for each group."""
    random = np.random.default_rng(seed)
    means = np.random.default_rng(99).normal(0, 4, (groups, features))
    mixing = np.random.default_rng(98).normal(0, 1, (features, features))
    numbers = random.integers(groups, size=count)
    values = means[numbers] + random.normal(0, 1, (count, features)) @ mixing
    return torch.from_numpy(values).float(), torch.from_numpy(numbers)


def roots(values):
    return np.sign(values) * np.sqrt(np.abs(values))


def test_angles_are_those_that_the_shrunk_covariance_gives():
    """Against scikit-learn's Ledoit-Wolf and NumPy's inverse, of all directions."""
    covariance = pytest.importorskip("sklearn.covariance")
    x, groups = drawn(200)
    values, numbers = roots(x.double().numpy()), groups.numpy()
    means = np.stack([values[numbers == group].mean(axis=0) for group in range(3)])
    away = values - means[numbers]
    scale = 1 / away.std(axis=0)
    inverse = np.linalg.inv(covariance.ledoit_wolf(away * scale, assume_centered=True)[0])
    others = drawn(50, seed=1)[0]
    seen, known = ((one - means.mean(axis=0)) * scale for one in (roots(others.double().numpy()), means))
    lengths = [np.sqrt(np.einsum("pf,fg,pg->p", one, inverse, one)) for one in (seen, known)]
    cosine = seen @ inverse @ known.T / np.outer(*lengths)
    found = ClassStatistics.fitted(x, groups)(others)
    np.testing.assert_allclose(found.numpy(), (1 - cosine).min(axis=1), atol=2e-3)


def test_few_directions_do_nearly_as_all_of_them(monkeypatch):
    x, groups = drawn(300, features=40)
    every = ClassStatistics.fitted(x, groups)(x)
    monkeypatch.setattr("convolens.models.familiar.class_statistics.RANK", 20)
    some = ClassStatistics.fitted(x, groups)
    assert some.facts() == {"features": 40, "groups": 3, "rank": 20, "roots": True}
    assert np.corrcoef(some(x).numpy(), every.numpy())[0, 1] > 0.9


def test_of_one_group_the_distance_counts():
    x, _ = drawn(200, groups=1)
    made = ClassStatistics.fitted(x, torch.zeros(200, dtype=torch.long))
    assert made(x).mean() == pytest.approx(1, abs=0.25)  # below 1, as shrinking widens the narrowest directions
    assert (made(x + 10 * x.std(dim=0)) > made(x).max()).all()


@pytest.mark.parametrize(("rate", "kept"), [(0.01, 2000), (0.05, 100), (0.02, 20), (0.1, 8)])
def test_the_rate_of_false_alarms_is_the_promised_one(rate, kept):
    random = np.random.default_rng(0)
    alarms = []
    for _ in range(200):
        distances = np.exp(random.normal(0, 0.3, kept + 500))
        alarms.append((KeptOut.of(distances[:kept]).familiar(distances[kept:]) < rate).mean())
    assert np.mean(alarms) <= rate + 0.01
    assert np.mean(alarms) >= rate / 4


def test_what_is_farther_is_never_more_familiar():
    kept = KeptOut.of(np.random.default_rng(0).gamma(5, 1, 30))
    found = kept.familiar(np.linspace(0, 60, 500))
    assert found[0] == 1
    assert (np.diff(found) <= 0).all()
    assert 0 <= found[-1] < 1e-3


def test_metrics_are_counts():
    known, others = np.linspace(0.1, 1, 20), np.array([0.005, 0.12, 0.9, 0.001])
    found = familiarity_metrics(known, others)
    assert found["familiar_auroc"] == pytest.approx(np.mean([[k > o for k in known] for o in others]))
    assert found["familiar_fpr95"] == 0.25  # one of the four is above the 5% least familiar
    assert found["called_unknown"] == 0.5
    assert found["false_alarms"] == 0


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Stripes across and stripes down to learn, and checks that are neither."""
    root, random = tmp_path_factory.mktemp("stripes"), np.random.default_rng(0)
    line = np.sin(np.arange(32) * 1.3)
    kinds = {"across": line[:, None] * np.ones(32), "down": np.ones((32, 1)) * line, "check": np.outer(line, line)}
    for name, pattern in kinds.items():
        for part, count in (("train", 30), ("test", 10)):
            (root / part / name).mkdir(parents=True)
            for number in range(count):
                pixels = random.uniform(110, 140) + random.uniform(50, 80) * pattern + random.normal(0, 8, (32, 32))
                Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(root / part / name / f"{number}.png")
    for part in ("train", "test"):
        (root / part / "check").rename(root / f"{part}-check")
    return root


@pytest.fixture(scope="module", params=["head", "folds", "all"])
def run(request, data, tmp_path_factory):
    own = {"head": {"finetune": "head"}, "folds": {"finetune": "head", "folds": 5}, "all": {"epochs": 1}}
    out = tmp_path_factory.mktemp("runs") / request.param
    return cl.train("classify", data / "train", out=out, seed=1, **OPTIONS, **own[request.param])


def test_pictures_of_no_class_are_told_apart_and_measured(run, data):
    model = run.load()
    found = cl.evaluate(model, data / "test", unfamiliar=data / "test-check", progress=False)
    assert found["familiar_auroc"] > 0.95
    assert found["unfamiliar"] == 10
    assert "familiar AUROC" in found.summary()
    (other,) = {one.unknown for one in model.predict([data / "test-check" / "0.png"], unknown=0.05)}
    familiar = model.predict(sorted((data / "test").glob("*/*.png")), unknown=0.05)
    assert other is True
    assert np.mean([one.unknown for one in familiar]) <= 0.2
    assert all(0 <= one.familiar <= 1 for one in familiar)


def test_without_a_rate_nothing_is_called_unknown(run, data):
    one = run.load().predict(data / "test-check" / "0.png")
    assert one.unknown is None
    assert one.familiar < 0.05
    assert "familiar" not in str(one)
    assert set(one.to_dict()) == {"labels", "scores", "familiar"}


def test_lines_rows_and_words_say_it(run, data, tmp_path, capsys):
    found = predict_files(run.load(), [data / "test-check"], tmp_path / "out", unknown=0.05, progress=False)
    rows = prediction_rows(found.lines)
    assert all(row["unknown"] and row["familiar"] < 0.05 for row in rows)
    assert command(["predict", str(run.folder), str(data / "test-check" / "1.png"), "--unknown", "0.05"]) == 0
    words = capsys.readouterr().out
    assert "png  unknown  " in words
    assert "familiar " in words


def test_a_file_without_statistics_predicts_as_before(run, data, tmp_path):
    model = run.load()
    before = model.predict(data / "test" / "down" / "0.png")
    model.familiarity = None
    model.save(tmp_path / "plain.safetensors")
    plain = cl.load(tmp_path / "plain.safetensors")
    after = plain.predict(data / "test" / "down" / "0.png")
    assert after.scores == pytest.approx(before.scores, abs=1e-6)
    assert after.familiar is None
    assert set(after.to_dict()) == {"labels", "scores"}
    with pytest.raises(ArgumentError, match="unknown: need a model that knows what it learned from"):
        plain.predict(data / "test" / "down" / "0.png", unknown=0.01)
    with pytest.raises(ArgumentError, match="unfamiliar: need a classifier that knows what it learned from"):
        cl.evaluate(plain, data / "test", unfamiliar=data / "test-check", progress=False)


def test_statistics_of_another_model_are_refused(run, tmp_path):
    with safe_open(run.best, framework="pt") as stored:
        facts = dict(stored.metadata())
    known = json.loads(facts["familiar"])
    for change, message in (
        ({"groups": 3}, r"need statistics of 64 features and 2 means.*got \d+ and 3, another model's"),
        ({"rank": -1}, "need sizes of statistics under 'familiar'"),
        ({"rank": 10**12}, "need sizes of statistics under 'familiar'"),
        ({"roots": 1}, "need sizes of statistics under 'familiar'"),
    ):
        file = tmp_path / "other.safetensors"
        save_file(load_file(run.best), file, {**facts, "familiar": json.dumps({**known, **change})})
        with pytest.raises(WeightsError, match=message):
            cl.load(file)


def test_statistics_of_an_earlier_version_are_of_descriptions_as_they_are(run, tmp_path):
    with safe_open(run.best, framework="pt") as stored:
        facts = dict(stored.metadata())
    known = {name: value for name, value in json.loads(facts["familiar"]).items() if name != "roots"}
    save_file(load_file(run.best), tmp_path / "earlier.safetensors", {**facts, "familiar": json.dumps(known)})
    earlier = cl.load(tmp_path / "earlier.safetensors").familiarity.statistics.cpu()
    now = run.load().familiarity.statistics.cpu()
    x = torch.rand(5, 64) * 9
    torch.testing.assert_close(earlier(x.sqrt()), now(x))
    assert earlier.facts()["roots"] is False


def test_too_few_pictures_are_told_of_and_nothing_is_kept(data, tmp_path, capsys):
    few = tmp_path / "few"
    for name in ("across", "down"):
        (few / name).mkdir(parents=True)
        for number in range(4):
            (few / name / f"{number}.png").write_bytes((data / "train" / name / f"{number}.png").read_bytes())
    found = cl.train("classify", few, out=tmp_path / "run", **{**OPTIONS, "progress": True}, finetune="head")
    assert found.load().familiarity is None
    assert "need at least 8 pictures or sounds kept out of training to know how far such are" in capsys.readouterr().err


def test_a_class_with_one_picture_has_no_covariance():
    x, groups = drawn(20)
    groups[:] = torch.arange(20) > 0
    with pytest.raises(ArgumentError, match="need at least 2 pictures of each class for a covariance, got 1 of class"):
        Familiarity.fitted(x, groups.long(), x)


@pytest.mark.parametrize("rate", [0, 1, float("nan")])
def test_a_rate_that_is_none_is_refused(run, data, rate):
    with pytest.raises(ArgumentError, match="unknown: need a fraction between 0 and 1"):
        run.load().predict(data / "test-check" / "0.png", unknown=rate)


def test_exported_and_quantized_copies_leave_it_out_and_say_so(data, tmp_path):
    pytest.importorskip("onnxruntime")
    model = cl.train("classify", data / "train", out=tmp_path / "run", finetune="head", **OPTIONS).load()
    picture = data / "test" / "down" / "0.png"
    written = cl.export(model, tmp_path / "model.onnx", check=picture)
    assert str(written).endswith("left out: how familiar pictures are, which the model itself says (predict --unknown)")
    assert cl.load(tmp_path / "model.onnx").predict(picture).familiar is None
    assert model.predict(picture).familiar is not None
    assert cl.quantize(model, [picture], progress=False).predict(picture).familiar is None
    model.familiarity = None
    assert cl.export(model, tmp_path / "plain.onnx", check=picture).left_out == ""
