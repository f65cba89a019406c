"""Ops that touch files, in saved models: the model's own assets are read, other files only where that is allowed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

import millstream as tf
from millstream.graph.file_ops import NAMING, READING, REFUSED
from millstream.saving.files import read_saved_model

import opdef_compare


class Reader(tf.Module):
    """Reads, writes and lists files."""

    @tf.function(input_signature=[tf.TensorSpec([], tf.string)], autograph=False)
    def read(self, path: Any) -> Any:
        return tf.io.read_file(path)

    @tf.function(input_signature=[tf.TensorSpec([], tf.string)], autograph=False)
    def write(self, path: Any) -> Any:
        tf.io.write_file(path, "written\0")
        return tf.constant(1)

    @tf.function(input_signature=[tf.TensorSpec([], tf.string)], autograph=False)
    def match(self, pattern: Any) -> Any:
        return tf.io.matching_files(pattern)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    tf.saved_model.save(Reader(), tmp_path / "model")
    (tmp_path / "secret").write_bytes(b"secret\0")
    return tmp_path / "model"


def test_a_loaded_graph_reads_no_file_of_the_machine(model: Path) -> None:
    loaded: Any = tf.saved_model.load(model)
    with pytest.raises(tf.errors.PermissionDeniedError, match=r"allow_file_ops=True.*\n?.*secret"):
        loaded.read(str(model.parent / "secret"))


@pytest.mark.parametrize("name", ["write", "match"])
def test_a_loaded_graph_writes_and_lists_no_files(model: Path, name: str) -> None:
    loaded: Any = tf.saved_model.load(model)
    with pytest.raises(tf.errors.PermissionDeniedError, match="MILLSTREAM_ALLOW_FILES=1"):
        getattr(loaded, name)(str(model.parent / "new"))
    assert not (model.parent / "new").exists()


def test_where_it_is_allowed_files_are_read_written_and_listed(model: Path) -> None:
    loaded: Any = tf.saved_model.load(model, options=tf.saved_model.LoadOptions(allow_file_ops=True))
    assert loaded.read(str(model.parent / "secret")).numpy() == b"secret\0"
    loaded.write(str(model.parent / "new"))
    assert (model.parent / "new").read_bytes() == b"written\0"
    assert loaded.match(str(model.parent / "s*")).numpy().tolist() == [str(model.parent / "secret").encode()]


def _table(vocabulary: str) -> tf.Module:
    root: Any = tf.Module()
    made = tf.lookup.TextFileInitializer(
        vocabulary, tf.string, tf.lookup.TextFileIndex.WHOLE_LINE, tf.int64, tf.lookup.TextFileIndex.LINE_NUMBER
    )
    root.table = tf.lookup.StaticHashTable(made, -1)
    root.find = tf.function(root.table.lookup, input_signature=[tf.TensorSpec([None], tf.string)], autograph=False)
    return root


def test_tables_of_asset_files_load_without_asking_and_can_be_moved_and_saved_again(tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("a\nb\n")
    tf.saved_model.save(_table(str(tmp_path / "words.txt")), tmp_path / "one")
    (tmp_path / "words.txt").unlink()
    (tmp_path / "one").rename(tmp_path / "two")
    loaded: Any = tf.saved_model.load(tmp_path / "two")
    assert loaded.find(["b", "c"]).numpy().tolist() == [1, -1]
    tf.saved_model.save(loaded, tmp_path / "three")
    (tmp_path / "two").rename(tmp_path / "gone")
    again: Any = tf.saved_model.load(tmp_path / "three")
    assert again.find(["b", "c"]).numpy().tolist() == [1, -1]


def test_a_table_of_another_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("a\nb\n")
    (tmp_path / "secret").write_text("password\n")
    tf.saved_model.save(_table(str(tmp_path / "words.txt")), tmp_path / "one")
    saved = read_saved_model(str(tmp_path / "one"))
    for function in saved.meta_graphs[0].graph_def.library.function:
        for node in function.node_def:
            if node.op == "InitializeTableFromTextFileV2":
                path = function.node_def.add(name="path", op="Const")
                path.attr["dtype"].type = 7
                path.attr["value"].tensor.dtype = 7
                path.attr["value"].tensor.tensor_shape.SetInParent()
                path.attr["value"].tensor.string_val.append(str(tmp_path / "secret").encode())
                node.input[1] = "path:output:0"
    (tmp_path / "one" / "saved_model.pb").write_bytes(saved.SerializeToString())
    with pytest.raises(tf.errors.PermissionDeniedError, match="not among the model's assets"):
        tf.saved_model.load(tmp_path / "one")


def _reading_graph(path: Path) -> Any:
    """Return a GraphDef that reads the file whose path is fed to `path`, or `path` itself."""
    with tf.Graph().as_default() as graph:
        given = tf.compat.v1.placeholder_with_default(tf.constant(str(path)), [], name="path")
        tf.identity(tf.io.read_file(given), name="content")
    return graph.as_graph_def()


def _content(definition: Any, **options: Any) -> bytes:
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        (content,) = tf.import_graph_def(definition, return_elements=["content:0"], name="", **options)
        found: bytes = session.run(content)
        return found


def test_an_imported_graph_reads_files_only_where_that_is_allowed(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"secret\0")
    definition = _reading_graph(tmp_path / "secret")
    with pytest.raises(tf.errors.PermissionDeniedError, match=r"allow_file_ops=True.*\n?.*secret"):
        _content(definition)
    assert _content(definition, allow_file_ops=True) == b"secret\0"

    @tf.function
    def read() -> Any:
        return tf.import_graph_def(definition, return_elements=["content:0"])[0]

    with pytest.raises(tf.errors.PermissionDeniedError, match="allow_file_ops=True"):
        read()


def test_an_imported_graph_writes_no_files(tmp_path: Path) -> None:
    with tf.Graph().as_default() as graph:
        tf.io.write_file(str(tmp_path / "new"), "text")
    with tf.Graph().as_default(), pytest.raises(tf.errors.PermissionDeniedError, match="WriteFile"):
        tf.import_graph_def(graph.as_graph_def())


def test_what_compares_paths_is_not_written_with_an_imported_graph(tmp_path: Path) -> None:
    definition = _reading_graph(tmp_path)
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(definition, name="")
    assert [(n.op, list(n.input)) for n in graph.as_graph_def().node] == [
        (n.op, list(n.input)) for n in definition.node
    ]


def test_a_session_that_loads_a_model_reads_its_assets_alone(tmp_path: Path) -> None:
    v1: Any = tf.compat.v1
    (tmp_path / "words.txt").write_text("a\nb\n")
    with tf.Graph().as_default(), v1.Session() as session:
        path = tf.constant(str(tmp_path / "words.txt"), name="asset")
        v1.add_to_collection(v1.GraphKeys.ASSET_FILEPATHS, path)
        content = tf.io.read_file(path)
        v1.saved_model.simple_save(session, str(tmp_path / "m"), {"path": path}, {"content": content})
    for asset, allowed in (("words.txt", True), ("other.txt", False)):
        file = tmp_path / "m" / "assets" / asset
        file.write_text("text")
        with tf.Graph().as_default(), v1.Session() as session:
            v1.saved_model.load(session, ["serve"], str(tmp_path / "m"))
            if allowed:
                assert session.run(content.name, {path.name: str(file)}) == b"text"
            else:
                with pytest.raises(tf.errors.PermissionDeniedError, match="not among the model's assets"):
                    session.run(content.name, {path.name: str(file)})


def test_a_file_that_an_attribute_names_is_refused(tmp_path: Path) -> None:
    (tmp_path / "words.csv").write_text("a,1\nb,2\n")
    root: Any = tf.Module()

    @tf.function(input_signature=[tf.TensorSpec([1, 1], tf.int64)], autograph=False)
    def sample(classes: Any) -> Any:
        return tf.random.fixed_unigram_candidate_sampler(
            classes, 1, 1, True, 2, vocab_file=str(tmp_path / "words.csv")
        )[0]

    root.sample = sample
    tf.saved_model.save(root, tmp_path / "m")
    loaded: Any = tf.saved_model.load(tmp_path / "m")
    with pytest.raises(tf.errors.PermissionDeniedError, match="FixedUnigramCandidateSampler"):
        loaded.sample([[0]])


def test_a_loaded_graph_prints_to_no_file(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    def printing_to(stream: Any) -> Any:
        root: Any = tf.Module()
        root.show = tf.function(
            lambda x: tf.print("shown", x, output_stream=stream), input_signature=[tf.TensorSpec([2])], autograph=False
        )
        return root

    tf.saved_model.save(printing_to(sys.stderr), tmp_path / "screen")
    loaded: Any = tf.saved_model.load(tmp_path / "screen")
    loaded.show([1.0, 2.0])
    assert capfd.readouterr().err == "shown [1 2]\n"
    tf.saved_model.save(printing_to(f"file://{tmp_path / 'out'}"), tmp_path / "file")
    loaded = tf.saved_model.load(tmp_path / "file")
    with pytest.raises(tf.errors.PermissionDeniedError, match="PrintV2"):
        loaded.show([1.0, 2.0])
    assert not (tmp_path / "out").exists()
    loaded = tf.saved_model.load(tmp_path / "file", options=tf.saved_model.LoadOptions(allow_file_ops=True))
    loaded.show([1.0, 2.0])
    assert (tmp_path / "out").read_text() == "shown [1 2]\n"


def test_ops_that_touch_files_are_ops() -> None:
    published = opdef_compare.published()
    assert [name for name in (*READING, *NAMING, *REFUSED) if name not in published] == []
    assert [name for name, attribute in NAMING.items() if attribute not in published[name]["attributes"]] == []
