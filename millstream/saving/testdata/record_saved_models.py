"""Record with TensorFlow: save all cases, call what was saved, and keep both in saved_models.zip. Run: python FILE."""

from __future__ import annotations

import sys
import tempfile
import zipfile
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))


def main() -> None:
    import run_saved_models
    from tensorflow.core.protobuf import saved_model_pb2

    with tempfile.TemporaryDirectory() as folder:
        run_saved_models.main(folder)
        with zipfile.ZipFile(HERE / "saved_models.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted(p for p in Path(folder).rglob("*") if p.is_file()):
                data = path.read_bytes()
                if path.name == "saved_model.pb":
                    saved = saved_model_pb2.SavedModel.FromString(data)
                    # The signatures of ops: half of the file, and nothing reads them.
                    saved.meta_graphs[0].meta_info_def.ClearField("stripped_op_list")
                    data = saved.SerializeToString(deterministic=True)
                archive.writestr(
                    zipfile.ZipInfo(str(path.relative_to(folder)), (2026, 1, 1, 0, 0, 0)), data, zipfile.ZIP_DEFLATED
                )


if __name__ == "__main__":
    main()
