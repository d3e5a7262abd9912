"""One contract, three ways to serve it: what differs between the targets is here alone.

`local`: Triton's Python backend with ONNX Runtime, which also runs without containers. `onnxruntime`: Triton's own ONNX
Runtime backend, in NVIDIA's container on a CPU. `tensorrt`: a plan built by `training/export/job` on the serving GPU.
Fields: Triton's model_config.proto; backend parameters: docs of the backends.
"""

from __future__ import annotations

from typing import Final, Literal

from tritonclient.grpc import model_config_pb2

from training.export.job.build_plan import PLAN_FILE

Target = Literal["local", "onnxruntime", "tensorrt"]

MAX_BATCH_SIZE: Final = 32
INSTANCES: Final = 2
"""Processes on a CPU: two of one thread each answer more than one of two."""
PROFILE: Final = (1, 8, MAX_BATCH_SIZE)
"""Smallest, usual and largest batch that a TensorRT plan is built for."""

_ONE_THREAD: Final = ("intra_op_thread_count", "inter_op_thread_count")


def set_target(configuration: model_config_pb2.ModelConfig, target: Target) -> None:
    """Put into a configuration what the target needs."""
    if target == "tensorrt":
        configuration.platform = "tensorrt_plan"
        configuration.default_model_filename = PLAN_FILE
        configuration.dynamic_batching.preferred_batch_size.extend(PROFILE[1:])
        configuration.instance_group.add(kind=model_config_pb2.ModelInstanceGroup.KIND_GPU, count=1)
        return
    configuration.backend = "python" if target == "local" else "onnxruntime"
    configuration.dynamic_batching.SetInParent()
    configuration.instance_group.add(kind=model_config_pb2.ModelInstanceGroup.KIND_CPU, count=INSTANCES)
    if target == "onnxruntime":
        for name in _ONE_THREAD:
            configuration.parameters[name].string_value = "1"
