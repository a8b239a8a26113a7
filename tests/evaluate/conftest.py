"""Pictures made at test time, an upstream that published results, and small networks."""

import io
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from release_tool.core.digest import Sha256
from release_tool.recipes.replay import PublishedResult, ReplaySpec
from tests.evaluate.networks import make_network

STEPS = (
    "channels RGB",
    "resize linear 24x32",
    "maximum 1",
    "subtract 0.485 0.456 0.406",
    "divide 0.229 0.224 0.225",
)
RED_OVER_BLUE = (1.5, 0.4, -1.0)


def draw_picture(seed: int, height: int, width: int) -> np.ndarray:
    """Draw coloured blobs, which say something else in each channel."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    picture = random.uniform(0, 60, (height, width, 3))
    for _ in range(6):
        centre_y, centre_x = random.uniform(0, height), random.uniform(0, width)
        near = np.hypot(y - centre_y, x - centre_x) < random.uniform(0.1, 0.3) * height
        picture[near] += random.uniform(0, 190, 3)
    return np.clip(picture, 0, 200).astype(np.uint8)


def encode(picture: np.ndarray, form: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    PIL.Image.fromarray(picture).save(buffer, form, **options)
    return buffer.getvalue()


def publish(
    model: Path, files: dict[str, bytes], steps=STEPS
) -> tuple[ReplaySpec, dict[str, bytes]]:
    """Publish what `model` makes of pictures, worked out here with scikit-image and Pillow."""
    import onnxruntime
    from skimage.transform import resize

    session = onnxruntime.InferenceSession(model.read_bytes(), providers=["CPUExecutionProvider"])
    results: list[PublishedResult] = []
    tree: dict[str, bytes] = {}
    for path, content in files.items():
        picture = np.asarray(PIL.Image.open(io.BytesIO(content)).convert("RGB"))
        scaled = resize(picture, (24, 32), order=1, mode="constant", anti_aliasing=False)
        scaled /= scaled.max()
        given = (scaled - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
        given = given.transpose(2, 0, 1)[np.newaxis].astype(np.float32)
        found = session.run(None, {session.get_inputs()[0].name: given})[0][0, 0]
        found = (found - found.min()) / (found.max() - found.min())
        grey = PIL.Image.fromarray((found * 255).astype(np.uint8))
        result = grey.resize(picture.shape[1::-1], PIL.Image.Resampling.BILINEAR)
        name = f"results/{Path(path).stem}.png"
        tree |= {path: content, name: encode(np.asarray(result))}
        digests = Sha256.of_bytes(content), Sha256.of_bytes(tree[name])
        results.append(PublishedResult(path, digests[0], name, digests[1]))
    restoration = ("range 0 1", "bits 8", "resize bilinear")
    return ReplaySpec("made by a test", steps, restoration, tuple(results)), tree


@dataclass(frozen=True)
class Upstream:
    """A published network: the model, what was published of it, and the pictures."""

    model: Path
    spec: ReplaySpec
    files: dict[str, bytes]

    def prepared(self, *steps: str) -> ReplaySpec:
        """The same results, but a changed way to prepare the pictures."""
        return replace(self.spec, preparation=steps)


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> Upstream:
    model = tmp_path_factory.mktemp("published") / "small.onnx"
    model.write_bytes(make_network(RED_OVER_BLUE))
    pictures = {
        f"pictures/{number}.png": encode(draw_picture(number, *size))
        for number, size in enumerate(((61, 90), (48, 40), (20, 25)))
    }
    spec, tree = publish(model, pictures)
    return Upstream(model, spec, tree)
