"""Writes testdata/image: what Pillow and torch make of small images, for the tests of upernet-image.

    python scripts/make_image_fixtures.py [OUT]        # default OUT: testdata/image

Needs pillow, numpy, torch and safetensors; the versions used are in `versions.json` beside the files.
Everything comes from formulas and fixed seeds, so a second run with the same versions changes no byte.
"""
import json
import os
import sys

import numpy as np
import PIL
import torch
import torch.nn.functional as F
from PIL import Image, ImageOps
from safetensors.numpy import save_file

FILTERS = {"nearest": 0, "lanczos": 1, "bilinear": 2, "bicubic": 3, "box": 4, "hamming": 5}
MIX = np.uint32(2654435761)  # Knuth's multiplicative hash, wrapping in 32 bits


def noise(height, width):
    """The pseudo-random photo that the Rust test rebuilds from its size alone."""
    i = np.arange(height * width * 3, dtype=np.uint32)
    with np.errstate(over="ignore"):
        h = (i + np.uint32(width)) * MIX
        h ^= h >> np.uint32(15)
        h *= np.uint32(2246822519)
        h ^= h >> np.uint32(13)
    return (h >> np.uint32(11)).astype(np.uint8).reshape(height, width, 3)


def checksum(pixels):
    """A position-dependent 64-bit sum: any single changed byte changes it."""
    p = np.ascontiguousarray(pixels).reshape(-1).astype(np.uint64)
    with np.errstate(over="ignore"):
        w = (np.arange(1, p.size + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)) | np.uint64(1)
        return f"{int((p * w).sum(dtype=np.uint64)):016x}"


def resize_cases():
    """(height, width, out_height, out_width): odd, tiny, extreme and everyday sizes."""
    rng = np.random.RandomState(2)
    fixed = [(150, 203, 64, 80), (37, 53, 64, 80), (200, 40, 64, 80), (1, 1, 5, 7), (5, 7, 1, 1), (1, 9, 9, 1),
             (64, 64, 64, 64), (64, 100, 64, 31), (100, 64, 31, 64), (2, 3, 512, 512), (360, 480, 512, 512),
             (683, 1024, 512, 512), (512, 512, 640, 640), (1000, 3, 7, 300), (3, 1000, 300, 7), (511, 513, 512, 512)]
    random = [tuple(int(v) for v in rng.randint(1, 300, 4)) for _ in range(48)]
    return fixed + random


def resize_fixture():
    rows = []
    for index, (h, w, oh, ow) in enumerate(resize_cases()):
        image = Image.fromarray(noise(h, w))
        for name, number in FILTERS.items():
            if name == "bilinear" or index < 24:
                out = np.asarray(image.resize((ow, oh), resample=number))
                rows.append({"size": [h, w], "target": [oh, ow], "filter": name, "checksum": checksum(out)})
    return rows


