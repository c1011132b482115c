"""What is the evolved loss's own; the semantics it shares run in ``test_semantics`` and its neighbours."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from evoloss.errors import CanonicalFormError, ConfigError
from evoloss.losses.evolved import EvolvedLoss
from evoloss.networks import (
    ClasswiseNetwork,
    ConcatNetwork,
    MonotoneNetwork,
    PacedNetwork,
)
from tests.losses.cases import make_indices, make_logits, make_probs, make_weight, reference_agreements
from tests.losses.evolved_losses import ANY_COUNT, CONCAT_CLASSES, NETWORKS, evolved, usable_params

C = CONCAT_CLASSES
every_kind = pytest.mark.parametrize("kind", NETWORKS)
any_count = pytest.mark.parametrize("kind", ANY_COUNT)


def gradient(loss: nn.Module, logits: Tensor, target: Tensor) -> Tensor:
    leaf = logits.detach().clone().requires_grad_()
    loss(leaf, target).sum().backward()
    assert leaf.grad is not None
    return leaf.grad


@every_kind
def test_equals_the_network_in_canonical_form(kind: str):
    logits, target = make_logits(6, C), make_indices(6, n_classes=C)
    loss = evolved(kind, reduction="none")
    params, network = loss.params[None].double(), NETWORKS[kind]
    log_probs, others = logits.log_softmax(1), {}
    if isinstance(network, PacedNetwork):
        known = reference_agreements(log_probs.exp(), F.one_hot(target, C).double())
        others["context"] = known[torch.arange(6), target]
    expected = network.losses(params, log_probs, target, **others)[0] - loss.least_cost(C)
    torch.testing.assert_close(loss(logits, target), expected)
    one_hot = F.one_hot(target, C).double()
    torch.testing.assert_close(loss(logits, one_hot), expected)


@any_count
@pytest.mark.parametrize("n_classes", [2, 3, 10, 1000])
def test_gradient_at_uniform_is_that_of_cross_entropy(kind: str, n_classes: int):
    logits, target = torch.zeros(1, n_classes, dtype=torch.float64), torch.tensor([n_classes // 2])
    expected = gradient(nn.CrossEntropyLoss(), logits, target)
    torch.testing.assert_close(gradient(evolved(kind), logits, target), expected)


def test_gradient_at_uniform_of_a_concat_loss_is_right_on_average():
    logits, target = torch.zeros(C, C, dtype=torch.float64), torch.arange(C)
    own = gradient(evolved("concat", reduction="none"), logits, target).diagonal()
    assert own.mean().item() == pytest.approx(-(1 - 1 / C))


@every_kind
def test_a_certain_right_prediction_costs_what_the_least_is_below_0(kind: str):
    loss = evolved(kind, reduction="none")
    losses = loss(torch.diag(torch.full((C,), 1e4)), torch.arange(C))
    torch.testing.assert_close(losses, torch.full((C,), -loss.least_cost(C)), atol=1e-5, rtol=1e-6)
    if kind not in ("classwise", "classwise-probs", "concat"):
        assert loss.least_cost(C) == 0.0


@any_count
@pytest.mark.parametrize("n_classes", [2, 3, 10, 100])
def test_the_least_that_any_prediction_costs_is_0(kind: str, n_classes: int):
    loss = evolved(kind, exact=True).eval()  # one prediction after the other is no training
    generator = torch.Generator().manual_seed(n_classes)
    for start in range(3):
        logits = torch.randn(1, n_classes, dtype=torch.float64, generator=generator)
        logits[0, 0] += 4 * start
        logits.requires_grad_()
        optimizer = torch.optim.LBFGS([logits], max_iter=200, line_search_fn="strong_wolfe")

        def closure(leaf: Tensor = logits, optimizer: torch.optim.Optimizer = optimizer) -> Tensor:
            optimizer.zero_grad()
            cost = loss(leaf, torch.tensor([0]))
            cost.backward()
            return cost

        optimizer.step(closure)
        assert float(loss(logits.detach(), torch.tensor([0]))) >= -1e-6
    place = loss.network.least_cost(loss.params.double(), n_classes)
    assert float(place) <= 0.0


@every_kind
def test_parameters_are_a_buffer_that_no_optimizer_finds(kind: str):
    loss = evolved(kind)
    assert list(loss.parameters()) == []
    assert dict(loss.named_buffers())["params"] is loss.params
    assert not loss.params.requires_grad
    logits = make_logits(3, C).requires_grad_()
    loss(logits, make_indices(3, n_classes=C)).backward()
    assert loss.params.grad is None


def test_the_given_tensor_is_copied():
    params = usable_params("concat").clone()
    loss = EvolvedLoss(NETWORKS["concat"], params)
    params.zero_()
    assert torch.equal(loss.params, usable_params("concat"))


@pytest.mark.parametrize(
    "cast",
    [nn.Module.half, nn.Module.bfloat16, lambda module: module.to(torch.bfloat16)],
    ids=["h", "b", "to"],
)
def test_casting_to_half_precision_rounds_no_parameter(cast: Any):
    model = nn.Sequential(nn.Linear(3, C), evolved("classwise", weight=make_weight(C, dtype=torch.float32)))
    cast(model)
    loss = model[1]
    assert model[0].weight.dtype in (torch.float16, torch.bfloat16)
    assert loss.weight.dtype == model[0].weight.dtype
    assert loss.params.dtype == torch.float32
    assert torch.equal(loss.params, usable_params("classwise"))


def test_double_keeps_the_values_and_half_after_it_keeps_double():
    loss = evolved("classwise").double()
    assert loss.params.dtype == torch.float64
    assert torch.equal(loss.params.float(), usable_params("classwise"))
    assert loss.half().params.dtype == torch.float64
    assert loss.float().params.dtype == torch.float32


@pytest.mark.parametrize("name", ["evolved-base", "evolved-noise", "adaptive"])
def test_no_classes_are_refused(name: str):
    for n_classes in (0, -3):
        with pytest.raises(ValueError, match=f"for 1 class or more, got a class count of {n_classes}"):
            EvolvedLoss(name).least_cost(n_classes)


@every_kind
def test_state_dict_and_copies_carry_the_loss(kind: str):
    loss = evolved(kind, ignore_index=1, label_smoothing=0.1)
    logits, target = make_logits(6, C), make_indices(6, n_classes=C)
    other = EvolvedLoss(NETWORKS[kind], loss.params * 0.99, ignore_index=1, label_smoothing=0.1)
    assert not torch.equal(other(logits, target), loss(logits, target))
    # As cross-entropy's: the parameters are the loss's own business; versions up to 0.3 saved them.
    assert list(loss.state_dict()) == []
    other.load_state_dict({"params": loss.params.clone()})
    twin = copy.deepcopy(loss)
    for copied in (other, twin):
        assert torch.equal(copied(logits, target), loss(logits, target))
    assert twin.params.data_ptr() != loss.params.data_ptr()


@pytest.mark.parametrize("kind", ["classwise", "monotone", "concat"])
@pytest.mark.parametrize("probabilities", [False, True])
def test_first_and_second_derivatives_in_float64(kind: str, probabilities: bool):
    loss = evolved(kind, weight=make_weight(C), label_smoothing=0.1 if probabilities else 0.0)
    logits = make_logits(3, C).requires_grad_()
    target = make_probs(3, C) if probabilities else torch.tensor([0, 2, 4])
    assert torch.autograd.gradcheck(lambda z: loss(z, target), logits)
    assert torch.autograd.gradgradcheck(lambda z: loss(z, target), logits)


@every_kind
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_extreme_logits(kind: str, dtype: torch.dtype):
    logits = torch.full((C + 2, C), -1e4)
    logits[:C].fill_diagonal_(1e4)
    logits[C + 1] = 1e4
    loss = evolved(kind, reduction="none")
    for label in (0, C - 1):
        target = torch.full((C + 2,), label)
        assert loss(logits.to(dtype), target).isfinite().all()
        assert gradient(loss, logits.to(dtype), target).isfinite().all()


def test_a_concat_loss_compiles_vmaps_and_stays_out_of_autocast():
    loss = evolved("concat", ignore_index=1)
    logits, target = make_logits(4, 6, C, dtype=torch.float32), make_indices(4, 6, n_classes=C)
    expected = torch.stack([loss(z, y) for z, y in zip(logits, target, strict=True)])
    torch.testing.assert_close(torch.func.vmap(loss)(logits, target), expected)
    torch._dynamo.reset()
    compiled = torch.compile(loss, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(logits[0], target[0]), expected[0])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = loss(logits[0].bfloat16(), target[0])
    assert value.dtype == torch.float32
    assert torch.equal(value, loss(logits[0].bfloat16().float(), target[0]))


def test_a_concat_loss_says_what_class_count_it_is_for():
    with pytest.raises(ValueError, match=f"evolved for {C} classes and cannot score 7; use a classwise"):
        evolved("concat")(make_logits(2, 7), torch.tensor([0, 1]))
    with pytest.raises(ValueError, match="cannot score 2"):
        evolved("concat", label_smoothing=0.1)(make_logits(2, 2), torch.tensor([0, 1]))


@every_kind
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("label", [-1, C])
def test_a_target_out_of_range_is_an_index_error(kind: str, smoothing: float, label: int):
    with pytest.raises(IndexError, match=f"Target {label} is out of bounds"):
        evolved(kind, label_smoothing=smoothing)(make_logits(1, C), torch.tensor([label]))


@any_count
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_many_classes(kind: str, smoothing: float):
    logits, target = make_logits(3, 5000, dtype=torch.float32), torch.tensor([0, 17, 4999])
    loss = evolved(kind, label_smoothing=smoothing)
    if loss.network.form(loss.params[None].double(), 5000).exists.item():
        assert loss(logits, target).isfinite().item()
        assert gradient(loss, logits, target).isfinite().all()
    else:
        with pytest.raises(ValueError, match="no canonical form at 5000 classes"):
            loss(logits, target)


def upside_down_at(n_classes: int) -> Tensor:
    network = NETWORKS["classwise"]
    for seed in range(2000):
        params = network.initial(torch.Generator().manual_seed(seed))
        forms = [network.form(params[None].double(), c) for c in (2, 10, 100, 1000, n_classes)]
        if [form.exists.item() for form in forms] == [True] * 4 + [False]:
            return params
    raise AssertionError("no such loss found")


def test_a_class_count_without_canonical_form_raises_instead_of_training_upside_down():
    loss = EvolvedLoss(NETWORKS["classwise"], upside_down_at(20_000))
    assert loss(make_logits(2, 10), torch.tensor([0, 1])).isfinite()
    for smoothing in (0.0, 0.1):
        loss.label_smoothing = smoothing
        for _ in range(2):  # not only the first time
            with pytest.raises(ValueError, match="no canonical form at 20000 classes"):
                loss(make_logits(2, 20_000), torch.tensor([0, 1]))


BAD_PARAMS: dict[str, tuple[Any, str]] = {
    "none": (None, "needs its parameters: give params, a tensor of shape (n_params,)"),
    "a list": ([1.0, 2.0], "a tensor of shape (n_params,), got [1.0, 2.0]"),
    "too short": (torch.ones(3), "parameters, got a tensor of shape (3,)"),
    "two axes": (usable_params("classwise")[None], "got a tensor of shape (1,"),
    "integers": (usable_params("classwise").long(), "must be floating-point, got torch.int64"),
    "NaN": (usable_params("classwise") * torch.nan, "not all finite"),
    "infinite": (usable_params("classwise") * torch.inf, "not all finite"),
}


@pytest.mark.parametrize("name", BAD_PARAMS)
def test_parameters_that_do_not_fit(name: str):
    params, text = BAD_PARAMS[name]
    with pytest.raises(ConfigError) as caught:
        EvolvedLoss(NETWORKS["classwise"], params)
    assert text in str(caught.value)


@pytest.mark.parametrize("network", [None, 3, b"evolved-base", ClasswiseNetwork])
def test_what_is_no_network_is_refused(network: Any):
    with pytest.raises(ConfigError, match="with parameters, a shipped name or a directory, got"):
        EvolvedLoss(network, usable_params("classwise"))
    with pytest.raises(ConfigError, match="with parameters, a shipped name or a directory, got"):
        EvolvedLoss.from_pretrained(network)


@every_kind
def test_a_constant_loss_is_refused(kind: str):
    network = NETWORKS[kind]
    nothing = torch.zeros(network.n_params)
    if network.form(nothing[None].double(), CONCAT_CLASSES).exists:
        # Kinds of which none is constant, whatever the parameters.
        logits = make_logits(5, CONCAT_CLASSES)
        costs = EvolvedLoss(network, nothing, reduction="none")(logits, torch.zeros(5, dtype=torch.long))
        assert float(costs.std()) > 0.1
        return
    with pytest.raises(CanonicalFormError, match=r"no canonical form at \d classes: .*evolve it longer"):
        EvolvedLoss(network, nothing)


def test_half_precision_parameters_are_widened():
    params = usable_params("monotone").bfloat16()
    loss = EvolvedLoss(NETWORKS["monotone"], params)
    assert loss.params.dtype == torch.float32
    assert torch.equal(loss.params, params.float())


@pytest.mark.parametrize("network", [ClasswiseNetwork(), MonotoneNetwork(), ConcatNetwork(n_classes=3)])
def test_repr_names_the_network(network: Any):
    seeds = (network.initial(torch.Generator().manual_seed(seed)) for seed in range(99))
    count = 3 if isinstance(network, ConcatNetwork) else 2
    for params in seeds:
        try:
            loss = EvolvedLoss(network, params, reduction="sum")
        except CanonicalFormError:
            continue
        assert repr(network) in repr(loss)
        assert "reduction='sum'" in repr(loss)
        assert loss(torch.zeros(1, count), torch.tensor([0])).isfinite()
        return
    raise AssertionError("no usable loss found")


def test_a_wrong_size_of_the_training_set_is_an_error_of_the_loss_that_was_named(tmp_path: Path) -> None:
    loss = EvolvedLoss.from_pretrained("evolved-base")
    loss.save_pretrained(tmp_path / "mine")
    told = {
        "'evolved-base'": lambda: loss.plan_training(n_samples=0),
        "'adaptive'": lambda: EvolvedLoss.from_pretrained("adaptive", n_samples=0),
        f"'{tmp_path / 'mine'}'": lambda: EvolvedLoss(tmp_path / "mine", n_samples=0),
        f"'{loss.network.kind}'": lambda: EvolvedLoss(loss.network, loss.params, n_samples=0),
    }
    for name, call in told.items():
        with pytest.raises(ConfigError) as refused:
            call()
        assert str(refused.value) == f"loss {name}: n_samples must be a whole number, at least 1, got 0"
    with pytest.raises(ConfigError, match=r"^loss 'evolved-base': samples_per_epoch must be"):
        loss.plan_training(n_samples=5, samples_per_epoch=0)
