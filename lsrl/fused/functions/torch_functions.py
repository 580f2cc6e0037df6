"""The functions in PyTorch."""

import torch


def boolean(x):
    return torch.as_tensor(x, dtype=torch.bool)


def integer(x):
    return torch.as_tensor(x, dtype=torch.int64)


def real(x):
    return torch.as_tensor(x, dtype=torch.float64)


def number(x):
    """A number of Python, or nested lists of numbers, as a tensor."""
    first = x
    while isinstance(first, list):
        first = first[0]
    kind = {bool: boolean, int: integer, float: real}.get(type(first))
    return x if kind is None else kind(x)


def where(condition, a, b):
    return torch.where(condition, number(a), number(b))


def maximum(a, b):
    return torch.maximum(number(a), number(b))


def minimum(a, b):
    return torch.minimum(number(a), number(b))


def modulo(a, m):
    return torch.remainder(a, m)


def nearest(x):
    """The nearest integer."""
    return integer(torch.round(x))


def array(values):
    return number(values)


def constant(values):
    """A constant vector, and an axis for the batch and one for time: [d, 1, 1]."""
    return number(values)[..., None, None]


def whole(x, *shape):
    """x broadcast to a shape."""
    return torch.broadcast_to(number(x), shape)


def lanes(x, d):
    """The vector [d, B, T] whose elements are all x [B, T]."""
    return torch.broadcast_to(x, (d, *x.shape[-2:]))


def joined(*parts):
    """Vectors [d, B, T] one after the other."""
    shape = torch.broadcast_shapes(*(p.shape[1:] for p in parts))
    return torch.cat([torch.broadcast_to(p, (len(p), *shape)) for p in parts])


def picked(x, indices):
    """The elements of a vector at constant positions."""
    return x[indices]


def largest(x):
    return x.amax(0)


def smallest(x):
    return x.amin(0)


def first_largest(x):
    return x.argmax(0)


def element(x, i):
    """The element i [B, T], known at run time, of a vector [d, B, T]."""
    shape = torch.broadcast_shapes(x.shape[1:], i.shape)
    i = torch.broadcast_to(i.clamp(0, len(x) - 1), shape)
    return torch.gather(torch.broadcast_to(x, (len(x), *shape)), 0, i[None])[0]


def row(table, i):
    """Row i [B, T] of a table [n] or [d, n]."""
    return table[..., i.clamp(0, table.shape[-1] - 1)]


def product(matrix, x):
    """A constant matrix [n, d] times a vector [d, B, T]."""
    return (matrix @ x.reshape(len(x), -1)).reshape(len(matrix), *x.shape[1:])


def clock(before, steps):
    """before + 1, before + 2, ... over so many steps."""
    return before[..., None] + torch.arange(1, steps + 1)


def remaining(each, x, before, steps):
    """before + each, before + 2 each, ... over so many steps, less x."""
    return before[..., None] + (torch.arange(each, each * (steps + 1), each) - x)


def lasting(x, steps):
    """A constant at every step."""
    x = number(x)
    return torch.broadcast_to(x, (*x.shape[:-2], 1, steps))


def stacked(*states):
    """States before the first step, [B] or [d, B], as one [d, B]."""
    states = [s if s.ndim > 1 else s[None] for s in states]
    batch = max(s.shape[-1] for s in states)
    return torch.cat([torch.broadcast_to(s, (len(s), batch)) for s in states])


def shifted(x, before, steps):
    """The value one step ago: `before`, then x without its last step."""
    x = number(x)
    lead = torch.broadcast_shapes(x.shape[:-1], before.shape)
    x = torch.broadcast_to(x, (*lead, steps))
    before = torch.broadcast_to(before[..., None], (*lead, 1)).to(x.dtype)
    return torch.cat([before, x[..., :-1]], -1)


def window(x, before):
    """The last values of x [w, B, T], oldest first: [k w, B, T] from `before` [k w, B]."""
    w, steps = len(x), x.shape[-1]
    lead = torch.broadcast_shapes(x.shape[1:-1], before.shape[1:])
    before = torch.broadcast_to(before, (len(before), *lead))
    past = torch.movedim(before.reshape(-1, w, *lead), 0, -1).to(x.dtype)
    history = torch.cat([past, torch.broadcast_to(x, (w, *lead, steps))], -1)
    k = past.shape[-1]
    return torch.cat([history[..., j + 1 : j + 1 + steps] for j in range(k)])


def total(x, before):
    """before + x_1, before + x_1 + x_2, ..."""
    return torch.cumsum(x, -1) + before[..., None]


def running_max(x, before):
    return torch.maximum(torch.cummax(x, -1).values, before[..., None])


def running_min(x, before):
    return torch.minimum(torch.cummin(x, -1).values, before[..., None])


def running_any(condition, before):
    """Whether it has held at some step."""
    return (torch.cumsum(condition, -1) > 0) | before[..., None]


def running_all(condition, before):
    """Whether it has held at every step."""
    return (torch.cumsum(~condition, -1) == 0) & before[..., None]


