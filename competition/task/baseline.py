"""The example that a participant starts from."""

# LOCKED CELL [baseline]: the baseline, every sample for both models.
import torch


def default_select_indices(targets: torch.Tensor, losses: list[torch.Tensor]) -> list[torch.Tensor]:
    """Select every sample of the batch for both models: trust all labels."""
    everything = torch.arange(len(targets))
    return [everything, everything]
