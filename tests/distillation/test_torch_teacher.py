"""A PyTorch teacher: what enters and leaves its block, and what another module in its place does."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is optional")

from torch import nn  # noqa: E402

from sdprelax.base import InputError  # noqa: E402
from sdprelax.distillation._torch_teacher import TorchTeacher  # noqa: E402


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
