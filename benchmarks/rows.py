"""The rows of the benchmark: what each is called, in which unit it is shown, and how it is measured."""

from __future__ import annotations

from dataclasses import dataclass

from single_ops import OPS, SIZES

from models import CASES, FORWARD_BATCHES, FORWARD_CASES


@dataclass(frozen=True)
class Row:
    """`field` of the worker's answer, multiplied by `scale`, is shown in `unit`."""

    name: str
    title: str
    unit: str
    scale: float
    ask: str = ""  # what the worker is asked, where it is not the name
    field: str = "seconds"
    fresh: bool = False  # each round in a process of its own
    rounds: int = 0  # 0: as many as the command line says

    @property
    def question(self) -> str:
        return self.ask or self.name


def micro(name: str, title: str) -> Row:
    return Row(name, title, "µs", 1e6)


MEGABYTE = 1 / (1 << 20)
TITLES = {
    "mlp": "MLP 784-512-512-10, batch 128",
    "cnn": "small CNN 28×28, 32/64 filters, batch 128",
    "resnet20": "ResNet-20 32×32, batch 64",
    "lstm": "LSTM length 100, hidden 128, batch 64",
    "encoder": "encoder 4×256, length 128, batch 16",
    "mobilenetv2": "MobileNetV2 224×224, batch 8",
}

ROWS = [
    micro("eager_add_1", "eager x + y, 1 element"),
    micro("eager_add_100x100", "eager x + y, 100×100"),
    micro("eager_100_ops", "100 small eager ops"),
    micro("tape_10_ops", "tape gradient of a 10-op scalar chain"),
    micro("compiled_1_op", "compiled call of 1 small op"),
    micro("compiled_100_ops", "compiled call of 100 small ops"),
    micro("session_1_op", "Session.run of 1 small op"),
    micro("session_1_op_fed", "Session.run of 1 small op, one feed"),
    micro("session_callable", "call of Session.make_callable, 1 small op"),
    micro("session_callable_fed", "call of Session.make_callable, 1 small op, one feed"),
    Row("first_call_small", "first call of a compiled function, 2 ops", "ms", 1e3),
    micro("matmul_512", "matmul 512³ float32"),
    micro("matmul_1024", "matmul 1024³ float32"),
    micro("convolution_3x3", "convolution 3×3, 8×56×56×64 to 64"),
    *(Row(f"train_{name}", f"training step: {TITLES[name]}", "ms", 1e3, ask=f"train:{name}") for name in CASES),
    *(
        Row(
            f"forward_{name}_{batch}",
            f"forward: {TITLES[name].split(',')[0]}, batch {batch}",
            "ms",
            1e3,
            ask=f"forward:{name}/{batch}",
        )
        for name in FORWARD_CASES
        for batch in FORWARD_BATCHES
    ),
    Row("import_time", "import, time", "ms", 1e3, ask="import", fresh=True),
    Row("import_memory", "import, memory", "MB", MEGABYTE, ask="import", field="peak_bytes", fresh=True),
    Row("installed_size", "installed size", "MB", MEGABYTE, ask="installed", field="bytes", fresh=True, rounds=1),
    Row(
        "first_call_mobilenetv2", "first MobileNetV2 training step: trace, compile, run", "s", 1.0, fresh=True, rounds=2
    ),
    Row(
        "memory_mobilenetv2",
        "its peak of memory",
        "MB",
        MEGABYTE,
        ask="first_call_mobilenetv2",
        field="peak_bytes",
        fresh=True,
        rounds=2,
    ),
]
CURVES = [Row(f"curve_{name}", f"loss after 20 steps: {TITLES[name]}", "", 1.0, ask=f"curve:{name}", field="losses",
              fresh=True, rounds=1) for name in CASES]  # fmt: skip
OP_ROWS = [
    micro(f"op:{name}/{size}", f"{name}, {rows:,}×{columns:,}")
    for name in OPS
    for size, (rows, columns) in SIZES.items()
]
"""Run only where they are asked for (`--rows op:`): they are many."""
