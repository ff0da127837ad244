#!/usr/bin/env python3
"""The work of one peer in one process; the scripts that compare start it.

    peer_workers.py input MODEL PHOTO FOLDER BATCH HEIGHT WIDTH
    peer_workers.py export MODEL ONNX BATCH HEIGHT WIDTH THREADS
    peer_workers.py time PEER MODEL ONNX INPUT THREADS PASSES BUDGET [LOGITS]
    peer_workers.py mask PEER MODEL ONNX PHOTO OUT THREADS
    peer_workers.py agree REFERENCE OTHER

`input` writes FOLDER/photo.png at that size, so that nobody resizes, and FOLDER/input.safetensors
with pixel_values [BATCH, 3, HEIGHT, WIDTH]. `export` writes the network for a fixed shape.
`time` runs PASSES forward passes (pixel values in, logits at their size out), fewer once they take
more than BUDGET seconds together, and keeps the last LOGITS as .npy. `mask` goes from a photo's file
to a mask's file, as a user's program would. `agree` compares logits. All print one line of JSON.
Each imports only what it needs: its memory is measured.
"""

import importlib.metadata
import json
import os
import sys
import time
from pathlib import Path

os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")

import numpy as np

PIXEL_VALUES = "pixel_values"


def main() -> int:
    work, *arguments = sys.argv[1:]
    print(json.dumps(WORK[work](*arguments) or {}))
    return 0


def write_input(model, photo, folder, batch, height, width):
    from PIL import Image
    from safetensors.numpy import save_file

    folder = Path(folder)
    picture = Image.open(photo).convert("RGB").resize((int(width), int(height)))
    picture.save(folder / "photo.png")
    pixels = np.repeat(normalised(picture, Path(model)), int(batch), axis=0)
    save_file({PIXEL_VALUES: pixels}, folder / "input.safetensors")


def export(model, onnx, batch, height, width, threads):
    import torch
    from transformers import UperNetForSemanticSegmentation

    class LogitsOnly(torch.nn.Module):
        """One output: the graph has no auxiliary head."""

        def __init__(self, network):
            super().__init__()
            self.network = network

        def forward(self, pixel_values):
            return self.network(pixel_values=pixel_values).logits

    torch.set_num_threads(int(threads))
    # The exporter of torch 2.15 cannot trace the fused attention of Swin.
    network = UperNetForSemanticSegmentation.from_pretrained(model, attn_implementation="eager")
    torch.onnx.export(
        LogitsOnly(network).eval(),
        (torch.zeros(int(batch), 3, int(height), int(width)),),
        onnx,
        dynamo=True,  # the older exporter has no adaptive pooling to 3 x 3 cells
        input_names=[PIXEL_VALUES],
        output_names=["logits"],
        verbose=False,
    )


def time_passes(peer, model, onnx, pixels, threads, passes, budget, logits=None):
    from safetensors.numpy import load_file

    start = time.perf_counter()
    run, to_numpy, packages = PEERS[peer](Path(model), Path(onnx), int(threads))
    loaded = time.perf_counter() - start
    pixels = load_file(pixels)[PIXEL_VALUES]
    seconds = []
    while len(seconds) < int(passes) and sum(seconds) <= float(budget):
        start = time.perf_counter()
        result = run(pixels)
        seconds.append(time.perf_counter() - start)
    if logits is not None:
        np.save(logits, to_numpy(result))
    versions = {name: importlib.metadata.version(name) for name in packages}
    return {"load": loaded, "seconds": seconds, "versions": versions}


def mask(peer, model, onnx, photo, out, threads):
    from PIL import Image

    run, to_numpy, _ = PEERS[peer](Path(model), Path(onnx), int(threads))
    picture = Image.open(photo).convert("RGB")
    size = settings(Path(model))["size"]
    resized = picture.resize((size["width"], size["height"]), Image.Resampling.BILINEAR)
    logits = to_numpy(run(normalised(resized, Path(model))))
    if picture.size != resized.size:
        raise SystemExit("give a photo of the model's size: numpy resizes no logits")
    Image.fromarray(logits[0].argmax(0).astype(np.uint8)).save(out)


