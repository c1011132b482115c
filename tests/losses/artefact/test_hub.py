"""Losses on the hub: what is fetched, what is refused, and what the cache is for."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from evoloss import EvolvedLoss, make_loss
from evoloss.cli import main
from evoloss.compare import CompareConfig, compare
from evoloss.compare.config import label_loss
from evoloss.errors import ArtefactError, ConfigError, EvolossError, MissingExtraError, OutputError
from evoloss.losses.artefact.format import MAX_CONFIG_BYTES, MAX_LOSS_BYTES
from evoloss.losses.artefact.push import push_directory, with_metadata
from evoloss.losses.spec import LossSpec
from evoloss.zoo import shipped_path
from tests.losses.artefact.hub_server import Files, Hub, running_hub
from tests.training.blobs import blobs_file

pytest.importorskip("huggingface_hub.hf_api")  # with all that reads constants when it is imported
pytest.importorskip("huggingface_hub.file_download")

TOKEN = "hf_good"


def files_of(name: str) -> Files:
    """The files of a shipped loss, and others that may lie beside them."""
    files = {path.name: path.read_bytes() for path in shipped_path(name).iterdir()}
    return {**files, "pickled.bin": b"\x80\x04.", "model.safetensors": b"0" * 64}


def begin_sessions_anew() -> None:
    """Let versions up to 1 of the library see whether they are offline, which they ask when they begin."""
    import huggingface_hub.utils._http as sessions

    getattr(sessions, "reset_sessions", lambda: None)()


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub with one loss, and an empty cache."""
    from huggingface_hub import constants, file_download

    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
    with running_hub() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        monkeypatch.setattr(constants, "ENDPOINT", hub.url)
        template = f"{hub.url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        for module in (constants, file_download):  # versions up to 1 have copies
            monkeypatch.setattr(module, "HUGGINGFACE_CO_URL_TEMPLATE", template, raising=False)
        hub.add("ada/mild", files_of("evolved-base"))
        begin_sessions_anew()
        yield hub


def same(one: EvolvedLoss, other: EvolvedLoss) -> bool:
    return torch.equal(one.params, other.params) and one.network == other.network


def test_a_loss_is_fetched_by_two_files_and_once(hub: Hub) -> None:
    loss = EvolvedLoss.from_pretrained("hf://ada/mild", label_smoothing=0.1)
    assert same(loss, EvolvedLoss("evolved-base"))
    assert loss.label_smoothing == 0.1
    assert sorted(hub.fetched()) == ["config.json", "loss.safetensors"], "nothing else is read"
    made = make_loss("hf://ada/mild")
    assert isinstance(made, EvolvedLoss)
    assert same(made, loss)
    assert hub.fetched() == [], "it is in the cache"


def test_parameters_follow_a_name(hub: Hub) -> None:
    hub.add("ada/told", files_of("adaptive"))
    loss = make_loss("hf://ada/told:n_samples=500,label_smoothing=0.2")
    assert isinstance(loss, EvolvedLoss)
    assert loss.label_smoothing == 0.2
    with pytest.raises(EvolossError, match="no saved loss parameter 'gamma'"):
        make_loss("hf://ada/told", gamma=2)
    assert LossSpec.parse("hf://a/b@v=1") == LossSpec("hf://a/b@v=1"), "the colon is of the scheme"


def test_revisions_are_pinned(hub: Hub) -> None:
    repository = hub.repositories["ada/mild"]
    first = repository.refs["main"]
    repository.refs["v1"] = repository.refs["refs/pr/1"] = first
    repository.commit(files_of("evolved-noise"))
    assert same(EvolvedLoss.from_pretrained("hf://ada/mild"), EvolvedLoss("evolved-noise"))
    for revision in ("v1", first, "refs/pr/1"):
        pinned = EvolvedLoss.from_pretrained(f"hf://ada/mild@{revision}")
        assert same(pinned, EvolvedLoss("evolved-base"))
    repository.commit(files_of("evolved-small"))
    assert same(EvolvedLoss.from_pretrained("hf://ada/mild"), EvolvedLoss("evolved-small")), "main moves on"


def test_a_commit_that_is_cached_asks_nobody(hub: Hub) -> None:
    name = f"hf://ada/mild@{hub.repositories['ada/mild'].refs['main']}"
    EvolvedLoss.from_pretrained(name)
    hub.asked.clear()
    EvolvedLoss.from_pretrained(name)
    assert hub.asked == []


