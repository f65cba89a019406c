"""What tf.io is asked: each case a label and a call. Run by `record_io.py` on real TensorFlow and by `io_answers_test.py` here."""

# ruff: noqa: B023 - each call is made at once
import gzip
import zlib

from io_file_cases import files
from io_sound_cases import sounds


def show(x):
    if isinstance(x, dict):
        return "{" + ", ".join(f"{k}: {show(x[k])}" for k in sorted(x)) + "}"
    if isinstance(x, (tuple, list)):
        return "(" + ", ".join(map(show, x)) + ")"
    if type(x).__name__.startswith("RaggedTensor"):
        return f"R{x.shape.as_list()}{x.dtype.name} {x.to_list()} {[s.dtype.name for s in x.nested_row_splits]} u{x.uniform_row_length}"
    if type(x).__name__ == "SparseTensor":
        return f"S {x.indices.numpy().tolist()} {x.values.dtype.name} {x.values.numpy().tolist()} {x.dense_shape.numpy().tolist()}"
    if hasattr(x, "numpy"):
        return f"T{x.shape.as_list()}{x.dtype.name} {x.numpy().tolist() if hasattr(x.numpy(), 'tolist') else x.numpy()}"
    return repr(x)


def answers(tf, folder):
    """Return what each call gives as a text, and the class of the error where it raises one."""
    found = {}

    def t(label, f):
        assert label not in found, label
        try:
            found[label] = show(f()).replace(str(folder), "DIR")
        except Exception as error:
            found[label] = "!! " + type(error).__name__

    examples(tf, t)
    codecs(tf, t)
    files(tf, t, str(folder))
    sounds(tf, t)
    return found


def builders(tr):
    def feat(v):
        if not v:
            return tr.Feature()
        if isinstance(v[0], float):
            return tr.Feature(float_list=tr.FloatList(value=v))
        if isinstance(v[0], int):
            return tr.Feature(int64_list=tr.Int64List(value=v))
        return tr.Feature(bytes_list=tr.BytesList(value=v))

    def ex(**k):
        return tr.Example(features=tr.Features(feature={n: feat(v) for n, v in k.items()})).SerializeToString(
            deterministic=True
        )

    def seq(ctx, **k):
        return tr.SequenceExample(
            context=tr.Features(feature={n: feat(v) for n, v in ctx.items()}),
            feature_lists=tr.FeatureLists(
                feature_list={n: tr.FeatureList(feature=[feat(v) for v in steps]) for n, steps in k.items()}
            ),
        ).SerializeToString(deterministic=True)

    return ex, seq


