import inspect
import re

import test_device
from sayings import CONFIG, read, rows
from splithistory.model import Architecture
from sweep.stages import architecture_settings

MICROSECONDS = (5, 10)  # that sending a kernel is supposed to take
FLOPS = 10e12  # a second, of a modest GPU


def how_equal_results_are():
    """What the tests ask for, where there is a GPU."""

    def asked(test, expression):
        return re.findall(expression, inspect.getsource(getattr(test_device, test)))

    relative, absolute = asked("test_a_forward_pass_is_equal_but_for_rounding", r"[ra]tol=([\d.e-]+)")
    assert relative == absolute
    yield f"within {absolute}, absolute and relative"
    (differing,) = asked("test_measures_are_equal", r"<= ([\d.]+)")
    yield f"at most 1 in {1 / float(differing):.0f}"
    (within,) = set(asked("test_measures_are_equal", r"atol=([\d.e-]+)"))
    yield f"within {within} nats"
    test = "test_without_random_numbers_of_its_own_a_training_is_equal_for_some_steps"
    (n_steps,), (within,) = asked(test, r"n_steps=(\d+)"), asked(test, r"rtol=([\d.e-]+)")
    yield f"losses of the first {n_steps} steps, without dropout | within {100 * float(within):g} %;"
    (within,) = asked("test_a_killed_training_goes_on_on_a_gpu", r"rtol=([\d.e-]+)")
    yield f"killed and resumed | losses within {100 * float(within):g} % of"


def many_small_models():
    steps = read("performance/device.csv")
    yield from rows("{size} | {step} | {kernels} | {gigaflop:.2f} | {megabytes}", steps)
    kernels = steps.groupby("step")["kernels"].agg(["min", "max"])
    assert (kernels["min"] == kernels["max"]).all()  # "whatever the size"
    least = {step: [n * each / 1000 for each in MICROSECONDS] for step, n in kernels["min"].items()}
    yield "Suppose that Python takes {} to {} µs to send one".format(*MICROSECONDS)
    yield (
        "at least {:.1f} to {:.1f} ms in pretraining and ".format(*least["pretrain"])
        + "{:.1f} to {:.1f} ms in reinforcement".format(*least["finetune"])
    )
    computing = 1000 * steps["gigaflop"] * 1e9 / FLOPS
    smallest, *_, largest = CONFIG["sizes"]
    yield (
        f"at {FLOPS / 1e12:.0f} TFLOP/s, which is modest, computes the products in {computing.min():.2f} ms "
        f"({smallest}) to {computing.max():.1f} ms ({largest})"
    )
    busy = [100 * computing / (steps["kernels"] * each / 1000) for each in reversed(MICROSECONDS)]
    ends = {
        size: (round(busy[0][steps["size"] == size].min()), round(busy[1][steps["size"] == size].max()))
        for size in (smallest, largest)
    }
    assert len(set(ends[smallest])) == 1
    yield f"busy for {ends[smallest][0]} % of the time with the smallest policies"
    yield "for {} to {} % with the largest".format(*ends[largest])
    n_bytes = 4 + 4 + 2 * 8  # parameters, gradients, two moments of each of two optimizers in float32
    n_parameters = Architecture(**architecture_settings(CONFIG, largest)).n_parameters
    yield f"take {n_bytes} bytes per parameter, {n_bytes * n_parameters / 1e6:.0f} MB for the largest"