def parity(condition, before):
    """Whether it has held at an odd number of steps, as `before` is counted."""
    return (torch.cumsum(condition, -1) % 2 == 1) ^ before[..., None]


def held(condition, x, before):
    """x at the last step at which the condition held, `before` where it never has."""
    x, steps = number(x), torch.arange(1, condition.shape[-1] + 1)
    last = torch.cummax(torch.where(condition, steps, 0), -1).values
    shape = torch.broadcast_shapes(condition.shape, x.shape, (*before.shape, 1))
    x, last = torch.broadcast_to(x, shape), torch.broadcast_to(last, shape)
    found = torch.gather(x, -1, (last - 1).clamp(min=0))
    return torch.where(last > 0, found, before[..., None])


def once(condition, x, before, steps):
    """x of the first step if the condition holds there, else `before`; the same at every step."""
    x = torch.where(condition[..., :1], x[..., :1], before[..., None])
    return torch.broadcast_to(x, (*x.shape[:-1], steps))


def begun(x, first, before, steps):
    """x, but `first` at the first step of sequences that have not begun `before`."""
    start = torch.where(before[..., None], x[..., :1], first[..., :1])
    x = torch.broadcast_to(x, (*start.shape[:-1], steps))
    return torch.cat([start, x[..., 1:]], -1)


def total_since(condition, x, before):
    """The sum of x from the last step on at which the condition held; `before` and all of x where
    it never has."""
    added = torch.cumsum(torch.where(condition, 0, x), -1)
    return held(condition, x - added, before) + added


def toggled(f0, f1, before):
    """A boolean that becomes f1 where it was true and f0 where it was false."""
    odd = torch.cumsum(f0 & ~f1, -1) % 2 == 1
    return held(f0 == f1, f1 ^ odd, before) ^ odd


