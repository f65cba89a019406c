// CallCache: the fast path of a traced function, from argument types and sizes to a plan with its captures.
#include <nanobind/nanobind.h>
#include <structmember.h>

#include "bindings/python.h"
#include "program/stopping.h"

namespace millstream::python {
namespace {

constexpr size_t most_entries = 4096;

// Grows when plans must be made again: what a cache learnt before is then forgotten, when it is next called.
uint64_t age = 0;

struct CacheObject {
  PyObject_HEAD vectorcallfunc vectorcall;
  PyObject* miss;
  PyObject* stop;  // what ends its runs, or nullptr
  const StopFlag* flag;
  Table* table;
  uint64_t age;
};

CacheObject* cache_of(PyObject* self) { return reinterpret_cast<CacheObject*>(self); }

PyObject* cache_call(PyObject* self, PyObject* const* arguments, size_t flags, PyObject* names) {
  CacheObject* cache = cache_of(self);
  if (cache->age != age) {
    cache->table->clear();
    cache->age = age;
  }
  const Stoppable within(cache->flag);
  const Py_ssize_t count = PyVectorcall_NARGS(flags);
  bool fast = !tracing && recording <= 0 && (!names || PyTuple_GET_SIZE(names) == 0);
  Key key;
  for (Py_ssize_t i = 0; fast && i < count; ++i) {
    if (is_tensor(arguments[i])) {
      key.add_tensor(tensor_of(arguments[i]));
    } else {
      fast = false;
    }
  }
  const Entry* entry = fast ? cache->table->find(key, key.hash()) : nullptr;
  if (!entry) {
    if (!cache->miss) return PyErr_Format(PyExc_RuntimeError, "The traced function was deleted.");
    PyObject* miss = Py_NewRef(cache->miss);
    PyObject* answer = PyObject_Vectorcall(miss, arguments, flags, names);
    Py_DECREF(miss);
    return answer;
  }
  const Ref<Module> held = Ref<Module>::share(entry->plan->module);
  PyObject* captures = Py_NewRef(entry->captures);
  const Function* function = entry->function;
  const bool single = entry->single;
  const auto capture_count = static_cast<size_t>(PyTuple_GET_SIZE(captures));
  constexpr size_t most_small = 16;
  PyObject* small[most_small];
  std::vector<PyObject*> large;
  PyObject** outputs = small;
  const size_t output_count = function->outputs.size();
  if (output_count > most_small) outputs = (large.resize(output_count), large.data());
  const bool good = run_plan(*held, *function, arguments, static_cast<size_t>(count), &PyTuple_GET_ITEM(captures, 0),
                             capture_count, outputs);
  Py_DECREF(captures);
  return good ? pack_outputs(outputs, output_count, single) : nullptr;
}

PyObject* cache_new(PyTypeObject* type, PyObject* arguments, PyObject* keywords) {
  static const char* names[] = {"miss", "stop", nullptr};
  PyObject *miss, *stop = nullptr;
  if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "O|O", const_cast<char**>(names), &miss, &stop)) return nullptr;
  if (stop && !nanobind::isinstance<StopFlag>(stop))
    return PyErr_Format(PyExc_TypeError, "stop is a StopFlag, given %s.", Py_TYPE(stop)->tp_name);
  CacheObject* made = cache_of(type->tp_alloc(type, 0));
  if (!made) return nullptr;
  made->vectorcall = cache_call;
  made->miss = Py_NewRef(miss);
  made->stop = Py_XNewRef(stop);
  made->flag = stop ? nanobind::inst_ptr<StopFlag>(stop) : nullptr;
  made->table = new Table(most_entries);
  made->age = age;
  return reinterpret_cast<PyObject*>(made);
}

int cache_traverse(PyObject* self, visitproc visit, void* arg) {
  CacheObject* cache = cache_of(self);
  Py_VISIT(Py_TYPE(self));
  Py_VISIT(cache->miss);
  Py_VISIT(cache->stop);
  if (cache->table) {
    for (Entry* entry = cache->table->oldest(); entry; entry = entry->newer) {
      Py_VISIT(entry->held);
      Py_VISIT(entry->captures);
    }
  }
  return 0;
}

int cache_clear_references(PyObject* self) {
  CacheObject* cache = cache_of(self);
  Py_CLEAR(cache->miss);
  if (cache->table) cache->table->clear();
  return 0;
}

void cache_dealloc(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  CacheObject* cache = cache_of(self);
  PyObject_GC_UnTrack(self);
  delete cache->table;
  Py_XDECREF(cache->miss);
  Py_XDECREF(cache->stop);
  type->tp_free(self);
  Py_DECREF(type);
}

