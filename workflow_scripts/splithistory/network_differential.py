"""Differential Op and Imp of a policy's attention and MLPs (method, section 9).

For each window and block::

    p    residual stream at the last position before the block; that of the other positions is held fixed
    a    what the block's attention, or its MLP, adds to the stream at the last position
    f    residual stream at the last position after the block ("block") or after the last block ("end")

Hooks on the policy read the stream and replace its values: p at the block, f at the next block or the final norm, and
the stream between attention and MLP at the block's ``between``. f is taken before the final norm, which would make J
singular. After the last block the two futures are the same.

The study presents these measures as speculative; none of its results rests on them.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from itertools import product
from typing import Any, Literal, NamedTuple, get_args

import numpy as np

from splithistory.differential import Differential, measure_differential
from splithistory.extras import needs_extra
from splithistory.fast_model import FastPolicy
from splithistory.information import Floats
from splithistory.model import as_tensor
from splithistory.sequence import Tokens

with needs_extra("torch"):
    import torch
    from torch import Tensor, nn

Component = Literal["attention", "mlp"]
Future = Literal["block", "end"]

_QUARTILES = {"low": 0.25, "median": 0.5, "high": 0.75}


@dataclass(frozen=True)
class BlockDifferential:
    """Differential Op and Imp of one component of one block, on the future after the block or at the end.

    Attributes:
        block: index of the block, from 0.
        component: component whose output is held fixed in K.
        future: where f is taken.
        op: (n_windows,) nats; NaN where undefined.
        imp: (n_windows,) nats, at least 0 up to rounding; NaN where undefined.
        reason: why the measures are undefined in some windows, with the number of windows; None if there are none.
    """

    block: int
    component: Component
    future: Future
    op: Floats
    imp: Floats
    reason: str | None

    def summary(self) -> dict[str, Any]:
        """Return a row of a 'differential' table: medians and quartiles over the windows with defined measures."""
        defined = ~np.isnan(self.op)
        return {
            "block": self.block,
            "component": self.component,
            "future": self.future,
            **{
                f"{measure}_{name}": np.quantile(values[defined], share) if defined.any() else np.nan
                for measure, values in (("op", self.op), ("imp", self.imp))
                for name, share in _QUARTILES.items()
            },
            "n_windows": len(defined),
            "n_undefined": int((~defined).sum()),
            "reason": self.reason,
        }


class Jacobians(NamedTuple):
    """Jacobians of one future with respect to the past, for each window.

    Attributes:
        varying: (n, d, d) J, with nothing held fixed.
        fixed: (n, d, d) K, by the component that is held fixed.
    """

    varying: Tensor
    fixed: dict[Component, Tensor]


def network_differentials(policy: FastPolicy, contexts: Tokens, chunk_size: int = 8) -> list[BlockDifferential]:
    """Measure differential Op and Imp of every component of a policy, on both futures, in float64 on the CPU.

    Args:
        policy: any policy, which is not changed.
        contexts: (n_windows, context_length) tokens, at least one window.
        chunk_size: windows computed at once, which bounds the memory: 8 windows of the largest size take 700 MB.

    Returns:
        One entry per block, component and future, in that order.
    """
    policy = double_precision(policy)
    found: dict[tuple[int, Component, Future], list[Differential]] = defaultdict(list)
    for chunk in as_tensor(contexts, policy).split(chunk_size):
        for block, futures in enumerate(network_jacobians(policy, chunk)):
            for future, jacobians in futures.items():
                for component, fixed in jacobians.fixed.items():
                    found[block, component, future].append(measure_differential(jacobians.varying, fixed))
    return [
        BlockDifferential(
            *key,
            op=np.concatenate([measures.op for measures in found[key]]),
            imp=np.concatenate([measures.imp for measures in found[key]]),
            reason=_joined([reason for measures in found[key] for reason in measures.reasons]),
        )
        for key in product(range(len(policy.blocks)), get_args(Component), get_args(Future))
    ]


def double_precision(policy: FastPolicy) -> FastPolicy:
    """Copy a policy to the CPU in float64, without dropout and without gradients of its parameters."""
    return deepcopy(policy).to("cpu", torch.float64).eval().requires_grad_(False)


def network_jacobians(policy: FastPolicy, contexts: Tensor) -> Iterator[dict[Future, Jacobians]]:
    """Compute the Jacobians of every block.

    Args:
        policy: from `double_precision`.
        contexts: (n, context_length) integer tokens.

    Yields:
        The Jacobians of both futures, block by block.
    """
    for index in range(len(policy.blocks)):
        yield _block_jacobians(policy, index, contexts)


def _block_jacobians(policy: FastPolicy, index: int, contexts: Tensor) -> dict[Future, Jacobians]:
    """Compute the Jacobians of both futures of one block, by the chain rule.

    With I + A and I + M the Jacobians through attention and through the MLP at the last position::

        J = (I + M)(I + A)        K = I + M with attention held fixed, I + A with the MLP held fixed

    For the stream at the end they are G J + S and G K + S: G leads from the last position after the block to the end,
    and S from p to the end through the other positions, which attend to the last one.

    Args:
        policy: policy from `double_precision`.
        index: index of the block.
        contexts: (n, context_length) integer tokens.

    Returns:
        The Jacobians of each future.
    """
    up_to_here, later_blocks = policy.blocks[: index + 1], policy.blocks[index + 1 :]
    before, between, end = policy.blocks[index], policy.blocks[index].between, policy.final_norm

    def stream(point: nn.Module, blocks: nn.ModuleList, given: Mapping[nn.Module, Tensor]) -> Tensor:
        """Run some blocks with given streams at some points, and return the last position at another: (n, d)."""
        return _last_at(point, lambda: policy.logits(policy.embed(contexts), blocks), given)

    last_in, last_middle, last_out = (stream(point, up_to_here, {}) for point in (before, between, end))  # p, then on
    (through_attention,) = _window_jacobians(lambda last: stream(between, up_to_here, {before: last}), last_in)
    (through_mlp,) = _window_jacobians(lambda last: stream(end, up_to_here, {between: last}), last_middle)
    after_block = Jacobians(through_mlp @ through_attention, {"attention": through_mlp, "mlp": through_attention})
    if not later_blocks:
        return {"block": after_block, "end": after_block}

    # S and G: p acts only on the other positions, and the stream at the last position is an input of its own.
    by_others, by_last = _window_jacobians(
        lambda last_in, last_out: stream(end, policy.blocks, {before: last_in, later_blocks[0]: last_out}),
        last_in,
        last_out,
    )
    at_end = Jacobians(
        by_last @ after_block.varying + by_others,
        {component: by_last @ fixed + by_others for component, fixed in after_block.fixed.items()},
    )
    return {"block": after_block, "end": at_end}


def _last_at(point: nn.Module, run: Callable[[], object], given: Mapping[nn.Module, Tensor]) -> Tensor:
    """Run a network, and return the last position of what enters one of its modules.

    Args:
        point: the module, which is called once.
        run: function that runs the network.
        given: (n, d) values that replace the last position of what enters some modules, by module.

    Returns:
        (n, d); if a value is given for ``point`` itself, that value.
    """
    seen = []

    def give(module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        streams, *others = inputs
        return (_with_last(streams, given[module]), *others)

    hooks = [module.register_forward_pre_hook(give) for module in given]
    hooks.append(point.register_forward_pre_hook(lambda module, inputs: seen.append(_last_of(inputs[0]))))
    try:
        run()
    finally:
        for hook in hooks:
            hook.remove()
    (last,) = seen
    return last


def _window_jacobians(function: Callable[..., Tensor], *inputs: Tensor) -> tuple[Tensor, ...]:
    """Compute the Jacobians of a function that treats each window separately.

    Since windows do not interact, the Jacobian of the sum over windows with respect to one window's input is that
    window's own. It takes as long as `torch.func.vmap` over windows, and the function may keep its batch axis.

    Args:
        function: function of (n, d) inputs that returns (n, d).
        inputs: (n, d) points at which to take the Jacobians.

    Returns:
        (n, d, d) Jacobians, one per input.
    """
    # torch.func.jacrev imports torch's compiler and a batch of directions symbolic algebra, before the first Jacobian.
    points = [values.detach().requires_grad_() for values in inputs]
    with torch.enable_grad():
        of_sum = function(*points).sum(dim=0)  # (d,)
    rows = [torch.autograd.grad(component, points, retain_graph=True) for component in of_sum]  # d x inputs x (n, d)
    return tuple(torch.stack(row, dim=1) for row in zip(*rows, strict=True))


def _last_of(streams: Tensor) -> Tensor:
    """Return the last position of streams, (n, T, d) or, if only that is computed, (n, d) -> (n, d)."""
    return streams if streams.ndim == 2 else streams[:, -1]


def _with_last(streams: Tensor, last: Tensor) -> Tensor:
    """Replace the last position of streams, of either shape, by (n, d) values."""
    return last if streams.ndim == 2 else torch.cat([streams[:, :-1], last[:, None]], dim=1)


def _joined(reasons: Sequence[str]) -> str | None:
    """Join the reasons of all windows, which are empty where the measures are defined; None if all are empty."""
    counts = Counter(reason for reason in reasons if reason)
    return "; ".join(f"{reason} ({n} of {len(reasons)} windows)" for reason, n in sorted(counts.items())) or None
