"""Records anew what real TensorFlow answers to the expressions below, into `tensorflow_answers.json`.

Run it with an interpreter that has TensorFlow:

    python millstream/execution/testdata/record.py
"""

from __future__ import annotations

import copy
import json
import pathlib
import pickle
import random
import re
from collections.abc import Callable
from typing import Any

import numpy as np

FLOATS = ["bfloat16", "float16", "float32", "float64"]
SIGNED = ["int8", "int16", "int32", "int64"]
UNSIGNED = ["uint8", "uint16", "uint32", "uint64"]
COMPLEX = ["complex64", "complex128"]
EVERY = [*FLOATS, *SIGNED, *UNSIGNED, *COMPLEX, "bool", "string"]
BINARY = ["+", "-", "*", "/", "//", "%", "**", "<", "<=", ">", ">=", "==", "!=", "&", "|", "^", "@", "<<"]


def names(tf: Any, traced: Callable[..., Any]) -> dict[str, Any]:
    """Return what the expressions are evaluated with, made anew for each."""

    class Arrayed:
        def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
            return np.array([1, 2, 3])

    class Answering:
        def __tf_tensor__(self, dtype: Any = None, name: Any = None) -> Any:
            return tf.constant(7.0)

    class Reflected:
        def __radd__(self, other: Any) -> str:
            return "reflected"

    class Inner(tf.Module):  # type: ignore[misc]
        def __init__(self, name: Any = None) -> None:
            super().__init__(name=name)
            self.w = tf.Variable(1.0, name="w")
            self.l = [tf.Variable(2.0), {"a": tf.Variable(3.0, trainable=False)}]

        @tf.Module.with_name_scope  # type: ignore[untyped-decorator]
        def __call__(self, x: Any) -> Any:
            if not hasattr(self, "b"):
                self.b = tf.Variable(2.0, name="b")
            return self.b.name

    return {
        "tf": tf,
        "np": np,
        "copy": copy,
        "pickle": pickle,
        "traced": traced,
        "Arrayed": Arrayed,
        "Answering": Answering,
        "Reflected": Reflected,
        "Inner": Inner,
        "a": tf.constant([1.0, 2.0]),
        "i": tf.constant([1, 2]),
        "s": tf.constant("a"),
        "b": tf.constant([True, False]),
        "d": tf.constant([1.0, 2.0], tf.float64),
        "m": tf.constant([[1.0, 2.0], [3.0, 4.0]]),
        "e": tf.constant(3.0),
        "n": tf.constant(3),
        "c": tf.constant(1 + 2j),
        "u": tf.constant([1, 2], tf.uint8),
        "v": tf.Variable([1.0, 2.0], name="v"),
        "w": tf.Variable(2.0),
        "x": tf.constant(np.arange(60, dtype=np.float32).reshape(3, 4, 5)),
    }


def answer(expression: str, given: dict[str, Any]) -> str:
    """Return what the expression is, as text; an error as its class and message."""
    try:
        text = repr(eval(expression, given))  # noqa: S307
    except Exception as error:  # noqa: BLE001
        text = f"{type(error).__name__}: {error}"
    return re.sub(r" at 0x[0-9a-f]+", "", text)


