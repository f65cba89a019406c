"""Small functions full of control flow: converted, they do what the original does, on numbers and on symbolic values."""

# ruff: noqa: B007, RET, SIM, RUF, C4, PLR, E731, B023, UP
from __future__ import annotations

import copy

import pytest

from millstream.execution.autograph import convert

PROGRAMS = []


def program(*argument_lists, staged=True, unconverted=False):
    """A function, with what to call it on. `staged` false: it can only run on numbers."""

    def register(function):
        PROGRAMS.extend(pytest.param(function, a, staged, id=f"{function.__name__}{a}") for a in argument_lists)
        return function

    return register


@program((1,), (-1,))
def if_assigns(x):
    y = 0
    if x > 0:
        y = x
    return y


@program((1,), (-1,))
def if_else_assigns(x):
    if x > 0:
        y = 1
    else:
        y = 2
    return y


@program((1,), (-1,), (0,))
def elif_chain(x):
    if x > 0:
        y = 1
    elif x < 0:
        y = 2
    else:
        y = 3
    return y


@program((1,), (-1,), (0,))
def elif_chain_returns(x):
    if x > 0:
        return 1
    elif x < 0:
        return 2
    return 3


@program((1,), (-1,))
def early_return(x):
    if x > 0:
        return x * 2
    x = x - 5
    return x


@program((1, 1), (1, -1), (-1, 1), (-1, -1))
def nested_returns(x, y):
    if x > 0:
        if y > 0:
            return 1
        x += 10
    else:
        if y > 0:
            x += 20
        else:
            return 2
    return x


@program((5,), (-5,), (50,))
def return_in_middle_of_nested(x):
    if x > 0:
        if x > 10:
            return 100
        else:
            y = 1
        y += 1
    else:
        y = 7
    y *= 3
    if y > 10:
        return y
    return -y


@program((5,), (0,))
def while_counts(n):
    total = 0
    while n > 0:
        total += n
        n -= 1
    return total


@program((5,), (0,))
def while_true_break(n):
    total = 0
    while True:
        if n <= 0:
            break
        total += n
        n -= 1
    return total


@program((10,), (2,))
def while_break_continue(n):
    total, i = 0, 0
    while i < n:
        i += 1
        if i % 2 == 0:
            continue
        if i > 6:
            break
        total += i
    return total, i


@program((10,), (3,), (0,))
def while_return(n):
    i = 0
    while i < n:
        i += 1
        if i * i > 20:
            return i
    return -1


@program((10,), (3,))
def while_true_return(n):
    i = 0
    while True:
        i += 1
        if i > n:
            return i * 10


@program((6,), (0,), (1,))
def for_range_sum(n):
    total = 0
    for i in range(n):
        total += i
    return total


@program((3, 9, 2), (9, 3, -1), (4, 4, 1))
def for_range_three(a, b, c):
    total = 0
    for i in range(a, b, c):
        total = total * 3 + i
    return total


@program((6,), (0,), (2,))
def for_break(n):
    total = 0
    for i in range(n):
        if i == 3:
            break
        total += i
    return total


@program((6,), (0,), (2,))
def for_continue(n):
    total = 0
    for i in range(n):
        if i == 3:
            continue
        total += i
    return total


@program((6,), (0,), (2,))
def for_return(n):
    for i in range(n):
        if i == 3:
            return i * 100
    return -1


@program((6,), (2,))
def for_unconditional_return(n):
    for i in range(n):
        return i + 7
    return -1


@program((6,), (0,), (2,))
def for_else(n):
    total = 0
    for i in range(n):
        if i == 3:
            break
        total += i
    else:
        total += 1000
    return total


@program((6,), (2,))
def while_else(n):
    i = 0
    while i < n:
        i += 1
        if i == 4:
            break
    else:
        i += 1000
    return i


@program((6,), (2,))
def for_else_return(n):
    for i in range(n):
        if i == 3:
            break
    else:
        return 5
    return 6


@program((5, 4), (2, 3), (0, 2), (3, 0))
def nested_for_break_continue(n, m):
    total = 0
    for i in range(n):
        for j in range(m):
            if j > i:
                break
            if j == 1:
                continue
            total += 10 * i + j
        if i == 3:
            break
        total += 1
    return total


@program((5, 4), (2, 3))
def nested_for_return_inner(n, m):
    for i in range(n):
        for j in range(m):
            if i * j == 6:
                return i * 10 + j
    return -1


@program((5, 4), (2, 3))
def nested_for_return_inner_and_after(n, m):
    total = 0
    for i in range(n):
        for j in range(m):
            if i * j == 6:
                return i * 10 + j
            total += 1
        if total > 100:
            return total
        total += 3
    total *= 2
    return total


@program((4, 3), (1, 5))
def nested_while(n, m):
    i = total = 0
    while i < n:
        j = 0
        while j < m:
            if j == i:
                j += 2
                continue
            total += i * j
            j += 1
        i += 1
    return total


