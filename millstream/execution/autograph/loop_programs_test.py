"""Functions full of loops: converted, they do what the original does, on numbers and on symbolic values."""

# ruff: noqa
from __future__ import annotations

from millstream.execution.autograph.testing import Programs, same_on_numbers, same_on_symbolic_values

programs = Programs()
program = programs.program


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


@program(
    ([3, 1, 2],),
)
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


@program(
    ([3, 1, 2], [4, 5, 6]),
)
def enumerate_zip(xs, ys):
    total = 0
    for i, (x, y) in enumerate(zip(xs, ys)):
        total += i + x * y
    return total


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


@programs.parametrize()
def test_converted_does_the_same_on_numbers(function, arguments):
    same_on_numbers(function, arguments)


@programs.parametrize(symbolic=True)
def test_converted_does_the_same_on_symbolic_values(function, arguments):
    same_on_symbolic_values(function, arguments)
