// The module _runtime: its cold functions, and the types of the other files.
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "bindings/python.h"
#include "kernels/lapack.h"
#include "kernels/random_operands.h"
#include "memory/allocator.h"
#include "memory/crc32c.h"
#include "program/stopping.h"
#include "tracing/trace.h"

namespace millstream::python {
void add_readers(nanobind::module_& m);
void add_pixels(nanobind::module_& m);
}  // namespace millstream::python

namespace nb = nanobind;
namespace ms = millstream;
namespace mp = millstream::python;

namespace {

PyObject* lapack_finder = nullptr;  // kept as long as the process lives

// What lapack_finder(name) gives: a capsule, an address, or None where there is no such function. Called from kernels.
void* find_lapack(const char* name) {
  const nb::gil_scoped_acquire locked;
  PyObject* found = PyObject_CallFunction(lapack_finder, "s", name);
  void* function = nullptr;
  if (found && PyCapsule_CheckExact(found)) function = PyCapsule_GetPointer(found, PyCapsule_GetName(found));
  if (found && PyLong_CheckExact(found)) function = PyLong_AsVoidPtr(found);
  if (PyErr_Occurred()) PyErr_WriteUnraisable(lapack_finder);
  Py_XDECREF(found);
  return function;
}

}  // namespace

NB_MODULE(_runtime, m) {
  nb::set_leak_warnings(false);  // what a module's globals hold when Python ends is not a leak
  m.doc() = "The runtime's door for Python. Private to millstream: the public names are in millstream.api.";
  if (!mp::add_tensor_type(m.ptr()) || !mp::add_plan_type(m.ptr()) || !mp::add_dispatch_types(m.ptr()) ||
      !mp::add_call_cache_type(m.ptr()) || PyModule_AddFunctions(m.ptr(), mp::tensor_functions) != 0 ||
      PyModule_AddFunctions(m.ptr(), mp::state_functions) != 0 ||
      PyModule_AddFunctions(m.ptr(), mp::dlpack_functions) != 0 ||
      PyModule_AddFunctions(m.ptr(), mp::dispatch_functions) != 0) {
    throw nb::python_error();
  }
  m.def(
      "set_error_factory",
      [](nb::object factory) {
        nb::object old = mp::error_factory ? nb::steal(mp::error_factory) : nb::none();
        mp::error_factory = factory.is_none() ? nullptr : factory.release().ptr();
        return old;
      },
      nb::arg("factory").none(),
      "factory(code, message, source) makes the exception of a failure. Returns the one before.");
  m.def(
      "kernels",
      [] {
        std::vector<std::string> names;
        ms::Registry::instance().each([&](const ms::Kernel& kernel) { names.emplace_back(kernel.name); });
        return names;
      },
      "The names of this build's kernels.");
  m.def(
      "set_lapack",
      [](nb::object finder) {
        lapack_finder = finder.release().ptr();
        ms::set_lapack(find_lapack);
      },
      nb::arg("finder"),
      "finder(name) gives BLAS's or LAPACK's function of that name, as a capsule or an address, or None. It is called "
      "when one is "
      "first needed.");
  m.def("forget_random_states", &ms::forget_random_states, "Make the counters of all stateful random ops begin again.");
  m.def("set_random_scope", &ms::set_random_scope,
        "What this thread draws from now on has the counters of this scope. Returns the one before; 0 is none.");
  m.def("forget_random_scope", &ms::forget_random_scope);
  m.def(
      "crc32c",
      [](nb::handle data, uint32_t start) {
        Py_buffer view;
        if (PyObject_GetBuffer(data.ptr(), &view, PyBUF_C_CONTIGUOUS) != 0) throw nb::python_error();
        uint32_t sum;
        {
          nb::gil_scoped_release unlocked;
          sum = ms::crc32c(start, view.buf, static_cast<size_t>(view.len));
        }
        PyBuffer_Release(&view);
        return sum;
      },
      nb::arg("data"), nb::arg("start") = 0, "CRC-32C of bytes, going on from the sum of those before.");
  mp::add_readers(m);
  mp::add_pixels(m);
  nb::class_<ms::StopFlag>(m, "StopFlag", "Ends what runs on the threads that are under it, once it is set.")
      .def(nb::init<>())
      .def("set", &ms::StopFlag::set)
      .def("is_set", &ms::StopFlag::is_set);
  m.def(
      "under_stop",
      [](const ms::StopFlag& flag, nb::callable run) {
        struct Restore {
          const ms::StopFlag* before;
          ~Restore() { ms::set_stop_flag(before); }
        };
        const Restore restore{ms::set_stop_flag(&flag)};
        return run();
      },
      nb::arg("flag"), nb::arg("run"), "Calls run() under a flag.");
  m.def("thread_count", &ms::thread_count);
  m.def("set_thread_count", &ms::set_thread_count, "0: as many as the process may use.");
  m.def("memory_stats", [] {
    const ms::MemoryStats stats = ms::memory_stats();
    nb::dict out;
    out["reserved_bytes"] = stats.reserved_bytes;
    out["cached_bytes"] = stats.cached_bytes;
    out["peak_reserved_bytes"] = stats.peak_reserved_bytes;
    out["system_allocations"] = stats.system_allocations;
    return out;
  });
  m.def("release_cached_memory", &ms::release_cached_memory);
  m.def("set_cache_limit", &ms::set_cache_limit);
  m.def("trace_start", &ms::trace_start);
  m.def(
      "trace_stop",
      [] {
        nb::list out;
        for (const ms::TraceEvent& event : ms::trace_stop()) {
          out.append(nb::make_tuple(event.name, event.begin_ns, event.end_ns, event.thread));
        }
        return out;
      },
      "A list of (name, begin ns, end ns, thread).");
}
