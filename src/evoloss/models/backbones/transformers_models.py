"""Image classifiers of transformers, ``transformers:NAME`` or ``transformers:FOLDER``."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch import nn

from evoloss.errors import ConfigError, MissingExtraError
from evoloss.models.backbones.request import Found, Request
from evoloss.safe_text import one_line, quoted
from evoloss.user_paths import expand_user

CONFIG_FILE = "config.json"
_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?", re.ASCII)
_LENGTH = 16
_CHUNK = 1 << 20


def find_transformers(request: Request) -> Found:
    """Build an image classifier of transformers from a folder, or from a name of the hub.

    A folder holds ``config.json``, and for its weights safetensors; no other kind of weights is read, and no
    code that comes with a model is run.

    Raises:
        MissingExtraError: if transformers is not installed.
        ConfigError: if the files are not there or damaged, or describe no image classifier.
    """
    source = _source(request)
    try:
        import transformers
    except ImportError as error:
        raise MissingExtraError.of("transformers", "transformers", f"model {quoted(request.spec)}") from error
    safe: dict[str, Any] = {
        "trust_remote_code": False,
        "local_files_only": not request.download or Path(source).is_dir(),
    }
    with _quiet(transformers):
        try:
            config = transformers.AutoConfig.from_pretrained(source, **safe)
        except OSError as error:
            raise request.not_here("its configuration", error) from error
        except Exception as error:  # what is in the file can be anything
            raise request.failed(f"reading {CONFIG_FILE}", error) from error
        if getattr(config, "quantization_config", None) is not None:
            raise ConfigError(
                f"model {quoted(request.spec, 200)} is quantised, and cannot be trained; name the original"
            )
        network = _network(transformers, request, source, config, safe)
    body: Any = network.base_model
    inside = {id(module) for module in body.modules()}
    head = [module for module in network.children() if id(module) not in inside]
    seen = getattr(config, "vision_config", config)
    return Found(network.float(), head, int(getattr(seen, "num_channels", 3)), _size(seen))


def fingerprint_folder(name: str, *, pretrained: bool) -> str | None:
    """Hash the configuration, and the weights if they are taken; None if the name is no folder's.

    Args:
        name: a folder, or a name of the hub.
        pretrained: whether the weights count.
    """
    folder = expand_user(name)
    if not folder.is_dir():
        return None
    digest = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.is_file() and (path.name == CONFIG_FILE or (pretrained and path.suffix == ".safetensors")):
            digest.update(path.name.encode())
            with path.open("rb") as file:
                while chunk := file.read(_CHUNK):
                    digest.update(chunk)
    return digest.hexdigest()[:_LENGTH]


def _source(request: Request) -> str:
    """The folder or the name, as the library takes it."""
    folder = expand_user(request.name)
    if folder.is_dir():
        if (folder / "adapter_config.json").exists():
            raise ConfigError(
                f"model {quoted(request.spec, 200)} is a folder of an adapter; merge it into its model, and "
                "save that"
            )
        return str(folder)
    if not _HUB_NAME.fullmatch(request.name):
        raise ConfigError(
            f"model {quoted(request.spec, 200)}: no folder {quoted(request.name, 200)}; expected one with "
            f"{CONFIG_FILE}, as save_pretrained writes it, or a name of the hub"
        )
    return request.name


def _network(
    transformers: Any, request: Request, source: str, config: Any, safe: dict[str, Any]
) -> nn.Module:
    config.num_labels = request.n_classes
    kind = transformers.AutoModelForImageClassification
    # Named, since a configuration may ask for a kernel that would be fetched, code and all.
    attention = {"attn_implementation": "eager"}
    network: nn.Module
    try:
        if not request.pretrained:
            network = kind.from_config(config, trust_remote_code=False, **attention)
        else:
            network = kind.from_pretrained(
                source, config=config, use_safetensors=True, ignore_mismatched_sizes=True, **safe, **attention
            )
    except OSError as error:
        if Path(source).is_dir():
            raise ConfigError(
                f"model {quoted(request.spec, 200)}: its folder has no weights in safetensors, the one kind "
                f"that is read ({one_line(error, 200)}); leave out --pretrained for random ones"
            ) from error
        raise request.not_here("the weights in safetensors", error) from error
    except ValueError as error:
        if "Unrecognized configuration class" not in str(error):
            raise request.failed("building it", error) from error
        raise ConfigError(
            f"model {quoted(request.spec, 200)} is of the kind {quoted(getattr(config, 'model_type', ''))}, "
            "of which transformers has no image classifier; data here are images or features, not texts"
        ) from error
    except Exception as error:  # a hundred kinds of network, each with reasons of its own
        raise request.failed("building it", error) from error
    return network


def _size(config: Any) -> tuple[int, int] | None:
    size = getattr(config, "image_size", None)
    if isinstance(size, int):
        return size, size
    if isinstance(size, list | tuple) and len(size) == 2:
        return int(size[0]), int(size[1])
    return None


@contextmanager
def _quiet(transformers: Any) -> Iterator[None]:
    """Keep reports on the head, which is fresh on purpose, and bars of every run from the terminal."""
    logging = transformers.utils.logging
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
