"""The network that is trained twice."""

from competition.task.constants import NUM_CLASSES

# LOCKED CELL [model]: SmallMobileNet, 79,874 parameters.
import torch
import torch.nn.functional as F
from torch import nn


def conv_block(channels_in: int, channels_out: int, *, kernel: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """Build a bias-free convolution with BatchNorm and ReLU6 behind it."""
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, kernel, stride, padding=kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(channels_out),
        nn.ReLU6(),
    )


def separable_block(channels_in: int, channels_out: int, *, stride: int = 1) -> nn.Sequential:
    """Build a depthwise 3x3 and a pointwise convolution (Howard et al., MobileNets, 2017, section 3.1)."""
    return nn.Sequential(
        conv_block(channels_in, channels_in, kernel=3, stride=stride, groups=channels_in),
        conv_block(channels_in, channels_out, kernel=1),
    )


class SmallMobileNet(nn.Module):
    """A small MobileNet for grey images, 79,874 parameters: float32 [B, 1, H, W] -> logits float32 [B, num_classes]."""

    def __init__(self, num_classes: int = NUM_CLASSES) -> None:
        super().__init__()
        self.features = nn.Sequential(
            conv_block(1, 32, kernel=3),
            separable_block(32, 64),
            separable_block(64, 128, stride=2),
            separable_block(128, 256, stride=2),
        )
        self.classifier = nn.Sequential(nn.Linear(256, 128), nn.ReLU6(), nn.Dropout(0.5), nn.Linear(128, num_classes))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        features = self.features(images)
        # Adaptive pooling to 1 x 1, as one window: so its gradient keeps the channels-last layout.
        pooled = F.avg_pool2d(features, features.shape[-2:]).flatten(1)
        logits: torch.Tensor = self.classifier(pooled)
        return logits