def scan(combine, parts):
    """What `combine` makes of the first 1, 2, ... steps; it is associative, and works on all pairs
    of steps at once. Blelloch, Prefix sums and their applications, 1990."""
    steps = parts[0].shape[-1]
    if steps == 1:
        return parts
    pairs = combine([p[..., :-1:2] for p in parts], [p[..., 1::2] for p in parts])
    odd = scan(combine, pairs)
    even = combine([p[..., : (steps - 1) // 2] for p in odd], [p[..., 2::2] for p in parts])
    even = [torch.cat([p[..., :1], e], -1) for p, e in zip(parts, even)]
    return [woven(e, o, steps) for e, o in zip(even, odd)]


def woven(even, odd, steps):
    """The steps 0, 2, 4, ... and 1, 3, 5, ... in order."""
    pairs = torch.stack([even[..., : steps // 2], odd], -1).flatten(-2)
    return torch.cat([pairs, even[..., steps // 2 :]], -1)


def gated(factor, x, before):
    """s_t = factor_t s_{t-1} + x_t, for factors in [-1, 1]."""
    factor, x = torch.broadcast_tensors(factor, x)
    factor, x = scan(lambda a, b: [a[0] * b[0], a[1] * b[0] + b[1]], [factor, x])
    return factor * before[..., None] + x


def clamped(x, low, high, before):
    """s_t = min(max(s_{t-1} + x_t, low_t), high_t), where low_t <= high_t."""
    clip = lambda y, low, high: torch.minimum(torch.maximum(y, low), high)

    def combine(a, b):
        return [a[0] + b[0], clip(a[1] + b[0], *b[1:]), clip(a[2] + b[0], *b[1:])]

    x, low, high = scan(combine, torch.broadcast_tensors(x, real(low), real(high)))
    return clip(before[..., None] + x, low, high)


def followed(step, before, inputs, limits, steps):
    """States by `step(*states, *inputs)`, whose elements lie within limits: what every step makes
    of every joint value, as a table of numbers [Q, B, T]; such tables are composed."""
    low = torch.cat([torch.tensor(a) for a, _ in limits])
    sizes = torch.cat([torch.tensor(b) for _, b in limits]) - low + 1
    count, radix = int(torch.prod(sizes)), torch.cumprod(sizes, 0) // sizes
    batch = max([b.shape[-1] for b in before] + [x.shape[-2] for x in inputs])

    def unpacked(code):
        lanes, at, states = code // radix[:, None, None] % sizes[:, None, None], 0, []
        lanes = lanes + low[:, None, None]
        for b, (a, _) in zip(before, limits):
            part = lanes[at : at + len(a)].to(b.dtype)
            states.append(part if b.ndim > 1 else part[0])
            at += len(a)
        return states

    def packed(states):
        lanes = [integer(s) if s.ndim > 2 else integer(s)[None] for s in states]
        return sum(x * r for x, r in zip(joined(*lanes) - low[:, None, None], radix))

    repeated = lambda x: whole(x[..., None, :, :], *x.shape[:-2], count, batch, steps)
    tiled = [repeated(x).reshape(*x.shape[:-2], count * batch, steps) for x in inputs]
    values = torch.arange(count).repeat_interleave(batch)[:, None]
    maps = packed(step(*unpacked(values), *tiled))
    maps = whole(maps, count * batch, steps).reshape(count, batch, steps)
    (maps,) = scan(lambda a, b: [torch.gather(b[0], 0, a[0])], [maps])
    first = whole(packed([b[..., None] for b in before])[:, 0], batch)
    return unpacked(torch.gather(maps, 0, whole(first[None, :, None], 1, batch, steps))[0])


def decayed(factor, x, before):
    """s_t = factor s_{t-1} + x_t for a constant factor, a number or one [d] for each element.

    Within blocks of 32 steps a triangular matrix of powers adds up x; the ends of the blocks are
    such a sequence again. Nothing is divided by a power.
    """
    factor, steps = number(factor), x.shape[-1]
    block = min(32, steps)
    count = -(-steps // block)
    lead = torch.broadcast_shapes(x.shape[:-1], before.shape)
    x, before = torch.broadcast_to(x, (*lead, steps)), torch.broadcast_to(before, lead)
    if steps < count * block:
        x = torch.cat([x, x.new_zeros(*lead, count * block - steps)], -1)
    ages = torch.arange(block) - torch.arange(block)[:, None]
    kept = factor[..., None] ** torch.arange(block + 1)
    powers = torch.where(ages >= 0, kept[..., ages.clamp(min=0)], 0)
    sums = (x.reshape(*factor.shape, -1, block) @ powers).reshape(*lead, count, block)
    before = before[..., None]
    if count > 1:
        ends = decayed(factor**block, sums[..., -1], before[..., 0])
        before = torch.cat([before, ends[..., :-1]], -1)
    sums = sums + before[..., None] * kept[..., 1:].reshape(*factor.shape, 1, 1, block)
    return sums.reshape(*lead, count * block)[..., :steps]


def linear(matrix, x, before):
    """s_t = A s_{t-1} + x_t for a constant matrix A [p, p] and x [p, B, T].

    Pairs of steps are one step of such a sequence with A^2; nothing is divided.
    """
    steps = x.shape[-1]
    lead = torch.broadcast_shapes(x.shape[1:-1], before.shape[1:])
    x = torch.broadcast_to(x, (len(x), *lead, steps))
    first = product(matrix, torch.broadcast_to(before, (len(x), *lead))) + x[..., 0]
    if steps == 1:
        return first[..., None]
    odd = linear(matrix @ matrix, product(matrix, x[..., :-1:2]) + x[..., 1::2], before)
    later = product(matrix, odd[..., : (steps - 1) // 2]) + x[..., 2::2]
    return woven(torch.cat([first[..., None], later], -1), odd, steps)


def stepped(step, before, inputs, steps):
    """States by `step(*states, *inputs)`, one step after the other, in a compiled loop."""
    states = [b[..., None] for b in before]
    shapes = tuple((x.shape[:-1], x.dtype) for x in [*states, *inputs])
    step.loops = getattr(step, "loops", {})  # one for each shape of the batch, of the last eight
    if shapes not in step.loops:
        if len(step.loops) == 8:
            del step.loops[next(iter(step.loops))]
        step.loops[shapes] = compiled(step, states, [x[..., :1] for x in inputs])
    return step.loops[shapes](states, inputs, steps)


def compiled(step, states, inputs):
    """The loop over the steps in TorchScript: from the states before and the inputs to the states
    of all steps. It runs without Python, and needs no compiler of C++."""
    import warnings

    arguments = [f"states[{k}]" for k in range(len(states))]
    arguments += [f"inputs[{k}][..., t:t + 1]" for k in range(len(inputs))]
    names = [f"found_{k}" for k in range(len(states))]
    loop = "\n    ".join(
        [
            "def loop(states: List[Tensor], inputs: List[Tensor], steps: int) -> List[Tensor]:",
            *(f"{name}: List[Tensor] = []" for name in names),
            "for t in range(steps):",
            f"    states = step({', '.join(arguments)})",
            *(f"    {name}.append(states[{k}])" for k, name in enumerate(names)),
            f"return [{', '.join(f'torch.cat({name}, -1)' for name in names)}]",
        ]
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch.jit is deprecated; torch.compile unrolls loops
        traced = torch.jit.trace(step, (*states, *inputs), check_trace=False)
        unit = torch.jit.CompilationUnit()
        unit.define(loop + "\n", {"step": traced, "torch": torch}.get)
    return unit.loop


def last(x, before):
    """A state after the last step, as `before`."""
    x = number(x)
    x = x[..., -1] if x.ndim else x
    return torch.broadcast_to(x, torch.broadcast_shapes(x.shape, before.shape)).to(before.dtype)


def given(x, kind, vector):
    """Inputs [B, T] or [B, T, d] as the functions take them, [d, B, T]."""
    x = kind(x)
    return torch.movedim(x, -1, 0).contiguous() if vector else x


def presented(x, kind, size, batch, steps):
    """Outputs [B, T], or [B, T, d] for vectors of a size."""
    x = whole(kind(x), *[size] * bool(size), batch, steps)
    return torch.movedim(x, 0, -1).contiguous() if size else x.contiguous()
