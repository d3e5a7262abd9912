"""A stand-in for trtexec and nvidia-smi, to test the order of the job's steps: it builds no engine.

Its "engine" is the text in the environment's GPU; it loads only an engine of the same GPU, as TensorRT does, and
returns the golden outputs with WRONG_BY added to each.
"""

import json
import os
import sys
from pathlib import Path


def main(arguments: list[str]) -> int:
    given = dict(word.removeprefix("--").partition("=")[::2] for word in arguments)
    if "query-gpu" in given:
        sys.stdout.write(f"{os.environ['GPU']}, 9.0, 570.0\n")
    elif "saveEngine" in given:
        sys.stdout.write("[I] TensorRT version: 10.5.0\n")
        Path(given["saveEngine"]).write_text(os.environ["GPU"])
        layer = {"Name": "conv", "LayerType": "CaskConvolution", "Inputs": [{"Format/Datatype": "Half"}]}
        Path(given["exportLayerInfo"]).write_text(json.dumps({"Layers": [layer]}))
    elif Path(given["loadEngine"]).read_text() != os.environ["GPU"]:
        sys.stderr.write("engine was built for another device\n")
        return 1
    else:
        Path(given["exportOutput"]).write_text(json.dumps(_answers(Path(os.environ["GOLDEN"]))))
    return 0


def _answers(golden: Path) -> list[dict[str, object]]:
    wrong = float(os.environ["WRONG_BY"])
    outputs = json.loads(golden.read_text())["outputs"]
    return [
        {"name": name, "values": [value + wrong for row in rows for value in row]} for name, rows in outputs.items()
    ]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
