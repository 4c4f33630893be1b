"""The parity of the stack with pytorch-tabnet 4.1.0, and its other properties."""

import contextlib
import io
import warnings

import numpy as np
import pytest
import torch

from snowpipe_ml.models.tabnet.stack import TabNetStack
from snowpipe_ml.models.tabnet.training import ghosts

tab_network = pytest.importorskip("pytorch_tabnet.tab_network")
torch.set_num_threads(1)
BASE = {
    "n_d": 8,
    "n_a": 8,
    "n_steps": 3,
    "gamma": 1.3,
    "batch_size": 64,
    "virtual_batch_size": 64,
    "learning_rate": 0.02,
    "max_epochs": 6,
    "patience": 0,
}


def network(seed, features, s):
    torch.manual_seed(seed)
    return tab_network.TabNet(
        features,
        1,
        n_d=s["n_d"],
        n_a=s["n_a"],
        n_steps=s["n_steps"],
        gamma=s["gamma"],
        virtual_batch_size=s["virtual_batch_size"],
        group_attention_matrix=torch.eye(features),
    )


def double(net):
    net = net.double()
    net.tabnet.encoder.group_attention_matrix = net.tabnet.encoder.group_attention_matrix.double()
    return net


def series(rows, features, seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, features))
    return x, x[:, 0] - np.abs(x[:, min(1, features - 1)]) + 0.1 * rng.normal(size=rows)


@pytest.fixture
def _all_double(monkeypatch):
    """The reference computes sqrt(1/2) and sums its masks in float32, whatever the type of its network."""

    def forward(self, x):
        start = 0
        if self.first:
            x, start = self.glu_layers[0](x), 1
        for layer in list(self.glu_layers)[start:]:
            x = (x + layer(x)) * np.sqrt(0.5)
        return x

    monkeypatch.setattr(tab_network.GLU_Block, "forward", forward)
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize(
    ("features", "change", "batch"),
    [
        (7, {}, 64),
        (7, {"virtual_batch_size": 32}, 64),
        (5, {"virtual_batch_size": 40}, 101),
        (1, {}, 64),
        (20, {"n_steps": 1}, 32),
        (4, {"n_d": 4, "n_a": 6, "n_steps": 5, "gamma": 1.7}, 50),
        (12, {"virtual_batch_size": 16}, 70),
    ],
)
@pytest.mark.parametrize("steps", [12, pytest.param(30, marks=pytest.mark.stress)])
@pytest.mark.usefixtures("_all_double")
def test_steps_are_the_reference_s(features, change, batch, steps):
    # At a rate of 0.02, two runs of the reference that start 1e-15 apart are 1e-7 apart after 30 steps,
    # because every step doubles a difference.
    s = {**BASE, "learning_rate": 1e-3, **change}
    stack = TabNetStack(s, features, (0, 0, 0), dtype=torch.float64)
    nets = [double(network(seed, features, s)) for seed in (3, 4, 5)]
    for k, net in enumerate(nets):
        stack.load_network(k, net)
        with torch.no_grad():
            for p in net.parameters():
                p += 0.1 * torch.randn_like(p)
        stack.load_network(k, net)
    optimizers = [torch.optim.Adam(net.parameters(), lr=s["learning_rate"]) for net in nets]
    rng = np.random.default_rng(1)
    for _ in range(steps):
        x = rng.normal(size=(3, batch, features)) + 1
        y = 3 * x[:, :, 0] + rng.normal(size=(3, batch))
        expected = []
        for net, optimizer, a, b in zip(nets, optimizers, x, y, strict=False):
            net.train()
            out, entropy = net(torch.from_numpy(a))
            loss = torch.nn.functional.mse_loss(out[:, 0], torch.from_numpy(b)) - 1e-3 * entropy
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), 1)
            optimizer.step()
            expected.append(loss.item())
        np.testing.assert_allclose(stack.step(x, y), expected, rtol=1e-9, atol=1e-9)
    for k, net in enumerate(nets):
        state = net.state_dict()
        names = stack.named(k)
        left = {
            n
            for n in state
            if "num_batches" not in n
            and n not in names
            and "shared_layers" not in n
            and not n.startswith("tabnet.initial_bn")
            and ".shared." not in n
            and "embedder" not in n
        }
        assert not left
        for name, view in names.items():
            np.testing.assert_allclose(view, state[name], rtol=1e-9, atol=1e-9, err_msg=name)
        net.eval()
        with torch.no_grad():
            t = torch.from_numpy(x[k])
            np.testing.assert_allclose(stack.predict(list(x))[k], net(t)[0][:, 0], rtol=1e-9, atol=1e-9)
            np.testing.assert_allclose(
                stack.explain(list(x))[k], net.forward_masks(t)[0], rtol=1e-9, atol=1e-9
            )
            one = stack.explain([a[:1] for a in x])[k]
            np.testing.assert_allclose(one, net.forward_masks(t[:1])[0], rtol=1e-9, atol=1e-9)


