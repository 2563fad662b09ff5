"""A PyTorch teacher: what enters and leaves its block, and what another module in its place does."""

from __future__ import annotations

import copy
from collections import OrderedDict
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is optional")

from torch import nn  # noqa: E402

from sdprelax.base import InputError  # noqa: E402
from sdprelax.distillation import distill  # noqa: E402
from sdprelax.distillation._comparison import compared, require_comparable  # noqa: E402
from sdprelax.distillation._torch_teacher import TorchTeacher  # noqa: E402
from sdprelax.distillation.distillers import Distilled  # noqa: E402


def network() -> Any:
    torch.manual_seed(0)
    parts = OrderedDict(
        stem=nn.Conv2d(2, 3, 3, padding=1),
        norm=nn.BatchNorm2d(3),
        # Both sides of this block are overwritten: the first layer computes in place, and so does what follows.
        block=nn.Sequential(nn.ReLU(inplace=True), nn.Conv2d(3, 4, 3, padding=1)),
        act=nn.ReLU(inplace=True),
        body=nn.ModuleDict({"drop": nn.Dropout(), "flat": nn.Flatten()}),
        head=nn.Linear(4 * 9, 5),
    )

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            for name, part in parts.items():
                self.add_module(name, part)

        def forward(self, x: Any) -> Any:
            x = self.act(self.block(self.norm(self.stem(x))))
            return self.head(self.body["flat"](self.body["drop"](x)))

    return Net()


BATCH = np.random.default_rng(0).standard_normal((4, 2, 3, 3)).astype(np.float32)


def state(model: Any) -> list[Any]:
    hooks = [len(part._forward_hooks) + len(part._forward_pre_hooks) for part in model.modules()]
    return [[part.training for part in model.modules()], hooks, [v.tolist() for v in model.state_dict().values()]]


def test_activations_are_those_around_the_block_even_where_layers_compute_in_place() -> None:
    model = network().eval()
    with torch.inference_mode():
        z = model.norm(model.stem(torch.tensor(BATCH)))
        f = model.block[1](torch.relu(z))
    entered, left = TorchTeacher(model, "block").capture(torch.tensor(BATCH))
    np.testing.assert_array_equal(entered, z.numpy())
    np.testing.assert_array_equal(left, f.numpy())
    assert entered.dtype == left.dtype == np.float32


def test_the_network_is_left_as_it_was_found() -> None:
    model = network().train()
    model.norm.eval()
    before = state(model)
    teacher = TorchTeacher(model, "block")
    teacher.capture(BATCH)
    teacher.predict(BATCH)
    teacher.later_modules(BATCH)
    teacher.with_student(nn.Conv2d(3, 4, 1))
    for call in (teacher.capture, teacher.predict, teacher.later_modules):
        with pytest.raises(InputError, match=r"the network fails on a batch of shape \(4, 1, 3, 3\)"):
            call(BATCH[:, :1])  # one channel where the network takes two
    assert state(model) == before


def test_a_student_changes_nothing_before_it_and_all_after_it() -> None:
    model = network()
    teacher, student = TorchTeacher(model, "block"), nn.Conv2d(3, 4, 3, padding=1)
    swapped = teacher.with_student(student)
    assert swapped.block is not student and not swapped.training
    entered, left = TorchTeacher(swapped, "block").capture(BATCH)
    np.testing.assert_array_equal(entered, teacher.capture(BATCH)[0])
    with torch.inference_mode():
        np.testing.assert_array_equal(left, student(torch.tensor(entered)).numpy())
    assert not np.allclose(teacher.predict(BATCH), TorchTeacher(swapped, "block").predict(BATCH))


def test_a_student_that_equals_the_block_changes_nothing_at_all() -> None:
    teacher = TorchTeacher(network(), "block")
    swapped = TorchTeacher(teacher.with_student(teacher.block_module), "block")
    np.testing.assert_array_equal(swapped.predict(BATCH), teacher.predict(BATCH))


