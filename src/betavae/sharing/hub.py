"""The Hugging Face hub: folders up and down. The library is needed only here.

The files are those of its PyTorchModelHubMixin. The mixin itself is not used: it has to be a base
class when this package is imported, it drops keys of config.json that it does not know, does not
mind weights that are missing, and takes a pickle where there are no safetensors.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from betavae.errors import InputError
from betavae.sharing.pretrained import CONFIG, WEIGHTS


def upload(
    folder: Path,
    repo_id: str,
    *,
    private: bool | None = None,
    token: str | bool | None = None,
    branch: str | None = None,
    create_pr: bool = False,
    message: str = "Upload a betavae model",
) -> str:
    """Put a folder into a model repository, made where missing; return the commit's address.

    Raises:
        InputError: when the library is missing, or the hub refuses.
    """
    hub = _library()
    api = hub.HfApi(token=token)
    try:
        name = api.create_repo(repo_id, private=private, exist_ok=True).repo_id
        commit = api.upload_folder(
            repo_id=name, folder_path=folder, revision=branch, create_pr=create_pr,
            commit_message=message,
        )  # fmt: skip
    except Exception as error:  # which ones there are differs from release to release
        raise InputError(f"cannot push to {repo_id}: {_line(error)}") from error
    return str(commit.commit_url)


def download(
    repo_id: str,
    *,
    revision: str | None = None,
    token: str | bool | None = None,
    cache_dir: Path | str | None = None,
    local_files_only: bool = False,
) -> Path:
    """Fetch config.json and model.safetensors, and nothing else; return their folder.

    Raises:
        InputError: when the library is missing, or the hub has no such model.
    """
    hub = _library()
    try:
        folder = hub.snapshot_download(
            repo_id, revision=revision, token=token, cache_dir=cache_dir,
            local_files_only=local_files_only, allow_patterns=[CONFIG, WEIGHTS],
        )  # fmt: skip
    except Exception as error:  # as above
        raise InputError(
            f"'{repo_id}' is no folder here, and the hub gives no such model: {_line(error)}"
        ) from error
    return Path(folder)


def _library() -> Any:
    try:
        import huggingface_hub
    except ImportError:
        raise InputError(
            "the Hugging Face hub needs huggingface_hub: pip install 'betavae[hub]'"
        ) from None
    return huggingface_hub


def _line(error: Exception) -> str:
    """Return the first line of what a library has to say."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
