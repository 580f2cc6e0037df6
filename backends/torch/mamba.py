"""The layers of a Mamba model as readable PyTorch, on the weight names of Hugging Face."""

LAYERS = '''class RMSNorm(nn.Module):
    """w x / sqrt(mean(x^2) + 1e-5)."""

    def __init__(self, size):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))

    def forward(self, x):
        return self.weight * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-5))


class Mixer(nn.Module):
    """I channels with N states each; a dt of rank R; a convolution of K taps:

    (v_t, z_t) = W_in x_t,  u_t = silu(conv(v)_t),  (d, B, C) = W_x u_t,
    dt = softplus(W_dt d + b_dt),  h_t = exp(dt A) h_{t-1} + dt B_t u_t,  A = -exp(A_log),
    y_t = W_out ((C_t h_t + D u_t) silu(z_t)).
    """

    def __init__(self, config):
        super().__init__()
        hidden, channels = config["hidden_size"], config["intermediate_size"]
        states, rank = config["state_size"], config["time_step_rank"]
        self.in_proj = nn.Linear(hidden, 2 * channels, bias=False)
        self.conv1d = nn.Conv1d(channels, channels, config["conv_kernel"], groups=channels)
        self.x_proj = nn.Linear(channels, rank + 2 * states, bias=False)
        self.dt_proj = nn.Linear(rank, channels)
        self.A_log = nn.Parameter(torch.zeros(channels, states))
        self.D = nn.Parameter(torch.ones(channels))
        self.out_proj = nn.Linear(channels, hidden, bias=False)
        self.split = [rank, states, states]

    def initial_state(self, batch):
        """The convolution's last inputs [B, I, K - 1] and h [B, I, N], zeros."""
        window = self.A_log.new_zeros(batch, len(self.D), self.conv1d.kernel_size[0] - 1)
        return window, self.A_log.new_zeros(batch, *self.A_log.shape)

    def forward(self, x, state):
        """x [B, T, H] to y [B, T, H] and the state after the last step."""
        window, h = state
        v, z = self.in_proj(x).chunk(2, dim=-1)
        seen = torch.cat([window, v.transpose(1, 2)], dim=-1)
        u = F.silu(self.conv1d(seen).transpose(1, 2))
        y, h = self.selective_scan(u, h)
        y = (y + self.D * u) * F.silu(z)
        return self.out_proj(y), (seen[..., x.shape[1] :], h)

    def selective_scan(self, u, h):
        """u [B, T, I] and h [B, I, N] to C h at every step, [B, T, I], and the last h."""
        d, B, C = self.x_proj(u).split(self.split, dim=-1)
        dt = F.softplus(self.dt_proj(d))
        return self.recurrence(dt, -torch.exp(self.A_log), B, C, u, h)

    @staticmethod
    def recurrence(dt, A, B, C, u, h):
        """dt and u [B, T, I], A [I, N], B and C [B, T, N], h [B, I, N] to what selective_scan
        gives."""
        out = []
        for t in range(u.shape[1]):
            step = dt[:, t, :, None]
            h = torch.exp(step * A) * h + step * B[:, t, None] * u[:, t, :, None]
            out.append((h @ C[:, t, :, None]).squeeze(-1))
        return torch.stack(out, dim=1), h


class Layer(nn.Module):
    """x + mixer(norm(x))."""

    def __init__(self, config):
        super().__init__()
        self.norm = RMSNorm(config["hidden_size"])
        self.mixer = Mixer(config)

    def initial_state(self, batch):
        return self.mixer.initial_state(batch)

    def forward(self, x, state):
        """x [B, T, H] to y [B, T, H] and the state after the last step."""
        y, state = self.mixer(self.norm(x), state)
        return x + y, state


class Backbone(nn.Module):
    """The layers one after the other, between the embedding and a last norm."""

    def __init__(self, config):
        super().__init__()
        self.embeddings = nn.Embedding(config["vocab_size"], config["hidden_size"])
        self.layers = nn.ModuleList(Layer(config) for _ in range(config["num_hidden_layers"]))
        self.norm_f = RMSNorm(config["hidden_size"])

    def forward(self, x, state):
        """x [B, T, H] to y [B, T, H] and the state after the last step."""
        state = list(state)
        for i, layer in enumerate(self.layers):
            x, state[i] = layer(x, state[i])
        return self.norm_f(x), state
'''
