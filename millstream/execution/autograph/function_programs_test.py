"""Functions, closures, classes, attributes, try and with: converted, they do what the original does, on numbers and on symbolic values."""

# ruff: noqa
from __future__ import annotations

from millstream.execution.autograph.testing import Programs, same_on_numbers, same_on_symbolic_values

programs = Programs()
program = programs.program


def helper(x):
    if x > 0:
        return x * 2
    return -x


@program((3,), (-3,))
def calls_another(x):
    return helper(x) + helper(-x)


def factorial(n, acc=1):
    result = acc
    for i in range(1, n + 1):
        result *= i
    return result


@program((4,))
def default_argument(n):
    return factorial(n) + factorial(n, acc=2)


@program((5,), (-5,))
def inner_function(x):
    def double_if_positive(y):
        if y > 0:
            return y * 2
        return y

    return double_if_positive(x) + double_if_positive(-x)


@program((5,), (-5,))
def inner_function_closes(x):
    z = 3

    def add(y):
        if y > z:
            return y + z
        return y - z

    z = 4
    return add(x)


@program((5,), (-5,))
def inner_nonlocal(x):
    count = 0

    def bump(y):
        nonlocal count
        if y > 0:
            count += 1
        else:
            count += 10

    bump(x)
    bump(-x)
    bump(x)
    return count


@program((5,), (-5,))
def inner_nonlocal_called_in_branch(x):
    count = 0

    def bump():
        nonlocal count
        count += 1

    if x > 0:
        bump()
    return count


@program((5,), (-5,))
def captured_then_changed(x):
    y = 1
    f = lambda: y
    if x > 0:
        y = x
    return f()


@program((5,), (-5,))
def captured_by_returned_list(x):
    y = 1

    def f():
        return y

    kept = [f]
    if x > 0:
        y = x
    else:
        y = 2
    return kept[0]()


@program((5,), (-5,))
def lambdas(x):
    f = lambda a, b=2: a * b if a > 0 else b
    g = lambda *a, **k: f(*a, **k)
    return f(x) + g(x, b=3) + (lambda: x)()


@program((5,), (-5,))
def map_over_numbers(x):
    return list(map(helper, [x, -x])), [helper(v) for v in (x, 1)]


@program((5,))
def comprehensions(x):
    xs = [i * x for i in [1, 2, 3] if i != 2]
    d = {k: v + x for k, v in {"a": 1}.items()}
    s = sum(v for v in xs)
    return xs, d, s


@program((5,), (-5,))
def comprehension_with_ternary(x):
    return [i if x > i else -i for i in [1, 7]]


class Counter:
    def __init__(self, value):
        self.value = value
        self.items = {"k": 0}
        self.__secret = 2

    def bump(self, x):
        if x > 0:
            self.value += x
        return self.value

    def secret(self, x):
        if x > 0:
            return self.__secret
        return 0

    def __call__(self, x):
        if x > 0:
            return x
        return -x

    def __twice(self, x):
        while x < 0:
            x += 2
        return x * self.__secret

    def mangled(self, x):
        return self.__twice(x)

    @property
    def double(self):
        return self.value * 2

    @classmethod
    def make(cls, x):
        if x > 0:
            return x
        return 0

    @staticmethod
    def pure(x):
        if x > 0:
            return x
        return 1


class Derived(Counter):
    def secret(self, x):
        if x > 0:
            return super().secret(x) + 1
        return super().secret(-x)


@program((5,), (-5,))
def methods(x):
    c = Counter(1)
    c.bump(x)
    return c.bump(-x) + c.secret(x) + c(x) + c.mangled(x) + c.double + Counter.make(x) + c.make(x) + Counter.pure(x)


@program((5,), (-5,))
def super_in_branch(x):
    return Derived(1).secret(x)


@program((5,), (0,))
def attribute_in_loop(n):
    c = Counter(0)
    for i in range(n):
        c.value += i
        c.items["k"] = c.value * 2
    return c.value, c.items["k"]


@program((5,), (-5,))
def attribute_in_branch(x):
    c = Counter(3)
    if x > 0:
        c.value = x
        c.items["k"] = 1
    else:
        c.items["k"] = 2
    return c.value, c.items


@program((5,))
def attribute_created_in_loop(n):
    c = Counter(0)
    while n > 0:
        c.fresh = n
        n -= 1
    return c.fresh


@program((5,), (-5,))
def list_item_in_branch(x):
    xs = [0, 0]
    if x > 0:
        xs[1] = x
    else:
        xs[0] = x
    return xs