def expressions() -> dict[str, list[str]]:
    """Return the expressions by area."""
    areas = {name: [line for line in text.strip().splitlines() if line] for name, text in WRITTEN.items()}
    matrix = []
    for dtype in EVERY:
        left, right = ("['p','q']", "['q','q']") if dtype == "string" else ("[True,False]", "[True,True]") if dtype == "bool" else ("[7,2]", "[2,3]")
        one = f"tf.constant({left}, tf.{dtype})"
        for operator in BINARY:
            matrix.append(f"{one} {operator} tf.constant({right}, tf.{dtype})")
            matrix.append(f"{one} {operator} 2")
            matrix.append(f"2 {operator} {one}")
        matrix += [f"-{one}", f"~{one}", f"abs({one})", f"{one}[0]", f"repr({one})", f"str({one}[0])", f"{one}.numpy()", f"bool({one}[0])"]
        matrix += [f"tf.Variable({one})", f"tf.Variable({one}).assign_add({one})", f"copy.deepcopy({one})", f"pickle.loads(pickle.dumps({one}))"]
        matrix += [f"np.asarray({one})", f"tf.constant(1, tf.{dtype})", f"tf.constant(1.5, tf.{dtype})", f"tf.constant([1, 2], tf.{dtype})", f"list({one})"]
    areas["element types"] = matrix
    chosen = random.Random(7)
    entries = ["0", "1", "-1", "2", ":", "::2", "1:", ":-1", "::-1", "...", "None", "0:0", "2:0:-1", "-2:", "n-2", "n-3:", "5", "1:9", "np.int64(1)"]
    slices = [f"x[{', '.join(chosen.choice(entries) for _ in range(chosen.randint(1, 4)))},]" for _ in range(240)]
    areas["slices"] = [*slices, *[f"traced(lambda x: x{s[1:]}, x)" for s in slices[:80]]]
    assigned = [":", "0:2", "1", "...", "::2", "None", "-1"]
    areas["slices"] += [f"tf.Variable(x)[{chosen.choice(assigned)}].assign(5.0).numpy().sum()" for _ in range(14)]
    return areas


