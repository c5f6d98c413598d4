"""`tinygpt fetch`, against a hub that is a directory: what is asked of it, what is checked, what is said."""

import errno
import hashlib
import importlib.util
import json
import shutil
import sys
from types import ModuleType, SimpleNamespace

import pytest
from command_line import assert_refused
from gpt2_directory import a_directory, change_settings

import tinygpt

pytest_plugins = ["command_fixtures"]
pytestmark = pytest.mark.core

LARGE = ".safetensors"  # files that the hub keeps apart, with a SHA-256


class RepositoryNotFoundError(Exception):
    pass


class ConnectError(Exception):
    pass


class Hub:
    """What the package huggingface_hub does, from a directory in place of the network."""

    def __init__(self, files):
        self.files, self.asked, self.failure = files, [], None

    def HfApi(self):
        return SimpleNamespace(model_info=self.model_info)

    def model_info(self, repository, files_metadata):
        if self.failure is not None:
            raise self.failure
        if repository not in ("openai-community/gpt2", "someone/else"):
            raise RepositoryNotFoundError("404")
        self.repository = repository
        siblings = [self.described(path) for path in sorted(self.files.iterdir())]
        return SimpleNamespace(sha="v1", siblings=siblings if files_metadata else [])

    def described(self, path):
        data = path.read_bytes()
        lfs = SimpleNamespace(sha256=hashlib.sha256(data).hexdigest()) if path.suffix == LARGE else None
        blob = hashlib.sha1(b"blob " + str(len(data)).encode() + b"\0" + data).hexdigest()
        return SimpleNamespace(rfilename=path.name, lfs=lfs, blob_id=blob)

    def hf_hub_download(self, repository, name, revision):
        assert (repository, revision) == (self.repository, "v1")
        return str(self.files / name)

    def snapshot_download(self, repository, revision, allow_patterns, local_dir):
        assert (repository, revision) == (self.repository, "v1")
        self.asked += allow_patterns
        (local_dir / ".cache" / "huggingface").mkdir(parents=True, exist_ok=True)
        for name in allow_patterns:
            shutil.copy(self.files / name, local_dir / name)


@pytest.fixture
def hub(tmp_path, monkeypatch):
    files = a_directory(tmp_path / "hub")
    for name in ("README.md", "pytorch_model.bin", "tf_model.h5", "model.onnx"):
        (files / name).write_text("not needed")
    hub = Hub(files)
    errors = ModuleType("huggingface_hub.errors")
    errors.RepositoryNotFoundError = RepositoryNotFoundError
    package = ModuleType("huggingface_hub")
    package.HfApi, package.hf_hub_download = hub.HfApi, hub.hf_hub_download
    package.snapshot_download = lambda *given, **named: hub.snapshot_download(*given, **named)
    package.errors = errors
    monkeypatch.setitem(sys.modules, "huggingface_hub", package)
    monkeypatch.setitem(sys.modules, "huggingface_hub.errors", errors)
    monkeypatch.chdir(tmp_path)
    return hub


def test_a_short_name_fetches_what_is_needed_and_no_more(command, hub, tmp_path):
    result = command("fetch", "gpt2")
    assert result.status == 0 and "models/gpt2" in result.out.replace("\\", "/")
    assert sorted(hub.asked) == ["config.json", "model.safetensors", "tokenizer.json"]
    assert hub.repository == "openai-community/gpt2"
    assert tinygpt.load(tmp_path / "models" / "gpt2").tokenizer is not None
    assert command("fetch", "gpt2").status == 0, "again, or to go on"


def test_any_repository_and_the_two_files_of_the_vocabulary(command, hub, tmp_path):
    tokenizer = tinygpt.Tokenizer.from_huggingface(hub.files / "tokenizer.json")
    tokenizer.to_gpt2(hub.files / "vocab.json", hub.files / "merges.txt")
    (hub.files / "tokenizer.json").unlink()
    assert command("fetch", "someone/else", "--out", tmp_path / "here").status == 0
    assert sorted(hub.asked) == ["config.json", "merges.txt", "model.safetensors", "vocab.json"]
    assert tinygpt.load(tmp_path / "here").tokenizer == tokenizer


