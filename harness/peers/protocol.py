"""How a peer of `harness race` speaks, and what the peers in Python share.

A peer is a program. It is told what to do in lines on its standard input, answers each with one line
on its standard output, and ends with its input. A line is one of two:

    {"shape": [32, 10, 8, 4], "kind": "infer", "threads": 1, "data": PATH, "answer": PATH}

is a job: batch, steps, inputs and units; `infer`, `train`, `step` or `stream`; how many threads the peer may
use, the same in all jobs of a process (and in the variables RAYON_NUM_THREADS and RTEN_NUM_THREADS of
its environment). `data` is a file in the format of safetensors, all `F32`:

    x                 [batch, steps, inputs]
    kernel            [inputs, 4 units]       gates in the order i, f, g, o, as in Keras
    recurrent_kernel  [units, 4 units]
    bias              [4 units]
    dy                [batch, steps, units]   train: the gradient of the output
    head_kernel       [units, 1]              step: a Dense(1) on the last step
    head_bias         [1]
    y                 [batch, 1]              step: what it should put out

The peer builds what it needs, runs it, writes what comes out to `answer`, in the same format,

    infer   y, the output of all steps
    train   y, and d_x, d_kernel, d_recurrent_kernel, d_bias: gradients of the sum of dy y
    stream  y, where each step is a call of its own that carries the state along, zero at first
    step    losses [3]: mean squared errors before each of the first three steps of Adam, which has
            Keras's defaults: a rate of 0.001, 0.9, 0.999 and 1e-7

and answers with one of

    {"ready": VERSION}
    {"missing": REASON}        what it is a peer for is not installed
    {"unsupported": REASON}    it has nothing of this kind
    {"failed": REASON}

    go 100

after a job that was ready: the peer runs it 100 times, each to its end, and answers with the
nanoseconds all of them took. A run of `infer` and `train` computes everything that `answer` has
anew; one of `step` is one step of training; one of `stream` takes all steps and may go on from the
state that the one before has left.

A script calls `serve` with a function that imports its framework, sets the threads, and gives the
framework's version and a function for each kind. Such a function takes a `Job` and gives the arrays
of the answer and a function that is one run.
"""

import json
import os
import sys
import time


class Unsupported(Exception):
    """A framework has nothing of this kind."""


class Job:
    """Sizes and arrays, as attributes."""

    def __init__(self, line):
        self.batch, self.steps, self.inputs, self.units = line["shape"]
        self.threads = line["threads"]
        self.__dict__.update(read(line["data"]))


def read(path):
    import numpy

    with open(path, "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        data = file.read()
    header.pop("__metadata__", None)
    arrays = {}
    for name, about in header.items():
        start, end = about["data_offsets"]
        assert about["dtype"] == "F32", about
        # Copied, so that it is aligned.
        flat = numpy.frombuffer(data[start:end], "<f4").copy()
        arrays[name] = flat.reshape(about["shape"])
    return arrays


def write(path, arrays):
    import numpy

    header, parts, start = {}, [], 0
    for name, array in arrays.items():
        part = numpy.ascontiguousarray(array, "<f4").tobytes()
        offsets = [start, start + len(part)]
        header[name] = {"dtype": "F32", "shape": list(numpy.shape(array)), "data_offsets": offsets}
        parts.append(part)
        start += len(part)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text + b"".join(parts))


def limit(threads):
    """What libraries read when they are loaded."""
    for library in ["OMP", "MKL", "OPENBLAS", "NUMEXPR"]:
        os.environ[f"{library}_NUM_THREADS"] = str(threads)


def serve(load):
    # Frameworks print; the standard output belongs to the protocol.
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    framework, run = None, None
    for line in sys.stdin:
        if line.startswith("go "):
            answer = go(run, int(line[3:]))
        else:
            run = None
            order = json.loads(line)
            try:
                if framework is None:
                    limit(order["threads"])
                    framework = load(order["threads"])
                version, kinds = framework
                if order["kind"] not in kinds:
                    raise Unsupported(f"no {order['kind']}")
                arrays, run = kinds[order["kind"]](Job(order))
                write(order["answer"], arrays)
                answer = json.dumps({"ready": version})
            except ImportError as error:
                answer = json.dumps({"missing": str(error)})
            except Unsupported as error:
                answer = json.dumps({"unsupported": str(error)})
            except Exception as error:
                answer = json.dumps({"failed": f"{type(error).__name__}: {error}"[:300]})
        print(answer, file=out, flush=True)


def go(run, runs):
    if run is None:
        return json.dumps({"failed": "nothing to run"})
    start = time.perf_counter_ns()
    for _ in range(runs):
        run()
    return time.perf_counter_ns() - start
