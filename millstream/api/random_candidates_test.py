"""Candidates, shuffled indices and bounded normal numbers are those that real TensorFlow 2.21 answered."""

import json
import pathlib

import numpy as np
import pytest

import millstream as tf

ANSWERS = json.loads((pathlib.Path(__file__).parent / "testdata" / "candidate_answers.json").read_text())
CLASSES = [[0, 3], [5, 1], [3, 3]]
UNIGRAMS = [0.5, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0]


def assert_answers(found, expected):
    sampled, *counts = (v.numpy() for v in found)
    assert sampled.tolist() == expected[0]
    for got, wanted in zip(counts, expected[1:], strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-6)


@pytest.mark.parametrize("kind", ["uniform", "log_uniform", "learned_unigram"])
def test_samplers_go_on_where_they_were(kind):
    tf.random.set_seed(11)
    sampler = getattr(tf.random, f"{kind}_candidate_sampler")
    for expected in ANSWERS[kind]:
        assert_answers(sampler(CLASSES, 2, 6, True, 10, seed=5), expected)


def test_a_graph_samples_as_calls_that_run_at_once_do():
    tf.random.set_seed(11)
    sample = tf.function(lambda: tf.nn.learned_unigram_candidate_sampler(CLASSES, 2, 6, True, 10, seed=5))
    for expected in ANSWERS["learned_unigram"]:
        assert_answers(sample(), expected)


def test_weights_come_from_a_list_or_a_file(tmp_path):
    file = tmp_path / "words"
    file.write_text("".join(f"word,{w}\n" for w in UNIGRAMS))
    for weights in ({"unigrams": UNIGRAMS}, {"vocab_file": str(file)}):
        tf.random.set_seed(11)
        for expected in ANSWERS["fixed"]:
            found = tf.random.fixed_unigram_candidate_sampler(
                CLASSES, 2, 5, True, 8, num_reserved_ids=1, distortion=0.75, seed=3, **weights
            )
            assert_answers(found, expected)


@pytest.mark.parametrize("most", sorted(ANSWERS["shuffle"]))
def test_indices_are_shuffled_one_by_one(most):
    found = tf.random.experimental.index_shuffle(tf.range(5), [5, 9], int(most))
    assert found.numpy().tolist() == ANSWERS["shuffle"][most]


def test_normal_numbers_stay_between_their_bounds():
    bounds = ((-2.0, 2.0), (2.0, 3.0), (5.0, np.inf), (-0.5, 0.5))
    for (low, high), expected in zip(bounds, ANSWERS["bounded"], strict=True):
        found = tf.random.stateless_parameterized_truncated_normal([3, 2], [7, 9], minvals=low, maxvals=high)
        np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize(
    "arguments",
    [(CLASSES, 2, 6, True, 4), (CLASSES, 1, 6, True, 40), ([1, 2], 1, 6, True, 40), ([[1, 20]], 2, 6, False, 10)],
)
def test_what_cannot_be_sampled_is_refused(arguments):
    with pytest.raises(tf.errors.InvalidArgumentError):
        tf.random.uniform_candidate_sampler(*arguments)