def examples(tf, t):
    io = tf.io
    ex, seq = builders(tf.train)
    a = ex(i=[1, 2], f=[1.5], s=[b"ab"], v=[1, 2, 3], e=[])
    b = ex(i=[3, 4], f=[2.5], s=[b"c"], v=[4])
    c = ex(i=[5, 6], v=[])
    F, V, SP, R, Q = (
        io.FixedLenFeature,
        io.VarLenFeature,
        io.SparseFeature,
        io.RaggedFeature,
        io.FixedLenSequenceFeature,
    )
    i64, f32, st = tf.int64, tf.float32, tf.string
    for name, x in {"one": a, "vec": [a, b], "none": []}.items():
        x = tf.constant(x, tf.string) if name != "none" else tf.constant([], tf.string)
        t(name + " dense", lambda: io.parse_example(x, {"i": F([2], i64), "f": F([], f32), "s": F([1], st)}))
        t(name + " var", lambda: io.parse_example(x, {"v": V(i64), "s": V(st), "zz": V(f32)}))
        t(
            name + " ragged",
            lambda: io.parse_example(x, {"v": R(i64), "q": R(st, "s"), "zz": R(f32, row_splits_dtype=i64)}),
        )
        t(
            name + " seq",
            lambda: io.parse_example(
                x,
                {
                    "v": Q([], i64, allow_missing=True),
                    "s": Q([], st, allow_missing=True),
                    "zz": Q([2], f32, allow_missing=True, default_value=3.0),
                },
            ),
        )
    t(
        "single",
        lambda: io.parse_single_example(
            a, {"i": F([2], i64), "v": V(i64), "r": R(i64, "v"), "q": Q([], i64, allow_missing=True)}
        ),
    )
    t("single vec", lambda: io.parse_single_example([a], {"i": F([2], i64)}))
    t(
        "default",
        lambda: io.parse_example(
            [a, c],
            {"f": F([], f32, 7.0), "s": F([1], st, "d"), "n": F([2], i64, [8, 9]), "z": F((), i64, default_value=0)},
        ),
    )
    t("default bc", lambda: io.parse_example([c], {"n": F([2], i64, 8)}))
    t("default bad", lambda: io.parse_example([c], {"n": F([2], i64, [8, 9, 1])}))
    t("default badtype", lambda: io.parse_example([c], {"n": F([2], i64, "x")}))
    t("missing", lambda: io.parse_example([a, c], {"f": F([], f32)}))
    t("missing named", lambda: io.parse_example([a, c], {"f": F([], f32)}, example_names=["A", "C"]))
    t("wrong type", lambda: io.parse_example([a], {"i": F([2], f32)}))
    t("wrong count", lambda: io.parse_example([a], {"i": F([3], i64)}))
    t("wrong type var", lambda: io.parse_example([a], {"i": V(f32)}))
    t("wrong type ragged", lambda: io.parse_example([a], {"i": R(f32)}))
    t("wrong type seq", lambda: io.parse_example([a], {"i": Q([], f32, allow_missing=True)}))
    t("wrong count seq", lambda: io.parse_example([a], {"v": Q([2], i64, allow_missing=True)}))
    t("seq no allow", lambda: io.parse_example([a], {"v": Q([], i64)}))
    t("bad proto", lambda: io.parse_example([b"\xff\x01"], {"v": V(i64)}))
    t("bad proto single", lambda: io.parse_single_example(b"\xff\x01", {"v": V(i64)}))
    t("none feat", lambda: io.parse_example([a], {}))
    t("none feat2", lambda: io.parse_example([a], None))
    t("weird", lambda: io.parse_example([a], {"v": 3}))
    t("dtype none", lambda: io.parse_example([a], {"v": V(None)}))
    t("dtype none f", lambda: io.parse_example([a], {"v": F([], None)}))
    t("shape none f", lambda: io.parse_example([a], {"v": F(None, i64)}))
    t("bad dtype", lambda: io.parse_example([a], {"v": V(tf.int32)}))
    t("bad dtype f", lambda: io.parse_example([a], {"v": F([], tf.int32)}))
    t("bad dtype r", lambda: io.parse_example([a], {"v": R(tf.int32)}))
    t("unknown dim", lambda: io.parse_example([a], {"v": F([None], i64)}))
    t("unknown dim2", lambda: io.parse_example([a], {"v": F([2, None], i64)}))
    t("rank2", lambda: io.parse_example([[a]], {"v": V(i64)}))
    t("not str", lambda: io.parse_example([1], {"v": V(i64)}))
    s1 = ex(ix=[0, 3], va=[1.5, 2.5], iy=[1, 0])
    s2 = ex(ix=[4, 1], va=[3.5, 4.5], iy=[2, 2])
    s3 = ex()
    t("sparse", lambda: io.parse_example([s1, s2, s3], {"x": SP("ix", "va", f32, 10)}))
    t("sparse sorted", lambda: io.parse_example([s1, s2, s3], {"x": SP("ix", "va", f32, 10, True)}))
    t("sparse2", lambda: io.parse_example([s1, s2], {"x": SP(["ix", "iy"], "va", f32, [10, 5])}))
    t("sparse single", lambda: io.parse_single_example(s2, {"x": SP("ix", "va", f32, 10)}))
    t("sparse single2", lambda: io.parse_single_example(s2, {"x": SP(["ix", "iy"], "va", f32, [10, 5])}))
    t("sparse out", lambda: io.parse_example([s1], {"x": SP("ix", "va", f32, 2)}))
    t("sparse mism", lambda: io.parse_example([ex(ix=[1], va=[1.0, 2.0])], {"x": SP("ix", "va", f32, 20)}))
    t("sparse badarg", lambda: SP("ix", "va", f32, [2, 3]))
    t("sparse badarg2", lambda: io.parse_example([s1], {"x": SP(["ix", "iy"], "va", f32, [2])}))
    t("sparse mix", lambda: io.parse_example([s1], {"ix": V(i64), "x": SP("ix", "va", f32, 20)}))
    t("sparse mix2", lambda: io.parse_example([s1], {"ix": V(f32), "x": SP("ix", "va", f32, 20)}))
    p1 = ex(v=[1, 2, 3, 4, 5], rl=[2, 3], rs=[0, 2, 5], st=[0, 2], li=[2, 5], vr=[0, 0, 1, 1, 1], o=[0, 2])
    p2 = ex(v=[6], rl=[0, 1], rs=[0, 0, 1], st=[0, 0], li=[0, 1], vr=[1], o=[0, 1, 2])
    p3 = ex(v=[], rl=[], rs=[0], st=[], li=[], vr=[], o=[0])
    for n, p in {
        "RowLengths": "rl",
        "RowSplits": "rs",
        "RowStarts": "st",
        "RowLimits": "li",
        "ValueRowIds": "vr",
    }.items():
        part = getattr(R, n)(p)
        t("part " + n, lambda: io.parse_example([p1, p2, p3], {"v": R(i64, partitions=[part])}))
        t("part single " + n, lambda: io.parse_single_example(p1, {"v": R(i64, partitions=[part])}))
    u = ex(v=[1, 2, 3, 4, 5, 6], rl=[2, 1])
    t("uniform", lambda: io.parse_example([u, u], {"v": R(i64, partitions=[R.UniformRowLength(2)])}))
    t("uniform single", lambda: io.parse_single_example(u, {"v": R(i64, partitions=[R.UniformRowLength(3)])}))
    t("nested", lambda: io.parse_example([p1, p2], {"v": R(i64, "v", [R.RowSplits("o"), R.RowLengths("rl")])}))
    t("nested u", lambda: io.parse_example([u, u], {"v": R(i64, "v", [R.RowLengths("rl"), R.UniformRowLength(2)])}))
    t("nested u2", lambda: io.parse_example([u, u], {"v": R(i64, "v", [R.UniformRowLength(1), R.UniformRowLength(2)])}))
    t("nested validate", lambda: io.parse_example([p1], {"v": R(i64, "v", [R.RowLengths("o")], validate=True)}))
    t("bad len", lambda: io.parse_example([p1], {"v": R(i64, "v", [R.RowLengths("o")])}))
    t(
        "feat repr",
        lambda: [F([2], i64), V(i64), SP("a", "b", i64, 3), R(i64, partitions=[R.RowSplits("x")]), Q([], i64)],
    )
    t("R badpart", lambda: R(i64, partitions=[3]))
    t("R novalue", lambda: R(None))
    t("R badsplit", lambda: R(i64, row_splits_dtype=tf.float32))
    t("R key", lambda: R(i64, value_key=3))
    q1 = seq({"c": [1], "cs": [b"x"]}, fl=[[1.0, 2.0], [3.0, 4.0]], vl=[[1], [2, 3], []], ss=[[b"a"]])
    q2 = seq({"c": [2]}, fl=[[5.0, 6.0]], vl=[[]], ss=[])
    t(
        "sseq",
        lambda: io.parse_single_sequence_example(
            q1, {"c": F([], i64), "cs": V(st)}, {"fl": Q([2], f32), "vl": V(i64), "ss": R(st)}
        ),
    )
    t(
        "sseq2",
        lambda: io.parse_single_sequence_example(
            q2,
            {"c": F([1], i64), "cs": F([], st, "d")},
            {"fl": Q([2], f32), "vl": R(i64), "mm": Q([], f32, allow_missing=True), "nn": V(f32), "rr": R(f32)},
        ),
    )
    t("sseq missing", lambda: io.parse_single_sequence_example(q2, None, {"mm": Q([], f32)}))
    t("sseq missing ctx", lambda: io.parse_single_sequence_example(q2, {"x": F([], f32)}, None))
    t("sseq count", lambda: io.parse_single_sequence_example(q1, None, {"fl": Q([3], f32)}))
    t("sseq type", lambda: io.parse_single_sequence_example(q1, None, {"fl": Q([2], i64)}))
    t("sseq none", lambda: io.parse_single_sequence_example(q1, None, None))
    t("sseq bad", lambda: io.parse_single_sequence_example(b"\xff\x01", {"c": F([], i64)}))
    t(
        "seq",
        lambda: io.parse_sequence_example(
            [q1, q2], {"c": F([], i64), "cs": V(st)}, {"fl": Q([2], f32), "vl": V(i64), "ss": R(st)}
        ),
    )
    t("seq scalar", lambda: io.parse_sequence_example(q1, {"c": F([], i64)}, {"fl": Q([2], f32)}))
    t(
        "seq 2",
        lambda: io.parse_sequence_example(
            [q1, q2],
            {"c": F([], i64)},
            {"fl": Q([2], f32), "mm": Q([], i64, allow_missing=True), "rr": R(i64, "vl"), "rp": R(i64, "vl")},
        ),
    )
    t("seq missing", lambda: io.parse_sequence_example([q1, q2], None, {"mm": Q([], i64)}))
    t("seq fixedinseq", lambda: io.parse_sequence_example([q1, q2], None, {"fl": F([2], f32)}))
    t("seq count", lambda: io.parse_sequence_example([q1], None, {"fl": Q([3], f32)}))
    t("seq type", lambda: io.parse_sequence_example([q1], None, {"fl": Q([2], i64)}))
    t("seq ctx only", lambda: io.parse_sequence_example([q1, q2], {"c": F([], i64), "cr": R(st, "cs")}))
    fn = tf.function(
        lambda x: io.parse_example(
            x,
            {
                "i": F([2], i64),
                "v": V(i64),
                "r": R(i64, "v"),
                "q": Q([], i64, allow_missing=True),
                "f": F([], f32, 1.0),
            },
        )
    )
    t("fn", lambda: fn(tf.constant([a, b, c])))
    fn2 = tf.function(
        lambda x: io.parse_single_example(
            x,
            {
                "i": F([2], i64),
                "v": V(i64),
                "r": R(i64, "v"),
                "q": Q([], i64, allow_missing=True),
                "f": F([], f32, 1.0),
            },
        )
    )
    t("fn2", lambda: fn2(tf.constant(a)))
    t(
        "ds",
        lambda: list(
            tf.data.Dataset.from_tensor_slices([a, b]).map(
                lambda x: io.parse_single_example(x, {"i": F([2], i64), "v": V(i64)})
            )
        ),
    )
    t(
        "ds2",
        lambda: list(
            tf.data.Dataset.from_tensor_slices([a, b, c])
            .batch(2)
            .map(lambda x: io.parse_example(x, {"i": F([2], i64), "v": R(i64)}))
        ),
    )


