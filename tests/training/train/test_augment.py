import numpy as np

from training.train.batches import augment


def test_same_random_state_same_pictures_and_no_specimen_like_another() -> None:
    images = np.random.default_rng(0).integers(0, 256, size=(1, 224, 224, 3), dtype=np.uint8).repeat(2, axis=0)
    first, second = (augment(images, None, np.random.default_rng(4))[0] for _ in range(2))
    assert np.array_equal(first, second)
    assert not np.array_equal(first[0], first[1])
    assert first.dtype == np.uint8
    assert first.shape == images.shape


def test_moves_little_and_never_mirrors() -> None:
    image = np.zeros((1, 224, 224, 3), dtype=np.uint8)
    image[:, 100:120, 150:170] = 200
    for seed in range(20):
        rows, columns = np.nonzero(augment(image, None, np.random.default_rng(seed))[0][0, :, :, 0] > 100)
        assert abs(rows.mean() - 110) < 14
        assert abs(columns.mean() - 160) < 14


def test_bone_truth_is_augmented_like_the_pictures() -> None:
    image = np.zeros((1, 224, 224, 3), dtype=np.uint8)
    image[:, 160:200, 24:64] = 250
    bones = np.zeros((1, 2, 3, 28, 28), dtype=np.uint8)
    bones[:, :, :, 20:25, 3:8] = 250
    for seed in range(10):
        moved, maps = augment(image, bones, np.random.default_rng(seed))
        assert maps is not None
        places = np.array([np.argwhere(one > 100).mean(axis=0) for one in maps.reshape(-1, 28, 28)])
        seen = np.argwhere(moved[0, :, :, 0] > 100).mean(axis=0)
        assert np.abs(8 * (places + 0.5) - 0.5 - seen).max() < 3
