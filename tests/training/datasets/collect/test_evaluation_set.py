from pathlib import Path

import pytest

from services.common.errors import Rejected
from tests.training.datasets.collect.making import NORMAL, SPINE
from training.datasets.collect.evaluation_set import NONE_YET, EvaluationSet, EvaluationSets, decoded


def test_it_only_grows_and_remembers_the_labels_that_a_specimen_joined_with() -> None:
    first = NONE_YET.grown({"b": SPINE, "a": NORMAL})
    assert (first.generation, dict(first.members)) == (1, {"b": SPINE, "a": NORMAL})
    assert first.grown({"a": SPINE}) is first
    second = first.grown({"a": SPINE, "c": NORMAL})
    assert (second.generation, second.members["a"], set(second.members)) == (2, NORMAL, {"a", "b", "c"})
    assert second.digest != first.digest


def test_it_is_read_back_as_it_was_written() -> None:
    one = EvaluationSet(3, {"b": SPINE, "a": (None, *NORMAL[1:])})
    assert decoded(one.encoded(), "here") == one
    assert one.encoded() == EvaluationSet(3, dict(reversed(list(one.members.items())))).encoded()
    with pytest.raises(Rejected, match="here holds no evaluation set"):
        decoded(one.encoded()[:50], "here")


def test_a_folder_without_object_storage_keeps_it(tmp_path: Path) -> None:
    sets = EvaluationSets(tmp_path, None)
    assert sets.current() is NONE_YET
    chosen = NONE_YET.grown({"a": SPINE})
    sets.keep(chosen)
    assert EvaluationSets(tmp_path, None).current() == chosen
