"""Find and read the file of a saved model, binary or text."""

from __future__ import annotations

import itertools
import os
from pathlib import Path
from typing import Any

from millstream.api.public import public
from millstream.base import errors, messages
from millstream.base.errors import explain
from millstream.saving import constants


@public(
    "saved_model.contains_saved_model",
    "compat.v1.saved_model.contains_saved_model",
    "compat.v1.saved_model.maybe_saved_model_directory",
    "compat.v1.saved_model.loader.maybe_saved_model_directory",
)
def contains_saved_model(export_dir: Any) -> bool:
    """Return whether a folder looks like that of a saved model: whether its main file is there.

    >>> tf.saved_model.contains_saved_model(tempfile.mkdtemp())
    False
    """
    folder = Path(os.fspath(export_dir))
    return (folder / constants.FILENAME_PB).exists() or (folder / constants.FILENAME_PBTXT).exists()


def asset_path(folder: str, asset: Any) -> str:
    """Return where the file of an AssetFileDef lies.

    Raises:
      tf.errors.InvalidArgumentError: its name leads out of the model's folder.
    """
    name = asset.filename
    if os.path.isabs(name) or ".." in Path(name).parts:
        raise errors.InvalidArgumentError(
            None, None, f"The saved model names the file {name!r}, which is not inside of its own folder."
        )
    return os.path.join(folder, constants.ASSETS_DIRECTORY, name)


def name_asset(path: str, names: dict[str, str]) -> str:
    """Return the name of a file in a model, none that another file has; `names` are those by paths, and learns it."""
    if path not in names:
        base, taken = os.path.basename(path), set(names.values())
        numbered = (base if number == 0 else f"{base}_{number}" for number in itertools.count())
        names[path] = next(name for name in numbered if name not in taken)
    return names[path]


def read_saved_model(folder: str) -> Any:
    """Return the SavedModel message of a folder.

    Raises:
      OSError: there is none, or it is damaged.
    """
    binary, text = Path(folder, constants.FILENAME_PB), Path(folder, constants.FILENAME_PBTXT)
    if binary.exists():
        found = messages.read("SavedModel", binary.read_bytes())
        if found is None:
            raise OSError(explain(f"Cannot parse file {binary}: it is damaged, or no saved model."))
        return found
    if text.exists():
        from google.protobuf import text_format

        found = messages.message("SavedModel")()
        try:
            text_format.Parse(text.read_text(encoding="utf-8"), found, allow_unknown_field=True)
        except (text_format.ParseError, UnicodeDecodeError) as error:
            raise OSError(explain(f"Cannot parse file {text}: {error}.")) from None
        return found
    raise OSError(
        explain(
            f"SavedModel file does not exist at: {folder}{os.path.sep}"
            f"{{{constants.FILENAME_PBTXT}|{constants.FILENAME_PB}}}"
        )
    )
