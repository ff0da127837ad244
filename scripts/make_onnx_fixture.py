#!/usr/bin/env python3
"""Makes testdata/onnx: a small model as the onnx package writes it, byte for byte what ours must be.

    .venv/bin/python scripts/make_onnx_fixture.py testdata/onnx

`model.onnx` has its numbers inside, `beside.onnx` those of its weight in `beside.onnx.data`. The same
graph is built by a test in crates/upernet-onnx/src/write.rs; the version of the writer is that crate's.
"""

import sys
import tomllib
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

CARGO = Path(__file__).parent.parent / "Cargo.toml"
# On one page of its own, behind another of them.
PAGE = 4096


def main() -> int:
    out = Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    (out / "model.onnx").write_bytes(model().SerializeToString())
    beside = model()
    data = move_weights(beside, "beside.onnx.data")
    (out / "beside.onnx").write_bytes(beside.SerializeToString())
    (out / "beside.onnx.data").write_bytes(data)
    for name in ("model.onnx", "beside.onnx"):
        onnx.checker.check_model(str(out / name), full_check=True)
    return 0


def model():
    node = helper.make_node
    nodes = [
        node("Mul", ["x", "layer.weight"], ["layer/Mul"], "layer/Mul"),
        node("Add", ["layer/Mul", "layer.bias"], ["layer/Add"], "layer/Add"),
        node("Resize", ["layer/Add", "", "", "constants/0"], ["Resize"], "Resize", mode="linear"),
        node("Transpose", ["Resize"], ["Transpose"], "Transpose", perm=[0, 2, 3, 1]),
        node("LeakyRelu", ["Transpose"], ["LeakyRelu"], "LeakyRelu", alpha=0.25),
        node("Softmax", ["LeakyRelu"], ["y"], "y", axis=-1),
    ]
    stored = [
        numpy_helper.from_array(np.arange(3, dtype=np.float32).reshape(3, 1, 1), "layer.weight"),
        numpy_helper.from_array(np.arange(3, dtype=np.float32).reshape(3, 1, 1), "layer.bias"),
        numpy_helper.from_array(np.array([1, 3, 400, 7], np.int64), "constants/0"),
    ]
    tensor = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "upernet",
        [tensor("x", TensorProto.FLOAT, ["batch", 3, 200, "width"])],
        [tensor("y", TensorProto.FLOAT, ["batch", 400, 7, 3])],
        stored,
    )
    version = tomllib.loads(CARGO.read_text())["workspace"]["package"]["version"]
    made = helper.make_model(
        graph,
        ir_version=8,
        producer_name="upernet",
        producer_version=version,
        opset_imports=[helper.make_opsetid("", 17)],
    )
    entry = made.metadata_props.add()
    entry.key, entry.value = "config.json", '{"ä": 1}\n'
    return made


def move_weights(made, name) -> bytes:
    """Takes the weights out of a model and returns what the file of that name holds."""
    data = b""
    for tensor in made.graph.initializer:
        if tensor.name.startswith("constants/"):
            continue
        data += b"\0" * (-len(data) % PAGE)
        places = {"location": name, "offset": len(data), "length": len(tensor.raw_data)}
        data += tensor.raw_data
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in places.items():
            entry = tensor.external_data.add()
            entry.key, entry.value = key, str(value)
    return data


if __name__ == "__main__":
    sys.exit(main())
