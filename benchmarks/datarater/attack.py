"""Projected gradient descent in the L-infinity ball.

Paper: Madry et al., Towards deep learning models resistant to adversarial attacks (arXiv 1706.06083), equation 2.1 and
section 2.1: x <- P(x + a sign(grad_x L(x))); P goes back to the nearest point with |x - x0| <= eps and 0 <= x <= 1.
"""

from __future__ import annotations

from collections.abc import Callable

import torch


def projected_gradient(
    loss: Callable[[torch.Tensor], torch.Tensor],
    images: torch.Tensor,
    eps: float,
    step_size: float,
    steps: int,
    generator: torch.Generator | None,
) -> torch.Tensor:
    """Return images that were moved to where the loss is high.

    Args:
        loss: images of the same shape -> a scalar, the sum of the losses of all images.
        images: float [..., C, H, W] between 0 and 1.
        eps: radius of the ball, in the units of the pixels.
        step_size: of one step, in the same units.
        steps: how many.
        generator: draws the start, uniform in the ball, on the CPU; None starts at the images themselves.

    Returns:
        float, of the same shape, between 0 and 1, without a gradient.
    """
    images = images.detach()
    moved = images
    if generator is not None:
        noise = torch.rand(images.shape, generator=generator, dtype=images.dtype).to(images.device)
        moved = (images + eps * (2 * noise - 1)).clamp(0, 1)
    for _ in range(steps):
        moved = moved.requires_grad_()
        (gradient,) = torch.autograd.grad(loss(moved), moved)
        moved = moved.detach() + step_size * gradient.sign()
        moved = torch.clamp(moved, images - eps, images + eps).clamp(0, 1)
    return moved.detach()
