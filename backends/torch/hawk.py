"""The layers of a Hawk model as readable PyTorch, on the weight names of Hugging Face."""

LAYERS = '''class RMSNorm(nn.Module):
    """(1 + w) x / sqrt(mean(x^2) + 1e-6)."""

    def __init__(self, size):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(size))

    def forward(self, x):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * (1 + self.weight)


class RGLRU(nn.Module):
    """W channels, in heads for the gates' matrices:

    r_t = sigmoid(W_a v_t + b_a),  i_t = sigmoid(W_i v_t + b_i),
    a_t = exp(-8 r_t softplus(Lambda)),  h_t = a_t h_{t-1} + sqrt(1 - a_t^2) i_t v_t,
    but h_1 = i_1 v_1 at the first step of a sequence.
    """

    def __init__(self, width, heads):
        super().__init__()
        block = width // heads
        self.recurrent_param = nn.Parameter(torch.zeros(width))
        self.input_gate_weight = nn.Parameter(torch.zeros(heads, block, block))
        self.input_gate_bias = nn.Parameter(torch.zeros(heads, block))
        self.recurrent_gate_weight = nn.Parameter(torch.zeros(heads, block, block))
        self.recurrent_gate_bias = nn.Parameter(torch.zeros(heads, block))

    def forward(self, v, h, first):
        """v [B, T, W], h [B, W] and whether the first step is a sequence's first, [B], to all
        states [B, T, W] and the last one."""
        i = self.gate(v, self.input_gate_weight, self.input_gate_bias)
        r = self.gate(v, self.recurrent_gate_weight, self.recurrent_gate_bias)
        log_a = -8.0 * r * F.softplus(self.recurrent_param)
        a, factor = torch.exp(log_a), torch.sqrt(1 - torch.exp(2 * log_a))
        start = torch.zeros(v.shape[:2], dtype=torch.bool, device=v.device)
        start[:, 0] = first
        start = start.unsqueeze(-1)
        a, factor = a.masked_fill(start, 0.0), factor.masked_fill(start, 1.0)
        states = self.recurrence(a, v * i * factor, h)
        return states, states[:, -1]

    @staticmethod
    def recurrence(a, added, h):
        """a and added [B, T, W] and h [B, W] to a_t h_{t-1} + added_t of all steps, [B, T, W]."""
        states = []
        for t in range(a.shape[1]):
            h = a[:, t] * h + added[:, t]
            states.append(h)
        return torch.stack(states, dim=1)

    @staticmethod
    def gate(v, weight, bias):
        """The matrix is block-diagonal, a block [in, out] a head."""
        heads = v.reshape(-1, *bias.shape).transpose(0, 1)
        return torch.sigmoid(((heads @ weight).transpose(0, 1) + bias).reshape(v.shape))


class TemporalBlock(nn.Module):
    """W_out (RG-LRU(conv(W_x x)) gelu(W_y x)), the convolution with K taps."""

    def __init__(self, config):
        super().__init__()
        hidden, width = config["hidden_size"], config["lru_width"]
        self.linear_y = nn.Linear(hidden, width)
        self.linear_x = nn.Linear(hidden, width)
        self.linear_out = nn.Linear(width, hidden)
        self.conv_1d = nn.Conv1d(width, width, config["conv1d_width"], groups=width)
        self.rg_lru = RGLRU(width, config["num_attention_heads"])

    def initial_state(self, batch):
        """The convolution's last inputs [B, W, K - 1] and h [B, W], zeros; and that the next step
        is the first one, [B]."""
        zero = self.rg_lru.recurrent_param
        window = zero.new_zeros(batch, len(zero), self.conv_1d.kernel_size[0] - 1)
        first = torch.ones(batch, dtype=torch.bool, device=zero.device)
        return window, zero.new_zeros(batch, len(zero)), first

    def forward(self, x, state):
        """x [B, T, H] to y [B, T, H] and the state after the last step."""
        window, h, first = state
        seen = torch.cat([window, self.linear_x(x).transpose(1, 2)], dim=-1)
        v = self.conv_1d(seen).transpose(1, 2)
        u, h = self.rg_lru(v, h, first)
        u = u * F.gelu(self.linear_y(x), approximate="tanh")
        return self.linear_out(u), (seen[..., x.shape[1] :], h, torch.zeros_like(first))


class MLP(nn.Module):
    """W_3 (gelu(W_1 x) W_2 x)."""

    def __init__(self, config):
        super().__init__()
        hidden, units = config["hidden_size"], config["intermediate_size"] // 2
        self.gate_proj = nn.Linear(hidden, units)
        self.up_proj = nn.Linear(hidden, units)
        self.down_proj = nn.Linear(units, hidden)

    def forward(self, x):
        gate = F.gelu(self.gate_proj(x), approximate="tanh")
        return self.down_proj(gate * self.up_proj(x))


class Layer(nn.Module):
    """x' = x + temporal(norm(x)), then x' + mlp(norm(x'))."""

    def __init__(self, config):
        super().__init__()
        self.temporal_pre_norm = RMSNorm(config["hidden_size"])
        self.temporal_block = TemporalBlock(config)
        self.channel_pre_norm = RMSNorm(config["hidden_size"])
        self.mlp_block = MLP(config)

    def initial_state(self, batch):
        return self.temporal_block.initial_state(batch)

    def forward(self, x, state):
        """x [B, T, H] to y [B, T, H] and the state after the last step."""
        y, state = self.temporal_block(self.temporal_pre_norm(x), state)
        x = x + y
        return x + self.mlp_block(self.channel_pre_norm(x)), state


class Backbone(nn.Module):
    """The layers one after the other, between the embedding and a last norm. What enters them is
    multiplied by sqrt(H), rounded to bfloat16."""

    def __init__(self, config):
        super().__init__()
        size = config["hidden_size"]
        self.embed_tokens = nn.Embedding(config["vocab_size"], size)
        self.layers = nn.ModuleList(Layer(config) for _ in range(config["num_hidden_layers"]))
        self.final_norm = RMSNorm(size)
        self.scale = torch.tensor(size**0.5, dtype=torch.bfloat16).item()

    def forward(self, x, state):
        """x [B, T, H] to y [B, T, H] and the state after the last step."""
        x, state = x * self.scale, list(state)
        for i, layer in enumerate(self.layers):
            x, state[i] = layer(x, state[i])
        return self.final_norm(x), state
'''