@pytest.mark.parametrize("how", ["offline", "no network"])
def test_the_cache_serves_where_there_is_no_hub(hub: Hub, how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    EvolvedLoss.from_pretrained("hf://ada/mild")
    hub.asked.clear()
    if how == "offline":
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
        begin_sessions_anew()
    else:
        monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert same(EvolvedLoss.from_pretrained("hf://ada/mild"), EvolvedLoss("evolved-base"))
    assert hub.asked == []
    reason = "HF_HUB_OFFLINE is set" if how == "offline" else "the hub is out of reach"
    with pytest.raises(ArtefactError, match=f"hf://ada/other cannot be had: {reason}.* not in the cache"):
        EvolvedLoss.from_pretrained("hf://ada/other")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("hf://ada/none", "there is no repository ada/none on the hub, or it is private"),
        ("hf://ada/mild@v9", "ada/mild has no revision 'v9'"),
        (f"hf://ada/mild@{'0' * 40}", "ada/mild has no revision '0000"),
        ("hf://ada/gated", "hf://ada/gated is gated: ask for access"),
        (
            "hf://ada/bert",
            r"hf://ada/bert holds no loss of evoloss: it has no loss.safetensors, but config.json, "
            r"model.safetensors$",
        ),
        ("hf://ada/many", r"it has no config.json and no loss.safetensors, but 0, 1, .* and 4 more$"),
        ("hf://ada/empty", "but no files$"),
        ("hf://ada/other", "config.json must have the keys"),
    ],
)
def test_what_cannot_be_had_is_said(hub: Hub, name: str, message: str) -> None:
    hub.add("ada/gated", files_of("evolved-base")).gated = True
    hub.add("ada/bert", {"config.json": b"{}", "model.safetensors": b"0"})
    hub.add("ada/many", {str(number): b"" for number in range(12)})
    hub.add("ada/empty", {})
    hub.add("ada/other", {"config.json": b'{"format": 1}', "loss.safetensors": b"0"})
    with pytest.raises(ArtefactError, match=message) as caught:
        EvolvedLoss.from_pretrained(name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("file", "limit"), [("loss.safetensors", MAX_LOSS_BYTES), ("config.json", MAX_CONFIG_BYTES)]
)
def test_what_is_too_large_is_not_fetched(hub: Hub, file: str, limit: int) -> None:
    hub.sizes[file] = limit + 1
    with pytest.raises(ArtefactError, match=f"{file} of hf://ada/mild has {limit + 1} bytes.* not fetched"):
        EvolvedLoss.from_pretrained("hf://ada/mild")
    assert hub.fetched() == []


@pytest.mark.parametrize(
    "name",
    [
        *("hf://", "hf://ada", "hf://ada/", "hf:///mild", "hf://ada/mild/more", "hf://ada/mild@"),
        *("hf://ada/../mild", "hf://ada/mild@../x", "hf://ada/mi ld", "hf://ada/mild@v 1", "hf://.ada/mild"),
    ],
)
def test_a_name_of_another_form_is_refused_before_anybody_is_asked(hub: Hub, name: str) -> None:
    for load in (EvolvedLoss.from_pretrained, make_loss):
        with pytest.raises(ConfigError, match="names no loss on the hub; write hf://USER/NAME"):
            load(name)
    assert hub.asked == []


def test_a_library_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    message = r"the loss hf://ada/mild needs huggingface_hub, .*: pip install 'evoloss\[hub\]'"
    with pytest.raises(MissingExtraError, match=message):
        make_loss("hf://ada/mild")


