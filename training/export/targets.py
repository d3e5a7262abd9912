"""Where a version is served, and in which precision. Imports no torch, so that commands can list the choices quickly.

Targets share one contract. `local` is Triton's Python backend with ONNX Runtime, which also runs without containers.
`onnxruntime` is Triton's own ONNX Runtime backend, in NVIDIA's container on a CPU. `tensorrt` is a plan that
`training/export/job` builds on the GPU that serves.
"""

from typing import Final, Literal

from services.common.environment import work_folder

Target = Literal["local", "onnxruntime", "tensorrt"]
EnginePrecision = Literal["fp32", "fp16"]

REPOSITORY: Final = work_folder() / "model_repository"
"""The model repository that serves by default: that of the clone, else `model_repository` in the current directory."""
MAX_BATCH_SIZE: Final = 32
INSTANCES: Final = 2
"""Processes on a CPU: two with one thread each have more throughput than one with two."""
PROFILE: Final = (1, 8, MAX_BATCH_SIZE)
"""Smallest, usual and largest batch that a TensorRT plan is built for."""
