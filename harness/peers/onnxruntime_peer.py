"""ONNX Runtime, with input and output bound, so that a run allocates nothing outside of it."""

import onnx_model
import protocol


def load(threads):
    import onnx
    import onnxruntime

    return onnxruntime.__version__, {"infer": infer, "stream": stream}


def open_session(job, model):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = job.threads
    options.inter_op_num_threads = 1
    # Threads look for work during a run, as they do unless told otherwise, but not on while others have
    # their turn.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    providers = ["CPUExecutionProvider"]
    return onnxruntime.InferenceSession(model, options, providers)


def infer(job):
    import numpy
    import onnxruntime

    session = open_session(job, onnx_model.model(job))
    y = numpy.empty((job.batch, job.steps, job.units), numpy.float32)
    binding = session.io_binding()
    binding.bind_cpu_input("x", job.x)
    output = onnxruntime.OrtValue.ortvalue_from_numpy(y)
    binding.bind_ortvalue_output("y", output)

    def run():
        session.run_with_iobinding(binding)

    run()
    return {"y": output.numpy()}, run


def stream(job):
    import numpy
    from onnxruntime import OrtValue

    session = open_session(job, onnx_model.one_step(job))
    steps = [numpy.ascontiguousarray(x[None]) for x in numpy.moveaxis(job.x, 1, 0)]
    x = OrtValue.ortvalue_from_numpy(steps[0])
    # The states before a step and after it, which take turns.
    zeros = numpy.zeros((1, job.batch, job.units), numpy.float32)
    states = [[OrtValue.ortvalue_from_numpy(zeros.copy()) for _ in "hc"] for _ in "01"]
    bindings = []
    for now in 0, 1:
        binding = session.io_binding()
        binding.bind_ortvalue_input("x", x)
        for name, before, after in zip("hc", states[now], states[1 - now]):
            binding.bind_ortvalue_input(name, before)
            binding.bind_ortvalue_output(name + "_next", after)
        bindings.append(binding)
    now = 0

    def step(given):
        nonlocal now
        x.update_inplace(given)
        session.run_with_iobinding(bindings[now])
        now = 1 - now

    def run():
        for given in steps:
            step(given)

    outputs = []
    for given in steps:
        step(given)
        outputs.append(states[now][0].numpy()[0].copy())
    return {"y": numpy.stack(outputs, axis=1)}, run


protocol.serve(load)
