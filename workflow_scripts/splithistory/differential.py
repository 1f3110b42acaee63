"""Differential Op and Imp: what a small change of the past does to the future through a component (method, section 9).

The future f depends on the past p directly and through a component's output a(p). Two Jacobians tell the paths apart::

    J = ∂f/∂p with a varying        K = ∂f/∂p with a held at its value

With p and p'' independent, normal and of covariance σ²I, the futures are F = J p and F'|p'' = K p + (J-K) p''. Op is
the entropy of F'|p'' minus that of F, Imp the mean over p'' of KL(F ‖ F'|p''), and σ cancels.

The study presents these measures as speculative; none of its results rests on them.

Call `measure_differential`; each of the other functions is one formula, for Jacobians that are known to be regular.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from splithistory.extras import needs_extra
from splithistory.information import Floats

with needs_extra("torch"):
    import torch
    from torch import Tensor

# Least reciprocal condition number of a Jacobian. It is the square root of float64's precision: the method's
# matrices KKᵀ and JJᵀ have its square, so below it they could not be told from singular ones.
LEAST_RECIPROCAL_CONDITION = float(np.finfo(np.float64).eps) ** 0.5


@dataclass(frozen=True)
class Differential:
    """Differential Op and Imp of a batch of Jacobians.

    Attributes:
        op: (...) nats, any sign; NaN where undefined.
        imp: (...) nats, at least 0 up to rounding; NaN where undefined.
        reasons: (...) texts that say why a value is undefined; empty where it is defined.
    """

    op: Floats
    imp: Floats
    reasons: NDArray[np.str_]


@torch.no_grad()
def measure_differential(jacobian: Tensor, jacobian_fixed: Tensor) -> Differential:
    """Measure differential Op and Imp, which are undefined where a Jacobian is not finite or lacks full rank.

    Args:
        jacobian: (..., d_f, d_p) J, with 1 <= d_f <= d_p; 1 × 1 for scalars.
        jacobian_fixed: K, of the same shape.

    Returns:
        The measures, each of the batch's shape (...).

    Raises:
        ValueError: if the shapes differ, are not those of matrices, or d_f is 0 or above d_p.
    """
    jacobian, jacobian_fixed = jacobian.double(), jacobian_fixed.double()
    if jacobian.shape != jacobian_fixed.shape or jacobian.ndim < 2:
        raise ValueError(
            "jacobian and jacobian_fixed: expected two equal shapes (..., d_f, d_p), "
            f"got {tuple(jacobian.shape)} and {tuple(jacobian_fixed.shape)}"
        )
    d_future, d_past = jacobian.shape[-2:]
    if not 1 <= d_future <= d_past:
        raise ValueError(f"jacobian: expected 1 <= d_f <= d_p, got d_f = {d_future}, d_p = {d_past}")

    reasons = _reasons(jacobian, jacobian_fixed)
    defined = torch.as_tensor(reasons == "")
    regular, regular_fixed = jacobian[defined], jacobian_fixed[defined]  # (n_defined, d_f, d_p)
    op, imp = torch.full((2, *jacobian.shape[:-2]), torch.nan, dtype=torch.float64)
    if d_future == d_past:
        op[defined] = square_differential_optimization(regular, regular_fixed)
        imp[defined] = square_differential_impact(regular, regular_fixed)
    else:
        op[defined] = differential_optimization(regular, regular_fixed)
        imp[defined] = differential_impact(regular, regular_fixed)
    return Differential(op.numpy(), imp.numpy(), reasons)


def scalar_differential_optimization(ratio: Tensor) -> Tensor:
    """Op = -ln|r| of a scalar past and future.

    Args:
        ratio: r = J / K, any shape; finite and not 0.

    Returns:
        Nats, positive where |r| < 1.
    """
    return -torch.log(torch.abs(ratio))


def scalar_differential_impact(ratio: Tensor) -> Tensor:
    """Imp = r² - r - ln|r| of a scalar past and future.

    Args:
        ratio: r = J / K, any shape; finite and not 0.

    Returns:
        Nats, at least 0 and 0 at r = 1; at least 1.443 on r < 0, at r = -1/2.
    """
    return ratio**2 - ratio - torch.log(torch.abs(ratio))


def square_differential_optimization(jacobian: Tensor, jacobian_fixed: Tensor) -> Tensor:
    """Op = -ln|det R| with R = K⁻¹J, for pasts and futures of one dimension.

    Args:
        jacobian: (..., d, d) J, invertible.
        jacobian_fixed: (..., d, d) K, invertible.

    Returns:
        (...) nats, of any sign.
    """
    return torch.linalg.slogdet(jacobian_fixed).logabsdet - torch.linalg.slogdet(jacobian).logabsdet


def square_differential_impact(jacobian: Tensor, jacobian_fixed: Tensor) -> Tensor:
    """Imp = tr(RᵀR) - tr R - ln|det R| with R = K⁻¹J, for pasts and futures of one dimension.

    Args:
        jacobian: (..., d, d) J, invertible.
        jacobian_fixed: (..., d, d) K, invertible.

    Returns:
        (...) nats, at least 0 but for rounding, and 0 only at J = K.
    """
    ratio = torch.linalg.solve(jacobian_fixed, jacobian)  # R
    trace = ratio.diagonal(dim1=-2, dim2=-1).sum(dim=-1)
    return ratio.square().sum(dim=(-2, -1)) - trace + square_differential_optimization(jacobian, jacobian_fixed)


def differential_optimization(jacobian: Tensor, jacobian_fixed: Tensor) -> Tensor:
    """Op = ½ ln(det KKᵀ / det JJᵀ), for a future of no more dimensions than the past.

    Args:
        jacobian: (..., d_f, d_p) J, of rank d_f.
        jacobian_fixed: (..., d_f, d_p) K, of rank d_f.

    Returns:
        (...) nats, of any sign.
    """
    return _half_log_det(_gram_factor(jacobian_fixed)) - _half_log_det(_gram_factor(jacobian))


def differential_impact(jacobian: Tensor, jacobian_fixed: Tensor) -> Tensor:
    """Imp = ½ [ln(det KKᵀ / det JJᵀ) - d_f + tr((KKᵀ)⁻¹ (JJᵀ + (J-K)(J-K)ᵀ))], for d_f <= d_p.

    Args:
        jacobian: (..., d_f, d_p) J, of rank d_f.
        jacobian_fixed: (..., d_f, d_p) K, of rank d_f.

    Returns:
        (...) nats, at least 0 but for rounding, and 0 only at J = K.
    """
    factor = _gram_factor(jacobian_fixed)  # KKᵀ = LLᵀ, hence tr((KKᵀ)⁻¹ MMᵀ) is the sum of squares of L⁻¹M
    spread, shift = (
        torch.linalg.solve_triangular(factor, matrix, upper=False).square().sum(dim=(-2, -1))
        for matrix in (jacobian, jacobian - jacobian_fixed)
    )
    return differential_optimization(jacobian, jacobian_fixed) + (spread + shift - jacobian.shape[-2]) / 2


def _gram_factor(matrix: Tensor) -> Tensor:
    """Factor MMᵀ = LLᵀ with L lower triangular: (..., d_f, d_p) M -> (..., d_f, d_f) L.

    L comes from the QR decomposition of Mᵀ, since the product MMᵀ itself would lose half of the digits.
    """
    return torch.linalg.qr(matrix.mT, mode="r").R.mT


def _half_log_det(factor: Tensor) -> Tensor:
    """Return ½ ln det(LLᵀ) of triangular L: (..., d, d) -> (...)."""
    return torch.linalg.slogdet(factor).logabsdet


def _reasons(jacobian: Tensor, jacobian_fixed: Tensor) -> NDArray[np.str_]:
    """Return (...) texts that say why the measures are undefined, empty where they are defined."""
    finite = {
        name: torch.isfinite(matrix).all(dim=(-2, -1)) for name, matrix in (("J", jacobian), ("K", jacobian_fixed))
    }
    both = (finite["J"] & finite["K"])[..., None, None]
    # LAPACK fails on values that are not finite.
    singular_values = {
        name: torch.linalg.svdvals(torch.where(both, matrix, 0.0))  # (..., d_f), the largest first
        for name, matrix in (("J", jacobian), ("K", jacobian_fixed))
    }
    # The two Jacobians share most of their terms, so the rounding errors of both are of the size of the larger.
    scale = torch.maximum(*(values[..., 0] for values in singular_values.values()))
    problems = {f"{name} is not finite": ~is_finite for name, is_finite in finite.items()} | {
        f"{name} is near-singular": values[..., -1] <= LEAST_RECIPROCAL_CONDITION * scale
        for name, values in singular_values.items()
    }
    return np.select([problem.numpy() for problem in problems.values()], list(problems), default="")