def test_commands_take_a_name(hub: Hub, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", "hf://ada/mild"]) == 0
    assert "hf://ada/mild" in capsys.readouterr().out
    config: dict[str, Any] = {"model": "mlp", "epochs": 1, "batch_size": 16, "accelerator": "cpu"}
    losses = ("cross_entropy", "hf://ada/mild", f"hf://ada/mild@{hub.repositories['ada/mild'].refs['main']}")
    results = compare(
        CompareConfig(dataset=str(blobs_file(tmp_path)), losses=losses, seeds=(0,), **config),
        out=tmp_path / "out",
    )
    commit = losses[2].partition("@")[2]
    assert [run.loss for run in results.runs] == ["cross_entropy", "mild", f"mild@{commit}"]
    assert results.runs[1].loss_fingerprint == results.runs[2].loss_fingerprint
    assert main(["inspect", "hf://ada/none"]) == 2
    assert "there is no repository ada/none" in capsys.readouterr().err


def test_names_in_results() -> None:
    assert label_loss("hf://ada/mild") == "mild"
    assert label_loss("hf://ada/mild@refs/pr/1") == "mild@refs-pr-1"
    assert label_loss("hf://ada/mild@v1:label_smoothing=0.10") == "mild@v1:label_smoothing=0.1"


def test_a_loss_is_uploaded_and_comes_back(hub: Hub) -> None:
    loss = EvolvedLoss("evolved-noise")
    with pytest.raises(ArtefactError, match=r"the hub refuses hf://ada/mine \(401\): log in with"):
        loss.push_to_hub("ada/mine")
    assert "ada/mine" not in hub.repositories
    name = loss.push_to_hub("ada/mine", token=TOKEN, license="mit", private=True)
    repository = hub.repositories["ada/mine"]
    assert repository.private
    assert name == f"hf://ada/mine@{repository.refs['main']}"
    files = repository.commits[repository.refs["main"]]
    assert files.keys() == {".gitattributes", "README.md", "config.json", "loss.safetensors"}
    card = files["README.md"].decode()
    assert card.startswith("---\nlicense: mit\nlibrary_name: evoloss\ntags:\n- loss-function\n")
    assert 'EvolvedLoss.from_pretrained("hf://ada/mine")' in card
    assert same(EvolvedLoss.from_pretrained(name), loss)
    assert EvolvedLoss.from_pretrained(name).record == loss.record


def test_metadata_that_are_there_stay(hub: Hub) -> None:
    loss = EvolvedLoss("evolved-base")
    hub.add("ada/named", {"README.md": b"---\nlicense: cc0-1.0\n---\n"})  # made on the hub's pages
    for _ in range(2):
        loss.push_to_hub("ada/named", token=TOKEN, license="mit")
        repository = hub.repositories["ada/named"]
        card = repository.commits[repository.refs["main"]]["README.md"].decode()
        assert card.startswith("---\nlicense: cc0-1.0\n---\n# ")
        assert card.count("---\nlicense") == 1
    own = "---\nlicense: other\n---\n# Mine\n"
    assert with_metadata(own, "mit") == own


def test_a_branch_is_made_and_main_stays(hub: Hub) -> None:
    before = hub.repositories["ada/mild"].refs["main"]
    name = EvolvedLoss("evolved-noise").push_to_hub("hf://ada/mild", revision="trial", token=TOKEN)
    assert hub.repositories["ada/mild"].refs["main"] == before
    assert same(EvolvedLoss.from_pretrained("hf://ada/mild@trial"), EvolvedLoss.from_pretrained(name))


@pytest.mark.parametrize(
    "files",
    [
        {"config.json": b'{"model_type": "bert"}'},
        {"README.md": b"# My model\n"},
        {"README.md": b"---\nlicense: mit\n---\n# My model\n"},
        {"loss.safetensors": b"something else"},
    ],
    ids=lambda files: next(iter(files)),
)
def test_what_others_wrote_is_not_replaced(hub: Hub, files: Files) -> None:
    repository = hub.add("ada/model", files)
    before = dict(repository.refs)
    name = next(iter(files))
    with pytest.raises(OutputError, match=f"{name} of hf://ada/model was not written by evoloss"):
        EvolvedLoss("evolved-base").push_to_hub("ada/model", token=TOKEN)
    assert repository.refs == before


def test_a_directory_is_uploaded_if_it_holds_a_loss(hub: Hub, tmp_path: Path) -> None:
    EvolvedLoss("evolved-small").save_pretrained(tmp_path / "mine")
    (tmp_path / "mine" / "secret.txt").write_text("not for others")
    name = push_directory(tmp_path / "mine", "ada/small", token=TOKEN)
    assert same(EvolvedLoss.from_pretrained(name), EvolvedLoss("evolved-small"))
    repository = hub.repositories["ada/small"]
    assert "secret.txt" not in repository.commits[repository.refs["main"]]
    (tmp_path / "mine" / "loss.safetensors").write_bytes(b"damaged")
    with pytest.raises(ArtefactError, match="damaged or belongs to another"):
        push_directory(tmp_path / "mine", "ada/small", token=TOKEN)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"repository": "mine"}, "names no loss on the hub; write hf://USER/NAME"),
        ({"repository": "hf://mine"}, "'hf://mine' names no loss on the hub"),
        ({"repository": "ada/mine@v1"}, "a repository is named user/name"),
        ({"repository": "ada/mine", "license": "mit\ntags: [x]"}, "a licence is named as 'apache-2.0'"),
        ({"repository": "ada/mine", "revision": "../x"}, "names no loss on the hub"),
    ],
)
def test_what_cannot_be_uploaded_so_is_refused(hub: Hub, arguments: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        EvolvedLoss("evolved-base").push_to_hub(**arguments, token=TOKEN)
    assert hub.asked == []
