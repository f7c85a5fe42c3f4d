"""Street scenes: the samples in data/scenes/ and any folder in KITTI's object format.

A folder holds `image_2/NAME.png` (or .jpg), `label_2/NAME.txt` and `calib/NAME.txt`. The format is that of the
development kit of the KITTI object benchmark: label_2 has one object per line (kind, truncated, occluded, alpha, left,
top, right, bottom, height, width, length, x, y, z, rotation_y and, for the results of a detector, a score); calib has
matrices by name, of which P2 belongs to image_2. Camera frame, units and angles are those of `helpers.boxes`.
"""
import errno
import json
import os
import warnings
from pathlib import Path
from typing import NamedTuple, Tuple

import numpy as np
from PIL import Image

from uffsurgeon.names import did_you_mean

from . import archives
from .artifacts import DATA

SCENES = DATA / "scenes"
HELD_OUT = DATA / "heldout"
CROP = 224
_SUFFIXES = (".png", ".jpg", ".jpeg")
_STRIP = 256  # rows of an image


class Objects(NamedTuple):
    """The N objects of a label_2 file. Where a label has no 3D box, its numbers are NaN."""

    kind: Tuple[str, ...]   # "Car", "Van", ...
    truncated: np.ndarray   # [N] 0..1, the part that lies outside of the image; -1 unknown
    occluded: np.ndarray    # [N] int: 0 visible, 1 partly, 2 largely occluded, 3 unknown; -1 unset
    bbox: np.ndarray        # [N, 4] left, top, right, bottom in pixels
    dimensions: np.ndarray  # [N, 3] height, width, length in metres
    location: np.ndarray    # [N, 3] x, y, z of the bottom centre in metres
    yaw: np.ndarray         # [N] KITTI's rotation_y, radians
    alpha: np.ndarray       # [N] yaw as seen from the camera, radians

    def take(self, chosen):
        """The objects at the indices, or under the mask, `chosen`."""
        chosen = np.asarray(chosen)
        chosen = np.arange(len(self.kind))[chosen if chosen.size else chosen.astype(int)]  # an empty list is of floats
        return Objects(tuple(self.kind[i] for i in chosen), *(part[chosen] for part in self[1:]))


class Scene(NamedTuple):
    """One photo with its camera and its vehicles."""

    name: str
    image: np.ndarray  # [H, W, 3] uint8 RGB
    P: np.ndarray      # [3, 4] projection matrix, pixels
    objects: Objects

    @property
    def size(self):
        """(width, height) in pixels."""
        return self.image.shape[1], self.image.shape[0]


def names(folder=SCENES):
    """Names of the scenes in `folder` that have an image and a label, sorted.

    Raises FileNotFoundError when the folder is not in KITTI's format.
    """
    folder = Path(folder)
    for part in ("image_2", "label_2", "calib"):
        if not (folder / part).is_dir():
            raise FileNotFoundError("%s has no folder %s: it should hold image_2, label_2 and calib"
                                    % (folder, part))
    images = {path.stem for path in (folder / "image_2").iterdir() if path.suffix in _SUFFIXES and path.is_file()}
    return sorted(images & {path.stem for path in (folder / "label_2").glob("*.txt") if path.is_file()})


def load(name):
    """A sample scene, such as "000002" -> `Scene`. Raises ValueError, with the nearest names, for any other name."""
    return load_kitti(SCENES, name)


def load_kitti(folder, name, kinds=None):
    """Scene `name` of a folder in KITTI's format -> `Scene`.

    kinds: kinds of objects to take, such as ["Car"]; by default those that `mean_dimensions` knows, because the network
        needs their mean. DontCare regions are never taken.

    Raises FileNotFoundError when there is no such folder, or no calibration of the scene; ValueError when it has no such scene
    (with the nearest names), when a file is malformed (with file and line), or when the image cannot be read. A scene whose
    label file is empty, or has DontCare regions only, has no objects.
    """
    folder, known = Path(folder), names(folder)
    if name not in known:
        raise ValueError("no scene %r in %s%s" % (name, folder, did_you_mean(name, known) or "; it has %s" % (
            ", ".join(known[:3]) or "none")))
    kinds = set(_means()) if kinds is None else set(kinds)
    calibration = folder / "calib" / (name + ".txt")
    if not calibration.is_file():
        raise FileNotFoundError(errno.ENOENT, "scene %r has no calibration, so nobody knows where its camera looks" % name,
                                str(calibration))
    objects = read_labels(folder / "label_2" / (name + ".txt"))
    image = next(path for path in (folder / "image_2" / (name + suffix) for suffix in _SUFFIXES)
                 if path.is_file())
    return Scene(name, read_image(image), read_calibration(calibration), objects.take([kind in kinds for kind in objects.kind]))


