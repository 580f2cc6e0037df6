"""The layers of a Mamba model as JAX functions, on the weight names of Hugging Face.

Before the line of dashes: statements of `shapes`.
"""

TEXT = '''
h, i, n = config["hidden_size"], config["intermediate_size"], config["state_size"]
r, k, layer_count = config["time_step_rank"], config["conv_kernel"], config["num_hidden_layers"]
own = {
    "norm.weight": (h,),
    "mixer.in_proj.weight": (2 * i, h),
    "mixer.conv1d.weight": (i, 1, k),
    "mixer.conv1d.bias": (i,),
    "mixer.x_proj.weight": (r + 2 * n, i),
    "mixer.dt_proj.weight": (i, r),
    "mixer.dt_proj.bias": (i,),
    "mixer.A_log": (i, n),
    "mixer.D": (i,),
    "mixer.out_proj.weight": (h, i),
}
# ---
def norm(x, weight):
    """w x / sqrt(mean(x^2) + 1e-5)."""
    return weight * (x * lax.rsqrt(jnp.mean(x * x, axis=-1, keepdims=True) + 1e-5))


def softplus(x):
    """ln(1 + exp(x)), and x itself above 20."""
    return jnp.where(x > 20, x, jnp.log1p(jnp.exp(jnp.minimum(x, 20))))


def initial_layer_state(w):
    """The convolution's last inputs [K - 1, I] and h [I, N], zeros."""
    channels, _, taps = w["mixer.conv1d.weight"].shape
    return {
        "window": jnp.zeros((taps - 1, channels), DTYPE),
        "h": jnp.zeros(w["mixer.A_log"].shape, DTYPE),
    }


def layer(w, x, state, parallel):
    """x [T, H] and the state before to x + mixer(norm(x)) and the state after the last step."""
    y, state = mixer(w, norm(x, w["norm.weight"]), state, parallel)
    return x + y, state


def mixer(w, x, state, parallel):
    """I channels with N states each; a dt of rank R; a convolution of K taps:

    (v_t, z_t) = W_in x_t,  u_t = silu(conv(v)_t),  (d, B, C) = W_x u_t,
    dt = softplus(W_dt d + b_dt),  h_t = exp(dt A) h_{t-1} + dt B_t u_t,  A = -exp(A_log),
    y_t = W_out ((C_t h_t + D u_t) silu(z_t)).
    """
    v, z = jnp.split(linear(w, "mixer.in_proj", x), 2, axis=-1)
    v, window = convolved(w, "mixer.conv1d", v, state["window"])
    u = jax.nn.silu(v)
    y, h = selective_scan(w, u, state["h"], parallel)
    y = (y + w["mixer.D"] * u) * jax.nn.silu(z)
    return linear(w, "mixer.out_proj", y), {"window": window, "h": h}


def selective_scan(w, u, h, parallel):
    """u [T, I] and h [I, N] to C h at every step, [T, I], and the last h.

    In parallel the states of all steps, [T, I, N], are in memory.
    """
    rank, states = w["mixer.dt_proj.weight"].shape[-1], h.shape[-1]
    d, B, C = jnp.split(linear(w, "mixer.x_proj", u), [rank, rank + states], axis=-1)
    dt = softplus(linear(w, "mixer.dt_proj", d))
    A = -jnp.exp(w["mixer.A_log"])
    decay = lambda dt: jnp.exp(dt[..., None] * A)
    added = lambda dt, B, u: dt[..., None] * B[..., None, :] * u[..., None]
    read = lambda h, C: jnp.matmul(h, C[..., None], precision=lax.Precision.HIGHEST)[..., 0]

    def after(h, now):
        u, dt, B, C = now
        h = decay(dt) * h + added(dt, B, u)
        return h, read(h, C)

    if parallel and len(u):
        hs = parallel_recurrence(decay(dt), added(dt, B, u), h)
        return read(hs, C), hs[-1]
    h, y = lax.scan(after, h, (u, dt, B, C))
    return y, h
'''
