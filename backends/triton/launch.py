"""What the kernels share: how they are launched, and in which numbers they compute."""

import torch
import triton
import triton.language as tl

# Whether kernels run on the CPU: TRITON_INTERPRET=1 was set before triton was imported.
INTERPRETED = tl.constexpr(not isinstance(tl.cdiv, triton.JITFunction))

# Each operation is rounded, as in torch's own kernels: no fused multiply-add.
ROUNDED = {"enable_fp_fusion": False}


def tuned(fixed, configs, key):
    """Decorates a kernel. On a GPU it runs with the fastest of the configurations, found once for
    all values of its arguments `key`; in the interpreter with the one that is fixed."""
    return triton.autotune([fixed] if INTERPRETED else configs, key)


def check(*arrays):
    """Raises RuntimeError for arrays that the kernels cannot take."""
    if not INTERPRETED and not all(a.is_cuda for a in arrays):
        raise RuntimeError("Triton's kernels need arrays on a GPU, or TRITON_INTERPRET=1")
    if torch.is_grad_enabled() and any(a.requires_grad for a in arrays):
        raise RuntimeError("these kernels have no gradients: call them within torch.no_grad()")


def numbers(x):
    """What kernels compute in, for arrays like x: float64, else float32. They round what they
    write."""
    return tl.float64 if x.dtype is torch.float64 else tl.float32


@triton.jit
def then(a, u, b, v):
    """h -> a h + u, and then h -> b h + v."""
    return a * b, b * u + v
