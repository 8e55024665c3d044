"""Ways to compute in int8 on a processor without VNNI: what each costs in quality and in time.

    python tests/bench/int8_kinds.py FLOAT32_GRAPH COLLECTION_FOLDER... [--cpu Haswell]
        [-o tests/bench/results/int8.json]

FLOAT32_GRAPH is `xl.onnx` in the work folder of a build. All kinds keep the token table in float32, so that only
the products differ:

- 7-bit weights, scales from each text (what bundles hold): two u8 x s8 products fit into 16 bits
- the same without any product in float32, and without care for outliers at all
- 8-bit weights, scales from each text: sums saturate on AVX2, and how depends on the tiling
- the same with `session.x64quantprecision`, which trades speed for sums that hold
- 7-bit weights with activation scales fixed by calibration, which would let texts share a batch

Quality is nDCG@10 of dense search and the cosine to the float32 graph; time is one text of 240 tokens on one
thread, the kinds in turn. --cpu names a processor that qemu's user mode emulates (`apt-get install qemu-user`), where
16 of the bundle's golden texts are encoded: Haswell has AVX2 and no VNNI, so it saturates where newer ones do not.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
from machine import described, finished
from onnx import helper, numpy_helper
from precision import Vectors, compared, figures

from nestling import Encoder
from nestling.bundle.golden import read_golden
from nestling.bundle.manifest import read_bundle
from nestling.evaluate import Collection, read_collection
from nestling.export.quantize.activations import reach
from nestling.export.quantize.calibration import own_texts
from nestling.export.quantize.int8 import quantize_int8
from nestling.export.quantize.onnx_graph import optimized

OUTLIERS, FAR = 2.0, 4.0
NEVER = 1e9
LONG, ROUNDS = 240, 60
EMULATED_EVERY = 4
THREADS = 2

Ids = npt.NDArray[np.int64]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("graph", type=Path, nargs="?")
    parser.add_argument("collections", type=Path, nargs="*")
    parser.add_argument("--cpu")
    parser.add_argument("--encode", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("-o", "--output", type=Path, default=Path(__file__).parent / "results" / "int8.json")
    arguments = parser.parse_args()
    if arguments.encode:
        encode(arguments.encode)
        return
    tokens = Encoder(threads=1).tokens
    calibration = [tokens.ids(text, "document")[0] for text in own_texts()]
    reached = reach(onnx.load(arguments.graph), calibration)
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)

        def made(bits: int, outliers: float = OUTLIERS, far: float = FAR) -> Any:
            return quantize_int8(onnx.load(arguments.graph), reached, bits, outliers, far, work)

        seven, eight = made(7), made(8)
        models = {
            "float32": (onnx.load(arguments.graph), False),
            "7-bit weights": (optimized(seven, work), False),
            "7-bit weights, no float32 product": (optimized(made(7, far=NEVER), work), False),
            "7-bit weights, plain": (optimized(made(7, NEVER, NEVER), work), False),
            "8-bit weights": (optimized(eight, work), False),
            "8-bit weights, x64quantprecision": (optimized(eight, work), True),
            "7-bit weights, fixed activation scales": (fixed(seven, calibration), False),
        }
    kinds = {name: session(model, exact) for name, (model, exact) in models.items()}
    collections = [read_collection(path) for path in arguments.collections]
    results: dict[str, Any] = {}
    exact: list[Vectors] = []
    for name, run in kinds.items():
        found = [encoded(run, collection, tokens) for collection in collections]
        exact = exact or found
        results[name] = figures(*compared(collections, found, exact))
        print(name, json.dumps(results[name]), flush=True)
    if arguments.cpu:
        for name, cosines in emulated(models, arguments.graph, tokens, arguments.cpu).items():
            results[name]["emulated"] = {"cosine_mean": round(cosines[0], 4), "cosine_min": round(cosines[1], 4)}
    text = np.resize(calibration[0][1:-1], (1, LONG)).astype(np.int64)
    took: dict[str, list[float]] = {name: [] for name in kinds}
    for _ in range(ROUNDS):
        for name, run in kinds.items():
            begin = time.perf_counter()
            run.run(["vector"], {"input_ids": text})
            took[name].append(1000 * (time.perf_counter() - begin))
    for name, values in took.items():
        results[name]["text_ms"] = round(statistics.median(values), 1)
    command = f"python tests/bench/int8_kinds.py FLOAT32_GRAPH {' '.join(map(str, arguments.collections))}"
    command += f" --cpu {arguments.cpu}" if arguments.cpu else ""
    finished(arguments.output, {**described(command, 1), "cpu": arguments.cpu, "kinds": results})
    print(json.dumps(results, indent=2))


def session(model: Any, exact: bool = False) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    if exact:
        options.add_session_config_entry("session.x64quantprecision", "1")
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def emulated(
    models: dict[str, tuple[Any, bool]], float32: Path, tokens: Any, cpu: str
) -> dict[str, tuple[float, float]]:
    """By kind the mean and worst cosine on another processor to the float32 graph here, over some golden texts."""
    texts = [tokens.ids(text, "document")[0] for text in read_golden(read_bundle()).texts[::EMULATED_EVERY]]
    # float32 takes an emulator half an hour, and does not saturate.
    models = {name: kind for name, kind in models.items() if name != "float32"}
    with tempfile.TemporaryDirectory() as folder:
        for place, (model, exact) in enumerate(models.values()):
            onnx.save(model, Path(folder, f"{place}.{'exact' if exact else 'plain'}.onnx"))
        Path(folder, "texts.json").write_text(json.dumps([text.tolist() for text in texts]))
        command = ["qemu-x86_64", "-cpu", cpu, sys.executable, __file__, "--encode", folder]
        subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
        found = [np.load(Path(folder, f"{place}.npy")) for place in range(len(models))]
    here = session(onnx.load(float32))
    expected = np.concatenate([here.run(["vector"], {"input_ids": text[None]})[0] for text in texts])
    cosines = [(vectors * expected).sum(axis=1) for vectors in found]
    return {name: (float(c.mean()), float(c.min())) for name, c in zip(models, cosines, strict=True)}


def encode(folder: Path) -> None:
    """Encode a folder's texts with each of its graphs; this runs under the emulator."""
    texts = [np.array([ids], dtype=np.int64) for ids in json.loads((folder / "texts.json").read_text())]
    for path in folder.glob("*.onnx"):
        place, kind, _ = path.name.split(".")
        run = session(onnx.load(path), exact=kind == "exact")
        np.save(folder / f"{place}.npy", np.concatenate([run.run(["vector"], {"input_ids": ids})[0] for ids in texts]))