def test_first_weights_are_the_reference_s():
    stack = TabNetStack(BASE, 6, (11, 12))
    for k, seed in enumerate((11, 12)):
        state = network(seed, 6, BASE).state_dict()
        for name, view in stack.named(k).items():
            np.testing.assert_array_equal(view, state[name], err_msg=name)


def reference(s, seed, x, y, ex, ey):
    from pytorch_tabnet.tab_model import TabNetRegressor

    model = TabNetRegressor(
        n_d=s["n_d"],
        n_a=s["n_a"],
        n_steps=s["n_steps"],
        gamma=s["gamma"],
        seed=seed,
        verbose=0,
        optimizer_params={"lr": s["learning_rate"]},
        device_name="cpu",
    )
    batch = min(s["batch_size"], len(x))
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        model.fit(
            x.astype("f"),
            y.astype("f")[:, None],
            eval_set=[(ex.astype("f"), ey.astype("f")[:, None])],
            eval_metric=["rmse"],
            max_epochs=s["max_epochs"],
            patience=s["patience"],
            batch_size=batch,
            virtual_batch_size=min(s["virtual_batch_size"], batch),
            num_workers=0,
            drop_last=True,
            compute_importance=False,
        )
    return model


@pytest.mark.parametrize("patience", [0, 10])
def test_a_fit_starts_as_the_reference_does(patience):
    """With the same weights and batches, float32 rounding makes two trainings diverge only slowly."""
    s = {**BASE, "max_epochs": 2, "patience": patience, "learning_rate": 1e-3}
    data = [(*series(300, 5, k), *series(40, 5, 10 + k)) for k in range(3)]
    stack = TabNetStack(s, 5, (1, 2, 3))
    stack.fit(*zip(*data, strict=False))
    for k, one in enumerate(data):
        model = reference(s, k + 1, *one)
        np.testing.assert_allclose(stack.epochs_[k].rmse, model.history["val_0_rmse"], rtol=1e-4)
        np.testing.assert_allclose(
            stack.predict([d[0] for d in data])[k],
            model.predict(one[0].astype("f"))[:, 0],
            rtol=1e-3,
            atol=1e-3,
        )


def test_stopping_is_the_reference_s():
    s = {
        **BASE,
        "max_epochs": 25,
        "patience": 2,
        "learning_rate": 0.05,
        "batch_size": 32,
        "virtual_batch_size": 16,
    }
    data = [(*series(n, 5, k), *series(40, 5, 10 + k)) for k, n in enumerate((200, 150, 300, 90, 130, 20))]
    stack = TabNetStack(s, 5, range(6), dtype=torch.float64)
    stack.fit(*zip(*data, strict=False))
    stopped = set()
    for k, (_, rmse) in enumerate(stack.epochs_):
        best, wait, at, stop = np.inf, 0, -1, None
        for epoch, value in enumerate(rmse):
            if value < best:
                best, wait, at = value, 1, epoch
            elif wait >= 2:
                stop = epoch
                break
            else:
                wait += 1
        assert stack.epochs_[k].best == at
        assert len(rmse) == (25 if stop is None else stop + 1)
        stopped.add(len(rmse))
        error = np.sqrt(np.mean((stack.predict([d[2] for d in data])[k] - data[k][3]) ** 2))
        np.testing.assert_allclose(error, rmse[at], rtol=1e-9)
    assert len(stopped) > 1


SPLIT = {"batch_size": 100, "virtual_batch_size": 40}
LENGTHS = (350, 300, 500, 64, 65, 30, 131, 350, 2)