def test_weights_in_several_files(command, hub):
    (hub.files / "model.safetensors").rename(hub.files / "model-00001-of-00001.safetensors")
    (hub.files / "model.safetensors.index.json").write_text("{}")
    assert command("fetch", "gpt2").status == 0
    assert {"model-00001-of-00001.safetensors", "model.safetensors.index.json"} < set(hub.asked)


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json"])
def test_what_arrives_damaged_is_removed(command, hub, tmp_path, monkeypatch, name):
    download = hub.snapshot_download

    def damaging(*given, local_dir, **named):
        download(*given, local_dir=local_dir, **named)
        data = bytearray((local_dir / name).read_bytes())
        data[-1] ^= 1
        (local_dir / name).write_bytes(data)

    monkeypatch.setattr(hub, "snapshot_download", damaging)
    assert_refused(command("fetch", "gpt2"), name, "checksum", "fetch again")
    assert not (tmp_path / "models" / "gpt2" / name).exists()


def test_without_a_network(command, hub):
    hub.failure = ConnectError("[Errno -2] Name or service not known\nand more")
    result = command("fetch", "gpt2", "--out", "there")
    assert_refused(result, "ConnectError", "https://huggingface.co/openai-community/gpt2/tree/main", "there")
    assert_refused(result, "config.json, model.safetensors and tokenizer.json")


def test_a_full_disk_is_no_network(command, hub):
    hub.failure = OSError(errno.ENOSPC, "No space left on device", "there/model.safetensors")
    assert_refused(command("fetch", "gpt2"), "cannot write there/model.safetensors: No space left")


def test_without_the_package(command, hub, monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    assert_refused(command("fetch", "gpt2"), "pip install -e '.[hf]'", "huggingface.co/openai-community/gpt2")


@pytest.mark.parametrize("name", ["gpt3", "a/b/c", "../x", "", "a b/c"])
def test_names_that_are_none(command, hub, name):
    assert_refused(command("fetch", name), "OWNER/NAME")


def test_a_repository_that_is_not_there(command, hub):
    assert_refused(command("fetch", "no/body"), "no/body", "check the name")


def test_what_could_not_be_loaded_is_not_downloaded(command, hub, tmp_path):
    change_settings(hub.files, scale_attn_weights=False)
    assert_refused(command("fetch", "gpt2"), "scale_attn_weights")
    (hub.files / "config.json").write_text(json.dumps({"model_type": "llama"}))
    assert_refused(command("fetch", "gpt2"), "llama")
    (hub.files / "tokenizer.json").unlink()
    assert_refused(command("fetch", "gpt2"), "no tokenizer.json")
    (hub.files / "model.safetensors").unlink()
    assert_refused(command("fetch", "gpt2"), "no model.safetensors")
    assert hub.asked == [] and not (tmp_path / "models").exists()


def test_other_peoples_files_are_left_alone(command, hub, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "config.json").write_text("mine")
    assert_refused(command("fetch", "gpt2", "--out", "mine"), "mine", "another --out")
    assert_refused(command("fetch", "gpt2", "--out", "mine/config.json"), "another --out")
    assert (tmp_path / "mine" / "config.json").read_text() == "mine" and hub.asked == []


@pytest.mark.skipif(importlib.util.find_spec("huggingface_hub") is None, reason="pip install -e '.[hf]'")
@pytest.mark.filterwarnings("ignore")
def test_the_package_has_what_is_asked_of_it():
    """Its own names and parameters, without a network."""
    import inspect

    import huggingface_hub
    from huggingface_hub.errors import RepositoryNotFoundError
    from huggingface_hub.hf_api import RepoSibling

    assert issubclass(RepositoryNotFoundError, Exception)
    needed = {"revision", "allow_patterns", "local_dir"}
    assert needed <= set(inspect.signature(huggingface_hub.snapshot_download).parameters)
    assert "files_metadata" in inspect.signature(huggingface_hub.HfApi().model_info).parameters
    assert "revision" in inspect.signature(huggingface_hub.hf_hub_download).parameters
    assert {"rfilename", "lfs", "blob_id"} <= {*inspect.signature(RepoSibling).parameters}
