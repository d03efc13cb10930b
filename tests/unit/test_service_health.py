"""When a part of Airflow counts as hung."""

from tracker.service.health import Patience


def looks(*found: set[str]) -> Patience:
    answers = iter(found)
    return Patience(lambda: next(answers), limit=3)


def test_a_part_is_hung_after_so_many_looks_in_a_row() -> None:
    patience = looks({"scheduler"}, {"scheduler"}, {"scheduler"}, {"scheduler"})
    assert [patience.hung() for _ in range(4)] == [set(), set(), {"scheduler"}, set()]


def test_one_good_look_forgives() -> None:
    patience = looks({"scheduler"}, {"scheduler"}, set(), {"scheduler"}, {"scheduler"})
    assert [patience.hung() for _ in range(5)] == [set()] * 5


def test_parts_are_counted_apart() -> None:
    patience = looks({"api-server"}, {"api-server", "scheduler"}, {"api-server", "scheduler"})
    assert [patience.hung() for _ in range(3)] == [set(), set(), {"api-server"}]
