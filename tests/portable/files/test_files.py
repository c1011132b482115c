"""Exported losses, read back where evoloss is not, are the losses."""

from __future__ import annotations

import builtins
import io
import json
import warnings
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from evoloss import functional, make_loss
from evoloss.errors import ConfigError, OutputError
from evoloss.formulas import TENSORS
from evoloss.losses import LOSSES, EvolvedLoss
from evoloss.losses.known import gce
from evoloss.networks.kinds.basis import basis_costs
from evoloss.portable.files import exported, write_exported
from evoloss.zoo import SHIPPED
from tests.documentation.pages import blocks
from tests.losses.evolved_losses import CONCAT_CLASSES, evolved
from tests.networks.sensing import streams
from tests.networks.stateful import loss_of

STATELESS = sorted(({*SHIPPED, *LOSSES}) - {"adaptive", "elr", "ogc", "dal", "base_mda"})
KINDS = ["classwise", "monotone", "balanced", "tempered", "concat"]
LOGITS = 4 * torch.randn(12, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
LABELS = torch.arange(12) % 5


def loaded(content: bytes, library: str) -> dict[str, Any]:
    """The names of a file that may import its library and the standard one alone."""
    allowed = {"torch": ("torch", "math", "typing"), "jax": ("jax", "math", "typing")}[library]

    def importing(name: str, *rest: Any) -> Any:
        assert name.split(".")[0] in allowed, name
        return builtins.__import__(name, *rest)

    scope: dict[str, Any] = {
        "__name__": "exported",
        "__builtins__": {**vars(builtins), "__import__": importing},
    }
    exec(compile(content, "exported.py", "exec"), scope)
    return scope


def value_and_gradient(loss: Any, logits: Tensor, *rest: Any, **named: Any) -> tuple[Tensor, Tensor]:
    leaf = logits.clone().requires_grad_()
    value = loss(leaf, *rest, **named)
    return value, torch.autograd.grad(value.sum(), leaf)[0]


@pytest.mark.parametrize("named", [*STATELESS, *(f"kind:{kind}" for kind in KINDS)])
def test_python(named: str) -> None:
    criterion: Any = evolved(named[5:]) if named.startswith("kind:") else make_loss(named)
    content = exported(criterion, "python", [CONCAT_CLASSES])
    loss = loaded(content, "torch")["loss"]
    expected = value_and_gradient(criterion, LOGITS, LABELS)
    torch.testing.assert_close(value_and_gradient(loss, LOGITS, LABELS), expected, rtol=1e-7, atol=1e-7)
    options: dict[str, Any] = {"label_smoothing": 0.1, "reduction": "none"}
    for name, value in options.items():
        setattr(criterion, name, value)
    for target in (LABELS, LOGITS.flip(1).softmax(1)):
        expected = value_and_gradient(criterion, LOGITS, target)
        mine = value_and_gradient(loss, LOGITS, target, **options)
        torch.testing.assert_close(mine, expected, rtol=1e-7, atol=1e-7)
    assert b"evoloss" not in content.split(b'"""')[2].replace(b"evoloss export", b"")
    assert max(map(len, content.decode().splitlines())) <= 120


def test_python_takes_positions_and_the_options_it_was_exported_with() -> None:
    criterion = LOSSES["gce"](torch.linspace(1, 2, 5), ignore_index=3, reduction="sum")
    loss = loaded(exported(criterion, "python"), "torch")["loss"]
    images, labels = torch.randn(2, 5, 3, 4), torch.randint(5, (2, 3, 4))
    torch.testing.assert_close(loss(images, labels), criterion(images, labels))
    torch.testing.assert_close(
        loss(images[0, :, 0, 0], labels[0, 0, 0]), criterion(images[0, :, 0, 0], labels[0, 0, 0])
    )
    with pytest.raises(ValueError, match="target has shape"):
        loss(images, labels[0])


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"reduction": "avg"}, r'reduction must be "none", "sum" or "mean", got \'avg\''),
        ({"label_smoothing": 1.5}, "label_smoothing must be from 0 to 1, got 1.5"),
        ({"weight": [1.0, 2.0]}, "weight has 2 factors, expected one for each of 5 classes"),
        ({"weight": torch.ones(6)}, "weight has 6 factors"),
        ({"target": LABELS.float()}, "target holds class indices, expected whole numbers, got torch.float32"),
    ],
)
@pytest.mark.parametrize("named", ["gce", "adaptive"])
def test_a_wrong_option_is_told(named: str, wrong: dict[str, Any], said: str) -> None:
    scope = loaded(exported(named, "python"), "torch")
    before = [scope["init_state"](5, 500)] if named == "adaptive" else []
    with pytest.raises(ValueError, match=said):
        scope["loss"](*before, LOGITS, **{"target": LABELS, **wrong})


