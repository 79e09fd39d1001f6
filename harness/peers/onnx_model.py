"""A layer as an ONNX model, for those who load one."""

import numpy


def order(gates):
    """From i, f, g, o to i, o, f, g."""
    i, f, g, o = numpy.split(gates, 4, axis=-1)
    return numpy.concatenate([i, o, f, g], axis=-1)


def constants(job):
    bias = order(job.bias)
    constants = {
        "w": order(job.kernel).T[None],
        "r": order(job.recurrent_kernel).T[None],
        "b": numpy.concatenate([bias, numpy.zeros_like(bias)])[None],
    }
    return {name: numpy.ascontiguousarray(value) for name, value in constants.items()}


def made(nodes, inputs, outputs, constants):
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    def values(shapes):
        return [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
            for name, shape in shapes.items()
        ]

    initializers = [numpy_helper.from_array(array, name) for name, array in constants.items()]
    graph = helper.make_graph(nodes, "lstm", values(inputs), values(outputs), initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def model(job):
    from onnx import helper

    nodes = [
        # The operator has steps first, then the batch.
        helper.make_node("Transpose", ["x"], ["steps"], perm=[1, 0, 2]),
        helper.make_node("LSTM", ["steps", "w", "r", "b"], ["all"], hidden_size=job.units),
        helper.make_node("Squeeze", ["all", "direction"], ["outputs"]),
        helper.make_node("Transpose", ["outputs"], ["y"], perm=[1, 0, 2]),
    ]
    x, y = [job.batch, job.steps, job.inputs], [job.batch, job.steps, job.units]
    direction = {"direction": numpy.array([1])}
    return made(nodes, {"x": x}, {"y": y}, constants(job) | direction)


def one_step(job):
    """From the states before a step, h and c, to those after it."""
    from onnx import helper

    # No lengths of sequences.
    operands = ["x", "w", "r", "b", "", "h", "c"]
    results = ["", "h_next", "c_next"]
    nodes = [helper.make_node("LSTM", operands, results, hidden_size=job.units)]
    state = [1, job.batch, job.units]
    inputs = {"x": [1, job.batch, job.inputs], "h": state, "c": state}
    return made(nodes, inputs, {"h_next": state, "c_next": state}, constants(job))
