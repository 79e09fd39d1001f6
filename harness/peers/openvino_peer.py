"""OpenVINO, in `f32` where it would take less on its own."""

import onnx_model
import protocol


def load(threads):
    import onnx
    import openvino

    return openvino.__version__.split("-")[0], {"infer": infer}


def infer(job):
    import openvino

    core = openvino.Core()
    options = {
        "INFERENCE_NUM_THREADS": job.threads,
        "INFERENCE_PRECISION_HINT": "f32",
        "PERFORMANCE_HINT": "LATENCY",
        "ENABLE_CPU_PINNING": False,
    }
    model = core.compile_model(core.read_model(onnx_model.model(job), b""), "CPU", options)
    request = model.create_infer_request()
    request.set_input_tensor(openvino.Tensor(job.x, shared_memory=True))
    run = request.infer
    run()
    return {"y": request.get_output_tensor().data.copy()}, run


protocol.serve(load)
