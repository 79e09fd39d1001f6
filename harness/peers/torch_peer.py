"""PyTorch: `torch.nn.LSTM`, as it comes."""

import protocol


def load(threads):
    import torch

    torch.set_num_threads(threads)
    return torch.__version__, {"infer": infer, "train": train, "step": step, "stream": stream}


def layer(job):
    import torch

    lstm = torch.nn.LSTM(job.inputs, job.units, batch_first=True)
    with torch.no_grad():
        lstm.weight_ih_l0.copy_(torch.from_numpy(job.kernel.T))
        lstm.weight_hh_l0.copy_(torch.from_numpy(job.recurrent_kernel.T))
        lstm.bias_ih_l0.copy_(torch.from_numpy(job.bias))
        lstm.bias_hh_l0.zero_()
    # One bias, as everybody else has.
    lstm.bias_hh_l0.requires_grad_(False)
    return lstm


def infer(job):
    import torch

    lstm, x = layer(job).eval(), torch.from_numpy(job.x)

    def run():
        with torch.inference_mode():
            return lstm(x)[0]

    return {"y": run().numpy()}, run


def stream(job):
    import torch

    lstm, state = layer(job).eval(), None
    steps = torch.from_numpy(job.x).split(1, dim=1)

    def run():
        nonlocal state
        outputs = []
        with torch.inference_mode():
            for x in steps:
                y, state = lstm(x, state)
                outputs.append(y)
        return outputs

    return {"y": torch.cat(run(), dim=1).numpy()}, run


def train(job):
    import torch

    lstm, x = layer(job), torch.from_numpy(job.x).requires_grad_()
    dy = torch.from_numpy(job.dy)
    wanted = [x, lstm.weight_ih_l0, lstm.weight_hh_l0, lstm.bias_ih_l0]

    def run():
        y = lstm(x)[0]
        return y, torch.autograd.grad(y, wanted, dy)

    y, (d_x, d_kernel, d_recurrent_kernel, d_bias) = run()
    answer = {
        "y": y.detach().numpy(),
        "d_x": d_x.numpy(),
        "d_kernel": d_kernel.T.numpy(),
        "d_recurrent_kernel": d_recurrent_kernel.T.numpy(),
        "d_bias": d_bias.numpy(),
    }
    return answer, run


def step(job):
    import torch

    lstm, head = layer(job), torch.nn.Linear(job.units, 1)
    with torch.no_grad():
        head.weight.copy_(torch.from_numpy(job.head_kernel.T))
        head.bias.copy_(torch.from_numpy(job.head_bias))
    weights = [w for w in [*lstm.parameters(), *head.parameters()] if w.requires_grad]
    adam = torch.optim.Adam(weights, lr=1e-3, eps=1e-7, fused=True)
    x, y = torch.from_numpy(job.x), torch.from_numpy(job.y)

    def run():
        adam.zero_grad(set_to_none=True)
        loss = torch.nn.functional.mse_loss(head(lstm(x)[0][:, -1]), y)
        loss.backward()
        adam.step()
        return loss

    return {"losses": [run().item() for _ in range(3)]}, run


protocol.serve(load)
