from __future__ import annotations

import pytest
import torch

from nestling.export.train.losses import bits, distance, matryoshka, neighbours


def rows(count: int, dim: int = 32, seed: int = 0) -> torch.Tensor:
    random = torch.Generator().manual_seed(seed)
    return torch.nn.functional.normalize(torch.randn(count, dim, generator=random), dim=1)


def test_equal_vectors_lose_nothing() -> None:
    vectors = rows(9)
    for loss in (distance, neighbours):
        assert loss(vectors, vectors).item() == pytest.approx(0, abs=1e-6)
    assert matryoshka(vectors, vectors, [32]).item() == pytest.approx(0, abs=1e-6)


def test_distance_is_one_minus_the_mean_cosine() -> None:
    expected = rows(2)
    assert distance(torch.stack([expected[0], -3 * expected[1]]), expected).item() == pytest.approx(1)


def test_neighbours_are_those_of_the_written_out_formula() -> None:
    found, expected = rows(5, seed=1), rows(5, seed=2)
    total = 0.0
    for row in range(5):
        others = [other for other in range(5) if other != row]
        student, teacher = (
            torch.stack([20 * vectors[row] @ vectors[other] for other in others]).softmax(0)
            for vectors in (found, expected)
        )
        total += (teacher * (teacher / student).log()).sum().item() / 5
    assert neighbours(found, expected).item() == pytest.approx(total, rel=1e-4)


def test_turning_all_vectors_alike_changes_no_neighbours() -> None:
    vectors = rows(9)
    turn, _ = torch.linalg.qr(torch.randn(32, 32, generator=torch.Generator().manual_seed(3)))
    assert neighbours(vectors @ turn, vectors).item() == pytest.approx(0, abs=1e-4)
    assert distance(vectors @ turn, vectors).item() > 0.5


def test_one_text_has_no_neighbours() -> None:
    found = rows(1).requires_grad_()
    loss = neighbours(found, rows(1, seed=1))
    loss.backward()
    assert loss.item() == 0
    assert found.grad is not None


def test_each_prefix_adds_its_part() -> None:
    found, expected = rows(9, seed=1), rows(9, seed=2)
    parts = [matryoshka(found, expected, [dim]).item() for dim in (32, 16, 8)]
    assert matryoshka(found, expected, [32, 16, 8]).item() == pytest.approx(sum(parts), rel=1e-5)
    assert parts[1] == pytest.approx(neighbours(found[:, :16], expected).item(), rel=1e-5)


def test_bits_see_signs_alone_and_teach_through_them() -> None:
    found, expected = rows(9, seed=1).requires_grad_(), rows(9, seed=2)
    loss = bits(found, expected)
    assert loss.item() == pytest.approx(bits(found.detach() * torch.rand(9, 32), expected).item(), rel=1e-5)
    loss.backward()
    assert found.grad is not None
    assert found.grad.abs().sum() > 0
    stepped = found.detach() - 0.5 * found.grad
    assert bits(stepped, expected).item() < loss.item()
    # No step makes vectors longer or shorter.
    assert (found.grad * found.detach()).sum(dim=1).abs().max() < 1e-3 * found.grad.norm(dim=1).max()