@program((4, 3), (1, 5))
def nested_while_for_else(n, m):
    i = total = 0
    while i < n:
        for j in range(m):
            if i + j == 4:
                break
            total += j
        else:
            total += 100
        i += 1
    return total


@program((3,), (1,))
def three_deep(n):
    total = 0
    for i in range(n):
        for j in range(n):
            for k in range(n):
                if k > j:
                    break
                if k == i:
                    continue
                total += i * 9 + j * 3 + k
            if j > i:
                break
    return total


@program(([1, 2, 3],), ([],), ([5],))
def for_over_vector(xs):
    total = 0
    for x in xs:
        total += x
    return total


@program(([1, 2, 3], 2), ([4], 9))
def find_in_vector(xs, wanted):
    index = 0
    for x in xs:
        if x == wanted:
            return index
        index += 1
    return -1


@program(([3, 1, 2],), ([9, 9],))
def enumerate_vector(xs):
    total = 0
    for i, x in enumerate(xs):
        total += i * x
    return total


@program(([3, 1, 2],),)
def enumerate_from(xs):
    total = 0
    for i, x in enumerate(xs, 5):
        total += i * x
    return total


@program(([3, 1, 2], [4, 5, 6]), ([3, 1, 2], [4]))
def zip_vectors(xs, ys):
    total = 0
    for x, y in zip(xs, ys):
        total += x * y
    return total


@program(([3, 1, 2], [4, 5, 6]),)
def enumerate_zip(xs, ys):
    total = 0
    for i, (x, y) in enumerate(zip(xs, ys)):
        total += i + x * y
    return total


@program((3,), (-3,))
def ternary(x):
    return 1 if x > 0 else 2


@program((3,), (-3,), (0,))
def nested_ternary(x):
    y = x * 2 if x > 0 else (x * 3 if x < -1 else 5)
    return y


@program((3, 4), (3, -4), (-3, 4))
def and_or_not(x, y):
    if x > 0 and y > 0:
        r = 1
    elif x > 0 or y > 0:
        r = 2
    else:
        r = 3
    if not (x > 3 or not y > 3) and x != 0:
        r += 10
    return r


@program((3,), (30,), (-3,))
def chained_comparison(x):
    if 0 < x < 10:
        return 1
    return 2


@program((3,), (5,), (7,))
def chained_comparison_three(x):
    return 1 < x <= 5 < x + 3


@program((3,))
def comparison_operand_made_once(x):
    made = []

    def middle():
        made.append(1)
        return 5

    ok = 0 < middle() < 10
    return x, len(made), ok


@program((3, 2), (3, 0))
def and_is_lazy(x, y):
    if y != 0 and x // y > 0:
        return 1
    return 0


@program(([1, 2], 0), ([1, 2], 2))
def index_guarded_by_and(xs, i):
    while i < len(xs) and xs[i] > 0:
        i += 1
    return i


@program(([1, 2, -1, 4],), ([3, 1],))
def break_skips_the_test(xs):
    i = 0
    while xs[i] > 0:
        i += 1
        if i >= len(xs):
            break
    return i


@program((1,), (-1,))
def undefined_but_unused(x):
    if x > 0:
        y = 1
        x += y
    return x


@program((4,), (1,))
def defined_in_loop(n):
    while n > 0:
        y = n * 2
        n -= 1
    return y


@program((4,), (1,))
def loop_variable_after_loop(n):
    for i in range(n):
        pass
    return i


@program((4,), (1,))
def temporary_in_loop(n):
    total = 0
    for i in range(n):
        t = i * 2
        if t > 2:
            u = t
        else:
            u = -t
        total += u
    return total


@program((4,))
def none_before_loop_set_inside(n):
    y = None
    while n > 0:
        y = n
        n -= 1
    return y


@program((4,), (-4,))
def none_stays_none(n):
    y = None
    if n > 0:
        n += 1
    return n if y is None else y


@program((4,), (-4,))
def flag_object_in_both(n):
    marker = "a"
    if n > 0:
        n = n + 1
    if marker == "a":
        return n
    return 0


@program((4,), (-4,))
def tuples_in_branches(n):
    if n > 0:
        a, b = n, 2
    else:
        a, b = 3, n
    return a, b


@program((4,), (-4,))
def structures_in_branches(n):
    if n > 0:
        d = {"a": n, "b": (1, n)}
    else:
        d = {"a": 0, "b": (n, 2)}
    return d


@program((4,), (0,))
def fibonacci(n):
    a, b = 0, 1
    for _ in range(n):
        a, b = b, a + b
    return a


@program((48, 18), (7, 13))
def greatest_common_divisor(a, b):
    while b != 0:
        a, b = b, a % b
    return a


