"""Class names of CIFAR-10 and CIFAR-100, and the superclasses of CIFAR-100."""

from __future__ import annotations

CIFAR10_CLASSES: tuple[str, ...] = tuple(
    ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
)

CIFAR100_SUPERCLASSES: dict[str, tuple[str, ...]] = {
    name: tuple(classes.split())
    for name, classes in {
        "aquatic_mammals": "beaver dolphin otter seal whale",
        "fish": "aquarium_fish flatfish ray shark trout",
        "flowers": "orchid poppy rose sunflower tulip",
        "food_containers": "bottle bowl can cup plate",
        "fruit_and_vegetables": "apple mushroom orange pear sweet_pepper",
        "household_electrical_devices": "clock keyboard lamp telephone television",
        "household_furniture": "bed chair couch table wardrobe",
        "insects": "bee beetle butterfly caterpillar cockroach",
        "large_carnivores": "bear leopard lion tiger wolf",
        "large_man-made_outdoor_things": "bridge castle house road skyscraper",
        "large_natural_outdoor_scenes": "cloud forest mountain plain sea",
        "large_omnivores_and_herbivores": "camel cattle chimpanzee elephant kangaroo",
        "medium_mammals": "fox porcupine possum raccoon skunk",
        "non-insect_invertebrates": "crab lobster snail spider worm",
        "people": "baby boy girl man woman",
        "reptiles": "crocodile dinosaur lizard snake turtle",
        "small_mammals": "hamster mouse rabbit shrew squirrel",
        "trees": "maple_tree oak_tree palm_tree pine_tree willow_tree",
        "vehicles_1": "bicycle bus motorcycle pickup_truck train",
        "vehicles_2": "lawn_mower rocket streetcar tank tractor",
    }.items()
}
"""The 20 coarse classes in label order, each with its five fine classes."""

CIFAR100_CLASSES: tuple[str, ...] = tuple(
    sorted(name for classes in CIFAR100_SUPERCLASSES.values() for name in classes)
)
"""The 100 fine classes in label order, which is the alphabet's."""

CIFAR100_COARSE: tuple[int, ...] = tuple(
    next(i for i, classes in enumerate(CIFAR100_SUPERCLASSES.values()) if name in classes)
    for name in CIFAR100_CLASSES
)
"""Coarse label of every fine label."""