def agree(reference, other):
    """Largest difference and magnitude of logits, and the share of pixels of one class."""
    reference, other = read_logits(reference), read_logits(other)
    if reference.shape != other.shape:
        raise SystemExit(f"logits {other.shape} instead of {reference.shape}")
    difference, magnitude, equal = 0.0, 0.0, 0.0
    for expected, found in zip(reference, other, strict=True):
        if not np.isfinite(found).all():
            raise SystemExit("logits that are no numbers")
        difference = max(difference, float(np.abs(found - expected).max()))
        magnitude = max(magnitude, float(np.abs(expected).max()))
        equal += float((found.argmax(0) == expected.argmax(0)).mean()) / len(reference)
    return {"difference": difference, "magnitude": magnitude, "equal": equal}


def read_logits(path) -> np.ndarray:
    if Path(path).suffix == ".npy":
        return np.load(path, mmap_mode="r")
    from safetensors.numpy import load_file

    return load_file(path)["logits"]


def settings(model: Path) -> dict:
    return json.loads((model / "preprocessor_config.json").read_text())


def normalised(picture, model: Path) -> np.ndarray:
    """Pixel values f32 [1, 3, H, W] of a picture as it is."""
    values = settings(model)
    pixels = np.asarray(picture, np.float32) / 255
    pixels = (pixels - np.float32(values["image_mean"])) / np.float32(values["image_std"])
    return np.ascontiguousarray(pixels.transpose(2, 0, 1)[None])


def open_torch(model: Path, threads: int, precision: str, channels_last: bool):
    import torch
    from transformers import UperNetForSemanticSegmentation

    torch.set_num_threads(threads)
    network = UperNetForSemanticSegmentation.from_pretrained(model).eval()
    layout = torch.channels_last if channels_last else torch.contiguous_format
    number = {"f32": torch.float32, "bf16": torch.bfloat16}[precision]
    network = network.to(number, memory_format=layout)

    def run(pixels):
        with torch.inference_mode():
            pixels = torch.from_numpy(pixels).to(number, memory_format=layout)
            return network(pixel_values=pixels).logits

    return run, lambda logits: logits.float().numpy(), ["torch", "transformers"]


def open_onnxruntime(onnx: Path, threads: int):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    session = onnxruntime.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])

    def run(pixels):
        return session.run(["logits"], {PIXEL_VALUES: pixels})[0]

    return run, lambda logits: logits, ["onnxruntime"]


def open_openvino(onnx: Path, threads: int, precision: str):
    import openvino

    core = openvino.Core()
    properties = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": threads,
        # Without the hint it computes in bf16 where the processor can.
        "INFERENCE_PRECISION_HINT": precision,
    }
    compiled = core.compile_model(core.read_model(onnx), "CPU", properties)
    found = compiled.get_property("INFERENCE_PRECISION_HINT").to_string()
    if found != {"f32": "f32", "bf16": "bf16"}[precision]:
        raise SystemExit(f"OpenVINO computes in {found}, not in {precision}, on this processor")

    def run(pixels):
        return compiled([pixels], share_inputs=True, share_outputs=True)[0]

    return run, lambda logits: np.array(logits), ["openvino"]


PEERS = {
    "torch": lambda model, _, threads: open_torch(model, threads, "f32", False),
    "torch-last": lambda model, _, threads: open_torch(model, threads, "f32", True),
    "torch-bf16": lambda model, _, threads: open_torch(model, threads, "bf16", False),
    "torch-bf16-last": lambda model, _, threads: open_torch(model, threads, "bf16", True),
    "onnxruntime": lambda _, onnx, threads: open_onnxruntime(onnx, threads),
    "openvino": lambda _, onnx, threads: open_openvino(onnx, threads, "f32"),
    "openvino-bf16": lambda _, onnx, threads: open_openvino(onnx, threads, "bf16"),
}

WORK = {
    "input": write_input,
    "export": export,
    "time": time_passes,
    "mask": mask,
    "agree": agree,
}

if __name__ == "__main__":
    sys.exit(main())