@program((27,), (1,), (6,))
def collatz(n):
    steps = 0
    while n != 1:
        if n % 2 == 0:
            n = n // 2
        else:
            n = 3 * n + 1
        steps += 1
    return steps


@program((13,), (4,), (2,))
def is_prime(n):
    i = 2
    while i * i <= n:
        if n % i == 0:
            return False
        i += 1
    return True


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
    def bump(self, x):
        if x > 0:
            return super().bump(x) + 1
        return super().bump(-x)


@program((5,), (-5,))
def methods(x):
    c = Counter(1)
    c.bump(x)
    return c.bump(-x) + c.secret(x) + c(x) + c.mangled(x) + c.double + Counter.make(x) + c.make(x) + Counter.pure(x)


@program((5,), (-5,))
def super_in_branch(x):
    return Derived(1).bump(x)


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


@program((2,), (0,))
def list_of_variables_in_python_loop(x):
    out = []
    for i in [0, 1, 2]:
        if i == 1:
            continue
        out.append(i * x)
    return out


@program((2,), (20,), (0,))
def python_loop_symbolic_break(x):
    for i in [1, 2, 3]:
        if x < i:
            break
        x -= i
    return x


@program((2,), (20,), (0,))
def python_loop_symbolic_return(x):
    for i in [1, 2, 3]:
        if x < i:
            return x
        x += 1
    return 7


@program((2,), (20,))
def python_loop_symbolic_continue(x):
    total = 0
    for i in [1, 2, 3]:
        if x < i:
            continue
        total += i
    return total


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
def asserts(x):
    assert x != 0, "zero"
    return x


@program((3,), (-3,))
def starred_calls(x):
    def f(*a, k=0, **kw):
        return len(a) + k + len(kw)

    args, words = [1, 2], {"k": 3}
    return f(*args, **words) + f(1, *args, z=2, **words), x


@program((3,), (-3,))
def while_with_python_counter(x):
    i = 0
    while i < 3:
        if x > 0:
            x += i
        i += 1
    return x


@program((7,), (2,))
def augmented_everything(x):
    y = 1
    while x > 0:
        y *= 2
        y -= 1
        y += x
        x //= 2
    return y


@program((7,), (2,))
def returns_tuple_in_loop(n):
    for i in range(n):
        if i > 3:
            return i, n
    return n, 0


@program((5,), (1,))
def break_then_code_after(n):
    found = 0
    for i in range(n):
        found = i
        if i == 2:
            break
        found = -1
    if found >= 0:
        found += 50
    return found


@program((6,), (3,))
def continue_in_nested_if(n):
    total = 0
    for i in range(n):
        if i > 1:
            if i % 2 == 0:
                continue
            else:
                total += 1
        else:
            if i == 0:
                continue
        total += 10
    return total


@program((3, 5), (5, 3), (4, 4))
def both_branches_loop(a, b):
    total = 0
    if a > b:
        for i in range(a):
            total += i
    elif a < b:
        while a < b:
            a += 1
            total += 100
    else:
        return -1
    return total + a


@program(([5, 3, 8],), ([1],))
def maximum(xs):
    best = xs[0]
    for x in xs:
        best = x if x > best else best
    return best


@program(([5, 3, 8, 1],), ([1, 2],))
def count_inversions(xs):
    n = len(xs)
    count = 0
    for i in range(n):
        for j in range(i + 1, n):
            if xs[i] > xs[j]:
                count += 1
    return count


@program((2.0,), (9.0,))
def newton_square_root(x):
    guess = x
    steps = 0
    while abs(guess * guess - x) > 0.001:
        guess = (guess + x / guess) / 2.0
        steps += 1
        if steps > 50:
            break
    return guess


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


@program((4,), (0,))
def unused_results_of_loop(n):
    i = 0
    for i in range(n):
        q = i
        q = q + 1
    return n


@program((4,), (2,))
def swap_in_branch(n):
    a, b = 1, n
    if a < b:
        a, b = b, a
    while a > b:
        a, b = a - 1, b + 1
    return a, b


@program((4,), (0,), (9,))
def while_and_or(n):
    i = 0
    while (i < n and i < 5) or i < 2:
        i += 1
    return i


@pytest.mark.parametrize(("function", "arguments", "staged"), PROGRAMS)
def test_converted_does_the_same_on_numbers(function, arguments, staged):
    def run(f):
        try:
            return f(*copy.deepcopy(arguments))
        except Exception as error:
            return type(error)

    assert run(convert(function)) == run(function)


@pytest.mark.parametrize(
    ("function", "arguments"), [pytest.param(*p.values[:2], id=p.id) for p in PROGRAMS if p.values[2]]
)
def test_converted_does_the_same_on_symbolic_values(function, arguments, interpreter):
    assert interpreter.call(function, *copy.deepcopy(arguments)) == function(*copy.deepcopy(arguments))


def test_there_are_many_programs():
    assert len({p.values[0] for p in PROGRAMS}) >= 80
