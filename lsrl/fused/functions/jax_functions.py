"""The functions in JAX."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax


def boolean(x):
    return jnp.asarray(x, bool)


def integer(x):
    return jnp.asarray(x, jnp.int64)


def real(x):
    return jnp.asarray(x, jnp.float64)


def where(condition, a, b):
    return jnp.where(condition, a, b)


def maximum(a, b):
    return jnp.maximum(a, b)


def minimum(a, b):
    return jnp.minimum(a, b)


def modulo(a, m):
    return a % m


def nearest(x):
    """The nearest integer."""
    return integer(jnp.rint(x))


def constant(values):
    """A constant vector, and an axis for the batch and one for time: [d, 1, 1]."""
    return np.array(values)[..., None, None]


def whole(x, *shape):
    """x broadcast to a shape."""
    return jnp.broadcast_to(x, shape)


def lanes(x, d):
    """The vector [d, B, T] whose elements are all x [B, T]."""
    return jnp.broadcast_to(x, (d, *jnp.shape(x)[-2:]))


def joined(*parts):
    """Vectors [d, B, T] one after the other."""
    shape = jnp.broadcast_shapes(*(p.shape[1:] for p in parts))
    return jnp.concatenate([jnp.broadcast_to(p, (len(p), *shape)) for p in parts])


def picked(x, indices):
    """The elements of a vector at constant positions."""
    return x[np.array(indices)]


def largest(x):
    return x.max(0)


def smallest(x):
    return x.min(0)


def first_largest(x):
    return x.argmax(0)


def element(x, i):
    """The element i [B, T], known at run time, of a vector [d, B, T]."""
    i = jnp.clip(i, 0, len(x) - 1)
    shape = jnp.broadcast_shapes(x.shape[1:], i.shape)
    x, i = jnp.broadcast_to(x, (len(x), *shape)), jnp.broadcast_to(i, shape)
    return jnp.take_along_axis(x, i[None], 0)[0]


def row(table, i):
    """Row i [B, T] of a table [n] or [d, n]."""
    return jnp.take(table, i, axis=-1, mode="clip")


def product(matrix, x):
    """A constant matrix [n, d] times a vector [d, B, T]."""
    return jnp.tensordot(matrix, x, 1, precision=lax.Precision.HIGHEST)


def clock(before, steps):
    """before + 1, before + 2, ... over so many steps."""
    return before[..., None] + jnp.arange(1, steps + 1)


def remaining(each, x, before, steps):
    """before + each, before + 2 each, ... over so many steps, less x."""
    return before[..., None] + (jnp.arange(each, each * (steps + 1), each) - x)


def lasting(x, steps):
    """A constant at every step."""
    return jnp.broadcast_to(x, (*jnp.shape(x)[:-2], 1, steps))


def stacked(*states):
    """States before the first step, [B] or [d, B], as one [d, B]."""
    states = [jnp.atleast_2d(s) for s in states]
    batch = max(s.shape[-1] for s in states)
    return jnp.concatenate([jnp.broadcast_to(s, (len(s), batch)) for s in states])


def shifted(x, before, steps):
    """The value one step ago: `before`, then x without its last step."""
    lead = jnp.broadcast_shapes(jnp.shape(x)[:-1], before.shape)
    x = jnp.broadcast_to(x, (*lead, steps))
    before = jnp.broadcast_to(before[..., None], (*lead, 1)).astype(x.dtype, copy=False)
    return jnp.concatenate([before, x[..., :-1]], -1)


def window(x, before):
    """The last values of x [w, B, T], oldest first: [k w, B, T] from `before` [k w, B]."""
    w, steps = len(x), x.shape[-1]
    lead = jnp.broadcast_shapes(x.shape[1:-1], before.shape[1:])
    before = jnp.broadcast_to(before, (len(before), *lead))
    past = jnp.moveaxis(before.reshape(-1, w, *lead), 0, -1).astype(x.dtype, copy=False)
    history = jnp.concatenate([past, jnp.broadcast_to(x, (w, *lead, steps))], -1)
    k = past.shape[-1]
    return jnp.concatenate([history[..., j + 1 : j + 1 + steps] for j in range(k)])


def total(x, before):
    """before + x_1, before + x_1 + x_2, ..."""
    return jnp.cumsum(x, -1) + before[..., None]


def running_max(x, before):
    return jnp.maximum(lax.cummax(x, x.ndim - 1), before[..., None])


def running_min(x, before):
    return jnp.minimum(lax.cummin(x, x.ndim - 1), before[..., None])


def running_any(condition, before):
    """Whether it has held at some step."""
    return (jnp.cumsum(condition, -1) > 0) | before[..., None]


def running_all(condition, before):
    """Whether it has held at every step."""
    return (jnp.cumsum(~condition, -1) == 0) & before[..., None]


def parity(condition, before):
    """Whether it has held at an odd number of steps, as `before` is counted."""
    return (jnp.cumsum(condition, -1) % 2 == 1) ^ before[..., None]


def held(condition, x, before):
    """x at the last step at which the condition held, `before` where it never has."""
    steps = jnp.arange(1, condition.shape[-1] + 1)
    last = lax.cummax(jnp.where(condition, steps, 0), condition.ndim - 1)
    shape = jnp.broadcast_shapes(condition.shape, jnp.shape(x), (*before.shape, 1))
    x, last = jnp.broadcast_to(x, shape), jnp.broadcast_to(last, shape)
    found = jnp.take_along_axis(x, jnp.maximum(last - 1, 0), -1)
    return jnp.where(last > 0, found, before[..., None])


def once(condition, x, before, steps):
    """x of the first step if the condition holds there, else `before`; the same at every step."""
    x = jnp.where(condition[..., :1], x[..., :1], before[..., None])
    return jnp.broadcast_to(x, (*x.shape[:-1], steps))


def begun(x, first, before, steps):
    """x, but `first` at the first step of sequences that have not begun `before`."""
    start = jnp.where(before[..., None], x[..., :1], first[..., :1])
    x = jnp.broadcast_to(x, (*start.shape[:-1], steps))
    return jnp.concatenate([start, x[..., 1:]], -1)


def total_since(condition, x, before):
    """The sum of x from the last step on at which the condition held; `before` and all of x where
    it never has."""
    added = jnp.cumsum(jnp.where(condition, 0, x), -1)
    return held(condition, x - added, before) + added


def toggled(f0, f1, before):
    """A boolean that becomes f1 where it was true and f0 where it was false."""
    f0, f1 = boolean(f0), boolean(f1)
    odd = jnp.cumsum(f0 & ~f1, -1) % 2 == 1
    return held(f0 == f1, f1 ^ odd, before) ^ odd


def scan(combine, parts):
    """What `combine` makes of the first 1, 2, ... steps; it is associative."""
    return lax.associative_scan(combine, parts, axis=parts[0].ndim - 1)


def gated(factor, x, before):
    """s_t = factor_t s_{t-1} + x_t, for factors in [-1, 1]."""
    factor, x = jnp.broadcast_arrays(factor, x)
    factor, x = scan(lambda a, b: [a[0] * b[0], a[1] * b[0] + b[1]], [factor, x])
    return factor * before[..., None] + x


def clamped(x, low, high, before):
    """s_t = min(max(s_{t-1} + x_t, low_t), high_t), where low_t <= high_t."""
    parts = jnp.broadcast_arrays(x, real(low), real(high))

    def combine(a, b):
        clip = lambda y: jnp.minimum(jnp.maximum(y + b[0], b[1]), b[2])
        return [a[0] + b[0], clip(a[1]), clip(a[2])]

    x, low, high = scan(combine, parts)
    return jnp.minimum(jnp.maximum(before[..., None] + x, low), high)


def followed(step, before, inputs, limits, steps):
    """States by `step(*states, *inputs)`, whose elements lie within limits: what every step makes
    of every joint value, as a table of numbers [Q, B, T]; such tables are composed."""
    low = np.concatenate([a for a, _ in limits])
    sizes = np.concatenate([b for _, b in limits]) - low + 1
    count, radix = int(np.prod(sizes)), np.cumprod(np.append(1, sizes[:-1]))
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
    maps = jnp.broadcast_to(maps, (count * batch, steps)).reshape(count, batch, steps)
    (maps,) = scan(lambda a, b: [jnp.take_along_axis(b[0], a[0], 0)], [maps])
    first = jnp.broadcast_to(packed([b[..., None] for b in before])[:, 0], batch)
    return unpacked(jnp.take_along_axis(maps, whole(first[None, :, None], 1, batch, steps), 0)[0])


def decayed(factor, x, before):
    """s_t = factor s_{t-1} + x_t for a constant factor, a number or one [d] for each element.

    Within blocks of 32 steps a triangular matrix of powers adds up x; the ends of the blocks are
    such a sequence again. Nothing is divided by a power.
    """
    factor, steps = np.asarray(factor), x.shape[-1]
    block = min(32, steps)
    count = -(-steps // block)
    lead = jnp.broadcast_shapes(x.shape[:-1], before.shape)
    x, before = jnp.broadcast_to(x, (*lead, steps)), jnp.broadcast_to(before, lead)
    if steps < count * block:
        x = jnp.concatenate([x, jnp.zeros((*lead, count * block - steps), x.dtype)], -1)
    ages = np.arange(block) - np.arange(block)[:, None]
    kept = factor[..., None] ** np.arange(block + 1)
    powers = np.where(ages >= 0, kept[..., np.maximum(ages, 0)], 0)
    x = x.reshape(*factor.shape, -1, block)
    sums = jnp.matmul(x, powers, precision=lax.Precision.HIGHEST).reshape(*lead, count, block)
    before = before[..., None]
    if count > 1:
        ends = decayed(factor**block, sums[..., -1], before[..., 0])
        before = jnp.concatenate([before, ends[..., :-1]], -1)
    sums = sums + before[..., None] * kept[..., 1:].reshape(*factor.shape, 1, 1, block)
    return sums.reshape(*lead, count * block)[..., :steps]


def linear(matrix, x, before):
    """s_t = A s_{t-1} + x_t for a constant matrix A [p, p] and x [p, B, T].

    Pairs of steps are one step of such a sequence with A^2; nothing is divided.
    """
    steps = x.shape[-1]
    lead = jnp.broadcast_shapes(x.shape[1:-1], before.shape[1:])
    x = jnp.broadcast_to(x, (len(x), *lead, steps))
    first = product(matrix, jnp.broadcast_to(before, (len(x), *lead))) + x[..., 0]
    if steps == 1:
        return first[..., None]
    odd = linear(matrix @ matrix, product(matrix, x[..., :-1:2]) + x[..., 1::2], before)
    later = product(matrix, odd[..., : (steps - 1) // 2]) + x[..., 2::2]
    even = jnp.concatenate([first[..., None], later], -1)
    result = jnp.zeros_like(x)
    return result.at[..., ::2].set(even).at[..., 1::2].set(odd)


def stepped(step, before, inputs, steps):
    """States by `step(*states, *inputs)`, one step after the other, in a compiled loop."""
    batch = max([b.shape[-1] for b in before] + [x.shape[-2] for x in inputs])
    first = [whole(b, *b.shape[:-1], batch)[..., None] for b in before]

    def following(states, now):
        new = step(*states, *(x[..., None] for x in now))
        states = [whole(n, *s.shape).astype(s.dtype) for n, s in zip(new, states)]
        return states, [s[..., 0] for s in states]

    _, history = lax.scan(following, first, [jnp.moveaxis(x, -1, 0) for x in inputs], steps)
    return [jnp.moveaxis(h, 0, -1) for h in history]


def last(x, before):
    """A state after the last step, as `before`."""
    x = jnp.asarray(x)
    x = x[..., -1] if x.ndim else x
    shape = jnp.broadcast_shapes(x.shape, before.shape)
    return jnp.broadcast_to(x, shape).astype(before.dtype)


def array(values):
    return np.array(values)


def given(x, kind, vector):
    """Inputs [B, T] or [B, T, d] as the functions take them, [d, B, T]."""
    return jnp.moveaxis(kind(x), -1, 0) if vector else kind(x)


def presented(x, kind, size, batch, steps):
    """Outputs [B, T], or [B, T, d] for vectors of a size."""
    x = whole(kind(x), *[size] * bool(size), batch, steps)
    return jnp.moveaxis(x, 0, -1) if size else x