@pytest.mark.parametrize("container", [nn.Sequential, nn.ModuleList])
def test_a_block_in_a_container_is_replaced_by_whatever_name_it_is_known(container: Any) -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.parts = container(*[[nn.Linear(3, 3), nn.ReLU()]] if container is nn.ModuleList else [nn.Linear(3, 3)])
            self.alias = self.parts[0]

        def forward(self, x: Any) -> Any:
            return self.alias(x)

    model, student = Net(), nn.Linear(3, 3)
    swapped = TorchTeacher(model, "parts.0").with_student(student)
    x = torch.ones(2, 3)
    assert torch.equal(swapped(x), student(x)) and swapped.alias is swapped.parts[0]
    assert not torch.equal(model(x), student(x))


def test_later_modules_are_leaves_in_the_order_they_run() -> None:
    model = network()
    assert TorchTeacher(model, "block").later_modules(BATCH) == ["act", "body.drop", "body.flat", "head"]
    assert TorchTeacher(model, "block.0").later_modules(BATCH)[0] == "block.1"
    assert TorchTeacher(model, "head").later_modules(BATCH) == []


class Odd(nn.Module):
    """Calls its blocks in ways that no student can stand in for."""

    def __init__(self) -> None:
        super().__init__()
        self.twice, self.never = nn.ReLU(), nn.ReLU()
        self.two_inputs, self.two_outputs = nn.Bilinear(2, 2, 2), nn.LSTM(2, 2)

    def forward(self, x: Any) -> Any:
        x = self.two_inputs(self.twice(self.twice(x)), x)
        return self.two_outputs(x)


