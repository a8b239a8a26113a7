"""The bare rival: load a checkpoint and export it, with none of the proofs."""

import importlib.util
import sys

import torch

module_path, class_name, checkpoint, out = sys.argv[1:]
spec = importlib.util.spec_from_file_location("upstream_module", module_path)
assert spec is not None
assert spec.loader is not None
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
state = torch.load(checkpoint, weights_only=True)
state = {name.removeprefix("module."): tensor for name, tensor in state.items()}
network = getattr(module, class_name)(3, 1)
network.load_state_dict(state)
network.eval()
torch.onnx.export(
    network,
    (torch.zeros(1, 3, 320, 320),),
    out,
    dynamo=False,
    opset_version=17,
    input_names=["input"],
    output_names=["saliency_map", *(f"d{i}" for i in range(1, 7))],
    dynamic_axes={"input": {2: "H", 3: "W"}},
)