def scene(height, width):
    """A smooth picture with edges, so that lossy codecs keep close to it."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    r = 255 * x / max(width - 1, 1)
    g = 255 * y / max(height - 1, 1)
    b = 128 + 100 * np.sin(x / 7.0) * np.cos(y / 5.0)
    return np.rint(np.stack([r, g, b], -1)).astype(np.uint8)


def rgb_of(path):
    """What a user of Pillow gets: the first frame, upright, as RGB."""
    return np.asarray(ImageOps.exif_transpose(Image.open(path)).convert("RGB"))


def photo_fixtures(out):
    """One small file for each kind of input; `expected` maps a file name to RGB u8 [H, W, 3]."""
    rgb = scene(21, 34)
    grey = rgb[..., 1] // 2 + rgb[..., 0] // 2
    alpha = rgb[..., 2]
    sixteen = grey.astype(np.uint16) * 256 + np.arange(grey.size, dtype=np.uint16).reshape(grey.shape) % 256
    image = Image.fromarray(rgb)
    palette = image.quantize(16)
    clear = palette.copy()
    clear.info["transparency"] = 3
    files = {
        "rgb.png": (image, {}), "grey.png": (Image.fromarray(grey), {}),
        "grey_alpha.png": (Image.merge("LA", (Image.fromarray(grey), Image.fromarray(alpha))), {}),
        "rgba.png": (Image.merge("RGBA", [Image.fromarray(c) for c in (*np.moveaxis(rgb, -1, 0), alpha)]), {}),
        "grey16.png": (Image.fromarray(sixteen), {}), "one_bit.png": (Image.fromarray(grey > 100), {}),
        "palette.png": (palette, {}), "palette_transparent.png": (clear, {"transparency": 3}),
        "rgb.jpg": (image, {"quality": 92}), "rgb_420_progressive.jpg": (image, {"quality": 92, "subsampling": 2, "progressive": True}),
        "grey.jpg": (Image.fromarray(grey), {"quality": 92}), "cmyk.jpg": (image.convert("CMYK"), {"quality": 95}),
        "rgb.bmp": (image, {}), "grey.bmp": (Image.fromarray(grey), {}), "rgb.gif": (palette, {}),
        "lossless.webp": (image, {"lossless": True}), "lossy.webp": (image, {"quality": 90}),
        "rgb.tif": (image, {"compression": "tiff_lzw"}), "grey16.tif": (Image.fromarray(sixteen), {}),
        "cmyk.tif": (image.convert("CMYK"), {"compression": "tiff_deflate"}),
    }
    expected = {}
    for name, (picture, options) in files.items():
        path = os.path.join(out, name)
        picture.save(path, **options)
        if "16" not in name:
            expected[name] = rgb_of(path)
        else:  # Pillow clips 16-bit grey at 255; ours is the high byte, as Pillow itself does for 16-bit RGB
            expected[name] = np.repeat((sixteen >> 8).astype(np.uint8)[..., None], 3, -1)
    frames = [palette, Image.fromarray(255 - rgb).quantize(16)]
    path = os.path.join(out, "animated.gif")
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=100)
    expected["animated.gif"] = rgb_of(path)
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        path = os.path.join(out, f"orientation_{orientation}.jpg")
        image.save(path, quality=92, exif=exif)
        expected[os.path.basename(path)] = rgb_of(path)
    exif = Image.Exif()
    exif[0x0112] = 6
    for extension, options in {"png": {}, "webp": {"lossless": True}}.items():
        path = os.path.join(out, f"orientation_6.{extension}")
        image.save(path, exif=exif.tobytes(), **options)
        expected[os.path.basename(path)] = rgb_of(path)
    path = os.path.join(out, "orientation_6.tif")
    image.save(path, tiffinfo={0x0112: 6})
    expected["orientation_6.tif"] = rgb_of(path)
    save_file(expected, os.path.join(out, "expected.safetensors"))


def label_fixtures(out):
    """Masks whose pixels are class ids; the palette must not be looked at."""
    ids = (np.arange(13)[:, None] * 3 + np.arange(17)[None, :]) % 11
    expected = {}
    colours = np.random.RandomState(4).randint(0, 256, 768).astype(np.uint8).tolist()
    for bits in (1, 2, 4, 8):
        labels = (ids % (1 << bits)).astype(np.uint8)
        picture = Image.frombytes("P", labels.shape[::-1], labels.tobytes())
        picture.putpalette(colours[: 3 << bits])
        picture.save(os.path.join(out, f"mask_palette_{bits}.png"), bits=bits)
        expected[f"mask_palette_{bits}.png"] = labels.astype(np.int64)
    grey = (ids * 23).astype(np.uint8)
    Image.fromarray(grey).save(os.path.join(out, "mask_grey_8.png"))
    expected["mask_grey_8.png"] = grey.astype(np.int64)
    wide = (ids * 5003).astype(np.uint16)
    Image.fromarray(wide).save(os.path.join(out, "mask_grey_16.png"))
    expected["mask_grey_16.png"] = wide.astype(np.int64)
    Image.fromarray(ids % 2 == 1).save(os.path.join(out, "mask_grey_1.png"))
    expected["mask_grey_1.png"] = (ids % 2).astype(np.int64)
    save_file(expected, os.path.join(out, "masks.safetensors"))


def logits_fixture(out):
    """Two bilinear resizes in a row and the argmax, as transformers does them, by torch."""
    generator = torch.Generator().manual_seed(7)
    tensors = {}
    for name, (classes, size, model, target) in {
        "up": (5, (6, 9), (24, 36), (31, 50)), "down": (4, (16, 16), (33, 47), (7, 5)), "odd": (1, (3, 5), (11, 7), (13, 29)),
    }.items():
        logits = torch.randn(1, classes, *size, generator=generator)
        full = F.interpolate(F.interpolate(logits, size=model, mode="bilinear", align_corners=False),
                             size=target, mode="bilinear", align_corners=False)[0]
        tensors[f"{name}.logits"] = logits[0].numpy()
        tensors[f"{name}.model_size"] = np.array(model, dtype=np.int64)
        tensors[f"{name}.resized"] = full.numpy()
        tensors[f"{name}.labels"] = full.argmax(0).numpy()
    save_file(tensors, os.path.join(out, "logits.safetensors"))


def main():
    out = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(__file__), "..", "testdata", "image")
    os.makedirs(out, exist_ok=True)
    with open(os.path.join(out, "resize.json"), "w") as f:
        f.write("[\n" + ",\n".join(json.dumps(row) for row in resize_fixture()) + "\n]\n")
    photo_fixtures(out)
    label_fixtures(out)
    logits_fixture(out)
    with open(os.path.join(out, "versions.json"), "w") as f:
        json.dump({"pillow": PIL.__version__, "numpy": np.__version__, "torch": torch.__version__}, f, indent=1)
        f.write("\n")


if __name__ == "__main__":
    main()