def read_image(path):
    """PNG or JPEG file -> [H, W, 3] uint8 RGB.

    Raises FileNotFoundError, and ValueError when it cannot be read as an image, or needs more memory than `archives.allowed`.
    """
    path = str(path)
    size = os.path.getsize(path)
    if not size:
        raise ValueError("%s cannot be read as an image: it is empty" % path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the size is checked here
            with Image.open(path, formats=("PNG", "JPEG")) as image:  # others start programs, such as Ghostscript
                width, height = image.size
                if 8 * width * height > archives.allowed(size):
                    raise ValueError("its %d bytes claim %d x %d pixels; make it smaller" % (size, width, height))
                pixels = np.empty((height, width, 3), np.uint8)
                for top in range(0, height, _STRIP):  # in strips, since each step of a conversion is a copy
                    strip = image.crop((0, top, width, min(top + _STRIP, height)))
                    pixels[top:top + _STRIP] = np.asarray(strip.convert("RGB"))
                return pixels
    except Exception as error:  # which one depends on the format
        raise ValueError("%s cannot be read as an image: %s" % (path, archives.reason(error))) from None


def read_labels(path):
    """A label_2 file -> `Objects`, without DontCare regions. Raises FileNotFoundError, and ValueError with file and line."""
    kinds, rows = [], []
    for number, text in _lines(path):
        where = "%s, line %d" % (path, number)
        fields = text.split()
        if len(fields) not in (15, 16):
            raise ValueError("%s: a label has 15 fields, or 16 with a score; this line has %d"
                             % (where, len(fields)))
        if fields[0] == "DontCare":
            continue
        row = _numbers(where, fields[1:15])
        truncated, occluded, _, left, top, right, bottom = row[:7]
        if not (truncated == -1 or 0 <= truncated <= 1) or occluded not in (-1, 0, 1, 2, 3):
            raise ValueError("%s: truncated must be in 0..1 and occluded 0, 1, 2 or 3 (-1 where "
                             "unknown), not %.40s and %.40s" % (where, fields[1], fields[2]))
        if left >= right or top >= bottom:
            raise ValueError("%s: the 2D box (left, top, right, bottom) = (%s) has no area"
                             % (where, ", ".join(field[:40] for field in fields[4:8])))
        if min(row[7:10]) <= 0:  # the results of a 2D detector: KITTI writes -1 for unknown numbers
            row[2] = row[13] = np.nan
            row[7:13] = [np.nan] * 6
        kinds.append(fields[0])
        rows.append(row)
    table = np.array(rows, float).reshape(-1, 14)
    return Objects(tuple(kinds), table[:, 0], table[:, 1].astype(int), table[:, 3:7],
                   table[:, 7:10], table[:, 10:13], table[:, 13], table[:, 2])


def read_calibration(path):
    """P2 of a calib file, [3, 4]. Raises FileNotFoundError, and ValueError with file and line."""
    for number, text in _lines(path):
        key, _, values = text.partition(":")
        if key.strip() != "P2":
            continue
        where = "%s, line %d" % (path, number)
        fields = values.split()
        if len(fields) != 12:
            raise ValueError("%s: P2 is a 3x4 matrix of 12 numbers, this line has %d"
                             % (where, len(fields)))
        P = np.array(_numbers(where, fields)).reshape(3, 4)
        with np.errstate(over="ignore", invalid="ignore"):
            turns = abs(np.linalg.det(P[:, :3]))
        if not 1e-6 < turns < 1e18:
            raise ValueError("%s: P2 is not a projection: its left 3x3 part is singular" % where)
        return P
    raise ValueError("%s, line 1: no line of this file begins with 'P2:'" % path)


def mean_dimensions(kinds):
    """Mean height, width and length of each kind in the labels of the training set, metres, [N, 3].

    kinds: N kinds, such as ("Car", "Van"). Raises ValueError for a kind that the network was not trained on.
    """
    means = _means()
    unknown = sorted(set(kinds) - set(means))
    if unknown:
        raise ValueError("no mean dimensions for %s; the network knows %s"
                         % (", ".join(unknown), ", ".join(sorted(means))))
    return np.array([means[kind] for kind in kinds], float).reshape(-1, 3)


def crop(image, bbox, size=CROP):
    """The part of an image inside a 2D box, resized to [size, size, 3] uint8 RGB, bilinearly, as for training.

    image: [H, W, 3] uint8 RGB. bbox: left, top, right, bottom in pixels; it is clipped to the image and rounded.
    Raises ValueError for a box that has no area inside the image.
    """
    bbox = np.asarray(bbox, float)
    if bbox.shape != (4,) or not np.isfinite(bbox).all():
        raise ValueError("a 2D box is four numbers (left, top, right, bottom), not %s" % (bbox,))
    height, width = image.shape[:2]
    inside = np.clip(bbox, 0, [width, height, width, height])
    left, top, right, bottom = np.round(inside).astype(int)
    if left >= right or top >= bottom:
        raise ValueError("the 2D box %s has no area inside the image of %d x %d pixels"
                         % (tuple(bbox.tolist()), width, height))
    part = Image.fromarray(image).crop((left, top, right, bottom))
    return np.array(part.resize((size, size), Image.BILINEAR))


def crops(scene, size=CROP):
    """One crop for each object of a scene, [N, size, size, 3] uint8 RGB, NHWC."""
    parts = [crop(scene.image, bbox, size) for bbox in scene.objects.bbox]
    return np.stack(parts) if parts else np.zeros((0, size, size, 3), np.uint8)


def batches(array, size):
    """`array` in pieces of `size` along its first axis; the last may be shorter."""
    if size < 1:
        raise ValueError("a batch holds at least 1, not %r" % (size,))
    return [array[start:start + size] for start in range(0, len(array), size)]


def calibration_crops(count=64):
    """The first `count` crops of data/heldout/, [count, 224, 224, 3] uint8 RGB, for INT8 ranges and for errors.

    They were rendered from seeds that training never used. Raises ValueError when there are fewer.
    """
    sheet = read_image(HELD_OUT / "crops.jpg")
    rows, columns = sheet.shape[0] // CROP, sheet.shape[1] // CROP
    if not 0 <= count <= rows * columns:
        raise ValueError("data/heldout holds %d crops, %r were asked for" % (rows * columns, count))
    tiles = sheet.reshape(rows, CROP, columns, CROP, 3).swapaxes(1, 2)
    return tiles.reshape(-1, CROP, CROP, 3)[:count]


def held_out():
    """The labels of all `calibration_crops`, in the same order: (`Objects`, P [N, 3, 4])."""
    objects = read_labels(HELD_OUT / "labels.txt")
    return objects, np.tile(read_calibration(HELD_OUT / "calib.txt"), (len(objects.kind), 1, 1))


def _means():
    return json.loads((DATA / "dimensions.json").read_text())


def _lines(path):
    """(number, text) of the lines that are not blank. Raises ValueError for a line that is not ASCII.

    A byte order mark in front and carriage returns at the ends of lines, which editors on Windows write, are left out.
    """
    data = Path(path).read_bytes()
    for number, line in enumerate(data[3 * data.startswith(b"\xef\xbb\xbf"):].split(b"\n"), 1):
        try:
            text = line.decode("ascii").strip()
        except UnicodeDecodeError as error:
            raise ValueError("%s, line %d: not plain text (%s)" % (path, number, error)) from None
        if text:
            yield number, text


def _numbers(where, fields):
    values = []
    for field in fields:
        try:
            value = float(field)
        except ValueError:
            value = np.nan
        if not np.isfinite(value):
            raise ValueError("%s: %.40r is not a number" % (where, field))
        values.append(value)
    return values