def codecs(tf, t):
    io = tf.io
    _ex, _seq = builders(tf.train)

    def T(v, d):
        return tf.cast(tf.constant(v), d)

    for d in [
        "float32",
        "float64",
        "float16",
        "bfloat16",
        "int8",
        "int16",
        "int32",
        "int64",
        "uint8",
        "uint16",
        "uint32",
        "uint64",
        "bool",
        "complex64",
        "complex128",
    ]:
        x = T([[1, 2], [3, 0]], d)
        t("ser " + d, lambda: io.serialize_tensor(x))
        t("par " + d, lambda: io.parse_tensor(io.serialize_tensor(x), getattr(tf, d)))
    t("ser str", lambda: io.serialize_tensor(tf.constant([["a", "bc"], ["", b"\xff"]])))
    t("par str", lambda: io.parse_tensor(io.serialize_tensor(tf.constant([["a", "bc"], ["", b"\xff"]])), tf.string))
    t("ser py", lambda: io.serialize_tensor([1, 2]))
    t("ser scalar", lambda: io.serialize_tensor(3.0))
    t("ser empty", lambda: io.serialize_tensor(tf.zeros([0, 3])))
    t("par empty", lambda: io.parse_tensor(io.serialize_tensor(tf.zeros([0, 3])), tf.float32))
    t("par junk", lambda: io.parse_tensor(b"junk\xff", tf.float32))
    t("par type", lambda: io.parse_tensor(io.serialize_tensor(tf.constant([1.0])), tf.int32))
    t("par none", lambda: io.parse_tensor(b"", tf.float32))
    t("par vec", lambda: io.parse_tensor([b"", b""], tf.float32))
    t("par fields", lambda: io.parse_tensor(b"\x08\x01\x12\x04\x12\x02\x08\x03*\x04\x00\x00\xc0?", tf.float32))
    t("par size", lambda: io.parse_tensor(b'\x08\x01\x12\x04\x12\x02\x08\x03"\x041234', tf.float32))
    for d in [
        "float16",
        "float32",
        "float64",
        "int8",
        "int16",
        "int32",
        "int64",
        "uint8",
        "uint16",
        "bool",
        "complex64",
        "complex128",
    ]:
        t(
            "raw " + d,
            lambda: io.decode_raw(
                [b"0123456789abcdef", b"fedcba9876543210"] if d != "bool" else [b"\x00\x01\x01", b"\x01\x00\x01"],
                getattr(tf, d),
            ),
        )
        t(
            "raw be " + d,
            lambda: io.decode_raw(
                [b"0123456789abcdef", b"fedcba9876543210"] if d != "bool" else [b"\x00\x01\x01", b"\x01\x00\x01"],
                getattr(tf, d),
                little_endian=False,
            ),
        )
    t("raw scalar", lambda: io.decode_raw(b"abcd", tf.int16))
    t("raw empty", lambda: io.decode_raw([], tf.int16))
    t("raw empty s", lambda: io.decode_raw("", tf.int16))
    t("raw uneven", lambda: io.decode_raw(["ab", "abcd"], tf.uint8))
    t("raw notmul", lambda: io.decode_raw(["abc"], tf.int16))
    t("raw bad", lambda: io.decode_raw(["abc"], tf.string))
    t("raw 2d", lambda: io.decode_raw([["ab"], ["cd"]], tf.uint8))
    t("raw fixed", lambda: io.decode_raw(["ab", "abcdef"], tf.uint8, fixed_length=4))
    t("raw fixed16", lambda: io.decode_raw(["ab", "abcdef"], tf.int16, fixed_length=4))
    t("raw fixed bad", lambda: io.decode_raw(["ab", "abcdef"], tf.int16, fixed_length=3))
    t("raw fixed be", lambda: io.decode_raw(["ab", "abcdef"], tf.int16, little_endian=False, fixed_length=4))
    t("raw fixed 0", lambda: io.decode_raw(["ab", "abcdef"], tf.int16, fixed_length=0))
    t("raw fixed short", lambda: io.decode_raw(["a"], tf.int16, fixed_length=4))
    t("raw int", lambda: io.decode_raw([1], tf.int16))

    def b64(*a, **k):
        return t(f"b64 {a} {k}", lambda: io.encode_base64(*a, **k))

    b64("hello")
    b64("hello", pad=True)
    b64(["", "a", "ab", "abc", b"\xff\xfe\xfd"])
    b64([["a"]], pad=True)
    for v in ["aGVsbG8", "aGVsbG8=", "_-8", "a", "aGVsbG8==", "a b", "+/", "", "aGVsbG9=", "YQ==", "YQ", "YR", "YQ=a"]:
        t("d64 " + v, lambda: io.decode_base64(v))
    t("d64 vec", lambda: io.decode_base64(["YQ", "YWI"]))
    t("dc", lambda: io.decode_compressed([b"abc"]))
    t("dc z", lambda: io.decode_compressed(zlib.compress(b"abc"), "ZLIB"))
    t("dc g", lambda: io.decode_compressed([gzip.compress(b"abc"), gzip.compress(b"")], "GZIP"))
    t("dc bad", lambda: io.decode_compressed(b"abc", "ZLIB"))
    t("dc badg", lambda: io.decode_compressed(b"abc", "GZIP"))
    t("dc type", lambda: io.decode_compressed(b"abc", "x"))

    def csv(label, *a, **k):
        return t("csv " + label, lambda: io.decode_csv(*a, **k))

    csv("1", ["1,2.5,abc", "4,5,de f"], [[0], [0.0], [""]])
    csv("scalar", "1,2.5,abc", [[0], [0.0], [""]])
    csv("def", ",2.5,\n".strip(), [[7], [0.0], ["z"]])
    csv("req", ",2.5", [tf.constant([], tf.int32), [0.0]])
    csv("req2", "3,", [tf.constant([], tf.int32), tf.constant([], tf.float32)])
    csv("few", "1,2", [[0], [0], [0]])
    csv("many", "1,2,3", [[0], [0]])
    csv("quote", '1,"a,b","c""d"', [[0], [""], [""]])
    csv("quote off", '1,"a,b"', [[0], [""], [""]], use_quote_delim=False)
    csv("bad int", "x", [[0]])
    csv("bad float", "x", [[0.0]])
    csv("spaces", " 1 , 2.5 , a b ", [[0], [0.0], [""]])
    csv("delim", "1;2", [[0], [0]], field_delim=";")
    csv("bad delim", "1;2", [[0], [0]], field_delim=";;")
    csv("na", "NA,5", [[3], [4]], na_value="NA")
    csv("sel", "1,2,3,4", [[0], [0.0]], select_cols=[1, 3])
    csv("sel bad", "1,2", [[0]], select_cols=[5])
    csv("sel unsorted", "1,2,3", [[0], [0]], select_cols=[2, 1])
    csv("sel len", "1,2,3", [[0], [0]], select_cols=[1])
    csv("int64", "9999999999", [tf.constant([0], tf.int64)])
    csv("int over", "9999999999", [[0]])
    csv("float64", "1e300", [tf.constant([0], tf.float64)])
    csv("f inf", "inf", [[0.0]])
    csv("f over", "1e99", [[0.0]])
    csv("2d", [["1,2"], ["3,4"]], [[0], [0]])
    csv("empty", [], [[0], [0]])
    csv("badquote", '"a', [[""]])
    csv("badquote2", 'a"b', [[""]])
    csv("badquote3", '"a"b', [[""]])
    csv("crlf", "1,2\r\n", [[0], [0]])
    csv("newline", "1,2\n", [[0], [0]])
    csv("multi", "1,2\n3,4", [[0], [0]])
    csv("quoted newline", '"a\nb",2', [[""], [0]])
    csv("empty str", "", [[5]])
    csv("empty str2", "", [[""], [1]])
    csv("quoted empty", '"",1', [["d"], [0]])
    csv("dtype bad", "1", [tf.constant([True])])
    csv("scalar def", "1,", [1, 2])
    csv("def shape", "1", [[1, 2]])
    csv("hex", "0x1F", [[0]])
    csv("plus", "+5", [[0]])
    csv("f nan", "nan", [[0.0]])
    csv("f trail", "1.5x", [[0.0]])
    csv("space only", " ", [[0]])
    csv("space str", " ", [[""]])
    csv("def missing str", "a,,c", [["x"], ["y"], ["z"]])
    js = '{"features":{"feature":{"a":{"int64List":{"value":["1","2"]}},"b":{"bytesList":{"value":["aGk="]}},"c":{"floatList":{"value":[1.5]}}}}}'

    def dj(x):
        return io.parse_example(
            io.decode_json_example(x),
            {"a": io.VarLenFeature(tf.int64), "b": io.VarLenFeature(tf.string), "c": io.VarLenFeature(tf.float32)},
        )

    t("json", lambda: dj([js]))
    t("json s", lambda: io.decode_json_example(js))
    t("json bad", lambda: io.decode_json_example("{"))
    t("json unk", lambda: io.decode_json_example('{"x":1}'))
    t("json empty", lambda: io.decode_json_example(["{}", ""]))
    sp = tf.SparseTensor([[0, 0], [1, 2]], [1, 2], [3, 4])

    def ss(x):
        return [io.parse_tensor(x[0], tf.int64), io.parse_tensor(x[1], tf.int32), io.parse_tensor(x[2], tf.int64)]

    t("ss", lambda: io.serialize_sparse(sp))
    t("ssm", lambda: io.serialize_many_sparse(sp))
    t("ssm e", lambda: ss(io.serialize_many_sparse(sp)[1]))
    t("ss v", lambda: ss(io.serialize_sparse(sp)))
    t("dms", lambda: io.deserialize_many_sparse(io.serialize_many_sparse(sp), tf.int32))
    t(
        "dms stack",
        lambda: io.deserialize_many_sparse(
            tf.stack([io.serialize_sparse(sp), io.serialize_sparse(tf.SparseTensor([[4, 1]], [7], [5, 2]))]), tf.int32
        ),
    )
    t("dms rank", lambda: io.deserialize_many_sparse(io.serialize_many_sparse(sp), tf.int32, rank=2))
    t("dms badtype", lambda: io.deserialize_many_sparse(io.serialize_many_sparse(sp), tf.float32))
    t("dms shape", lambda: io.deserialize_many_sparse(io.serialize_sparse(sp), tf.int32))
    t(
        "dms mixed",
        lambda: io.deserialize_many_sparse(
            tf.stack([io.serialize_sparse(sp), io.serialize_sparse(tf.SparseTensor([[4]], [7], [5]))]), tf.int32
        ),
    )
    t("dms empty", lambda: io.deserialize_many_sparse(tf.zeros([0, 3], tf.string), tf.int32))
    t("ssm rank1", lambda: io.serialize_many_sparse(tf.SparseTensor([[0]], [1], [3])))
    t("ss notsparse", lambda: io.serialize_sparse([1]))
    f = tf.function(
        lambda x: (
            io.serialize_tensor(x),
            io.decode_raw(io.serialize_tensor(x)[None], tf.uint8),
            io.encode_base64(io.serialize_tensor(x)),
        )
    )
    t("fn codecs", lambda: f(tf.constant([1.0, 2.0])))
    g = tf.function(lambda x: io.decode_csv(x, [[0], [0.0], [""]]))
    t("fn csv", lambda: g(tf.constant(["1,2,3", "4,5,6"])))
    h = tf.function(lambda x: io.deserialize_many_sparse(io.serialize_many_sparse(x), tf.int32))
    t("fn sparse", lambda: h(sp))
