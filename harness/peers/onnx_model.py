"""A layer as an ONNX model, for those who load one."""

import numpy


def order(gates):
    """From i, f, g, o to i, o, f, g."""
    i, f, g, o = numpy.split(gates, 4, axis=-1)
    return numpy.concatenate([i, o, f, g], axis=-1)


def model(job):
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    bias = order(job.bias)
    constants = {
        "w": order(job.kernel).T[None],
        "r": order(job.recurrent_kernel).T[None],
        "b": numpy.concatenate([bias, numpy.zeros_like(bias)])[None],
    }
    constants = {name: numpy.ascontiguousarray(value) for name, value in constants.items()}
    constants["direction"] = numpy.array([1])
    nodes = [
        # The operator has steps first, then the batch.
        helper.make_node("Transpose", ["x"], ["steps"], perm=[1, 0, 2]),
        helper.make_node("LSTM", ["steps", "w", "r", "b"], ["all"], hidden_size=job.units),
        helper.make_node("Squeeze", ["all", "direction"], ["outputs"]),
        helper.make_node("Transpose", ["outputs"], ["y"], perm=[1, 0, 2]),
    ]
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "lstm",
        [value("x", TensorProto.FLOAT, [job.batch, job.steps, job.inputs])],
        [value("y", TensorProto.FLOAT, [job.batch, job.steps, job.units])],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(made)
    return made.SerializeToString()
