"""Random truths and detections, as COCO's JSON: what `make_goldens.py` measures with pycocotools, and we with ours."""

import json

import numpy as np

COUNT = 200


def random_set(seed):
    """A truth and a list of results: few and many classes and pictures, none of some, ties, crowds, ignored ones."""
    random = np.random.default_rng(seed)
    pictures, classes = int(random.integers(1, 12)), int(random.integers(1, 6))
    numbers = random.permutation(90)[:classes] + 1
    categories = [{"id": int(number), "name": f"class {number}"} for number in sorted(numbers)]
    images = [{"id": 100 + 3 * at, "file_name": f"{at}.png", "width": 300, "height": 200} for at in range(pictures)]
    annotations, results = [], []
    for image in images:
        boxes = [_box(random) for _ in range(random.integers(0, 9))]
        for box in boxes:
            one = {"id": len(annotations) + 1, "image_id": image["id"], "category_id": int(random.choice(numbers))}
            one |= {"bbox": box, "iscrowd": int(random.random() < 0.12), "area": box[2] * box[3]}
            if random.random() < 0.1:
                one["ignore"] = 1  # which pycocotools overwrites
            if random.random() < 0.2:
                one["area"] = round(one["area"] * random.uniform(0.3, 1), 2)  # of a mask
            annotations.append(one)
        near = [_moved(box, random) for box in boxes for _ in range(random.integers(0, 4))]
        for box in near + [_box(random) for _ in range(random.integers(0, 5))]:
            one = {"image_id": image["id"], "category_id": int(random.choice(numbers)), "bbox": box}
            results.append(one | {"score": round(random.random(), 2 if seed % 3 == 0 else 9)})
        for one in results[-len(near) :] if near else []:  # most of them of the right class
            if random.random() < 0.7:
                one["category_id"] = min(annotations, key=lambda truth: _far(truth, one))["category_id"]
    return {"images": images, "categories": categories, "annotations": annotations}, results


def write(folder, truth):
    (folder / "annotations.json").write_text(json.dumps(truth))


def _box(random):
    width, height = np.exp(random.uniform(np.log(6), np.log(180), 2))
    x, y = random.uniform(0, 300 - width), random.uniform(0, 200 - min(height, 199))
    return [round(float(value), 2) for value in (x, y, width, min(height, 199))]


def _moved(box, random):
    x, y, width, height = box
    shift = random.normal(0, random.choice([0.01, 0.05, 0.2]), 4)
    moved = (x + shift[0] * width, y + shift[1] * height, width * np.exp(shift[2]), height * np.exp(shift[3]))
    return [round(float(value), 2) for value in moved]


def _far(truth, one):
    if truth["image_id"] != one["image_id"]:
        return float("inf")
    return sum(abs(a - b) for a, b in zip(truth["bbox"], one["bbox"], strict=True))
