"""The title picture of the README: `python -m docs.title` in the top folder, with the Python of .venv."""
import io

from PIL import Image

from helpers import artifacts, freeze, network, page, parity, process, run, scenes, show
from uffsurgeon import to_onnx, uff

process.prepare_tensorflow()
scene = scenes.load("000002")
images = network.preprocess(scenes.crops(scene))
frozen = freeze.load(freeze.box3d(flat="flatten"))
right = network.heads(run.tensorflow(frozen, images))
with page.silence():
    data = uff.from_tensorflow(frozen, list(network.OUTPUTS), quiet=True)
broken = to_onnx.convert(data, flatten_as="nchw", plugins="inline")
wrong = network.heads(run.onnx(broken, images))
picture = show.scene_before_after(
    scene, parity.place(wrong, [scene])[0], parity.place(right, [scene])[0],
    ("Flatten in another order, an imitation of what the article reports for TensorRT 5.0.6", "as TensorFlow has it"))
drawn, stored = io.BytesIO(), io.BytesIO()
picture.savefig(drawn, dpi=120, facecolor="white")
Image.open(drawn).convert("RGB").save(stored, "JPEG", quality=85)
artifacts.write(artifacts.ROOT / "docs" / "title.jpg", stored.getvalue())
