"""ONNX Runtime, with input and output bound, so that a run allocates nothing outside of it."""

import onnx_model
import protocol


def load(threads):
    import onnx
    import onnxruntime

    return onnxruntime.__version__, {"infer": infer}


def infer(job):
    import numpy
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = job.threads
    options.inter_op_num_threads = 1
    # Threads look for work during a run, as they do unless told otherwise, but not on while others have
    # their turn.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    providers = ["CPUExecutionProvider"]
    session = onnxruntime.InferenceSession(onnx_model.model(job), options, providers)
    y = numpy.empty((job.batch, job.steps, job.units), numpy.float32)
    binding = session.io_binding()
    binding.bind_cpu_input("x", job.x)
    output = onnxruntime.OrtValue.ortvalue_from_numpy(y)
    binding.bind_ortvalue_output("y", output)

    def run():
        session.run_with_iobinding(binding)

    run()
    return {"y": output.numpy()}, run


protocol.serve(load)
