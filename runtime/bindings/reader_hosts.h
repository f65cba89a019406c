// What readers ask of Python while they read: elements, plans, files, failures. `Lock` holds Python's lock, `Unlock` lets go of it.
#pragma once

#include "bindings/python.h"  // before nanobind: it defines PY_SSIZE_T_CLEAN

#include <nanobind/nanobind.h>

#include "data/reader.h"

namespace millstream::python {

namespace nb = nanobind;
using Held = std::shared_ptr<PyObject>;

struct Lock {
  Lock() : state(PyGILState_Ensure()) {}
  ~Lock() { PyGILState_Release(state); }
  PyGILState_STATE state;
};

struct Unlock {
  Unlock() : state(PyEval_SaveThread()) {}
  ~Unlock() { PyEval_RestoreThread(state); }
  PyThreadState* state;
};

// An object of Python that any thread may let go.
Held held(PyObject* object);
// Takes the exception that is set.
Failure python_failure();
// Raises a failure as an exception of Python.
void raise_failure(const Failure& failure);
// function(error, stage, index, in_function) -> the error that names them
void name_failures_by(PyObject* function);

bool element_of(PyObject* given, Element& out);
nb::object tuple_of(Element&& element);
// Calls outside of traces and tapes; without arguments where there are none.
PyObject* call_python(PyObject* callable, PyObject* arguments);

ReaderRef python_reader(PyObject* following);
FunctionRef python_function(PyObject* compiler);
FunctionRef python_call(PyObject* callable);
OpenFile opener(const nb::object& open);
WriteElements writer(const nb::object& write);
ReaderHooks python_hooks();

}  // namespace millstream::python
