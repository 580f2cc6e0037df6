"""The functions in NumPy."""

import numpy as np


def boolean(x):
    return np.asarray(x).astype(bool, copy=False)


def integer(x):
    return np.asarray(x).astype(np.int64, copy=False)


def real(x):
    return np.asarray(x).astype(np.float64, copy=False)


def where(condition, a, b):
    return np.where(condition, a, b)


def maximum(a, b):
    return np.maximum(a, b)


def minimum(a, b):
    return np.minimum(a, b)


def modulo(a, m):
    return a - m * (a // m)


def nearest(x):
    """The nearest integer."""
    return integer(np.rint(x))


def constant(values):
    """A constant vector or matrix, and an axis for the batch and one for time: [..., 1, 1]."""
    return np.array(values)[..., None, None]


def whole(x, *shape):
    """x broadcast to a shape."""
    return x if np.shape(x) == shape else np.full(shape, x)


def lanes(x, d):
    """The vector [d, B, T] whose elements are all x [B, T]."""
    return np.broadcast_to(x, (d, *np.shape(x)[-2:]))


def joined(*parts):
    """Vectors [d, B, T] one after the other."""
    shape = np.broadcast_shapes(*(p.shape[1:] for p in parts))
    return np.concatenate([np.broadcast_to(p, (len(p), *shape)) for p in parts])


def picked(x, indices):
    """The elements of a vector at constant positions."""
    return x[indices]


def largest(x):
    return x.max(0)


def smallest(x):
    return x.min(0)


def first_largest(x):
    return x.argmax(0)


def element(x, i):
    """The element i [B, T], known at run time, of a vector [d, B, T]."""
    if len(x) <= 16:
        return np.choose(i, x, mode="clip")
    i = np.clip(i, 0, len(x) - 1)
    shape = np.broadcast_shapes(x.shape[1:], i.shape)
    x, i = np.broadcast_to(x, (len(x), *shape)), np.broadcast_to(i, shape)
    return np.take_along_axis(x, i[None], 0)[0]


def row(table, i):
    """Row i [B, T] of a table [n] or [d, n]."""
    return np.take(table, i, axis=-1, mode="clip")


def product(matrix, x):
    """A constant matrix [n, d] times a vector [d, B, T]."""
    return np.tensordot(matrix, x, 1)


def numbers(steps, known={}):  # noqa: B006
    """1, 2, ..., steps; made once for the most steps, and not to be written to."""
    if steps > len(known.get("all", ())):
        known["all"] = np.arange(1, steps + 1)
    return known["all"][:steps]


def clock(before, steps):
    """before + 1, before + 2, ... over so many steps."""
    return before[..., None] + numbers(steps)


def remaining(each, x, before, steps):
    """before + each, before + 2 each, ... over so many steps, less x."""
    left = (numbers(steps) if each == 1 else each * numbers(steps)) - x
    return left + before[..., None] if np.count_nonzero(before) else left


def lasting(x, steps):
    """A constant at every step."""
    return np.broadcast_to(x, (*np.shape(x)[:-2], 1, steps))


def stacked(*states):
    """States before the first step, [B] or [d, B], as one [d, B]."""
    states = [np.atleast_2d(s) for s in states]
    batch = max(s.shape[-1] for s in states)
    return np.concatenate([np.broadcast_to(s, (len(s), batch)) for s in states])


def shifted(x, before, steps):
    """The value one step ago: `before`, then x without its last step."""
    x, lead = np.asarray(x), before.shape
    if x.shape[:-1] not in (lead, ()):
        lead = np.broadcast_shapes(x.shape[:-1], lead)
    result = np.empty((*lead, steps), x.dtype)
    result[..., 0] = before
    result[..., 1:] = x[..., :-1] if x.shape[-1:] == (steps,) else x
    return result


def window(x, before):
    """The last values of x [w, B, T], oldest first: [k w, B, T] from `before` [k w, B]."""
    w, steps = len(x), x.shape[-1]
    lead = np.broadcast_shapes(x.shape[1:-1], before.shape[1:])
    before = np.broadcast_to(before, (len(before), *lead))
    past = np.moveaxis(before.reshape(-1, w, *lead), 0, -1).astype(x.dtype, copy=False)
    history = np.concatenate([past, np.broadcast_to(x, (w, *lead, steps))], -1)
    k = past.shape[-1]
    return np.concatenate([history[..., j + 1 : j + 1 + steps] for j in range(k)])


def total(x, before):
    """before + x_1, before + x_1 + x_2, ..."""
    sums = np.add.accumulate(x, -1)
    if sums.shape[:-1] != before.shape:
        return sums + before[..., None]
    return np.add(sums, before[..., None], out=sums) if np.count_nonzero(before) else sums


def running_max(x, before):
    return np.maximum(np.maximum.accumulate(x, -1), before[..., None])


def running_min(x, before):
    return np.minimum(np.minimum.accumulate(x, -1), before[..., None])


def running_any(condition, before):
    """Whether it has held at some step."""
    return np.logical_or.accumulate(condition, -1) | before[..., None]


def running_all(condition, before):
    """Whether it has held at every step."""
    return np.logical_and.accumulate(condition, -1) & before[..., None]


def parity(condition, before):
    """Whether it has held at an odd number of steps, as `before` is counted."""
    return (np.add.accumulate(condition, -1, np.int64) % 2 == 1) ^ before[..., None]


def held(condition, x, before):
    """x at the last step at which the condition held, `before` where it never has."""
    steps = numbers(condition.shape[-1])
    last = np.maximum.accumulate(np.where(condition, steps, 0), -1)
    shape = np.broadcast_shapes(condition.shape, np.shape(x), (*before.shape, 1))
    x, last = np.broadcast_to(x, shape), np.broadcast_to(last, shape)
    found = np.take_along_axis(x, np.maximum(last - 1, 0), -1)
    return np.where(last > 0, found, before[..., None])


def once(condition, x, before, steps):
    """x of the first step if the condition holds there, else `before`; the same at every step."""
    x = np.where(condition[..., :1], x[..., :1], before[..., None])
    return np.broadcast_to(x, (*x.shape[:-1], steps))


def begun(x, first, before, steps):
    """x, but `first` at the first step of sequences that have not begun `before`."""
    x, first = np.asarray(x), np.asarray(first)
    start = np.where(before[..., None], x[..., :1], first[..., :1])
    result = np.empty((*start.shape[:-1], steps), x.dtype)
    result[...] = x
    result[..., :1] = start
    return result


def total_since(condition, x, before):
    """The sum of x from the last step on at which the condition held; `before` and all of x where
    it never has."""
    added = np.add.accumulate(np.where(condition, 0, x), -1)
    return held(condition, x - added, before) + added


def toggled(f0, f1, before):
    """A boolean that becomes f1 where it was true and f0 where it was false."""
    f0, f1 = boolean(f0), boolean(f1)
    odd = np.add.accumulate(f0 & ~f1, -1, np.int64) % 2 == 1
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
    results = []
    for p, a, b in zip(parts, odd, even):
        result = np.empty((*a.shape[:-1], steps), a.dtype)
        result[..., :1], result[..., 1::2], result[..., 2::2] = p[..., :1], a, b
        results.append(result)
    return results


def gated(factor, x, before):
    """s_t = factor_t s_{t-1} + x_t, for factors in [-1, 1]."""
    factor, x = np.broadcast_arrays(factor, x)
    factor, x = scan(lambda a, b: [a[0] * b[0], a[1] * b[0] + b[1]], [factor, x])
    return factor * before[..., None] + x


def clamped(x, low, high, before):
    """s_t = min(max(s_{t-1} + x_t, low_t), high_t), where low_t <= high_t."""
    parts = [np.array(p) for p in np.broadcast_arrays(x, real(low), real(high))]

    def combine(a, b):
        clip = lambda y: np.minimum(np.maximum(y + b[0], b[1]), b[2])
        return [a[0] + b[0], clip(a[1]), clip(a[2])]

    x, low, high = scan(combine, parts)
    return np.minimum(np.maximum(before[..., None] + x, low), high)


def followed(step, before, inputs, limits, steps):
    """States by `step(*states, *inputs)`, whose elements lie within limits: what every step makes
    of every joint value, as a table of numbers [Q, B, T]; such tables are composed."""
    low = np.concatenate([a for a, _ in limits])
    sizes = np.concatenate([b for _, b in limits]) - low + 1
    count, radix = np.prod(sizes), np.cumprod(np.append(1, sizes[:-1]))
    batch = max([b.shape[-1] for b in before] + [x.shape[-2] for x in inputs])

    def unpacked(code):
        lanes, at, states = code // radix[:, None, None] % sizes[:, None, None], 0, []
        lanes = lanes + low[:, None, None]
        for b, (a, _) in zip(before, limits):
            part = lanes[at : at + len(a)].astype(b.dtype)
            states.append(part if b.ndim > 1 else part[0])
            at += len(a)
        return states

    def packed(states):
        lanes = [integer(s) if s.ndim > 2 else integer(s)[None] for s in states]
        return sum(x * r for x, r in zip(joined(*lanes) - low[:, None, None], radix))

    repeated = lambda x: whole(x[..., None, :, :], *x.shape[:-2], count, batch, steps)
    tiled = [repeated(x).reshape(*x.shape[:-2], count * batch, steps) for x in inputs]
    maps = packed(step(*unpacked(np.repeat(np.arange(count), batch)[:, None]), *tiled))
    maps = np.broadcast_to(maps, (count * batch, steps)).reshape(count, batch, steps)
    (maps,) = scan(lambda a, b: [np.take_along_axis(b[0], a[0], 0)], [maps])
    first = np.broadcast_to(packed([b[..., None] for b in before])[:, 0], batch)
    return unpacked(np.take_along_axis(maps, whole(first[None, :, None], 1, batch, steps), 0)[0])


def decay_weights(factor, block, known={}):  # noqa: B006
    """The matrix [..., block + 1, block] that takes a state and what is added to it in a block of
    steps to the states of the block: powers of the factor. Made once for each factor."""
    key = factor.tobytes(), factor.shape, block
    if key not in known:
        ages = np.arange(1, block + 1) - np.arange(block + 1)[:, None]
        powers = factor[..., None] ** np.arange(block + 1)
        known[key] = np.where(ages >= 0, powers[..., np.maximum(ages, 0)], 0)
    return known[key]


def decayed(factor, x, before):
    """s_t = factor s_{t-1} + x_t for a constant factor, a number or one [d] for each element.

    A block of 16 steps, after the state before it, times a triangular matrix of powers; the ends of
    the blocks are such a sequence again. Nothing is divided by a power.
    """
    factor, steps, lead = np.asarray(factor), x.shape[-1], before.shape
    if x.shape[:-1] != lead:
        lead = np.broadcast_shapes(x.shape[:-1], lead)
        x, before = np.broadcast_to(x, (*lead, steps)), np.broadcast_to(before, lead)
    block = min(16, steps)
    whole_blocks, rest = divmod(steps, block)
    blocks = np.empty((*lead, whole_blocks + (rest > 0), block + 1))
    blocks[..., :whole_blocks, 1:] = x[..., : steps - rest].reshape(*lead, whole_blocks, block)
    if rest:
        blocks[..., -1, 1 : rest + 1], blocks[..., -1, rest + 1 :] = x[..., steps - rest :], 0
    blocks[..., 0, 0] = before
    weights = decay_weights(factor, block)
    rows = blocks.reshape(*factor.shape, -1, block + 1)
    if steps > block:
        ends = (rows[..., 1:] @ weights[..., 1:, -1:]).reshape(blocks.shape[:-1])
        blocks[..., 1:, 0] = decayed(weights[..., 0, -1], ends[..., :-1], before)
    return (rows @ weights).reshape(*lead, -1)[..., :steps]


def linear(matrix, x, before):
    """s_t = A s_{t-1} + x_t for a constant matrix A [p, p] and x [p, B, T].

    Pairs of steps are one step of such a sequence with A^2; nothing is divided.
    """
    steps = x.shape[-1]
    lead = np.broadcast_shapes(x.shape[1:-1], before.shape[1:])
    x = np.broadcast_to(x, (len(x), *lead, steps))
    result = np.empty_like(x)
    result[..., 0] = np.tensordot(matrix, before, 1) + x[..., 0]
    if steps > 1:
        pairs = np.tensordot(matrix, x[..., :-1:2], 1) + x[..., 1::2]
        odd = linear(matrix @ matrix, pairs, before)
        result[..., 1::2] = odd
        result[..., 2::2] = np.tensordot(matrix, odd[..., : (steps - 1) // 2], 1) + x[..., 2::2]
    return result


def stepped(step, before, inputs, steps):
    """States by `step(*states, *inputs)`, one step after the other."""
    states, history = [b[..., None] for b in before], []
    for t in range(steps):
        states = step(*states, *(x[..., t : t + 1] for x in inputs))
        history.append(states)
    return [np.concatenate(values, -1) for values in zip(*history)]


def last(x, before):
    """A state after the last step, as `before`."""
    x = np.asarray(x)
    x = x[..., -1] if x.ndim else x
    if x.shape == before.shape:
        return x.astype(before.dtype)
    return np.full(np.broadcast(x, before).shape, x, before.dtype)


def array(values):
    return np.array(values)


def given(x, kind, vector):
    """Inputs [B, T] or [B, T, d] as the functions take them, [d, B, T]."""
    x = kind(x)
    return np.ascontiguousarray(x.transpose(2, 0, 1)) if vector else x


def presented(x, kind, size, batch, steps):
    """Outputs [B, T], or [B, T, d] for vectors of a size."""
    x = kind(x)
    shape = (size, batch, steps) if size else (batch, steps)
    x = x if x.shape == shape else whole(x, *shape)
    return np.ascontiguousarray(x.transpose(1, 2, 0) if size else x)
