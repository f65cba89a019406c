"""What tf.io.gfile and the functions on whole files are asked; see `io_cases.py`."""

# ruff: noqa: SIM115 - files end with the call
import os
import pathlib


def files(tf, t, D):
    p = D + "/a.txt"
    g = tf.io.gfile

    def w():
        with g.GFile(p, "w") as f:
            return f.write("one\ntwo\nthree"), f.tell(), f.size(), f.name, f.mode

    t("w", w)
    t("r", lambda: g.GFile(p).read())
    t("rb", lambda: g.GFile(p, "rb").read(5))
    t("lines", lambda: g.GFile(p).readlines())
    t("iter", lambda: list(g.GFile(p, "rb")))

    def seek():
        f = g.GFile(p)
        a = f.readline(), f.tell()
        f.seek(2)
        b = f.read(3)
        f.seek(-3, 2)
        c = f.read()
        f.seek(0)
        f.seek(1, 1)
        return a, b, c, f.read(2), f.seekable()

    t("seek", seek)
    t("seek5", lambda: g.GFile(p).seek(1, 5))
    t("seekn", lambda: g.GFile(p).seek())
    t("seekneg", lambda: g.GFile(p).seek(-5))

    def app():
        with g.GFile(p, "a") as f:
            f.write("X")
            f.flush()
            x = f.tell()
        return x, g.GFile(p).read()

    t("a", app)

    def rplus():
        f = g.GFile(p, "r+")
        a = f.read(3)
        f.write("ZZ")
        f.close()
        return a, g.GFile(p).read()

    t("r+", rplus)

    def wplus():
        f = g.GFile(D + "/w", "w+")
        f.write("hello")
        f.flush()
        f.seek(0)
        a = f.read()
        f.close()
        return a

    t("w+", wplus)

    def aplus():
        f = g.GFile(D + "/w", "a+")
        f.write(" you")
        f.flush()
        f.seek(0)
        a = f.read()
        f.close()
        return a

    t("a+", aplus)
    t("badmode", lambda: g.GFile(p, "x"))
    t("wread", lambda: g.GFile(p, "w").read())
    t("rwrite", lambda: g.GFile(p, "r").write("x"))
    t("missing file", lambda: g.GFile(D + "/no").read())
    t("missing size", lambda: g.GFile(D + "/no").size())
    t("nodir", lambda: g.GFile(D + "/no/x", "w").write("x"))
    t("dirread", lambda: g.GFile(D).read())
    t("dirwrite", lambda: g.GFile(D, "w").write("x"))
    t("lazy", lambda: (g.GFile(D + "/lazy", "w").close(), os.path.exists(D + "/lazy")))
    t("writebytes", lambda: g.GFile(D + "/b", "wb").write(b"\xff\x00"))
    t("readbadutf", lambda: g.GFile(D + "/b", "r").read())
    t("write int", lambda: g.GFile(D + "/b", "w").write(3))
    t(
        "exists",
        lambda: (
            g.exists(D),
            g.exists(p),
            g.exists(D + "/no"),
            g.exists("file://" + p),
            g.exists(""),
            g.exists(b"/tmp"),
        ),
    )
    t("exists gs", lambda: g.exists("gs://x/y"))
    t("exists foo", lambda: g.exists("foo://x/y"))
    t("isdir", lambda: (g.isdir(D), g.isdir(p), g.isdir(D + "/no")))
    t("mkdir", lambda: g.mkdir(D + "/sub"))
    t("mkdir again", lambda: g.mkdir(D + "/sub"))
    t("mkdir deep", lambda: g.mkdir(D + "/q/w/e"))
    t("makedirs", lambda: g.makedirs(D + "/q/w/e"))
    t("makedirs again", lambda: g.makedirs(D + "/q/w/e"))
    t("makedirs file", lambda: g.makedirs(p))
    t("makedirs under file", lambda: g.makedirs(p + "/x"))
    t("listdir", lambda: sorted(g.listdir(D)))
    t("listdir no", lambda: g.listdir(D + "/no"))
    t("listdir file", lambda: g.listdir(p))
    t("copy", lambda: g.copy(p, D + "/c"))
    t("copy again", lambda: g.copy(p, D + "/c"))
    t("copy over", lambda: g.copy(p, D + "/c", overwrite=True))
    t("copy no", lambda: g.copy(D + "/no", D + "/c2"))
    t("copy dir", lambda: g.copy(D + "/sub", D + "/c3"))
    t("copy nodir", lambda: g.copy(p, D + "/no/x"))
    t("rename", lambda: g.rename(D + "/c", D + "/d"))
    t("rename exists", lambda: g.rename(D + "/d", p))
    t("rename over", lambda: g.rename(D + "/d", p, overwrite=True))
    t("rename no", lambda: g.rename(D + "/no", D + "/n"))
    t("rename dir", lambda: g.rename(D + "/sub", D + "/sub2"))
    t("remove", lambda: g.remove(D + "/b"))
    t("remove no", lambda: g.remove(D + "/b"))
    t("remove dir", lambda: g.remove(D + "/sub2"))
    t("rmtree no", lambda: g.rmtree(D + "/no"))
    t("rmtree file", lambda: g.rmtree(D + "/w"))
    open(D + "/q/w/f.txt", "w").write("x")
    open(D + "/q/g.txt", "w").write("x")
    open(D + "/q/.hid", "w").write("x")
    t("glob", lambda: sorted(g.glob(D + "/q/*")))
    t("glob rec", lambda: sorted(g.glob(D + "/q/*/*.txt")))
    t("glob list", lambda: sorted(g.glob([D + "/q/*.txt", D + "/*.txt"])))
    t("glob none", lambda: g.glob(D + "/zz*"))
    t("glob lit", lambda: g.glob(p))
    t("glob ?", lambda: g.glob(D + "/?.txt"))
    t("glob []", lambda: g.glob(D + "/[a-c].txt"))
    t("glob !", lambda: g.glob(D + "/[!b].txt"))
    t("glob ^", lambda: g.glob(D + "/[^b].txt"))
    t("glob **", lambda: sorted(g.glob(D + "/**/*.txt")))
    t("glob nodir", lambda: g.glob("/nope/*"))
    t("globdir", lambda: g.glob(D + "/q/"))
    t("glob rel", lambda: g.glob("nope/*.x"))
    t("glob bad", lambda: g.glob(D + "/[a"))
    t("walk", lambda: list(g.walk(D + "/q")))
    t("walk bottom", lambda: list(g.walk(D + "/q", topdown=False)))
    t("walk no", lambda: list(g.walk(D + "/no")))

    def onerr():
        got = []
        r = list(g.walk(D + "/no", onerror=lambda e: got.append(type(e).__name__)))
        return r, got

    t("walk onerr", onerr)
    t(
        "stat",
        lambda: (
            g.stat(p).length,
            g.stat(p).is_directory,
            g.stat(D).is_directory,
            type(g.stat(p).mtime_nsec).__name__,
            [a for a in dir(g.stat(p)) if not a.startswith("_")],
        ),
    )
    t("stat no", lambda: g.stat(D + "/no"))
    t("join", lambda: (g.join("a", "b"), g.join("a", "/b"), g.join("gs://x", "y", "z"), g.join("a"), g.join("a/", "b")))
    t("join b", lambda: g.join(b"a", b"b"))
    t("schemes", lambda: g.get_registered_schemes())
    t("rmtree", lambda: g.rmtree(D + "/q"))
    t(
        "path",
        lambda: (
            g.exists(pathlib.Path(p)),
            g.GFile(pathlib.Path(p)).read(),
            g.glob(pathlib.Path(p)),
            g.isdir(pathlib.Path(D)),
        ),
    )
    t("path2", lambda: g.join(pathlib.Path(p), "x"))
    io = tf.io
    t("read_file", lambda: io.read_file(p))
    t("read_file no", lambda: io.read_file(D + "/no"))
    t("read_file vec", lambda: io.read_file([p]))
    t("read_file dir", lambda: io.read_file(D))
    t("read int", lambda: io.read_file(3))
    t("write_file", lambda: (io.write_file(D + "/x/y/z", "abc"), open(D + "/x/y/z").read()))
    t("write vec", lambda: io.write_file(D + "/x", ["a", "b"]))
    t("write dir", lambda: io.write_file(D, "a"))
    t("write fn", lambda: io.write_file([D + "/a", D + "/b"], "a"))
    t("matching", lambda: io.matching_files(D + "/*"))
    t("matching2", lambda: io.matching_files([D + "/a*", D + "/x/y/*", D + "/x/y/z"]))
    t("matching0", lambda: io.matching_files(D + "/nnn*"))
    t("matching rank2", lambda: io.matching_files([[D + "/a*"]]))
    t("match once", lambda: io.match_filenames_once(D + "/a*"))
    f = tf.function(lambda a: (io.read_file(a), io.matching_files(a)))
    t("fn files", lambda: f(tf.constant(p)))

    def fw():
        @tf.function
        def h(a, b):
            io.write_file(a, b)

        h(tf.constant(D + "/fw"), tf.constant("content"))
        return io.read_file(D + "/fw")

    t("fn write", fw)
