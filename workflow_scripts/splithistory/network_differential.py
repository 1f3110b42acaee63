"""Differential Op and Imp of a policy's attention and MLPs (method, section 9).

For each window and block::

    p    residual stream at the last position before the block; the other positions' streams are held
    a    what the block's attention, or its MLP, adds to the stream at the last position
    f    residual stream at the last position after the block ("block") or after the last block ("end")

The streams are read, and given other values, by hooks on the policy: p at the block, f at the next block or the final
norm, and the stream in the middle at the block's ``between``. f stops short of the final norm, which would make J
singular. After the last block the two futures are one.

The study gives these measures as speculative: no result of it rests on them.
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
        component: what is held fixed in K.
        future: where f is taken.
        op: (n_windows,) nats; NaN where undefined.
        imp: (n_windows,) nats, at least 0 but for rounding; NaN where undefined.
        reason: why some windows are undefined, with the number of each kind; None where none is.
    """

    block: int
    component: Component
    future: Future
    op: Floats
    imp: Floats
    reason: str | None

    def summary(self) -> dict[str, Any]:
        """A row of a 'differential' table: medians and quartiles over the windows where the measures are defined."""
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
        varying: (n, d, d) J, with everything varying.
        fixed: K for each component held fixed, each (n, d, d).
    """

    varying: Tensor
    fixed: dict[Component, Tensor]


def network_differentials(policy: FastPolicy, contexts: Tokens, chunk_size: int = 8) -> list[BlockDifferential]:
    """Differential Op and Imp of every component of a policy, on both futures, in float64 on the CPU.

    Args:
        policy: any policy; stays as it is.
        contexts: (n_windows, context_length) tokens, at least one window.
        chunk_size: windows computed at once. It bounds the memory: 8 windows of the largest size take 700 MB.

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
    """A copy of a policy in float64 on the CPU, without dropout and without gradients of its parameters."""
    return deepcopy(policy).to("cpu", torch.float64).eval().requires_grad_(False)


def network_jacobians(policy: FastPolicy, contexts: Tensor) -> Iterator[dict[Future, Jacobians]]:
    """The Jacobians of every block.

    Args:
        policy: from `double_precision`.
        contexts: (n, context_length) integer tokens.

    Yields:
        The Jacobians of both futures, block by block.
    """
    for index in range(len(policy.blocks)):
        yield _block_jacobians(policy, index, contexts)


def _block_jacobians(policy: FastPolicy, index: int, contexts: Tensor) -> dict[Future, Jacobians]:
    """Jacobians of both futures of one block, by the chain rule.

    With the paths through attention and MLP at the last position I + A and I + M::

        J = (I + M)(I + A)        K = I + M with attention held, I + A with the MLP held

    and, for the stream at the end, G J + S and G K + S: G leads from the last position after the block to the
    end, and S from p to the end by way of the other positions, which attend to the last one.

    Args:
        policy: from `double_precision`.
        index: of the block.
        contexts: (n, context_length) integer tokens.

    Returns:
        The Jacobians of each future.
    """
    up_to_here, later_blocks = policy.blocks[: index + 1], policy.blocks[index + 1 :]
    before, between, end = policy.blocks[index], policy.blocks[index].between, policy.final_norm

    def stream(point: nn.Module, blocks: nn.ModuleList, given: Mapping[nn.Module, Tensor]) -> Tensor:
        """(n, d), the stream at a point's last position when some blocks run with other streams given at others."""
        return _last_at(point, lambda: policy.logits(policy.embed(contexts), blocks), given)

    last_in, last_middle, last_out = (stream(point, up_to_here, {}) for point in (before, between, end))  # p, then on
    (through_attention,) = _window_jacobians(lambda last: stream(between, up_to_here, {before: last}), last_in)
    (through_mlp,) = _window_jacobians(lambda last: stream(end, up_to_here, {between: last}), last_middle)
    after_block = Jacobians(through_mlp @ through_attention, {"attention": through_mlp, "mlp": through_attention})
    if not later_blocks:
        return {"block": after_block, "end": after_block}

    # S and G, as if p acted on the other positions only and the last one were free.
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
    """The last position of what enters a module of a network.

    Args:
        point: the module, which is called once.
        run: runs the network.
        given: modules and what enters them at the last position, (n, d), instead of what would.

    Returns:
        (n, d), with what is given at ``point`` itself, if anything is.
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
    """The Jacobians of a function that treats each window by itself.

    Since the windows do not interact, the Jacobian of the sum over windows with respect to one window's input is
    that window's own. It takes as long as `torch.func.vmap` over windows, and the function may keep its batch axis.

    Args:
        function: (n, d) inputs -> (n, d).
        inputs: where to take the Jacobians.

    Returns:
        (n, d, d) Jacobians, one per input.
    """
    # torch.func.jacrev does the same, after importing torch's compiler for a second and more.
    points = [values.detach().requires_grad_() for values in inputs]
    with torch.enable_grad():
        of_sum = function(*points).sum(dim=0)  # (d,)
    basis = torch.eye(len(of_sum), dtype=of_sum.dtype)
    jacobians = torch.autograd.grad(of_sum, points, basis, is_grads_batched=True)
    return tuple(jacobian.transpose(0, 1) for jacobian in jacobians)  # each (d, n, d) before


def _last_of(streams: Tensor) -> Tensor:
    """(n, T, d) streams, or (n, d) where the last position alone is computed -> (n, d), the last position."""
    return streams if streams.ndim == 2 else streams[:, -1]


def _with_last(streams: Tensor, last: Tensor) -> Tensor:
    """Streams, of either shape, with (n, d) in place of the last position."""
    return last if streams.ndim == 2 else torch.cat([streams[:, :-1], last[:, None]], dim=1)


def _joined(reasons: Sequence[str]) -> str | None:
    """One text for the reasons of all windows, which are empty where the measures are defined; None if all are."""
    counts = Counter(reason for reason in reasons if reason)
    return "; ".join(f"{reason} ({n} of {len(reasons)} windows)" for reason, n in sorted(counts.items())) or None
