# make demo, make test, make bench: each sets up everything it needs in .venv first.
PYTHON_HERE := .venv/bin/python
export JOBS ?= 2

.PHONY: help setup demo test bench check format clean

help:
	@echo "make demo    train a small network on real images, save it, export it, run it from C"
	@echo "make test    every test: Python, C++, sanitizers, the packaged wheel"
	@echo "make bench   measure us, and TensorFlow, JAX and PyTorch where named:"
	@echo "             make bench TENSORFLOW=~/ref/bin/python TORCH=... JAX=... ROWS=eager,train_mlp ROUNDS=5"
	@echo "make check   the fast loop (./check): formatting, types, arrows, fast tests"
	@echo "make format  write the formatting"

setup:
	@sh tools/setup.sh

demo: setup
	$(PYTHON_HERE) examples/demo.py

test: setup
	sh tools/test.sh

bench: setup
	$(PYTHON_HERE) benchmarks/run.py --us $(PYTHON_HERE) \
	  $(if $(TENSORFLOW),--tensorflow $(TENSORFLOW)) $(if $(TENSORFLOW_XLA),--tensorflow-xla $(TENSORFLOW_XLA)) \
	  $(if $(TORCH),--torch $(TORCH)) $(if $(JAX),--jax $(JAX)) \
	  $(if $(ROWS),--rows $(ROWS)) $(if $(ROUNDS),--rounds $(ROUNDS))

check: setup
	./check

format: setup
	./check --fix

clean:
	rm -rf build demo_output benchmarks/results .pytest_cache .mypy_cache .ruff_cache
	rm -f millstream/*.so millstream/*.so.*
