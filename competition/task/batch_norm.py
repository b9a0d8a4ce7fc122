"""Batch normalisation with ReLU6 behind it, as one operation: exact and fast in the channels-last layout."""

# LOCKED CELL [batch_norm]: edits here change nothing, the grader runs its own copy of this cell.
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn


CHUNK_VALUES = 1 << 18  # so many values at a time stay in the cache of a CPU core


class BatchNormReLU6Function(torch.autograd.Function):
    """min(max(normalised(x) * weight + bias, 0), 6) with the batch's own statistics, and its gradient.

    Some images at a time go through all steps. That is fast, since main memory is what operations this simple wait
    for. And it is exact: torch's channels-last kernels on the CPU add up a channel one float32 after the other, so over
    a whole batch its statistics are only right to 1e-5, and in this network that grows to errors of some percent in the
    gradients; over a few images they are right to the last digits.
    """

    @staticmethod
    def forward(
        ctx: Any, images: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, eps: float
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return the activations [B, C, H, W], and mean and variance [C] of the batch."""
        images = images.contiguous(memory_format=torch.channels_last)
        chunks = images.split(max(1, CHUNK_VALUES // images[0].numel()))
        counts = images.new_tensor([chunk[:, 0].numel() for chunk in chunks]).unsqueeze(1)
        # Mean and variance of each chunk, then of all (Chan, Golub and LeVeque, 1983, equation 2.1).
        statistics = [torch.batch_norm_update_stats(chunk, None, None, 0.0) for chunk in chunks]
        means, variances = (torch.stack(parts) for parts in zip(*statistics, strict=True))
        count = counts.sum()
        mean = (means * counts).sum(0) / count
        variance = ((variances + (means - mean).square()) * counts).sum(0) / count
        scale = weight * (variance + eps).rsqrt()
        shift = bias - mean * scale
        outputs = torch.empty_like(images)
        for chunk, output in zip(chunks, outputs.split(len(chunks[0])), strict=True):
            torch.addcmul(shift[:, None, None], chunk, scale[:, None, None], out=output).clamp_(0, 6)
        ctx.save_for_backward(images, outputs, scale, mean, variance)
        ctx.eps = eps
        ctx.mark_non_differentiable(mean, variance)
        return outputs, mean, variance

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, None]:
        """Return the gradients with respect to images, weight and bias (Ioffe and Szegedy, 2015, section 3)."""
        images, outputs, scale, mean, variance = ctx.saved_tensors
        together = max(1, CHUNK_VALUES // images[0].numel())
        result = torch.empty_like(images)
        chunks = list(zip(images.split(together), result.split(together), strict=True))
        above = gradients[0].contiguous(memory_format=torch.channels_last).split(together)
        sums = []
        for (chunk, part), output, gradient in zip(chunks, outputs.split(together), above, strict=True):
            # No gradient passes where ReLU6 cut.
            torch.ops.aten.hardtanh_backward.grad_input(gradient, output, 0.0, 6.0, grad_input=part)
            # The chunk's share of the gradients of weight and bias: sums over g * normalised(x) and over g.
            given = (scale, mean, variance, None, None, False, ctx.eps, [False, True, True])
            sums.append(torch.ops.aten.native_batch_norm_backward(part, chunk, *given)[1:])
        weight_gradient, bias_gradient = (torch.stack(parts).sum(0) for parts in zip(*sums, strict=True))
        # dx = scale * (g - mean(g) - normalised(x) * mean(g * normalised(x)))
        count = images[:, 0].numel()
        slope = -scale * (variance + ctx.eps).rsqrt() * weight_gradient / count
        offset = -scale * bias_gradient / count - slope * mean
        for chunk, part in chunks:
            rest = torch.addcmul(offset[:, None, None], chunk, slope[:, None, None])
            torch.addcmul(rest, part, scale[:, None, None], out=part)
        return result, weight_gradient, bias_gradient, None


class BatchNormReLU6(nn.BatchNorm2d):
    """`nn.BatchNorm2d` with ReLU6 behind it; on a GPU and in evaluation mode it is exactly these two."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        if not self.training or images.device.type != "cpu":
            return F.relu6(super().forward(images))
        activations: torch.Tensor
        activations, mean, variance = BatchNormReLU6Function.apply(images, self.weight, self.bias, self.eps)
        count = images.numel() // images.shape[1]
        with torch.no_grad():
            for running, new in ((self.running_mean, mean), (self.running_var, variance * (count / (count - 1)))):
                if running is not None and self.momentum is not None:
                    running.lerp_(new, self.momentum)
        return activations