@program((5,), (-5,))
def with_block(x):
    class Context:
        def __enter__(self):
            return 3

        def __exit__(self, *_):
            return False

    with Context() as c:
        if x > 0:
            return x + c
        x -= 1
    return x


@program((5,), (-5,))
def try_finally(x):
    try:
        if x > 0:
            return 1
        x = 3
    finally:
        x = x + 100
    return x


@program((5,), (-5,))
def try_except_python_error(x):
    d = {}
    try:
        y = d["missing"]
    except KeyError as error:
        if x > 0:
            y = 1
        else:
            y = 2
        z = str(error)
    else:
        return 100
    return y, z


@program((5,))
def try_break_in_loop(n):
    total = 0
    for i in range(n):
        try:
            if i > 2:
                break
            total += i
        except ValueError:
            total += 100
    return total


@program((1,), (0,), staged=False)
def return_in_try_then_error(x):
    try:
        try:
            return 1 // x
        except ZeroDivisionError:
            x = 5
        finally:
            x += 1
    except ValueError:
        return -1
    return x


@program((1,), staged=False)
def finally_raises_after_return(x):
    try:
        try:
            return x
        finally:
            raise KeyError
    except KeyError:
        pass
    return 2


@program((1,), (0,), staged=False)
def suppressed_error(x):
    from contextlib import suppress

    if x == 0:
        with suppress(ZeroDivisionError):
            return 1 // x
    else:
        x += 5
    return x


@program((5,), (-5,))
def delete_and_set_again(x):
    y = 1
    if x > 0:
        del y
        y = 3
    return y


@program((5,), (-5,))
def walrus(x):
    if (y := x * 2) > 3:
        return y
    return -y


@program((5,), (1,))
def walrus_in_while(n):
    while (m := n - 1) > 0:
        n -= 1
    return m, n


@program((9,), (1,))
def walrus_in_while_with_break(n):
    while (m := n - 1) > 0:
        n -= 1
        if n == 4:
            break
    return m, n


@program((5,), (-5,))
def match_statement(x):
    match ("a", 2):
        case ("a", n):
            if x > n:
                return 5
            y = n
        case _:
            return 6
    return y + x


TOTAL = 0


@program((5,), (-5,))
def global_in_branch(x):
    global TOTAL
    TOTAL = 1
    if x > 0:
        TOTAL = x
    result = TOTAL
    TOTAL = 0
    return result


@program((5,), (-5,))
def annotated(x: int) -> int:
    y: int = 0
    if x > 0:
        z: int = 3
        y: int = z
    return y


def counts_down(k, x):
    if k == 0:
        return x
    if x > 0:
        x = x - 1
    return counts_down(k - 1, x)


@program((5,), (-5,))
def recursion_of_a_global(x):
    return counts_down(3, x)


@program((5,), (-5,))
def declared_first(x):
    y: int
    if x > 0:
        y = 1
    else:
        y = 2
    return y


@program((5,), (-5,))
def no_value_returned(x):
    y = []
    for i in [1, 2]:
        if i == 2:
            return
        y.append(x)


@program((3,), (9,))
def bare_return_in_symbolic_loop(n):
    c = Counter(0)

    def fill(c, n):
        for i in range(n):
            if i > 5:
                return
            c.value += i

    fill(c, n)
    return c.value


@program((3,), (-3,))
def starred_calls(x):
    def f(*a, k=0, **kw):
        return len(a) + k + len(kw)

    args, words = [1, 2], {"k": 3}
    return f(*args, **words) + f(1, *args, z=2, **words), x


@program((3,), (-2,))
def docstring_and_pass(x):
    """Says something."""
    if x > 0:
        """not a docstring"""
        pass
    else:
        ...
    return x


@program((3,))
def generator_is_left_alone(x):
    def numbers():
        for i in [1, 2, 3]:
            if i == 2:
                continue
            yield i

    total = 0
    for v in numbers():
        total += v * x
    return total


@program((3,), (-3,))
def class_inside(x):
    class Inner:
        def get(self, y):
            if y > 0:
                return 1
            return 2

    return Inner().get(x)


@program((3,), (-3,))
def recursion(x):
    def down(k, x):
        if k == 0:
            return x
        if x > 0:
            x = x - 1
        return down(k - 1, x)

    return down(3, x)


@programs.parametrize()
def test_converted_does_the_same_on_numbers(function, arguments):
    same_on_numbers(function, arguments)


@programs.parametrize(symbolic=True)
def test_converted_does_the_same_on_symbolic_values(function, arguments):
    same_on_symbolic_values(function, arguments)
