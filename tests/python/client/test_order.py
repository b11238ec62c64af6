"""The order in Python gives the numbers of docs/FORMATS/order.md, with NumPy and without."""

import pathlib
import random
import re

import pytest

from datalayer import OrderSpec, RankSlice, SampleOrder, StaleError, order

HASH = bytes(range(32))
PAGE = (pathlib.Path(__file__).resolve().parents[3] / "docs" / "FORMATS" / "order.md").read_text()
ROW = re.compile(r"^\| `([^`]+)` \| (\d+) \| (\d+)(?:: ([\d, ]+))? \| ([\d ]+) \|$", re.MULTILINE)
VECTORS = ROW.findall(PAGE)


def orders():
    for text, which, n, counts, ordinals in VECTORS:
        made = SampleOrder(OrderSpec.parse(text), HASH, int(n), [int(c) for c in counts.split(",") if c.strip()])
        yield text, int(which), made, [int(o) for o in ordinals.split()]


def test_the_vectors_of_the_page_come_out(monkeypatch):
    assert len(VECTORS) >= 11
    for text, which, made, expected in orders():
        assert made.spec.canonical() == text
        assert [made.at(which, p) for p in range(8)] == expected
        assert list(made.take(which, range(8))) == expected
        with monkeypatch.context() as without:
            without.setattr(order, "np", None)
            assert made.take(which, range(8)) == expected


def test_numpy_and_plain_python_agree_with_the_program_of_the_page():
    program = {}
    exec(re.search("```python\n(.*?)```", PAGE, re.DOTALL).group(1), program)
    r = random.Random(5)
    for _, _, made, _ in orders():
        places = [r.randrange(made.pass_length) for _ in range(400)]
        spec, which = made.spec, r.randrange(4)
        fast = made.take(which, places).tolist()
        assert fast == [made.at(which, p) for p in places]
        assert fast == [
            program["ordinal"](spec.mode, HASH, spec.seed, which, p, made.count, spec.block, spec.window, made._weights, made.counts)
            for p in places
        ]


def test_a_pass_has_each_sample_once():
    for spec, n in ((OrderSpec(seed=3), 10_007), (OrderSpec("blocks", seed=3, block=10, window=4), 10_003),
        (OrderSpec("lengths", seed=3, block=10, window=4), 10_003), (OrderSpec("lengths", seed=3, block=10, window=4), 7)):
        made = SampleOrder(spec, HASH, n)
        assert sorted(made.take(1, range(n)).tolist()) == list(range(n))


@pytest.mark.parametrize("last", ["drop", "pad"])
def test_worlds_change_who_takes_a_position_and_nothing_else(last):
    r = random.Random(6)
    for _ in range(40):
        length, cursor, taken = r.randrange(60, 200), 0, []
        while True:
            world, batch = r.randrange(1, 5), r.randrange(1, 8)
            steps = [RankSlice(length, batch, rank, world, last).checked().step_at(cursor) for rank in range(world)]
            assert len({step.next_cursor for step in steps}) == 1
            if steps[0].position_pass > 0:
                break
            for step in steps:
                taken += step.positions()[: step.count - step.padding]
            cursor = steps[0].next_cursor
        assert len(set(taken)) == len(taken) and set(taken) <= set(range(length))
        assert last == "drop" or len(taken) == length


def test_a_state_is_of_its_feed_only():
    spec = OrderSpec(seed=1)
    state = order.make_state(spec.feed_id(HASH), 42, HASH.hex(), spec.canonical())
    assert order.check_state(state, spec.feed_id(HASH), HASH.hex(), spec.canonical()) == 42
    other = OrderSpec(seed=2)
    with pytest.raises(StaleError, match="same order and seed"):
        order.check_state(state, other.feed_id(HASH), HASH.hex(), other.canonical())
    with pytest.raises(StaleError, match="pin the dataset"):
        order.check_state(state, spec.feed_id(bytes(32)), bytes(32).hex(), spec.canonical())
    for bad in ("{", "[]", {}, {"feed": "x", "cursor": 0}, {"feed": "a" * 64, "cursor": -1}):
        with pytest.raises(ValueError, match="not the state"):
            order.check_state(bad, "", "", "")


def test_impossible_orders_and_slices_say_what_to_write():
    for text in ("random;part=all;seed=0", "shuffle;part=some;seed=0", "shuffle;part=all;seed=x", "shuffle;speed=1"):
        with pytest.raises(ValueError):
            OrderSpec.parse(text)
    with pytest.raises(ValueError, match="smaller batch"):
        RankSlice(10, 6, 0, 2).checked()
    with pytest.raises(ValueError, match="count from 0"):
        RankSlice(10, 1, 2, 2).checked()
