"""Pipelines whose elements, specs and counts are compared with TensorFlow's; `record_pipelines.py` records those."""

# mypy: ignore-errors
# ruff: noqa: E731

from itertools import islice


def pipelines(tf, np):
    """Return functions that make datasets, by name."""
    D = tf.data.Dataset
    R = D.range
    rag = lambda n: tf.fill([n], n)
    seqs = lambda n=7: R(1, n).map(rag)
    cases = {}

    def add(name, make):
        cases[name] = make

    for n, b, drop in ((0, 2, False), (5, 2, False), (5, 2, True), (1, 3, True), (6, 3, False)):
        add(f"batch {n} {b} {drop}", lambda n=n, b=b, drop=drop: R(n).batch(b, drop_remainder=drop))
    for args in ((5,), (2, 7), (10, 1, -3), (0,), (3, 3), (-3, 3, 2)):
        add(f"range {args}", lambda args=args: R(*args))
        add(f"range32 {args}", lambda args=args: R(*args, output_type=tf.float32))
    for size in (1, 2, 3, 7, 50):
        for seed in (None, 0, 5):
            for again in (True, False):
                add(
                    f"shuffle {size} {seed} {again}",
                    lambda size=size, seed=seed, again=again: R(12).shuffle(
                        size, seed=seed, reshuffle_each_iteration=again
                    ),
                )
                add(
                    f"shuffle repeat {size} {seed} {again}",
                    lambda size=size, seed=seed, again=again: (
                        R(5).shuffle(size, seed=seed, reshuffle_each_iteration=again).repeat(3)
                    ),
                )
                add(
                    f"repeat shuffle {size} {seed} {again}",
                    lambda size=size, seed=seed, again=again: (
                        R(5).repeat(3).shuffle(size, seed=seed, reshuffle_each_iteration=again)
                    ),
                )
                add(
                    f"shuffle map batch repeat {size} {seed} {again}",
                    lambda size=size, seed=seed, again=again: (
                        R(7)
                        .shuffle(size, seed=seed, reshuffle_each_iteration=again)
                        .map(lambda x: x * 2)
                        .batch(3)
                        .repeat(2)
                        .prefetch(2)
                    ),
                )
                add(
                    f"shuffle filter {size} {seed} {again}",
                    lambda size=size, seed=seed, again=again: (
                        R(20)
                        .filter(lambda x: x % 3 != 0)
                        .shuffle(size, seed=seed, reshuffle_each_iteration=again)
                        .take(7)
                    ),
                )
    add("two shuffles", lambda: R(10).shuffle(5).shuffle(3))
    add("shuffle in flat_map", lambda: R(3).flat_map(lambda x: R(5).shuffle(3, seed=1)))
    add("shuffle in interleave", lambda: R(3).interleave(lambda x: R(5).shuffle(3, seed=1), cycle_length=2))
    add("shuffle in flat_map unseeded", lambda: R(3).flat_map(lambda x: R(5).shuffle(3)))
    add("shuffle forever", lambda: R(5).shuffle(3, seed=2).repeat().take(23))
    add("shuffle cache", lambda: R(5).shuffle(3, seed=2).cache().repeat(2))
    add("cache shuffle", lambda: R(5).cache().shuffle(3, seed=2).repeat(2))
    for seed in (None, 3, 11):
        for again in (None, True, False):
            add(
                f"random {seed} {again}",
                lambda seed=seed, again=again: D.random(seed=seed, rerandomize_each_iteration=again).take(7),
            )
        for stop in (True, False):
            for w in (None, [0.2, 0.5, 0.3], [0.0, 0.5, 0.5], [1.0, 0.0, 0.0]):
                add(
                    f"sample {seed} {stop} {w}",
                    lambda seed=seed, stop=stop, w=w: D.sample_from_datasets(
                        [R(8), R(10, 18), R(20, 23)], weights=w, seed=seed, stop_on_empty_dataset=stop
                    ),
                )
        add(
            f"sample again {seed}",
            lambda seed=seed: D.sample_from_datasets([R(8), R(10, 18)], seed=seed, rerandomize_each_iteration=True),
        )
        add(
            f"sample dataset {seed}",
            lambda seed=seed: D.sample_from_datasets(
                [R(8), R(10, 18)], weights=D.from_tensors([0.3, 0.7]).repeat(), seed=seed
            ),
        )
        add(
            f"sample repeat {seed}",
            lambda seed=seed: D.sample_from_datasets(
                [R(3).repeat(), R(10, 18).repeat()], weights=[0.5, 0.5], seed=seed
            ).take(20),
        )
        add(
            f"resample known {seed}",
            lambda seed=seed: (
                R(60)
                .map(lambda x: tf.cast(x % 4 == 0, tf.int32))
                .rejection_resample(lambda c: c, [0.5, 0.5], [0.75, 0.25], seed=seed)
            ),
        )
        add(
            f"resample unknown {seed}",
            lambda seed=seed: (
                R(60)
                .map(lambda x: tf.cast(x % 4 == 0, tf.int32))
                .rejection_resample(lambda c: c, [0.5, 0.5], seed=seed)
            ),
        )
        add(f"random map {seed}", lambda seed=seed: R(6).map(lambda x: tf.random.uniform([], seed=seed)))
        add(
            f"random map two {seed}",
            lambda seed=seed: (
                R(6).map(lambda x: (tf.random.uniform([2], seed=seed), tf.random.normal([3], seed=seed))).prefetch(1)
            ),
        )
        add(
            f"random map batch {seed}",
            lambda seed=seed: R(6).map(lambda x: tf.random.uniform([], seed=seed)).batch(2).repeat(2),
        )
        add(f"random shuffle {seed}", lambda seed=seed: R(2).map(lambda x: tf.random.shuffle(tf.range(9), seed=seed)))
    for c in range(1, 5):
        for bl in (1, 2, 3):
            for p in (None, 2):
                add(
                    f"interleave {c} {bl} {p}",
                    lambda c=c, bl=bl, p=p: R(1, 7).interleave(
                        lambda x: D.from_tensors(x).repeat(x), cycle_length=c, block_length=bl, num_parallel_calls=p
                    ),
                )
                add(
                    f"interleave down {c} {bl} {p}",
                    lambda c=c, bl=bl, p=p: R(5, 0, -1).interleave(
                        lambda x: R(x * 10, x * 10 + x), cycle_length=c, block_length=bl, num_parallel_calls=p
                    ),
                )
                add(
                    f"interleave holes {c} {bl} {p}",
                    lambda c=c, bl=bl, p=p: R(8).interleave(
                        lambda x: R(x * 10, x * 10 + (x % 3)), cycle_length=c, block_length=bl, num_parallel_calls=p
                    ),
                )
    for size in (1, 2, 3, 5):
        for shift in (None, 1, 2, 4):
            for stride in (1, 2):
                for drop in (True, False):
                    add(
                        f"window {size} {shift} {stride} {drop}",
                        lambda size=size, shift=shift, stride=stride, drop=drop: (
                            R(7).window(size, shift, stride, drop).flat_map(lambda w: w.batch(10))
                        ),
                    )
                    add(
                        f"window len {size} {shift} {stride} {drop}",
                        lambda size=size, shift=shift, stride=stride, drop=drop: (
                            R(7)
                            .window(size, shift, stride, drop)
                            .map(lambda w: w.reduce(np.int64(0), lambda a, b: a + b))
                        ),
                    )
    add(
        "window dict",
        lambda: (
            D.from_tensor_slices({"a": np.arange(5), "b": np.arange(10).reshape(5, 2)})
            .window(2)
            .flat_map(lambda d: D.zip((d["a"].batch(2), d["b"].batch(2))))
        ),
    )
    add(
        "window tuple",
        lambda: (
            D.from_tensor_slices((np.arange(5), np.arange(5.0)))
            .window(2, shift=1)
            .flat_map(lambda a, b: D.zip((a, b)).batch(2))
        ),
    )
    add("group", lambda: R(11).group_by_window(lambda x: x % 3, lambda k, d: d.batch(2), 3))
    add(
        "group func",
        lambda: R(11).group_by_window(
            lambda x: x % 3, lambda k, d: d.map(lambda v: v + k * 100).batch(5), window_size_func=lambda k: k + 1
        ),
    )
    add("bucket", lambda: seqs(9).bucket_by_sequence_length(lambda r: tf.shape(r)[0], [3, 5], [2, 2, 3]))
    add(
        "bucket drop",
        lambda: seqs(9).bucket_by_sequence_length(lambda r: tf.shape(r)[0], [3, 5], [2, 2, 3], drop_remainder=True),
    )
    add(
        "bucket boundary",
        lambda: seqs(5).bucket_by_sequence_length(
            lambda r: tf.shape(r)[0], [3, 9], [2, 2, 3], pad_to_bucket_boundary=True, padding_values=np.int64(-1)
        ),
    )
    add(
        "bucket nopad",
        lambda: (
            R(8)
            .map(lambda n: tf.fill([n % 2 + 1], n))
            .bucket_by_sequence_length(lambda r: tf.shape(r)[0], [2], [2, 2], no_padding=True)
        ),
    )
    add("padded", lambda: seqs().padded_batch(3))
    add("padded drop", lambda: seqs().padded_batch(4, drop_remainder=True))
    add("padded shape", lambda: seqs().padded_batch(4, padded_shapes=[8], padding_values=np.int64(9)))
    add(
        "padded tuple",
        lambda: seqs().map(lambda r: (r, tf.fill(tf.shape(r), "x"))).padded_batch(4, padded_shapes=([None], [7])),
    )
    add("padded 2d", lambda: R(1, 5).map(lambda n: tf.fill([n, 2], n)).padded_batch(3, padded_shapes=[None, 4]))
    add(
        "padded dict",
        lambda: (
            R(1, 5)
            .map(lambda n: {"a": tf.fill([n], n), "b": n})
            .padded_batch(3, padded_shapes={"a": [None], "b": []}, padding_values={"a": np.int64(7), "b": None})
        ),
    )
    add("ragged", lambda: seqs().ragged_batch(3))
    add("ragged drop", lambda: seqs().ragged_batch(4, drop_remainder=True, row_splits_dtype=tf.int32))
    add("ragged 2d", lambda: R(1, 5).map(lambda n: tf.ensure_shape(tf.fill([n, 2], n), [None, 2])).ragged_batch(3))
    add("ragged both", lambda: R(1, 5).map(lambda n: (tf.fill([n, n], n), n)).ragged_batch(3))
    add("sparse batch", lambda: seqs(5).sparse_batch(2, [6]))
    add("sparse batch none", lambda: seqs(5).sparse_batch(3, [None]))
    add("unbatch", lambda: D.from_tensor_slices((np.arange(6).reshape(3, 2), np.arange(12).reshape(3, 2, 2))).unbatch())
    add("unbatch varying", lambda: seqs().unbatch())
    add("unbatch dict", lambda: D.from_tensors({"a": np.arange(3), "b": ["x", "y", "z"]}).unbatch())
    for b in (1, 2, 3, 4, 7):
        for drop in (True, False):
            add(f"rebatch {b} {drop}", lambda b=b, drop=drop: R(11).batch(3).rebatch(b, drop_remainder=drop))
    add("rebatch list", lambda: R(13).batch(4).rebatch([2, 1, 3]))
    add("rebatch list drop", lambda: R(13).batch(4, drop_remainder=True).rebatch([2, 1], drop_remainder=True))
    for n, i in ((3, 0), (3, 1), (3, 2), (1, 0), (20, 4)):
        add(f"shard {n} {i}", lambda n=n, i=i: R(10).shard(n, i))
    for k in (-1, 0, 3, 20):
        add(f"take {k}", lambda k=k: R(10).take(k))
        add(f"skip {k}", lambda k=k: R(10).skip(k))
        add(f"skip shuffle {k}", lambda k=k: R(10).shuffle(4, seed=1).skip(k))
        if k != -1:
            add(f"repeat {k}", lambda k=k: R(3).repeat(k))
    add("repeat empty", lambda: R(0).repeat())
    add("take_while", lambda: R(10).take_while(lambda x: x < 4))
    add("filter", lambda: R(10).filter(lambda x: x % 2 == 1))
    add(
        "filter tuple",
        lambda: D.from_tensor_slices((np.arange(5), np.arange(5)[::-1].copy())).filter(lambda a, b: a < b),
    )
    add("enumerate", lambda: D.from_tensor_slices(["a", "b"]).enumerate(3))
    add("concatenate", lambda: R(3).concatenate(R(5, 7)))
    add("concatenate shapes", lambda: D.from_tensors([1, 2]).concatenate(D.from_tensors([1, 2, 3])))
    add("zip", lambda: D.zip(R(3), R(5), R(4)))
    add("zip dict", lambda: D.zip({"a": R(3), "b": (R(5), R(4))}))
    add("zip list arg", lambda: D.zip((R(3), R(5).batch(2))))
    add("zip infinite", lambda: D.zip((R(3).repeat(), R(5))))
    add("flat_map", lambda: R(4).flat_map(lambda x: R(x)))
    add("flat_map nested", lambda: R(3).flat_map(lambda x: R(3).flat_map(lambda y: D.from_tensors(x * 10 + y))))
    add("flat_map map", lambda: R(3).flat_map(lambda x: R(3).map(lambda y: (x, y + x)).batch(2)))
    add(
        "flat_map slices",
        lambda: D.from_tensor_slices(np.arange(6).reshape(3, 2)).flat_map(lambda r: D.from_tensor_slices(r)),
    )
    add("flat_map take", lambda: R(5).flat_map(lambda x: R(10).take(x).skip(1)))
    add("flat_map zip", lambda: R(3).flat_map(lambda x: D.zip((R(x), R(2).map(lambda y: y + x)))))
    add("scan", lambda: R(6).scan(np.int64(0), lambda s, x: (s + x, s * x)))
    add("scan tuple", lambda: R(6).scan((np.int64(0), 1.5), lambda s, x: ((s[0] + x, s[1] * 2.0), (s[0], s[1]))))
    add(
        "scan growing",
        lambda: R(4).scan(np.zeros([0], np.int64), lambda s, x: (tf.concat([s, [x]], 0), tf.reduce_sum(s))),
    )
    add("unique", lambda: D.from_tensor_slices([1, 2, 1, 3, 2, 5]).unique())
    add("unique string", lambda: D.from_tensor_slices(["a", "b", "a"]).unique())
    add(
        "choose",
        lambda: D.choose_from_datasets(
            [R(3), R(10, 12), R(20, 29)], D.from_tensor_slices(np.array([0, 1, 2, 2, 0, 1, 1, 2, 0], np.int64))
        ),
    )
    add(
        "choose go on",
        lambda: D.choose_from_datasets(
            [R(3), R(10, 12), R(20, 29)],
            D.from_tensor_slices(np.array([0, 1, 2, 2, 0, 1, 1, 2, 0, 0, 2], np.int64)),
            stop_on_empty_dataset=False,
        ),
    )
    add("map tuple", lambda: R(3).map(lambda x: (x, {"a": x * 2, "b": (x, None)})))
    add("map list", lambda: R(3).map(lambda x: [x, x + 1]))
    add("map parallel", lambda: R(20).map(lambda x: x * x, num_parallel_calls=4))
    add("map autotune", lambda: R(20).map(lambda x: x * x, num_parallel_calls=-1).batch(3, num_parallel_calls=2))
    add("map if", lambda: R(6).map(lambda x: tf.cond(x > 3, lambda: x * 10, lambda: x)))
    add(
        "map namedtuple dict nested",
        lambda: D.from_tensor_slices({"x": np.arange(3), "y": {"z": np.arange(3.0)}}).map(
            lambda d: d["y"]["z"] + tf.cast(d["x"], tf.float64)
        ),
    )
    add("map dataset", lambda: R(3).map(lambda x: R(x + 1)).flat_map(lambda d: d.batch(2)))
    add("cache", lambda: R(3).cache().repeat(2))
    add("counter", lambda: D.counter(3, -2).take(4))
    add("counter float", lambda: D.counter(0.0, 0.5, dtype=tf.float32).take(4))
    add("counter infinite", lambda: D.zip(D.counter(), D.from_tensor_slices(["a", "b"])))
    add("from_tensors", lambda: D.from_tensors({"a": [1, 2], "b": ("x", 3.0)}))
    add("from_tensors list", lambda: D.from_tensors([[1, 2], [3, 4]]))
    add("slices", lambda: D.from_tensor_slices(([1, 2, 3], np.arange(6.0).reshape(3, 2), ["a", "b", "c"])))
    add("slices none", lambda: D.from_tensor_slices(([1, 2, 3], None)))
    add("generator", lambda: D.from_generator(lambda: iter(range(3)), output_types=tf.int64))
    add(
        "generator shapes",
        lambda: D.from_generator(
            lambda: ((i, [1.0] * i) for i in range(3)), output_types=(tf.int64, tf.float32), output_shapes=([], [None])
        ),
    )
    add(
        "generator args",
        lambda: D.from_generator(
            lambda n, s: (s * i for i in range(n)), args=[3, 2.5], output_signature=tf.TensorSpec([], tf.float64)
        ),
    )
    add(
        "generator dict",
        lambda: D.from_generator(
            lambda: [{"a": 1, "b": "x"}],
            output_signature={"a": tf.TensorSpec([], tf.int32), "b": tf.TensorSpec([], tf.string)},
        ),
    )
    add(
        "generator ragged",
        lambda: D.from_generator(
            lambda: [tf.ragged.constant([[1, 2], [3]])], output_signature=tf.RaggedTensorSpec([2, None], tf.int32)
        ),
    )
    add(
        "ignore",
        lambda: R(-2, 3).map(lambda x: tf.debugging.check_numerics(1.0 / tf.cast(x, tf.float32), "z")).ignore_errors(),
    )
    add("assert cardinality", lambda: R(7).filter(lambda x: x < 3).apply(tf.data.experimental.assert_cardinality(3)))
    add("bool", lambda: D.from_tensor_slices([True, False]).batch(2))
    add("string batch", lambda: D.from_tensor_slices(["a", "bc", "d"]).batch(2))
    add("ragged slices", lambda: D.from_tensor_slices(tf.ragged.constant([[1, 2], [3], []])).batch(2))
    add("ragged slices 3", lambda: D.from_tensor_slices(tf.ragged.constant([[[1], [2]], [[3, 4]], []])))
    add("sparse slices", lambda: D.from_tensor_slices(tf.SparseTensor([[0, 1], [2, 0]], [5, 6], [3, 2])).batch(2))
    add(
        "sparse map",
        lambda: (
            R(3).map(lambda i: tf.SparseTensor(tf.stack([tf.stack([i])]), [i * 10], np.array([4], np.int64))).batch(2)
        ),
    )

    drawing = lambda seed: R(4).map(lambda x: (x, tf.random.uniform([], seed=seed)))
    for seed in (None, 3):
        add(f"random map twice {seed}", lambda seed=seed: (lambda d: d.concatenate(d.take(2)))(drawing(seed)))
        add(
            f"random map chosen {seed}",
            lambda seed=seed: (lambda d: D.choose_from_datasets([d, d.skip(1)], R(2).repeat()))(drawing(seed)),
        )
        add(f"random map repeated {seed}", lambda seed=seed: drawing(seed).repeat(2))
        add(f"random map inside {seed}", lambda seed=seed: R(3).flat_map(lambda x: drawing(seed)))
        add(f"random filter {seed}", lambda seed=seed: R(20).filter(lambda x: tf.random.uniform([], seed=seed) < 0.5))
        add(
            f"random scan {seed}",
            lambda seed=seed: R(5).scan(0.0, lambda s, x: (s + tf.random.uniform([], seed=seed), s)).repeat(2),
        )
    spec = tf.TensorSpec([], tf.int32)
    add("error batch 0", lambda: R(3).batch(0))
    add(
        "error batch shapes",
        lambda: D.from_generator(lambda: [[1], [1, 2]], output_signature=tf.TensorSpec([None], tf.int32)).batch(2),
    )
    add("error shuffle 0", lambda: R(3).shuffle(0))
    add("error range step 0", lambda: R(1, 5, 0))
    add("error range float", lambda: R(1.5))
    add("error shard", lambda: R(3).shard(2, 2))
    add("error shard negative", lambda: R(3).shard(0, 0))
    add("error window 0", lambda: R(3).window(0))
    add("error window shift 0", lambda: R(3).window(2, 0))
    add("error prefetch -2", lambda: R(3).prefetch(-2))
    add("error predicate", lambda: R(3).filter(lambda x: x))
    add("error interleave cycle", lambda: R(3).interleave(lambda x: R(x), cycle_length=0))
    add("error interleave block", lambda: R(3).interleave(lambda x: R(x), cycle_length=1, block_length=0))
    add("error slices scalar", lambda: D.from_tensor_slices(3))
    add("error slices sizes", lambda: D.from_tensor_slices(([1, 2], [1, 2, 3])))
    add("error concatenate", lambda: R(3).concatenate(D.from_tensors(1.0)))
    add("error concatenate structure", lambda: R(3).concatenate(D.zip((R(3), R(3)))))
    add("error zip", lambda: D.zip(3))
    add("error zip list", lambda: D.zip([R(3), R(4)]))
    add("error generator raises", lambda: D.from_generator(lambda: 1 // 0, output_signature=spec))
    add("error generator dtype", lambda: D.from_generator(lambda: ["a"], output_signature=spec))
    add("error generator shape", lambda: D.from_generator(lambda: [[1]], output_signature=spec))
    add("error generator structure", lambda: D.from_generator(lambda: [(1, 2)], output_signature=(spec,)))
    add("error generator no types", lambda: D.from_generator(lambda: [1]))
    add("error generator both", lambda: D.from_generator(lambda: [1], output_types=tf.int32, output_signature=spec))
    add("error generator not callable", lambda: D.from_generator([1], output_signature=spec))
    add("error unbatch scalar", lambda: R(3).unbatch())
    add("error padded rank", lambda: R(3).padded_batch(2, padded_shapes=[2]))
    add("error padded too small", lambda: seqs().padded_batch(3, padded_shapes=[2]))
    add("error padded value type", lambda: seqs().padded_batch(3, padding_values=1.5))
    add("error group key", lambda: R(3).group_by_window(lambda x: [x, x], lambda k, d: d, 2))
    add("error group reduce", lambda: R(3).group_by_window(lambda x: x, lambda k, d: k, 2))
    add("error group no size", lambda: R(3).group_by_window(lambda x: x, lambda k, d: d))
    add("error group size 0", lambda: R(3).group_by_window(lambda x: x, lambda k, d: d, 0))
    add("error bucket sizes", lambda: seqs().bucket_by_sequence_length(lambda r: tf.shape(r)[0], [3], [2]))
    add("error scan structure", lambda: R(3).scan(np.int64(0), lambda s, x: s))
    add("error scan dtype", lambda: R(3).scan(np.int64(0), lambda s, x: (1.5, x)))
    add("error unique", lambda: D.from_tensor_slices([1.5]).unique())
    add("error choose", lambda: D.choose_from_datasets([R(3)], D.from_tensors(1.5)))
    add("error choose index", lambda: D.choose_from_datasets([R(3)], R(5)))
    add("error choose none", lambda: D.choose_from_datasets([], R(5)))
    add("error choose types", lambda: D.choose_from_datasets([R(3), D.from_tensors("a")], R(5)))
    add("error sample weights", lambda: D.sample_from_datasets([R(3), R(4)], weights=[1.0]))
    add("error sample weight type", lambda: D.sample_from_datasets([R(3), R(4)], weights=[1, 1]))
    add("error sparse shape", lambda: seqs().sparse_batch(3, [2]))
    add("error sparse tuple", lambda: D.zip((R(3), R(3))).sparse_batch(3, []))
    add("error map function", lambda: R(3).map(lambda x: object()))
    add(
        "error map raises",
        lambda: R(3).map(lambda x: tf.debugging.check_numerics(tf.math.log(tf.cast(x, tf.float32) - 1), "bad")),
    )
    add("error map py_function", lambda: R(3).map(lambda x: tf.py_function(lambda v: 1 // 0, [x], tf.int64)))
    add("error apply", lambda: R(3).apply(lambda d: 3))
    add("error cardinality", lambda: R(3).apply(tf.data.experimental.assert_cardinality(2)))
    add("error cardinality less", lambda: R(3).apply(tf.data.experimental.assert_cardinality(5)))
    add("error synchronous", lambda: R(3).map(lambda x: x, num_parallel_calls=2, synchronous=True))
    add("error parallel calls", lambda: R(3).map(lambda x: x, num_parallel_calls=0))
    add("error no file", lambda: tf.data.TextLineDataset("/no/such/file"))
    add("error no record file", lambda: tf.data.TFRecordDataset(["/no/such/file"]))
    add("error names", lambda: tf.data.TextLineDataset([1]))
    add("error compression", lambda: tf.data.TextLineDataset("x", compression_type="LZ4"))
    add("error list_files", lambda: D.list_files("/no/such/*"))
    add("error load", lambda: D.load("/no/such/dataset"))
    return cases


def plain(x):
    """Return an element as JSON has it."""
    if x is None:
        return None
    if hasattr(x, "to_list"):
        return ["ragged", x.to_list()]
    if hasattr(x, "dense_shape"):
        return ["sparse", *(part.numpy().tolist() for part in (x.indices, x.values, x.dense_shape))]
    if isinstance(x, tuple):
        return [plain(v) for v in x]
    if isinstance(x, dict):
        return {k: plain(v) for k, v in x.items()}
    value = x.numpy()
    return text(value.tolist() if hasattr(value, "tolist") else value)


def text(value):
    """Return strings for bytes."""
    if isinstance(value, list):
        return [text(v) for v in value]
    return value.decode() if isinstance(value, bytes) else value


def described(tf, make):
    """Return the spec, the count and the elements of two iterations (one where they are equal), or the error's class."""
    tf.random.set_seed(31)
    try:
        dataset = make()
        runs = [[plain(element) for element in islice(iter(dataset), 100)] for _ in range(2)]
        spec = repr(dataset.element_spec).replace("tensorflow.python.framework.", "")
        return {
            "spec": spec.replace("TensorShape", ""),
            "count": int(dataset.cardinality()),
            "runs": runs[:1] if runs[0] == runs[1] else runs,
        }
    except Exception as error:
        return {"error": type(error).__name__}
