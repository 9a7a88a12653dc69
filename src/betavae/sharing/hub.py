"""The Hugging Face hub, through its own PyTorchModelHubMixin; the library is needed only here.

What the mixin saves and loads is replaced by `betavae.sharing.pretrained`, which is stricter: the
mixin's own loading does not mind weights that are missing or keys that it does not know, and takes
a pickle where there are no safetensors.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from betavae._system.errors import InputError, not_installed
from betavae.runs.pretrained_folder import CONFIG, WEIGHTS, Pretrained, read_pretrained
from betavae.sharing.pretrained import write_pretrained
from betavae.training.records import Record

try:
    import huggingface_hub
except ImportError:
    raise not_installed("the Hugging Face hub", "huggingface_hub", "hub") from None


class SharedVAE(huggingface_hub.PyTorchModelHubMixin):
    """A trained VAE with the hub's methods; the card and config.json are betavae's own.

    Attributes:
        trained: what is shared.
        record: the last one of training, for the card.
        scores: numbers for the card, by name.
    """

    trained: Pretrained
    record: Record | None = None
    scores: Mapping[str, float] | None = None

    def __init__(self) -> None:
        """Make an empty one: what a constructor takes, the mixin fills from config.json itself."""

    @classmethod
    def of(
        cls,
        trained: Pretrained,
        record: Record | None = None,
        scores: Mapping[str, float] | None = None,
    ) -> SharedVAE:
        """Make one that holds a model."""
        shared = cls()
        shared.trained, shared.record, shared.scores = trained, record, scores
        return shared

    def _save_pretrained(self, save_directory: Path) -> None:
        write_pretrained(save_directory, self.trained, self.record, self.scores)

    @classmethod
    def _from_pretrained(cls, *, model_id: str, **options: Any) -> SharedVAE:
        folder = huggingface_hub.snapshot_download(
            model_id, allow_patterns=[CONFIG, WEIGHTS], **options
        )
        return cls.of(read_pretrained(Path(folder)))


def upload(shared: SharedVAE, repo_id: str, **options: Any) -> str:
    """Put a model into a repository, made where missing; return the commit's address.

    Args:
        shared: the model.
        repo_id: USER/NAME.
        options: of the mixin's ``push_to_hub``.

    Raises:
        InputError: when the hub refuses.
    """
    try:
        commit = shared.push_to_hub(repo_id, **options)
    except InputError:
        raise
    except Exception as error:  # which ones there are differs from release to release
        raise InputError(f"cannot push to {repo_id}: {_line(error)}") from error
    return str(getattr(commit, "commit_url", commit))


def download(repo_id: str, **options: Any) -> Pretrained:
    """Fetch config.json and model.safetensors, and nothing else, and read them.

    Args:
        repo_id: USER/NAME.
        options: of the mixin's ``from_pretrained``.

    Raises:
        InputError: when the hub has no such model, or its files are not what they should be.
    """
    try:
        shared = SharedVAE.from_pretrained(repo_id, **options)
    except InputError:
        raise
    except Exception as error:  # as above
        raise InputError(
            f"'{repo_id}' is no folder here, and the hub gives no such model: {_line(error)}"
        ) from error
    trained: Pretrained = shared.trained
    return trained


def _line(error: Exception) -> str:
    """Return the first line of what a library has to say."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