WRITTEN = {
    "operators": """
a+i
a+d
i+1.5
i+True
1.5+i
a+1
1+a
a+[1,2]
a+np.array([1.,2.])
np.array([1.,2.])+a
np.array([1.,2.],np.float32)+a
-7%n
b&True
a==i
a==1
a==None
a!=None
i==1.5
a==[1,2]
a=='x'
a==tf.constant([1.,2.,3.])
a<2
2<a
+a
m@m
m@a
m@[[1.,0.],[0.,1.]]
bool(e)
bool(a)
bool(tf.constant([]))
bool(tf.constant([1]))
int(e)
int(a)
float(n)
complex(c)
hash(a)
len(a)
len(e)
list(e)
list(a)
[1,2,3,4][n]
range(n)
a in [a]
1. in a
np.sin(a)
np.add(a,1)
np.float32(2)*a
np.float64(2)*a
np.int64(2)*i
i*np.int32(2)
2.5*i
a+None
a+object()
a+'x'
a+{}
a+Reflected()
3-a
3/a
3//a
3%a
2.**a
[1.,2.]+a
(1,2)*a
True+a
True&b
u+300
u-1
u+256
i+2**40
i*2**31
a+2**70
tf.constant(1,tf.int64)+i
a+1j
c+1
i+v
v+v
v*2
1-v
-v
abs(v)
v==1.
v<2
v[0]+1
v**2
v/i
v//2
v%2
not e
tf.constant(True) and tf.constant(False)
a*0.0
a*-0.0
-1.0*tf.constant(0.)
a.foo
a.astype
a.T
a.item()
a.nbytes
a.ndim
a.dtype
a.device
a.op
a.graph
a.name
a.value_index
a.consumers()
a.eval()
a.set_shape([2])
a.set_shape([3])
a.ref()
a.ref()==a.ref()
a.ref().deref() is a
a.cpu()
a.gpu()
a.is_packed
a.__index__()
n.__index__()
memoryview(a).readonly
np.asarray(a).flags.writeable
a.numpy().flags.writeable
np.asarray(a,dtype=np.float64)
np.array(a)
a.__dlpack_device__()
format(e,'.2f')
f'{a}'
'%s' % a
'{:03d}'.format(n)
format(a,'.2f')
a.get_shape()
copy.copy(a) is a
np.from_dlpack(a)
tf.experimental.dlpack.from_dlpack(tf.experimental.dlpack.to_dlpack(m))
m[True]
m[1.5]
m['a']
m[0,0,0]
m[e]
m[...,...]
m[tf.constant([0,1])]
m[np.array([0,1])]
m[np.bool_(True)]
m[[0,1]]
a[5]
a[np.array(1)]
m[m>2]
m[a>1]
m[a>1,0]
v[v>1]
v[1:].assign([7.])
v[0].assign_add(1)
tf.constant(0.1)
tf.constant(1/3)
tf.constant(1e20)
tf.constant(float('nan'))
tf.constant([[1e-8,1e8]])
tf.zeros([0,3])
tf.Variable(0.1)
""",
    "conversions": """
tf.constant(1)
tf.constant(1.)
tf.constant([1,2.5])
tf.constant([1.5,2])
tf.constant(2**40)
tf.constant(2**70)
tf.constant(2**70,tf.float32)
tf.constant(300,tf.uint8)
tf.constant(-1,tf.uint8)
tf.constant(1.5,tf.int32)
tf.constant(True,tf.int32)
tf.constant(1,tf.bool)
tf.constant([1,2],shape=[2,1])
tf.constant(1,shape=[2,2])
tf.constant([1,2],shape=[3])
tf.constant([1,2,3,4],shape=(2,2),dtype=tf.float64)
tf.constant(None)
tf.constant([])
tf.constant([[],[]])
tf.constant([[1],[2,3]])
tf.constant('a')
tf.constant(['a',b'b'])
tf.constant(['a',1])
tf.constant([1,'a'])
tf.constant(np.float64(1.))
tf.constant(np.array([1,2]))
tf.constant(np.array(['a','b']))
tf.constant(np.array([1.,2.]),tf.float32)
tf.constant(np.array([1.5]),tf.int32)
tf.constant(a)
tf.constant(a,tf.float64)
tf.constant(Arrayed())
tf.constant(object())
tf.constant({})
tf.constant(1,'float32')
tf.constant(1,np.float32)
tf.constant(1j)
tf.constant(1.,tf.complex64)
tf.constant(range(3))
tf.constant((1,2))
tf.constant({1,2})
tf.constant(iter([1]))
tf.constant('a',tf.float32)
tf.constant(1,tf.string)
tf.constant(1e40)
tf.constant([1.,None])
tf.constant(w)
tf.constant(tf.TensorShape([1,2]))
tf.constant(tf.TensorShape([None,2]))
tf.constant(np.bool_(True))
tf.constant(np.array([1,2],np.uint16))
tf.constant([True,False])
tf.constant([1,True])
tf.constant([True,1])
tf.constant('é')
tf.constant(3.0, shape=[0])
tf.constant(3, name='x')
tf.constant(np.array(1.5,object))
tf.convert_to_tensor(1)
tf.convert_to_tensor(a,tf.float64)
tf.convert_to_tensor(a,dtype_hint=tf.float64)
tf.convert_to_tensor(1,dtype_hint=tf.float32)
tf.convert_to_tensor(1.5,dtype_hint=tf.int32)
tf.convert_to_tensor([a,a])
tf.convert_to_tensor([a,[1,2]])
tf.convert_to_tensor([[a[0],1],[2,3]])
tf.convert_to_tensor([1.,w])
tf.convert_to_tensor([w,w])
tf.convert_to_tensor([a,a],tf.float64)
tf.convert_to_tensor([a,tf.constant([1,2])])
tf.convert_to_tensor(w)
tf.convert_to_tensor(w,tf.float64)
tf.convert_to_tensor(Answering())
tf.convert_to_tensor([Answering(),1.])
tf.convert_to_tensor(None)
tf.convert_to_tensor(None,dtype=tf.float32)
tf.convert_to_tensor(tf.TensorShape([1,2]),tf.int64)
tf.convert_to_tensor(tf.TensorShape([None,2]))
tf.convert_to_tensor(Arrayed(),tf.float32)
tf.convert_to_tensor('a',tf.int32)
tf.convert_to_tensor(np.array([1.]),tf.int32)
tf.convert_to_tensor([np.array([1.,2.]),np.array([3.,4.])])
tf.convert_to_tensor([np.float32(1),2.])
tf.convert_to_tensor(tf.IndexedSlices(tf.constant([[1.,2.]]),tf.constant([1]),tf.constant([3,2])))
tf.convert_to_tensor(tf.IndexedSlices(tf.constant([[1.,2.],[3.,4.]]),tf.constant([1,1]),tf.constant([3,2])))
tf.convert_to_tensor(tf.IndexedSlices(tf.constant([[1.,2.]]),tf.constant([1])))
tf.is_tensor(a)
tf.is_tensor(v)
tf.is_tensor(1)
tf.is_tensor(np.array(1))
tf.is_tensor(tf.IndexedSlices(a,a))
tf.is_symbolic_tensor(a)
tf.get_static_value(a)
tf.get_static_value(1)
tf.get_static_value(v)
isinstance(a, tf.Tensor)
isinstance(v, tf.Tensor)
isinstance(v, tf.Variable)
isinstance(a, tf.__internal__.EagerTensor)
isinstance(v, tf.__internal__.types.Tensor)
tf.shape_n([a,a])
tf.shape_n([a,[[1]]],tf.int64)
str(tf.IndexedSlices(a,tf.constant([0,1]),tf.constant([5])))
str(-tf.IndexedSlices(a,tf.constant([0,1])))
tf.IndexedSlices(a,tf.constant([0,1]),tf.constant([5])).shape
tf.IndexedSlices(a,tf.constant([0,1])).shape
tf.IndexedSlices(a,tf.constant([0,1])).dtype
tf.IndexedSlices(a,tf.constant([0,1])).name
tf.IndexedSlices(a,tf.constant([0,1])).device
tf.IndexedSlices(a,tf.constant([0,1]))._type_spec
tf.IndexedSlices(a,tf.constant([0,1]),tf.constant([5]))._type_spec
tf.register_tensor_conversion_function(int, lambda v: v)
tf.register_tensor_conversion_function(Reflected, 3)
""",
    "variables": """
v
str(v)
v.assign([1.,2.,3.])
v.assign_add([1.,2.,3.])
v.assign([3.,4.])
v.assign('a')
tf.Variable()
tf.Variable(None)
hash(v)
v==v
v._shared_name
v.ref().deref() is v
v.ref()==v.ref()
v.ref()
v[0].assign(5.)
tf.Variable(1, shape=[3])
tf.Variable([1.,2], shape=tf.TensorShape(None))
tf.Variable([1.,2], shape=[None], dtype=tf.float64)
tf.Variable([1.,2], shape=[None]).assign([1.,2.,3.])
tf.Variable([1.,2], shape=tf.TensorShape(None)).assign([[1.,2.,3.]])
tf.Variable([1.,2], shape=[None]).assign([[1.]])
tf.Variable('a')
tf.Variable(['a','b'])
tf.Variable(lambda: tf.ones([2]), name='q/z')
v.scatter_add(3)
v.scatter_add(tf.IndexedSlices([1.],[1]))
v.scatter_sub(tf.IndexedSlices([1.],[1]))
v.scatter_mul(tf.IndexedSlices([3.],[1]))
v.scatter_div(tf.IndexedSlices([4.,2.],[1,1]))
v.scatter_max(tf.IndexedSlices([4.],[1]))
v.scatter_min(tf.IndexedSlices([0.],[1]))
v.scatter_update(tf.IndexedSlices([9.],[0]))
v.scatter_update(tf.IndexedSlices([1.],[7]))
v.scatter_add(tf.IndexedSlices([1.,1.,1.],[1,1,0]))
v.scatter_nd_add([[0]],[1.])
v.scatter_nd_sub([[0]],[1.])
v.scatter_nd_update([[0],[1]],[5.,6.])
tf.Variable(x).scatter_nd_max([[0,0],[1,1]],tf.fill([2,5],30.))
tf.Variable(x).scatter_nd_min([[0,0],[1,1]],tf.fill([2,5],3.)).numpy().sum()
tf.Variable(x).scatter_nd_update([[0],[2]],tf.zeros([2,4,5])).numpy().sum()
tf.Variable([[1.,2.],[3.,4.]]).batch_scatter_update(tf.IndexedSlices([[1.],[5.]],[[1],[0]]))
v.trainable
v.synchronization
v.aggregation
v.constraint
v.initial_value
v.device
v.op
v.graph
v.initializer
v.is_initialized()
v.get_shape()
v.create
v.eval()
v.to_proto()
v.set_shape([2])
v.value()
v.read_value()
v.numpy()
v.dtype
v.shape
v.gather_nd([[0]])
v.sparse_read([0])
v.sparse_read([[0,1],[1,0]])
v.sparse_read([3])
list(v)
len(v)
bool(v)
bool(w)
float(w)
int(w)
float(v)
np.array(v)
copy.deepcopy(v)
pickle.loads(pickle.dumps(w.numpy()))
tf.Variable(1.,aggregation='x')
tf.Variable(1.,synchronization='z')
tf.VariableAggregation.MEAN
tf.VariableSynchronization.ON_READ
tf.Variable(1., synchronization=tf.VariableSynchronization.ON_READ).trainable
tf.Variable(1., constraint=3)
tf.Variable([1,[2]])
v in [v]
tf.Variable(np.zeros(3))
tf.Variable([[0.]*10]*3)
tf.Variable([1,2],dtype=tf.bfloat16)
v.assign_add(1)
v.assign(np.array([1.,2.]))
v.assign(tf.constant([1,2]))
v.assign_sub([1,2], read_value=False)
v.assign([5.,6.]).assign_add([1.,1.])
tf.Variable(tf.zeros([2]), dtype=tf.float64)
tf.Variable(3, dtype=tf.float32)
tf.Variable(w)
v.name
tf.Variable(5,name='k').count_up_to(6)
tf.Variable(6,name='k').count_up_to(6)
traced(lambda x: tf.Variable(lambda: 3.0), a)
traced(lambda x: v, a)
traced(lambda x: v+1, a)
traced(lambda x: v.assign_add(x), a)
traced(lambda x: v.sparse_read([0]), a)
""",
    "graphs": """
traced(lambda x: x, a)
traced(lambda x: x+1, a)
traced(lambda x: (x+1).name, a)
traced(lambda x: [x+1, x+1, x*x, -x, x/x, x//2., x%2., x**2., x-1.], a)
traced(lambda x: [x<x, x<=x, x>x, x>=x, x==x, x!=x], a)
traced(lambda x: (x+1).op.type, a)
traced(lambda x: (x+1).op, a)
traced(lambda x: len((x+1).op.inputs), a)
traced(lambda x: (x+1).op.outputs, a)
traced(lambda x: (x+1).op.get_attr('T'), a)
traced(lambda x: (x+1).op.get_attr('Q'), a)
traced(lambda x: (x+1).value_index, a)
traced(lambda x: [x, x+1, x.consumers()][-1], a)
traced(lambda x: x.op.type, a)
traced(lambda x: str(x+1), a)
traced(lambda x: f'{x+1}', a)
traced(lambda x: bool(x), a)
traced(lambda x: len(x), a)
traced(lambda x: list(x), a)
traced(lambda x: int(x), a)
traced(lambda x: float(x), a)
traced(lambda x: hash(x), a)
traced(lambda x: x.numpy(), a)
traced(lambda x: np.array(x+1), a)
traced(lambda x: [1,2][x], n)
traced(lambda x: x.eval(), a)
traced(lambda x: x in [x], a)
traced(lambda x: x.foo, a)
traced(lambda x: x.T, a)
traced(lambda x: complex(x), a)
traced(lambda x: x.set_shape([4,3]), a)
traced(lambda x: x.device, a)
traced(lambda x: x.shape, a)
traced(lambda x: x.ndim, a)
traced(lambda x: tf.is_symbolic_tensor(x), a)
traced(lambda x: tf.get_static_value(x), a)
traced(lambda x: tf.get_static_value(tf.constant([1,2])), a)
traced(lambda x: tf.constant(1.), a)
traced(lambda x: tf.constant([1,2]).name, a)
traced(lambda x: tf.convert_to_tensor([x, x]).shape, a)
traced(lambda x: tf.convert_to_tensor([x[0], 1.]).shape, a)
traced(lambda x: x[0], x)
traced(lambda x: x[0].name, x)
traced(lambda x: x[:, None, ..., 1:3], x)
traced(lambda x: isinstance(x, tf.Tensor), a)
traced(lambda x: isinstance(x, tf.__internal__.EagerTensor), a)
traced(lambda x: isinstance(x + 1, tf.Tensor), a)
traced(lambda x: x == None, a)
traced(lambda x: repr(x.ref().deref() is x), a)
""",
    "modules": """
tf.Module(name='m').name
tf.Module(name='m').variables
tf.Module(name='m').submodules
tf.Module(name='1a')
tf.Module(name='a/b')
tf.Module().name
Inner().name
Inner(name='zed').name_scope.name
Inner()(1)
Inner().variables
Inner().trainable_variables
Inner().non_trainable_variables
sorted(Inner()._trackable_children())
Inner()._trackable_children()['l']._trackable_children()
Inner().l
Inner().l[1]
(lambda k: (setattr(k, 'sub', Inner()), len(k.variables), len(k.submodules)))(Inner())[1:]
(lambda k: (setattr(k, 'sub', (Inner(), Inner())), len(k.variables), len(k.submodules)))(Inner())[1:]
(lambda k: (setattr(k, 'w', None), sorted(k._trackable_children())))(Inner())[1]
(lambda k: (k.l.append(tf.Variable(1.)), len(k.variables), sorted(k.l._trackable_children())))(Inner())[1:]
(lambda k: (k.l.insert(0, tf.Variable(1.)), k.l._trackable_children()))(Inner())
(lambda k: (k.l[1].update(z=tf.Variable(1.)), len(k.variables), sorted(k.l[1]._trackable_children())))(Inner())[1:]
[p for p, _ in Inner()._flatten(predicate=lambda o: isinstance(o, tf.Variable), with_path=True)]
(lambda k: (setattr(k, 'x', [1, 2]), k.x == [1, 2], isinstance(k.x, list), k.x + [3], [0] + k.x, list(k.x), len(k.x)))(tf.Module())[1:]
(lambda k: (setattr(k, 'x', {'q': 1}), k.x == {'q': 1}, isinstance(k.x, dict), dict(k.x), {**k.x}, 'q' in k.x))(tf.Module())[1:]
(lambda k, q: (setattr(k, 'x', q), q.append(tf.Variable(1.)), len(k.variables)))(tf.Module(), [])[2]
(lambda k: (setattr(k, 'x', (1, 2)), k.x))(tf.Module())[1]
(lambda k: (delattr(k, 'w'), sorted(k._trackable_children())))(Inner())[1]
(lambda k: copy.deepcopy(k.l))(Inner())
tf.nest.flatten(Inner().l[1])
""",
}


def main() -> None:
    """Record all answers."""
    import tensorflow as tf

    def traced(function: Callable[..., Any], *arguments: Any) -> str:
        held = []

        def call(x: Any) -> Any:
            held.append(repr(function(x)))

        spec = tf.TensorSpec([None, *arguments[0].shape[1:]] if arguments[0].shape.rank else [], arguments[0].dtype, name="x")
        tf.function(call, autograph=False).get_concrete_function(spec)
        return held[0]

    areas = {
        area: {expression: answer(expression, names(tf, traced)) for expression in listed} for area, listed in expressions().items()
    }
    path = pathlib.Path(__file__).parent / "tensorflow_answers.json"
    path.write_text(json.dumps(areas, indent=0, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