@pytest.mark.parametrize(
    ("block", "said"),
    [
        ("twice", "called 2 times in a forward pass: it must be called once"),
        ("never", "called 0 times"),
        ("two_inputs", "takes Tensor, Tensor: it must take one tensor"),
        ("two_outputs", "returns tuple"),
        ("", "name is empty"),
        ("twise", r"has no module 'twise': did you mean 'twice'\?"),
        ("twice.0", "has no module 'twice.0': did you mean 'twice'"),
    ],
)
def test_a_block_that_no_student_can_replace_is_refused(block: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        TorchTeacher(Odd(), block).capture(np.ones((3, 2), dtype=np.float32))


def test_what_is_no_network_or_no_batch_is_refused() -> None:
    with pytest.raises(InputError, match=r"must be an nn\.Module"):
        TorchTeacher("model.pt", "block")
    with pytest.raises(InputError, match="must return one tensor"):
        TorchTeacher(Odd(), "twice").predict(np.ones((3, 2), dtype=np.float32))
    with pytest.raises(InputError, match="a batch must be one tensor or array"):
        TorchTeacher(Odd(), "twice").predict({"pixels": 1})


def lazy() -> Any:
    return nn.Sequential(nn.LazyLinear(3), nn.ReLU())


def on_no_device() -> Any:
    return nn.Sequential(nn.Linear(2, 3, device="meta"), nn.ReLU())


def scripted() -> Any:
    return torch.jit.script(nn.Sequential(nn.Linear(2, 3), nn.ReLU()))


def quantised() -> Any:
    return torch.ao.quantization.quantize_dynamic(nn.Sequential(nn.Linear(2, 3), nn.ReLU()), {nn.Linear})


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
@pytest.mark.parametrize(("make", "message"), [
    (lazy, "the network's 0.weight has no values as yet: load its weights"),
    (on_no_device, "the network's 0.weight has no values as yet: load its weights"),
    (scripted, "the network is compiled to TorchScript: give the nn.Module that it was made from"),
    (quantised, "the network is quantised at 0, and students compute in single precision"),
])  # fmt: skip
def test_networks_that_cannot_be_watched_are_refused_in_a_sentence(make: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        TorchTeacher(make(), "0")


def test_batches_of_any_byte_order_and_kind_are_numbers_or_refused() -> None:
    teacher = TorchTeacher(network(), "block")
    np.testing.assert_array_equal(teacher.predict(BATCH.astype(">f4")), teacher.predict(BATCH))
    np.testing.assert_array_equal(teacher.capture(BATCH.astype(">f8"))[1], teacher.capture(BATCH)[1])
    with pytest.raises(InputError, match="a batch holds <U1: it must be an array of numbers"):
        teacher.predict(np.array([["a"]]))


class Encoder(nn.Module):
    """PyTorch's transformer with a head; inside, tokens come first where ``batch_first`` is False."""

    def __init__(self, batch_first: bool = True, activation: Any = "relu") -> None:
        super().__init__()
        torch.manual_seed(0)
        layer = nn.TransformerEncoderLayer(4, 2, 6, batch_first=batch_first, activation=activation)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head, self.batch_first = nn.Linear(4, 3), batch_first

    def forward(self, x: Any) -> Any:
        x = self.encoder(x if self.batch_first else x.transpose(0, 1))
        return self.head(x.mean(1 if self.batch_first else 0))


SEQUENCES = np.random.default_rng(1).standard_normal((5, 7, 4)).astype(np.float32)


@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("block", ["encoder.layers.0.linear1", "encoder.layers.1", "encoder"])
def test_blocks_of_a_transformer_are_replaced_though_weights_are_read_and_samples_come_second(
    block: str, batch_first: bool
) -> None:
    model = Encoder(batch_first).eval()
    teacher = TorchTeacher(model, block)
    for count in (5, 7):  # seven sequences of seven tokens, too
        batch = SEQUENCES[np.arange(count) % 5]
        entered, left = teacher.capture(batch)
        assert entered.shape == (count, 7, 4) and left.shape[:2] == (count, 7)
        # Whatever stands in the block's place gets what entered, and what it returns is passed on.
        student = nn.Linear(4, left.shape[2])
        network = teacher.with_student(student)
        assert teacher.student_in(network) is not student
        found = TorchTeacher(network, block).capture(batch)
        expected = student(torch.tensor(entered)).detach()
        np.testing.assert_allclose(found[0], entered, atol=1e-5)
        np.testing.assert_allclose(found[1], expected, atol=1e-5)
        with torch.inference_mode():
            np.testing.assert_allclose(teacher.call_block(torch.tensor(entered)), left, atol=1e-5)
    figures = compared(teacher, Distilled(student), network, SEQUENCES, timed=False)
    assert 0.0 < figures.activation_error < np.inf and "head" in figures.layer_errors
    same = compared(teacher, Distilled(student), model, SEQUENCES, timed=False) if batch_first else None
    assert same is None or set(same.layer_errors.values()) | {same.activation_error} == {0.0}


@pytest.mark.parametrize("activation", ["relu", "gelu", nn.GELU(), torch.tanh])
@pytest.mark.parametrize("batch_first", [True, False])
def test_the_mlp_of_a_transformers_layer_is_a_span_of_its_modules(activation: Any, batch_first: bool) -> None:
    torch.manual_seed(0)
    model = Encoder(batch_first, activation)
    model.train()
    before = copy.deepcopy(model.state_dict())
    teacher = TorchTeacher(model, "encoder.layers.1.linear1:linear2")
    layer = model.encoder.layers[1]
    entered, left = teacher.capture(SEQUENCES)
    assert entered.shape == left.shape == (5, 7, 4)
    with torch.no_grad():
        expected = layer.linear2(layer.activation(layer.linear1(torch.tensor(entered))))
        np.testing.assert_allclose(left, expected, atol=1e-6)
        np.testing.assert_allclose(teacher.call_block(torch.tensor(entered)), left, atol=1e-6)
    assert teacher.block_parameters == sum(
        p.numel() for end in (layer.linear1, layer.linear2) for p in end.parameters()
    )
    # A module that equals the span changes nothing, another one is all that stands there.
    whole = copy.deepcopy(model).eval()
    with torch.inference_mode():
        np.testing.assert_allclose(
            teacher.with_student(teacher.block_module)(torch.tensor(SEQUENCES)),
            whole(torch.tensor(SEQUENCES)),
            atol=1e-6,
        )
    student = nn.Linear(4, 4)
    network = teacher.with_student(student)
    assert not hasattr(network.encoder.layers[1].linear2, "weight")
    found = TorchTeacher(network, "encoder.layers.1.linear1").capture(SEQUENCES)
    np.testing.assert_allclose(found[1], student(torch.tensor(entered)).detach(), atol=1e-5)
    # The network itself is as it was.
    assert all(module.training for module in model.modules()) and "linear2.weight" in layer.state_dict()
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


class Intermediate(nn.Module):
    """A layer as Hugging Face's BERT names its parts: activation inside the first one, a norm behind the last one."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.intermediate = nn.Sequential(nn.Linear(4, 9), nn.GELU())
        self.output = nn.ModuleDict({"dense": nn.Linear(9, 4), "dropout": nn.Dropout(0.1), "norm": nn.LayerNorm(4)})
        self.head, self.between = nn.Linear(4, 2), nn.Identity()

    def forward(self, x: Any) -> Any:
        hidden = self.output["dense"](self.between(self.intermediate(x)))
        return self.head(self.output["norm"](self.output["dropout"](hidden) + x)).mean(1)


def test_a_span_may_begin_and_end_in_different_modules_with_nothing_but_an_activation_between() -> None:
    model = Intermediate()
    teacher = TorchTeacher(model, "intermediate:output.dense")
    entered, left = teacher.capture(SEQUENCES)
    with torch.no_grad():
        expected = model.output["dense"](model.intermediate(torch.tensor(entered)))
    np.testing.assert_allclose(left, expected, atol=1e-6)
    found = distill(model, "intermediate:output.dense", [SEQUENCES], gates=2, shrinkage=1e-2, jacobian=0.5, budget=0.9)
    assert found.program_gap is not None and found.program_gap <= 1e-3 and found.student.layout.kind == "tokens"
    model.between = nn.Softplus()
    with pytest.raises(InputError, match="stands more than an activation"):
        TorchTeacher(model, "intermediate:output.dense").capture(SEQUENCES)
    for block, message in (
        ("intermediat:output.dense", "ends in no module 'intermediat': did you mean 'intermediate'"),
        ("intermediate:output.dens", "ends in no module 'output.dens'"),
        ("intermediate:", "ends in no module ''"), (":head", "ends in no module ''"),
        ("output:output.dense", "to itself or to a part of it"), ("head:head", "to itself or to a part of it"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=message):
            TorchTeacher(model, block)


class Tied(nn.Module):
    """Two layers with one matrix, an embedding that is the head's, and other parts that read weights."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.words = nn.Embedding(6, 4)
        self.first, self.second, self.read = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 4)
        self.second.weight = self.first.weight
        self.called, self.in_place = nn.Linear(4, 4), nn.ReLU(inplace=True)
        self.recurrent, self.head = nn.LSTM(4, 4, batch_first=True), nn.Linear(4, 6, bias=False)
        self.head.weight = self.words.weight

    def forward(self, words: Any) -> Any:
        x = self.second(torch.relu(self.first(self.words(words))))
        x = nn.functional.linear(x, self.read.weight)
        x = self.called(x) @ self.called.weight
        x = self.in_place(x) + x
        return self.head(self.recurrent(x)[0][:, -1])


WORDS = np.arange(12).reshape(4, 3) % 6


def test_weights_that_are_tied_stay_with_the_rest_of_the_network() -> None:
    model = Tied()
    teacher = TorchTeacher(model, "first")
    assert (teacher.block_parameters, teacher.shared_parameters) == (4, 16)
    assert TorchTeacher(model, "head").block_parameters == 0
    teacher.capture(WORDS)
    student = nn.Linear(4, 4)
    network = teacher.with_student(student)
    assert torch.equal(network.second.weight, model.second.weight)
    # Whole numbers enter the network, and a later layer returns no single tensor.
    require_comparable(teacher, WORDS, np.zeros(4, dtype=np.int64))
    figures = compared(teacher, Distilled(student), network, WORDS, timed=False)
    whole = sum(parameter.numel() for parameter in network.parameters())
    assert (figures.block_parameters, figures.network_parameters) == (4, whole)
    assert "recurrent" not in figures.layer_errors and "head" in figures.layer_errors


class Noise(nn.Module):
    def forward(self, x: Any) -> Any:
        return nn.functional.dropout(x, 0.5, training=True)


class Flattened(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.block = nn.Linear(4, 4)

    def forward(self, x: Any) -> Any:
        return self.block(x.reshape(-1, 4)).reshape(x.shape)


def mixed() -> Any:
    return nn.TransformerEncoder(nn.TransformerEncoderLayer(4, 2, 6), 2, enable_nested_tensor=False)


def kept_from_copies() -> Any:
    model = nn.Sequential(nn.Linear(4, 4))
    model.scale = model[0].weight * 2
    return model


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
@pytest.mark.parametrize(("make", "block", "batch", "message"), [
    (Tied, "called", WORDS, "cannot be replaced, because the network does not only call it but reads its 'weight'"),
    (Tied, "read", WORDS, r"is called 0 times in a forward pass \(its weights may be read instead\)"),
    (Tied, "in_place", WORDS, "the block must change nothing but its output, such as its input in place"),
    (Encoder, "encoder.layers.0", SEQUENCES, "does not only call it but reads its 'self_attn'"),
    (Encoder, "encoder.layers.0.self_attn", SEQUENCES, "takes Tensor, Tensor, Tensor, NoneType"),
    (mixed, "layers.0.linear1", SEQUENCES, r"inputs of a batch change each other's .* network of \(T, B, D\) must be"),
    (Flattened, "block", SEQUENCES, r"takes \(21, 4\) and returns \(21, 4\) for 3 inputs: one axis must be"),
    (lambda: nn.Sequential(Noise(), nn.Linear(4, 4)), "1", SEQUENCES, "must not be random, nor remember"),
    (kept_from_copies, "0", SEQUENCES, "the network cannot be copied"),
    (lambda: nn.Sequential(nn.Linear(4, 4)), "0", SEQUENCES[:0], "a batch is empty"),
    (lambda: nn.Sequential(torch.jit.script(nn.Linear(4, 4))), "0", SEQUENCES, "the block '0' is compiled to TorchSc"),
])  # fmt: skip
def test_blocks_that_no_student_can_stand_in_for_are_refused_before_anything_is_captured(
    make: Any, block: str, batch: Any, message: str
) -> None:
    with pytest.raises(InputError, match=message) as raised:
        TorchTeacher(make(), block).capture(batch)
    assert "\n" not in str(raised.value)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
def test_parts_in_torchscript_elsewhere_and_whole_compiled_networks_do_no_harm() -> None:
    plain = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2))
    scripted = nn.Sequential(plain[0], plain[1], torch.jit.script(plain[2]))
    compiled = torch.compile(plain, backend="eager")
    for network in (scripted, compiled):
        entered, left = TorchTeacher(network, "0").capture(SEQUENCES[:, 0])
        np.testing.assert_array_equal(entered, SEQUENCES[:, 0])
        np.testing.assert_allclose(left, plain[0](torch.tensor(entered)).detach(), atol=1e-6)


def test_a_network_without_classes_has_no_agreement_and_takes_no_labels() -> None:
    teacher = TorchTeacher(nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 2)), "0")
    require_comparable(teacher, SEQUENCES, None)
    with pytest.raises(InputError, match=r"returns \(1, 7, 2\) for one input, and labels are of outputs"):
        require_comparable(teacher, SEQUENCES, np.zeros(5, dtype=np.int64))
    with pytest.raises(InputError, match="5 test inputs and 3 labels"):
        require_comparable(teacher, SEQUENCES, np.zeros(3, dtype=np.int64))
    student = nn.Linear(4, 4)
    figures = compared(teacher, Distilled(student), teacher.with_student(student), SEQUENCES, timed=False)
    assert figures.agreement is None
