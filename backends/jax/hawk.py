"""The layers of a Hawk model as JAX functions, on the weight names of Hugging Face.

Before the line of dashes: statements of `shapes`.
"""

TEXT = '''
h, heads, k = config["hidden_size"], config["num_attention_heads"], config["conv1d_width"]
layer_count, units = config["num_hidden_layers"], config["intermediate_size"] // 2
maps = {
    "temporal_block.linear_x": (h, h),
    "temporal_block.linear_y": (h, h),
    "temporal_block.linear_out": (h, h),
    "temporal_block.conv_1d": (h, 1, k),
    "mlp_block.gate_proj": (units, h),
    "mlp_block.up_proj": (units, h),
    "mlp_block.down_proj": (h, units),
}
own = {f"{name}.weight": shape for name, shape in maps.items()}
own |= {f"{name}.bias": shape[:1] for name, shape in maps.items()}
for gate in ("input_gate", "recurrent_gate"):
    own[f"temporal_block.rg_lru.{gate}_weight"] = (heads, h // heads, h // heads)
    own[f"temporal_block.rg_lru.{gate}_bias"] = (heads, h // heads)
own["temporal_block.rg_lru.recurrent_param"] = (h,)
own["temporal_pre_norm.weight"] = own["channel_pre_norm.weight"] = (h,)
# ---
def norm(x, weight):
    """(1 + w) x / sqrt(mean(x^2) + 1e-6)."""
    return x * lax.rsqrt(jnp.mean(x * x, axis=-1, keepdims=True) + 1e-6) * (1 + weight)


def softplus(x):
    """ln(1 + exp(x)), and x itself above 20."""
    return jnp.where(x > 20, x, jnp.log1p(jnp.exp(jnp.minimum(x, 20))))


def gelu(x):
    """x Phi(x), Phi by a tanh."""
    return jax.nn.gelu(x, approximate=True)


def initial_layer_state(w):
    """The convolution's last inputs [K - 1, W] and h [W], zeros; and that the next step is the
    first one."""
    width, _, taps = w["temporal_block.conv_1d.weight"].shape
    return {
        "window": jnp.zeros((taps - 1, width), DTYPE),
        "h": jnp.zeros(width, DTYPE),
        "first": jnp.array(True),
    }


def layer(w, x, state, parallel):
    """x [T, H] and the state before to x' + mlp(norm(x')), with x' = x + temporal(norm(x)), and the
    state after the last step."""
    y, state = temporal_block(w, norm(x, w["temporal_pre_norm.weight"]), state, parallel)
    x = x + y
    return x + mlp(w, norm(x, w["channel_pre_norm.weight"])), state


def mlp(w, x):
    """W_3 (gelu(W_1 x) W_2 x)."""
    gate = gelu(linear(w, "mlp_block.gate_proj", x))
    return linear(w, "mlp_block.down_proj", gate * linear(w, "mlp_block.up_proj", x))


def temporal_block(w, x, state, parallel):
    """W_out (RG-LRU(conv(W_x x)) gelu(W_y x)), the convolution with K taps."""
    v = linear(w, "temporal_block.linear_x", x)
    v, window = convolved(w, "temporal_block.conv_1d", v, state["window"])
    u, h = rg_lru(w, v, state["h"], state["first"], parallel)
    u = u * gelu(linear(w, "temporal_block.linear_y", x))
    first = state["first"] & (len(x) == 0)
    return linear(w, "temporal_block.linear_out", u), {"window": window, "h": h, "first": first}


def rg_lru(w, v, h, first, parallel):
    """v [T, W], h [W] and whether the first step is a sequence's first, to all states [T, W] and
    the last one:

    r_t = sigmoid(W_a v_t + b_a),  i_t = sigmoid(W_i v_t + b_i),
    a_t = exp(-8 r_t softplus(Lambda)),  h_t = a_t h_{t-1} + sqrt(1 - a_t^2) i_t v_t,
    but h_1 = i_1 v_1 at the first step of a sequence.
    """
    i, r = gate(w, "input_gate", v), gate(w, "recurrent_gate", v)
    log_a = -8.0 * r * softplus(w["temporal_block.rg_lru.recurrent_param"])
    start = (first & (jnp.arange(len(v)) == 0))[:, None]
    a = jnp.where(start, 0.0, jnp.exp(log_a))
    added = v * i * jnp.where(start, 1.0, jnp.sqrt(1 - jnp.exp(2 * log_a)))

    def after(h, now):
        a, added = now
        h = a * h + added
        return h, h

    if parallel and len(v):
        hs = parallel_recurrence(a, added, h)
        return hs, hs[-1]
    h, hs = lax.scan(after, h, (a, added))
    return hs, h


def gate(w, name, v):
    """sigmoid(W v + b); the matrix is block-diagonal, a block [in, out] a head."""
    weight, bias = (w[f"temporal_block.rg_lru.{name}_{part}"] for part in ("weight", "bias"))
    heads = v.reshape(-1, *bias.shape)
    blocks = jnp.einsum("thi,hij->thj", heads, weight, precision=lax.Precision.HIGHEST)
    return jax.nn.sigmoid(blocks + bias).reshape(v.shape)
'''
