"""What the image processor does before the model, and the post-processing after it."""

import json
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
import transformers
from PIL import Image
from safetensors.torch import save_file

from .weights import generator

# name -> [height, width]: both axes shrink, both grow, one of each
PICTURES = {"down": (150, 203), "up": (37, 53), "mixed": (200, 40)}
PROCESSED_SIZE = (64, 80)
TARGET_SIZES = [(50, 61), (13, 17)]


def preprocessor_settings(size=(512, 512), reduce_labels=False) -> dict:
    """preprocessor_config.json of the published checkpoints."""
    return {
        "do_normalize": True,
        "do_reduce_labels": reduce_labels,
        "do_rescale": True,
        "do_resize": True,
        "image_mean": [0.485, 0.456, 0.406],
        "image_processor_type": "SegformerImageProcessor",
        "image_std": [0.229, 0.224, 0.225],
        "resample": 2,
        "rescale_factor": 1 / 255,
        "size": {"height": size[0], "width": size[1]},
    }


def processors(**settings) -> dict:
    """The torchvision processor and the Pillow one, under either major version."""
    if int(transformers.__version__.split(".")[0]) >= 5:
        from transformers import SegformerImageProcessor as WithTorchvision
        from transformers.models.segformer.image_processing_pil_segformer import (
            SegformerImageProcessorPil as WithPillow,
        )
    else:
        from transformers import SegformerImageProcessor as WithPillow
        from transformers import SegformerImageProcessorFast as WithTorchvision
    return {"torchvision": WithTorchvision(**settings), "pil": WithPillow(**settings)}


def write_preprocess(out: Path) -> dict:
    """Pictures, segmentation maps, and what both processors make of them."""
    out.mkdir(parents=True, exist_ok=True)
    tensors, info = {}, {}
    for label, (height, width) in PICTURES.items():
        _process(label, height, width, out, tensors, info)
    # The settings of the published checkpoints, 512 x 512; a strided sample keeps the file small.
    picture = Image.fromarray(synthetic_picture(*PICTURES["down"], 11))
    for name, processor in processors().items():
        pixels = processor(images=picture, return_tensors="pt")["pixel_values"]
        sample = pixels[:, :, ::17, ::19].contiguous().clone()
        tensors[f"hub512.{name}.pixel_values_stride"] = sample
        info[f"hub512.{name}.shape"] = list(pixels.shape)
        info[f"hub512.{name}.mean"] = pixels.double().mean().item()
    save_file(tensors, out / "preprocess.safetensors")
    settings = preprocessor_settings(PROCESSED_SIZE, reduce_labels=True)
    (out / "preprocessor_config.json").write_text(json.dumps(settings, indent=2) + "\n")
    (out / "case.json").write_text(json.dumps(info, indent=1) + "\n")
    return info


def _process(label, height, width, out, tensors, info):
    picture = synthetic_picture(height, width, 11)
    labels = synthetic_labels(height, width, 5)
    Image.fromarray(picture).save(out / f"{label}.png")
    tensors[f"{label}.image"] = torch.from_numpy(picture)  # u8 [H, W, 3]
    tensors[f"{label}.segmentation_map"] = torch.from_numpy(labels)  # u8 [H, W]
    size = {"height": PROCESSED_SIZE[0], "width": PROCESSED_SIZE[1]}
    for name, processor in processors(size=size, do_reduce_labels=True).items():
        result = processor(
            images=Image.fromarray(picture),
            segmentation_maps=Image.fromarray(labels),
            return_tensors="pt",
        )
        tensors[f"{label}.{name}.pixel_values"] = result["pixel_values"].contiguous()
        tensors[f"{label}.{name}.labels"] = result["labels"].contiguous()
    pixels = [tensors[f"{label}.{name}.pixel_values"] for name in ("torchvision", "pil")]
    targets = [tensors[f"{label}.{name}.labels"] for name in ("torchvision", "pil")]
    info[f"{label}.torchvision_vs_pil_max_abs"] = (pixels[0] - pixels[1]).abs().max().item()
    info[f"{label}.labels_differ"] = int((targets[0] != targets[1]).sum())


def write_postprocess(out: Path) -> dict:
    """Logits, and the label maps that the processor makes of them at two sizes."""
    out.mkdir(parents=True, exist_ok=True)
    coarse = torch.randn(2, 7, 6, 8, generator=generator("post", "logits"))
    logits = F.interpolate(coarse, size=(24, 32), mode="bilinear", align_corners=False)
    tensors = {"logits": logits.contiguous()}
    for position, labels in enumerate(label_maps(logits, TARGET_SIZES)):
        tensors[f"resized.{position}"] = labels.contiguous()
    for position, labels in enumerate(label_maps(logits)):
        tensors[f"plain.{position}"] = labels.contiguous().clone()
    save_file(tensors, out / "postprocess.safetensors")
    info = {"target_sizes": TARGET_SIZES}
    (out / "case.json").write_text(json.dumps(info, indent=1) + "\n")
    return info


def label_maps(logits, target_sizes=None):
    """Label maps i64 [H, W] of `logits` as transformers makes them."""
    from transformers.modeling_outputs import SemanticSegmenterOutput

    processor = processors()["torchvision"]
    output = SemanticSegmenterOutput(logits=logits)
    return processor.post_process_semantic_segmentation(output, target_sizes=target_sizes)


def synthetic_picture(height, width, seed) -> np.ndarray:
    """A picture u8 [H, W, 3] with ramps, edges and noise."""
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float64)
    red = 255 * columns / (width - 1)
    green = 127 + 127 * np.sin(rows / 5.0) * np.cos(columns / 7.0)
    dark = ((rows // 9).astype(int) + (columns // 11).astype(int)) % 2
    blue = np.where(dark == 0, 235.0, 20.0)
    noise = np.random.RandomState(seed).randint(-12, 13, (height, width, 3))
    picture = np.stack([red, green, blue], -1) + noise
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)


def synthetic_labels(height, width, seed) -> np.ndarray:
    """Labels u8 [H, W] in blocks of 5 x 5, the first three rows ignored (255)."""
    cells = np.random.RandomState(seed).randint(0, 8, (height // 5 + 1, width // 5 + 1))
    labels = cells.repeat(5, 0).repeat(5, 1)[:height, :width].astype(np.uint8)
    labels[:3] = 255
    return labels
