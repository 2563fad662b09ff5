"""Which networks can be watched: plain ones, in Python, with weights that have values."""

from __future__ import annotations

from typing import Any

from sdprelax.base import InputError, optional

__all__ = ["require_plain", "require_python"]

# Where PyTorch's quantised modules come from, and those that are on the way to it.
QUANTISED = (
    "torch.ao.nn.quantized", "torch.ao.nn.intrinsic.quantized", "torch.nn.quantized",
    "torch.ao.quantization.fake_quantize", "torch.ao.quantization.observer",
)  # fmt: skip


def require_plain(model: Any) -> None:
    """Refuse a network that cannot be watched, or whose weights have no values.

    Raises
    ------
    InputError: it is compiled to TorchScript, quantised, or has weights that are lazy or on the device "meta".
    """
    torch = optional("torch")
    require_python("network", model)
    weights = [*model.named_parameters(), *model.named_buffers()]
    for name, tensor in weights:
        if torch.nn.parameter.is_lazy(tensor) or tensor.is_meta:
            raise InputError(f"the network's {name} has no values as yet: load its weights, or run it once, before.")
    quantised = [name for name, module in model.named_modules() if type(module).__module__.startswith(QUANTISED)]
    if quantised or any(tensor.is_quantized for _, tensor in weights):
        raise InputError(
            f"the network is quantised{f' at {quantised[0]}' if quantised and quantised[0] else ''}, and students "
            "compute in single precision: give the network that it was made from."
        )


def require_python(what: str, module: Any) -> None:
    """Refuse a module that is compiled to TorchScript.

    Raises
    ------
    InputError: it is.
    """
    if isinstance(module, optional("torch").jit.ScriptModule):
        raise InputError(f"the {what} is compiled to TorchScript: give the nn.Module that it was made from.")
