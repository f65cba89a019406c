"""Names that saved models use for folders, tags and signatures: the constants of tf.saved_model."""

from __future__ import annotations

from millstream.api.public import publish

ASSETS_DIRECTORY = "assets"
DEBUG_DIRECTORY = "debug"
VARIABLES_DIRECTORY = "variables"
VARIABLES_FILENAME = "variables"
FILENAME_PB = "saved_model.pb"
FILENAME_PBTXT = "saved_model.pbtxt"
FINGERPRINT_FILENAME = "fingerprint.pb"
PLAN_FILENAME = "model.plan"
SCHEMA_VERSION = 1
DEFAULT_SIGNATURE = "serving_default"
PREDICT_METHOD = "tensorflow/serving/predict"
SERVING = "serve"
INIT_SIGNATURE = "__saved_model_init_op"
LEGACY_INIT = "legacy_init_op"
MAIN_OP = "saved_model_main_op"

_PUBLIC = {
    "ASSETS_DIRECTORY": ASSETS_DIRECTORY,
    "ASSETS_KEY": "saved_model_assets",
    "CLASSIFY_INPUTS": "inputs",
    "CLASSIFY_METHOD_NAME": "tensorflow/serving/classify",
    "CLASSIFY_OUTPUT_CLASSES": "classes",
    "CLASSIFY_OUTPUT_SCORES": "scores",
    "DEBUG_DIRECTORY": DEBUG_DIRECTORY,
    "DEBUG_INFO_FILENAME_PB": "saved_model_debug_info.pb",
    "DEFAULT_SERVING_SIGNATURE_DEF_KEY": DEFAULT_SIGNATURE,
    "GPU": "gpu",
    "PREDICT_INPUTS": "inputs",
    "PREDICT_METHOD_NAME": PREDICT_METHOD,
    "PREDICT_OUTPUTS": "outputs",
    "REGRESS_INPUTS": "inputs",
    "REGRESS_METHOD_NAME": "tensorflow/serving/regress",
    "REGRESS_OUTPUTS": "outputs",
    "SAVED_MODEL_FILENAME_PB": FILENAME_PB,
    "SAVED_MODEL_FILENAME_PBTXT": FILENAME_PBTXT,
    "SAVED_MODEL_SCHEMA_VERSION": SCHEMA_VERSION,
    "SERVING": SERVING,
    "TPU": "tpu",
    "TRAINING": "train",
    "VARIABLES_DIRECTORY": VARIABLES_DIRECTORY,
    "VARIABLES_FILENAME": VARIABLES_FILENAME,
}

for _name, _value in _PUBLIC.items():
    publish(f"saved_model.{_name}", _value)
    publish(f"compat.v1.saved_model.{_name}", _value)
for _name, _value in {"LEGACY_INIT_OP_KEY": LEGACY_INIT, "MAIN_OP_KEY": MAIN_OP}.items():
    publish(f"compat.v1.saved_model.{_name}", _value)
    publish(f"compat.v1.saved_model.constants.{_name}", _value)
for _name, _value in _PUBLIC.items():
    if (
        _name.endswith(("DIRECTORY", "_KEY", "FILENAME_PB", "PBTXT", "_VERSION", "VARIABLES_FILENAME"))
        and "SIGNATURE" not in _name
    ):
        publish(f"compat.v1.saved_model.constants.{_name}", _value)
    elif _name in ("GPU", "SERVING", "TPU", "TRAINING"):
        publish(f"compat.v1.saved_model.tag_constants.{_name}", _value)
    else:
        publish(f"compat.v1.saved_model.signature_constants.{_name}", _value)