def test_class_weights_are_a_tensor_or_a_list() -> None:
    loss, weight = loaded(exported("gce", "python"), "torch")["loss"], LOGITS[0].abs()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        value = loss(LOGITS, LABELS, weight=weight)
    torch.testing.assert_close(value, make_loss("gce", weight=weight)(LOGITS, LABELS))
    torch.testing.assert_close(value, loss(LOGITS, LABELS, weight=weight.tolist()))


def test_a_formula_in_the_head_is_as_it_is_written() -> None:
    content = exported("evolved-noise", "python", [5]).decode()
    assert "t = a + (1 - a)\\," in content.replace("\n", " ")
    assert "\\\\" not in content
    assert "c^\\gamma" in loaded(content.encode(), "torch")["__doc__"]


def test_a_class_count_that_is_not_in_the_file_is_told() -> None:
    loss = loaded(exported("evolved-base", "python", [10, 100]), "torch")["loss"]
    with pytest.raises(ValueError, match=r"for 10, 100 classes, got 5.*--classes"):
        loss(LOGITS, LABELS)


def course(n_samples: int = 500) -> list[streams.Batch]:
    noise = streams.symmetric(0.4, 5)
    learned = streams.learning(noise, n_classes=5, n_samples=n_samples, epochs=4, batch=n_samples // 10)
    return [*learned, *streams.by_heart(n_classes=5, n_samples=n_samples, epochs=2)]


def test_python_with_a_state() -> None:
    criterion = loss_of("sensing", n_samples=500)
    scope, reference = loaded(exported(criterion, "python"), "torch"), functional(criterion)
    mine, state = scope["init_state"](5, 500), reference.init_state(5)
    assert scope["stored_state"]() is None
    for logits, target in course():
        held = mine, state
        value = value_and_gradient(lambda leaf: scope["loss"](held[0], leaf, target)[0], logits.double())  # noqa: B023
        expected = value_and_gradient(lambda leaf: reference(held[1], leaf, target)[0], logits.double())  # noqa: B023
        torch.testing.assert_close(value, expected, rtol=1e-6, atol=1e-8)
        _, mine = scope["loss"](mine, logits.double(), target)
        _, state = reference(state, logits.double(), target)
    assert float(mine["memorised"]) > 0.5
    torch.testing.assert_close(mine, {name: state[name] for name in mine}, rtol=1e-5, atol=1e-6)


def test_the_state_of_a_training_goes_along() -> None:
    criterion = loss_of("sensing", n_samples=500)
    for logits, target in course()[:45]:
        criterion(logits.requires_grad_(), target).backward()
    logits, target = course()[45]
    scope = loaded(exported(criterion, "python"), "torch")
    value, _ = scope["loss"](scope["stored_state"](), logits, target, training=False)
    torch.testing.assert_close(value, criterion.eval()(logits, target), rtol=1e-5, atol=1e-6)
    told = json.loads(exported(criterion, "json"))["state"]
    torch.testing.assert_close(torch.tensor(told["shares"]), criterion.loss_state.get_buffer("shares"))


@pytest.mark.skipif(find_spec("jax") is None, reason="needs jax, of the extra jax")
@pytest.mark.parametrize("named", ["gce", "evolved-base", "evolved-noise"])
def test_jax(named: str) -> None:
    import jax

    with jax.enable_x64(True):
        loss = loaded(exported(named, "jax", [5]), "jax")["loss"]
        value, slope = jax.jit(jax.value_and_grad(loss))(LOGITS.numpy(), LABELS.numpy())
        expected, gradient = value_and_gradient(make_loss(named), LOGITS, LABELS)
        assert float(value) == pytest.approx(expected.item(), abs=1e-6)
        with pytest.raises(ValueError, match="weight has 2 factors"):
            loss(LOGITS.numpy(), LABELS.numpy(), weight=[1.0, 2.0])
        np.testing.assert_allclose(np.asarray(slope), gradient.numpy(), atol=1e-6)


@pytest.mark.skipif(find_spec("jax") is None, reason="needs jax, of the extra jax")
def test_jax_with_a_state() -> None:
    import jax

    criterion = loss_of("sensing", n_samples=500)
    scope, reference = loaded(exported(criterion, "jax"), "jax"), functional(criterion)
    mine, state, step = scope["init_state"](5, 500), reference.init_state(5), jax.jit(scope["loss"])
    for logits, target in course():
        value, mine = step(mine, logits.numpy(), target.numpy())
        expected, state = reference(state, logits, target)
        assert float(value) == pytest.approx(expected.item(), abs=1e-4, rel=1e-3)
    assert float(mine["memorised"]) > 0.5


@pytest.mark.parametrize(
    "named", ["gce", "adaptive", "evolved-base", "evolved-noise", "kind:classwise", "kind:concat"]
)
def test_json_follows_its_schema(named: str) -> None:
    jsonschema = pytest.importorskip("jsonschema", reason="needs jsonschema")
    schema = json.loads(files("evoloss.portable").joinpath("schema.json").read_text("utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    criterion: Any = evolved(named[5:]) if named.startswith("kind:") else named
    document = json.loads(exported(criterion, "json", [CONCAT_CLASSES]))
    jsonschema.validate(document, schema)
    for wrong in (
        {"schema": 2},
        {"more": 1},
        {"numbers": None, "numbers_at": None},
        {"formula": {"name": "X"}},
    ):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({**document, **wrong}, schema)


def test_numbers_of_json_are_those_of_the_formula() -> None:
    known = json.loads(exported("gce", "json"))
    assert (known["formula"]["name"], known["formula"]["of"]) == ("gce", "label")
    log_p = LOGITS.log_softmax(1)[torch.arange(12), LABELS]
    costs = gce.gce(log_p, **known["numbers"])
    torch.testing.assert_close(costs.mean(), make_loss("gce")(LOGITS, LABELS))
    evolved_base = json.loads(exported("evolved-base", "json", [5]))
    every = basis_costs(LOGITS.log_softmax(1), **evolved_base["numbers_at"]["5"], on=TENSORS)
    expected = EvolvedLoss("evolved-base", reduction="none")(LOGITS, LABELS)
    torch.testing.assert_close(every[torch.arange(12), LABELS], expected)


def test_the_block_of_the_page_is_the_loss() -> None:
    page = Path(__file__).parents[3] / "docs" / "reference" / "export.md"
    names: dict[str, Any] = {}
    (block,) = blocks(page, "python")
    exec(compile(block, str(page), "exec"), names)
    logits, label = torch.from_numpy(names["logits"]), torch.from_numpy(names["label"])
    expected = make_loss("evolved-noise", reduction="none")(logits, label)
    torch.testing.assert_close(torch.from_numpy(names["costs"]), expected)


def in_onnxruntime(content: bytes) -> Any:
    runtime = pytest.importorskip("onnxruntime", reason="needs onnxruntime")
    options = runtime.SessionOptions()
    options.log_severity_level = 3
    return runtime.InferenceSession(content, options)


@pytest.mark.parametrize("named", ["gce", "evolved-base", "evolved-noise"])
def test_onnx(named: str) -> None:
    for package in ("onnx", "onnxscript"):
        pytest.importorskip(package, reason=f"needs {package}, of the extra onnx")
    session = in_onnxruntime(exported(named, "onnx", [5]))
    for n in (12, 7):
        logits, labels = LOGITS[:n].float(), LABELS[:n]
        (value,) = session.run(["loss"], {"logits": logits.numpy(), "target": labels.numpy()})
        assert float(value) == pytest.approx(make_loss(named)(logits, labels).item(), rel=1e-4)


def test_a_graph_has_no_state_and_one_class_count() -> None:
    with pytest.raises(ConfigError, match="keeps no state"):
        exported("adaptive", "onnx", [5])
    with pytest.raises(ConfigError, match="one class count"):
        exported("gce", "onnx")
    with pytest.raises(ConfigError, match="format must be one of"):
        exported("gce", "xml")  # type: ignore[arg-type]


def test_files_are_replaced_when_asked_and_ours(tmp_path: Path) -> None:
    content, path = exported("gce", "python"), tmp_path / "loss.py"
    write_exported(path, content)
    with pytest.raises(OutputError, match="--overwrite"):
        write_exported(path, content)
    write_exported(path, exported("gce", "json"), overwrite=True)
    write_exported(path, content, overwrite=True)
    assert path.read_bytes() == content
    path.write_text("print('mine')\n")
    with pytest.raises(OutputError, match="not written by evoloss"):
        write_exported(path, content, overwrite=True)
    assert path.read_text() == "print('mine')\n"
    assert [entry.name for entry in tmp_path.iterdir()] == ["loss.py"]


def test_the_name_of_a_folder_is_no_code(tmp_path: Path) -> None:
    folder = tmp_path / 'a"""\nprint("run")\n\\'
    EvolvedLoss("evolved-noise").save_pretrained(folder)
    scope = loaded(exported(str(folder), "python", [5]), "torch")
    assert "print(_run_)" in scope["__doc__"].replace("\n", "")
    torch.testing.assert_close(scope["loss"](LOGITS, LABELS), make_loss("evolved-noise")(LOGITS, LABELS))


def test_a_saved_loss_is_named_without_its_folders(tmp_path: Path) -> None:
    EvolvedLoss("evolved-noise").save_pretrained(tmp_path / "mine")
    for name, label in (
        (f"{tmp_path}/mine", "mine"),
        (f"{tmp_path}/mine:label_smoothing=0.1", "mine:label_smoothing=0.1"),
        ("gce:q=0.5", "gce:q=0.5"),
    ):
        assert json.loads(exported(name, "json", [5]))["loss"] == label
        code = exported(name, "python", [5]).decode()
        assert f"Loss {label} in plain PyTorch" in code
        assert str(tmp_path) not in code


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from evoloss.cli import main

    assert main(["export", "gce:q=0.5"]) == 0
    assert loaded(capsys.readouterr().out.encode(), "torch")["NUMBERS"] == {"q": 0.5}
    path = tmp_path / "new" / "loss.json"
    assert main(["export", "evolved-noise", "--format", "json", "--classes", "3", "--out", str(path)]) == 0
    assert json.loads(path.read_text())["numbers_at"].keys() == {"3"}
    for arguments, said in (
        (["evolved-noise", "--out", str(path)], "is there already"),
        (["elr"], "works in PyTorch alone"),
        (["gce", "--format", "onnx"], "name a file"),
        (["gce", "--classes", "1"], "--classes must be from 2"),
        (["gce", "--overwrite"], "--overwrite is for the file"),
        (["gec"], "Did you mean 'gce'"),
    ):
        capsys.readouterr()
        assert main(["export", *arguments]) == 2
        assert said in capsys.readouterr().err


def test_warnings_of_exporters_stay_theirs() -> None:
    """What an export silences is heard again afterwards."""
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        exported("gce", "python")
        warnings.warn("still here", stacklevel=1)
    assert [str(one.message) for one in heard] == ["still here"]
    assert io.BytesIO(exported("gce", "python")).read(1) == b"#"
