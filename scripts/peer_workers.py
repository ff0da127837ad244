#!/usr/bin/env python3
"""The work of one peer in one process; compare_peers.py starts it.

    peer_workers.py prepare MODEL PHOTO FOLDER THREADS COPIES
    peer_workers.py torch|onnxruntime|openvino MODEL FOLDER THREADS

`prepare` writes photo_{i}.png at the model's input size, so that no peer resizes, and model.onnx.
A peer reads each photo, runs the model, writes the class ids as <peer>_{i}.png, and prints one
line of JSON with the seconds of each forward pass (pixel values in, logits at their size out) and
its versions. Each imports only what it needs: its memory is measured.
"""

import json
import os
import sys
import time
from pathlib import Path

os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")

import numpy as np
from PIL import Image


def main() -> int:
    peer, model, *rest = sys.argv[1:]
    if peer == "prepare":
        photo, folder, threads, copies = rest
        prepare(Path(model), Path(photo), Path(folder), int(threads), int(copies))
        return 0
    folder, threads = Path(rest[0]), int(rest[1])
    run, versions = PEERS[peer](Path(model), folder, threads)
    seconds = []
    for position, photo in enumerate(sorted(folder.glob("photo_*.png"))):
        pixels = normalised(photo, Path(model))
        start = time.perf_counter()
        logits = run(pixels)
        seconds.append(time.perf_counter() - start)
        mask = logits[0].argmax(0).astype(np.uint8)
        Image.fromarray(mask).save(folder / f"{peer}_{position}.png")
    print(json.dumps({"forward": seconds, "versions": versions}))
    return 0


def prepare(model: Path, photo: Path, folder: Path, threads: int, copies: int):
    import torch
    from transformers import UperNetForSemanticSegmentation

    size = settings(model)["size"]
    picture = Image.open(photo).convert("RGB").resize((size["width"], size["height"]))
    for position in range(copies):
        picture.save(folder / f"photo_{position}.png")

    torch.set_num_threads(threads)
    # The exporter of torch 2.15 cannot trace the fused attention of Swin.
    network = UperNetForSemanticSegmentation.from_pretrained(model, attn_implementation="eager")
    torch.onnx.export(
        LogitsOnly.around(network.eval()),
        (torch.zeros(1, 3, size["height"], size["width"]),),
        folder / "model.onnx",
        dynamo=True,  # the older exporter has no adaptive pooling to 3 x 3 cells
        input_names=["pixel_values"],
        output_names=["logits"],
        verbose=False,
    )


class LogitsOnly:
    """Wraps a network so that the graph has one output, and no auxiliary head."""

    @staticmethod
    def around(network):
        import torch

        class Wrapped(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.network = network

            def forward(self, pixel_values):
                return self.network(pixel_values=pixel_values).logits

        return Wrapped()


def settings(model: Path) -> dict:
    return json.loads((model / "preprocessor_config.json").read_text())


def normalised(photo: Path, model: Path) -> np.ndarray:
    """Pixel values f32 [1, 3, H, W] of a photo that has the model's size already."""
    values = settings(model)
    pixels = np.asarray(Image.open(photo).convert("RGB"), np.float32) / 255
    pixels = (pixels - np.float32(values["image_mean"])) / np.float32(values["image_std"])
    return np.ascontiguousarray(pixels.transpose(2, 0, 1)[None])


def open_torch(model: Path, _folder: Path, threads: int):
    import torch
    import transformers

    torch.set_num_threads(threads)
    network = transformers.UperNetForSemanticSegmentation.from_pretrained(model).eval()

    def run(pixels):
        with torch.inference_mode():
            return network(pixel_values=torch.from_numpy(pixels)).logits.numpy()

    return run, {"torch": torch.__version__, "transformers": transformers.__version__}


def open_onnxruntime(_model: Path, folder: Path, threads: int):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        folder / "model.onnx", options, providers=["CPUExecutionProvider"]
    )

    def run(pixels):
        return session.run(["logits"], {"pixel_values": pixels})[0]

    return run, {"onnxruntime": onnxruntime.__version__}


def open_openvino(_model: Path, folder: Path, threads: int):
    import openvino

    core = openvino.Core()
    # Without the hint it computes in bf16 where the processor can.
    properties = {"INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": "f32"}
    compiled = core.compile_model(core.read_model(folder / "model.onnx"), "CPU", properties)

    def run(pixels):
        return compiled([pixels])[0]

    return run, {"openvino": openvino.__version__}


PEERS = {"torch": open_torch, "onnxruntime": open_onnxruntime, "openvino": open_openvino}

if __name__ == "__main__":
    sys.exit(main())
