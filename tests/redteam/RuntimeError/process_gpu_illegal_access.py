# ATTACK [process]: reads memory of the GPU far beyond its own
# STOPPED BY: the card's memory is separate for each process: such a read ends the context of the reader
# NEEDS: cuda
import torch


class Beyond:
    """Says that it is an array of 4 TiB which begins where a small tensor lies."""

    def __init__(self, tensor):
        self.tensor = tensor
        self.__cuda_array_interface__ = {
            "data": (tensor.data_ptr(), False),
            "shape": (1 << 42,),
            "typestr": "|u1",
            "version": 3,
        }


def your_select_indices(targets, losses):
    far = torch.as_tensor(Beyond(torch.zeros(16, dtype=torch.uint8, device="cuda")), device="cuda")
    seen = far[:: 1 << 30].sum().item()
    raise RuntimeError(f"REACHED other memory of the card: {seen}")