def fixed(model: Any, texts: list[Ids]) -> Any:
    """A dynamic int8 graph with the scale and zero point of every activation measured once and stored."""
    nodes = {output: node for node in model.graph.node for output in node.output}
    dynamic = [node for node in model.graph.node if node.op_type == "DynamicQuantizeLinear"]
    names = list(dict.fromkeys(node.input[0] for node in dynamic))
    probe = onnx.ModelProto()
    probe.CopyFrom(model)
    probe.graph.output.extend(helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in names)
    run = session(probe)
    reached = dict.fromkeys(names, (0.0, 0.0))
    for ids in texts:
        for name, values in zip(names, run.run(names, {"input_ids": ids[None, :]}), strict=True):
            low, high = reached[name]
            reached[name] = min(low, float(values.min())), max(high, float(values.max()))
    result = onnx.ModelProto()
    result.CopyFrom(model)
    del result.graph.node[:]
    users: dict[str, list[Any]] = {}
    for node in model.graph.node:
        for name in node.input:
            users.setdefault(name, []).append(node)
    gone: set[str] = set()
    products: dict[str, Any] = {}
    for node in model.graph.node:
        if node.op_type == "MatMulInteger":
            (cast,) = users[node.output[0]]
            (last,) = users[cast.output[0]]
            scales = nodes[next(name for name in last.input if name != cast.output[0])]
            (weight_scale,) = (name for name in scales.input if name not in nodes)
            activation = nodes[node.input[0]]
            inputs = [node.input[0], node.input[1], activation.output[1], weight_scale, *node.input[2:]]
            products[last.name] = helper.make_node(
                "MatMulIntegerToFloat", inputs, list(last.output), name=node.name, domain="com.microsoft"
            )
            gone |= {node.name, cast.name, scales.name}
    for node in model.graph.node:
        if node.op_type == "DynamicQuantizeLinear":
            low, high = reached[node.input[0]]
            scale = np.float32((high - low) / 255)
            zero = np.uint8(np.clip(np.round(-low / scale), 0, 255))
            stored = ((scale, node.output[1]), (zero, node.output[2]))
            result.graph.initializer.extend(numpy_helper.from_array(np.asarray(value), name) for value, name in stored)
            inputs = [node.input[0], node.output[1], node.output[2]]
            result.graph.node.append(helper.make_node("QuantizeLinear", inputs, [node.output[0]], name=node.name))
        elif node.name in products:
            result.graph.node.append(products[node.name])
        elif node.name not in gone:
            result.graph.node.append(node)
    return result


def encoded(run: onnxruntime.InferenceSession, collection: Collection, tokens: Any) -> Vectors:
    """The vectors of all documents and queries, (n, dim) each."""
    texts = [f"{document.title} {document.text}".strip() for document in collection.documents]
    rows = []
    with ThreadPoolExecutor(THREADS) as pool:
        for part in (texts, list(collection.queries.values())):
            ids = [tokens.ids(text, "document")[0] for text in part]
            rows.append(
                np.concatenate(list(pool.map(lambda one: run.run(["vector"], {"input_ids": one[None]})[0], ids)))
            )
    return rows[0], rows[1]


if __name__ == "__main__":
    main()
