"""The command `millstream`: each job on each kind of file, and what it says where it cannot."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import millstream as tf
from millstream.__main__ import main
from millstream.saving import export_plan

ROOT = Path(__file__).parents[2]


class Scale(tf.Module):
    """Two signatures and a table."""

    def __init__(self) -> None:
        super().__init__()
        self.weights = tf.Variable([[1.0, 2.0], [3.0, -4.0]], name="weights")
        pairs = tf.lookup.KeyValueTensorInitializer(["one", "two"], [1.0, 2.0])
        self.table = tf.lookup.StaticHashTable(pairs, -1.0)

    @tf.function(input_signature=[tf.TensorSpec([None, 2], name="x")], autograph=False)
    def serve(self, x: Any) -> Any:
        return {"y": tf.nn.relu(x @ self.weights)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")], autograph=False)
    def measure(self, examples: Any) -> Any:
        return {"lengths": tf.strings.length(examples)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="words")], autograph=False)
    def look_up(self, words: Any) -> Any:
        return {"numbers": self.table.lookup(words)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("files")
    scale = Scale()
    offered = {"serving_default": scale.serve, "look_up": scale.look_up, "measure": scale.measure}
    tf.saved_model.save(scale, place / "scale", signatures=offered)
    export_plan(scale.serve, place / "scale.plan")
    shutil.copytree(place / "scale" / "variables", place / "variables")
    return place


def said(capsys: pytest.CaptureFixture[str], *words: Any, status: int = 0) -> str:
    """Return what a command prints; its status must be as stated."""
    assert main([str(w) for w in words]) == status
    found = capsys.readouterr()
    return found.err if status == 2 else found.out


def test_show_tells_what_a_saved_model_holds(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = said(capsys, "show", folder / "scale")
    assert "signature serving_default(x: float32[?, 2]) -> y: float32[?, 2]" in text
    assert "weights/.ATTRIBUTES/VARIABLE_VALUE: float32[2, 2] 16 bytes" in text


@pytest.mark.parametrize(
    ("stage", "wanted"),
    [("graph", "MatMul = MatMul("), ("program", "= dot("), ("plan", "= state_read(%1)")],
)
def test_show_prints_each_stage(folder: Path, capsys: pytest.CaptureFixture[str], stage: str, wanted: str) -> None:
    assert wanted in said(capsys, "show", folder / "scale", "--stage", stage)


def test_show_prints_plans_and_checkpoints(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "state weights: float32[2, 2]" in said(capsys, "show", folder / "scale.plan")
    assert "dot(" in said(capsys, "show", folder / "scale.plan", "--stage", "plan")
    assert "VARIABLE_VALUE" in said(capsys, "show", folder / "variables" / "variables.index")
    assert "it is the last stage" in said(capsys, "show", folder / "scale.plan", "--stage", "graph", status=2)
    assert "no graph" in said(capsys, "show", folder / "variables" / "variables", "--stage", "graph", status=2)


def test_show_speaks_as_saved_model_cli(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = folder / "scale"
    assert said(capsys, "show", "--dir", place) == "The given SavedModel contains the following tag-sets:\n'serve'\n"
    assert 'SignatureDef key: "look_up"' in said(capsys, "show", "--dir", place, "--tag_set", "serve")
    one = said(capsys, "show", "--dir", place, "--tag_set", "serve", "--signature_def", "serving_default")
    assert "  inputs['x'] tensor_info:\n      dtype: DT_FLOAT\n      shape: (-1, 2)\n" in one
    everything = said(capsys, "show", "--dir", place, "--all")
    assert "Function Name: 'serve'" in everything and "signature_def['look_up']:" in everything
    assert "there are: serve" in said(capsys, "show", "--dir", place, "--tag_set", "train", status=2)


@pytest.mark.parametrize("out", ["again", "other.plan", "frozen.pb", "frozen.pbtxt"])
def test_convert_writes_files_that_give_the_same(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], out: str
) -> None:
    said(capsys, "convert", folder / "scale", tmp_path / out)
    assert said(capsys, "check", tmp_path / out).endswith("nothing is wrong\n")
    if out == "again":
        assert (tmp_path / out / "model.plan").exists()
    words = ["--signature_def", "serving_default"] if out == "other.plan" else []
    text = said(capsys, "run", tmp_path / out, *words, "--input_exprs", "x=np.ones((1, 2))")
    assert text == "Result for output key y:\n[[4. 0.]]\n"


def test_run_calls_plans_without_their_model(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said(capsys, "convert", folder / "scale", tmp_path / "m.plan")
    words = ["run", tmp_path / "m.plan", "--signature_def", "look_up"]
    assert said(capsys, *words, "--input_exprs", "words=['two', b'\\xff']").endswith("[ 2. -1.]\n")
    assert "takes words: string(None,)" in said(capsys, *words, status=2)
    bad = ["run", tmp_path / "m.plan", "--signature_def", "serving_default", "--input_exprs", "x=np.ones((1, 3))"]
    assert main(list(map(str, bad))) == 2 and capsys.readouterr().err


def test_a_frozen_graph_becomes_a_bundle(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said(capsys, "convert", folder / "scale", tmp_path / "f.pb")
    said(capsys, "convert", tmp_path / "f.pb", tmp_path / "bundle")
    assert said(capsys, "run", tmp_path / "bundle", "--input_exprs", "x=[[1., 1.]]").endswith("[[4. 0.]]\n")


def test_what_cannot_be_frozen_is_named(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["convert", str(folder / "scale"), str(tmp_path / "f.pb"), "--signature", "look_up"]) == 1
    assert "uses a table" in capsys.readouterr().err and not (tmp_path / "f.pb").exists()


def test_run_takes_files_and_writes_results(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.save(tmp_path / "x.npy", np.eye(2, dtype=np.float32))
    np.savez(tmp_path / "x.npz", a=np.zeros((1, 2), np.float32), b=np.ones((1, 2), np.float32))
    words = ["run", "--dir", folder / "scale", "--tag_set", "serve", "--signature_def", "serving_default"]
    said(capsys, *words, "--inputs", f"x={tmp_path / 'x.npy'}", "--outdir", tmp_path / "out")
    assert np.load(tmp_path / "out" / "y.npy").tolist() == [[1.0, 2.0], [3.0, 0.0]]
    again = said(capsys, *words, "--inputs", f"x={tmp_path / 'x.npz'}[b]", "--outdir", tmp_path / "out", status=2)
    assert "--overwrite" in again
    assert "name one in brackets" in said(capsys, *words, "--inputs", f"x={tmp_path / 'x.npz'}", status=2)
    assert "takes x: float32(None, 2); given are z" in said(capsys, *words, "--input_exprs", "z=1", status=2)


def test_run_looks_words_up_and_makes_examples(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["run", folder / "scale", "--signature_def", "look_up", "--input_exprs", "words=['two', 'three']"]
    assert said(capsys, *words) == "Result for output key numbers:\n[ 2. -1.]\n"
    examples = ["run", folder / "scale", "--signature_def", "measure", "--input_examples"]
    made = tf.train.Example()
    made.features.feature["n"].float_list.value.extend([1.0, 2.0])
    found = said(capsys, *examples, "examples=[{'n': [1.0, 2.0]}]")
    assert found == f"Result for output key lengths:\n[{made.ByteSize()}]\n"
    bad = ["run", folder / "scale", "--signature_def", "look_up", "--input_examples", "words=1"]
    assert "write name=" in said(capsys, *bad, status=2)


def test_run_runs_programs_with_their_own_arguments(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "program.py").write_text("import sys\nprint(sys.argv[1:])\n")
    assert said(capsys, "run", tmp_path / "program.py", "--inputs", "mine") == "['--inputs', 'mine']\n"
    assert "does not exist" in said(capsys, "run", tmp_path / "missing.py", status=2)


def test_check_names_ops_that_are_not_there_and_damage(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "g.pbtxt").write_text('node { name: "a" op: "Fancy" input: "b" }')
    text = said(capsys, "check", tmp_path / "g.pbtxt", status=1)
    assert "1 nodes are Fancy, which is not supported" in text and "'b', which nothing in it makes" in text
    damaged = bytearray((folder / "scale.plan").read_bytes())
    damaged[300] ^= 1
    (tmp_path / "d.plan").write_bytes(damaged)
    assert "d.plan" in said(capsys, "check", tmp_path / "d.plan", status=1)
    shutil.copytree(folder / "scale", tmp_path / "m")
    data = next((tmp_path / "m" / "variables").glob("*.data*"))
    data.write_bytes(bytes(data.stat().st_size))
    assert "weights" in said(capsys, "check", tmp_path / "m", status=1)


def test_scan_finds_ops_that_reach_outside(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "does not contain" in said(capsys, "scan", "--dir", folder / "scale")
    found = said(capsys, "scan", "--dir", folder / "scale", "--op_denylist", "MatMul,Relu", status=1)
    assert found.endswith("denylisted ops: MatMul, Relu\n")


def test_keras_files_are_shown_checked_and_converted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("keras")
    file = ROOT / "tests" / "models" / "testdata" / "attention.keras"
    assert "MultiHeadAttention" in said(capsys, "show", file)
    assert "nothing is wrong" in said(capsys, "check", file)
    said(capsys, "convert", file, tmp_path / "bundle")
    assert (tmp_path / "bundle" / "model.plan").exists() and (tmp_path / "bundle" / "saved_model.pb").exists()


def test_files_that_are_nothing_known_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.txt").write_bytes(b"\0\1")
    assert "no file that Millstream knows" in said(capsys, "show", tmp_path / "a.txt", status=2)
    assert "neither a saved_model.pb nor" in said(capsys, "show", tmp_path, status=2)
    assert "does not exist" in said(capsys, "check", tmp_path / "none", status=2)


def test_a_plan_that_reads_a_file_is_not_opened(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "words.txt").write_text("a\nb\n")

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="words")], autograph=False)
    def find(words: Any) -> Any:
        table = tf.raw_ops.AnonymousHashTable(key_dtype=tf.string, value_dtype=tf.int64)
        tf.raw_ops.InitializeTableFromTextFileV2(
            table_handle=table, filename=str(tmp_path / "words.txt"), key_index=-2, value_index=-1
        )
        return tf.raw_ops.LookupTableFindV2(table_handle=table, keys=words, default_value=tf.constant(-1, tf.int64))

    export_plan(find, tmp_path / "m.plan")
    words = ["run", tmp_path / "m.plan", "--input_exprs", "words=['b']"]
    assert "MILLSTREAM_ALLOW_FILES=1" in said(capsys, *words, status=2)


def test_models_of_version_1_become_bundles_and_plans(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with zipfile.ZipFile(ROOT / "millstream" / "saving" / "testdata" / "version_1.zip") as archive:
        archive.extractall(tmp_path)
    given = ["--input_exprs", "x=np.float32([1, 2]);words=['b', 'q']"]
    first = said(capsys, "run", tmp_path / "models" / "flow", *given)
    for out in ("bundle", "flow.plan"):
        said(capsys, "convert", tmp_path / "models" / "flow", tmp_path / out)
        assert said(capsys, "run", tmp_path / out, *given) == first


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["show", "scale.plan", "--tag_set", "serve"], "--tag_set chooses a graph of a saved model"),
        (["run", "scale.plan", "--tag_set", "serve"], "--tag_set chooses a graph of a saved model"),
        (["show", "scale", "--signature", "look_up"], "--signature chooses what --stage"),
        (["show", "scale", "--stage", "graph", "--signature", "look_up"], "--signature chooses what --stage"),
        (["show", "scale.plan", "--all"], "are for saved models"),
    ],
)
def test_arguments_that_would_do_nothing_are_refused(
    folder: Path, capsys: pytest.CaptureFixture[str], words: list[str], wanted: str
) -> None:
    assert wanted in said(capsys, words[0], folder / words[1], *words[2:], status=2)


def test_wrong_tags_are_told_in_a_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", str(folder / "scale"), "--tag_set", "train"]) == 1
    assert len(capsys.readouterr().err.strip().splitlines()) < 3


@pytest.mark.parametrize("stage", [["--stage", "plan"], []])  # more, and less, than is held back
def test_who_stops_reading_gets_no_complaint(folder: Path, stage: list[str]) -> None:
    show = subprocess.Popen(
        [sys.executable, "-m", "millstream", "show", folder / "scale", *stage],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert show.stdout is not None and show.stderr is not None
    show.stdout.close()
    assert show.stderr.read() == b"" and show.wait() == 1