def ragged(noise=0):
    """Series of different lengths, with evaluation parts; ``noise`` draws other values of the same shapes."""
    return [
        (*series(n, 5, k + noise), *series(max(1, n // 10), 5, 20 + k + noise)) for k, n in enumerate(LENGTHS)
    ]


@pytest.mark.parametrize("change", [{}, SPLIT])
@pytest.mark.parametrize("patience", [0, 2])
def test_a_model_alone_is_the_model_in_a_stack_up_to_rounding(change, patience):
    # With another number of models, matrix products add in another order. At a learning rate of 0.02, a
    # difference of 1e-15 after one step grows tenfold every eight steps, so the steps here are few and
    # small, and the bound is wide.
    s = {**BASE, "max_epochs": 3, "learning_rate": 1e-3, "patience": patience, **change}
    data = ragged()
    together = [TabNetStack(s, 5, range(9), dtype=torch.float64, together=t) for t in (32, 3)]
    for stack in together:
        stack.fit(*zip(*data, strict=False))
    for k, one in enumerate(data):
        alone = TabNetStack(s, 5, (k,), dtype=torch.float64)
        alone.fit(*([part] for part in one))
        expected = alone.predict([one[0]])[0]
        assert np.isfinite(expected).all()
        for stack in together:
            xs = [d[0] for d in data]
            np.testing.assert_allclose(stack.epochs_[k].rmse, alone.epochs_[0].rmse, rtol=1e-8)
            np.testing.assert_allclose(stack.predict(xs)[k], expected, rtol=1e-8, atol=1e-8)
            np.testing.assert_allclose(stack.explain(xs)[k], alone.explain([one[0]])[0], rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("change", [{}, SPLIT])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_no_value_of_another_series_reaches_a_model(change, dtype):
    """With neighbors of equal lengths but other values, training does the same arithmetic, byte for byte."""
    s = {**BASE, "max_epochs": 3, **change}
    data, others = ragged(), ragged(noise=100)
    for k in (0, 2, 8):
        found = []
        for neighbors in (data, others):
            mixed = [data[i] if i == k else neighbors[i] for i in range(len(data))]
            stack = TabNetStack(s, 5, range(9), dtype=dtype, together=4)
            stack.fit(*zip(*mixed, strict=False))
            xs = [d[0] for d in mixed]
            found.append((stack.predict(xs)[k].tobytes(), stack.explain(xs)[k].tobytes(), stack.epochs_[k]))
        assert found[0] == found[1]


def test_saved_models_predict_the_same_bytes(tmp_path):
    data = [(*series(n, 5, k), *series(20, 5, 9 + k)) for k, n in enumerate((100, 200))]
    stack = TabNetStack(BASE, 5, (1, 2))
    stack.fit(*zip(*data, strict=False))
    np.savez(tmp_path / "a.npz", **stack.state())
    with np.load(tmp_path / "a.npz") as state:
        again = TabNetStack.from_state(BASE, 5, dict(state))
    for rows in (1, 50):
        xs = [d[0][:rows] for d in data]
        for a, b in zip(
            stack.predict(xs) + stack.explain(xs), again.predict(xs) + again.explain(xs), strict=False
        ):
            assert a.tobytes() == b.tobytes()


def test_fewer_rows_than_a_batch_still_train():
    x, y = series(20, 3, 0)
    stack = TabNetStack({**BASE, "max_epochs": 60}, 3, (0,))
    before = stack.state()["parameters"]
    stack.fit([x], [y], [x], [y])
    assert np.abs(stack.state()["parameters"] - before).max() > 0.01
    assert stack.epochs_[0].rmse[-1] < 0.7 * stack.epochs_[0].rmse[0]


def test_refusals():
    x, y = series(20, 3, 0)
    stack = TabNetStack(BASE, 3, (0,))
    with pytest.raises(ValueError, match="at least 2 rows"):
        stack.fit([x[:1]], [y[:1]], [x], [y])
    with pytest.raises(ValueError, match="one array per model"):
        stack.fit([x, x], [y], [x], [y])
    with pytest.raises(ValueError, match="at least 2 rows"):
        stack.fit([x], [y], [x[:0]], [y[:0]])


@pytest.mark.parametrize(
    "change",
    [
        lambda x, y: (x * 0, y),
        lambda x, y: (x, y * 0),
        lambda x, y: (x * 0, y * 0),
        lambda x, y: (np.repeat(x[:, :1], 4, 1), y),
        lambda x, y: (np.where(np.arange(4) == 2, 3.0, x), y),
    ],
)
def test_constant_series_and_features_are_finite(change):
    x, y = change(*series(300, 4, 0))
    stack = TabNetStack({**BASE, "max_epochs": 30, "patience": 5}, 4, (0,))
    stack.fit([x], [y], [x[:30]], [y[:30]])
    assert np.isfinite(stack.predict([x])[0]).all()
    assert np.isfinite(stack.explain([x])[0]).all()
    assert np.isfinite(stack.epochs_[0].rmse).all()


@pytest.mark.parametrize(
    ("batch", "virtual"), [(64, 64), (64, 32), (101, 64), (10, 3), (70, 16), (6, 2), (256, 128)]
)
def test_ghost_batches_are_cut_as_torch_cuts_them(batch, virtual):
    expected = [len(c) for c in torch.zeros(batch).chunk(-(-batch // virtual))]
    if expected[-1] == 1:
        expected[-2:] = [expected[-2] + 1]
    assert [rows for count, rows in ghosts(batch, virtual) for _ in range(count)] == expected


def test_one_row_each_is_the_row_of_many():
    data = [(*series(n, 5, k), *series(20, 5, 9 + k)) for k, n in enumerate((100, 200))]
    stack = TabNetStack(BASE, 5, (1, 2), dtype=torch.float64)
    stack.fit(*zip(*data, strict=False))
    many = stack.predict([d[0] for d in data])
    for a, b in zip(stack.predict([d[0][3:4] for d in data]), many, strict=False):
        assert a.shape == (1,)
        np.testing.assert_allclose(a[0], b[3], rtol=1e-10)