// add(args, plan, function_index, captures, single)
PyObject* cache_add(PyObject* self, PyObject* const* arguments, Py_ssize_t count) {
  if (count != 5 || !PyTuple_Check(arguments[0]) || !Py_IS_TYPE(arguments[1], plan_type) ||
      !PyTuple_Check(arguments[3])) {
    return PyErr_Format(PyExc_TypeError,
                        "add takes a tuple of tensors, a Plan, a function index, a tuple of captures and whether to "
                        "unpack a single output.");
  }
  auto* plan = reinterpret_cast<PlanObject*>(arguments[1]);
  const Py_ssize_t index = PyLong_AsSsize_t(arguments[2]);
  const int single = PyObject_IsTrue(arguments[4]);
  if (PyErr_Occurred()) return nullptr;
  if (index < 0 || index >= static_cast<Py_ssize_t>(plan->module->functions.size())) {
    return PyErr_Format(PyExc_IndexError, "The plan has %zu functions, given index %zd.",
                        plan->module->functions.size(), index);
  }
  const Function* function = plan->module->functions[static_cast<size_t>(index)].get();
  Key key;
  for (PyObject* tuple : {arguments[0], arguments[3]}) {
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(tuple); ++i) {
      PyObject* item = PyTuple_GET_ITEM(tuple, i);
      if (!is_tensor(item))
        return PyErr_Format(PyExc_TypeError, "add takes tensors, given %s.", Py_TYPE(item)->tp_name);
      if (tuple == arguments[0]) key.add_tensor(tensor_of(item));
    }
  }
  const auto given = static_cast<size_t>(PyTuple_GET_SIZE(arguments[0]) + PyTuple_GET_SIZE(arguments[3]));
  if (given != function->inputs.size()) {
    return PyErr_Format(PyExc_ValueError, "The function takes %zu inputs, arguments and captures are %zu.",
                        function->inputs.size(), given);
  }
  const uint64_t hash = key.hash();
  Table& table = *cache_of(self)->table;
  if (table.find(key, hash)) Py_RETURN_NONE;
  auto* entry = new Entry{};
  entry->hash = hash;
  entry->key.assign(key.data(), key.data() + key.count());
  entry->plan = reinterpret_cast<PlanObject*>(Py_NewRef(arguments[1]));
  entry->function = function;
  entry->captures = Py_NewRef(arguments[3]);
  entry->output_count = function->outputs.size();
  entry->single = single;
  table.add(entry);
  Py_RETURN_NONE;
}

PyObject* cache_size(PyObject* self, PyObject*) { return PyLong_FromSize_t(cache_of(self)->table->size()); }

PyObject* cache_clear(PyObject* self, PyObject*) {
  cache_of(self)->table->clear();
  Py_RETURN_NONE;
}

PyObject* forget_plans(PyObject*, PyObject*) {
  ++age;
  Py_RETURN_NONE;
}

PyMethodDef functions[] = {{"forget_plans", forget_plans, METH_NOARGS, "Makes every CallCache forget its plans."},
                           {nullptr, nullptr, 0, nullptr}};

PyMethodDef methods[] = {{"add", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(cache_add)), METH_FASTCALL,
                          "add(args, plan, function_index, captures, single)"},
                         {"cache_size", cache_size, METH_NOARGS, "How many kinds of arguments it knows."},
                         {"cache_clear", cache_clear, METH_NOARGS, "Forgets them."},
                         {nullptr, nullptr, 0, nullptr}};

PyMemberDef members[] = {{"__vectorcalloffset__", T_PYSSIZET, offsetof(CacheObject, vectorcall), READONLY, nullptr},
                         {nullptr, 0, 0, 0, nullptr}};

}  // namespace

bool add_call_cache_type(PyObject* module) {
  static PyType_Slot slots[] = {
      {Py_tp_new, reinterpret_cast<void*>(cache_new)},
      {Py_tp_dealloc, reinterpret_cast<void*>(cache_dealloc)},
      {Py_tp_traverse, reinterpret_cast<void*>(cache_traverse)},
      {Py_tp_clear, reinterpret_cast<void*>(cache_clear_references)},
      {Py_tp_call, reinterpret_cast<void*>(PyVectorcall_Call)},
      {Py_tp_methods, methods},
      {Py_tp_members, members},
      {Py_tp_doc, const_cast<char*>("CallCache(miss, stop=StopFlag()): runs a plan where the arguments are known, else "
                                    "calls miss. A stop that is set ends what runs.")},
      {0, nullptr}};
  static PyType_Spec spec = {"millstream._runtime.CallCache", sizeof(CacheObject), 0,
                             Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL, slots};
  PyObject* type = PyType_FromSpec(&spec);
  return type && PyModule_AddObjectRef(module, "CallCache", type) == 0 && PyModule_AddFunctions(module, functions) == 0;
}

}  // namespace millstream::python
