"""Real3D-AD: high-resolution scans of toys, complete for training and one-sided for testing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from plane_anomalib.core.configured import configured
from plane_anomalib.data.datamodule import BenchmarkDataModule
from plane_anomalib.data.settings import Real3DADSettings

CATEGORIES = (
    *("airplane", "candybar", "car", "chicken", "diamond", "duck", "fish", "gemstone"),
    *("seahorse", "shell", "starfish", "toffees"),
)


@configured(Real3DADSettings)
class Real3DAD(BenchmarkDataModule):
    """The Real3D-AD dataset (the `.pcd` release).

    Folders: `<root>/<category>/{train,test,gt}`; the root may be a level above or below. Units are
    millimetres; training scans see every side of the object, test scans one. Five anomalous clouds
    are published with broken point labels; where they are, they count as objects only.

    Raises:
        ConfigurationError: An argument has a value that cannot work.
    """

    config: Real3DADSettings

    one_sided_tests = True
    archive_folder: ClassVar[str] = "real3d-ad-pcd"
    where_to_get: ClassVar[str] = "Unpack Real3D-AD-PCD.zip there."
    aliases: ClassVar[Mapping[str, str]] = {"candy": "candybar", "candy bar": "candybar"}
    unreliable: ClassVar[frozenset[str]] = frozenset(
        {
            "chicken/705_bulge",
            "chicken/706_sink",
            "seahorse/265_bulge",
            "seahorse/265_bulge_cut",
            "starfish/433_bulge",
        }
    )

    def build(self) -> None:
        """Take what the settings say."""
        self.geometry_source = self.config.geometry_source

    @property
    def official_categories(self) -> tuple[str, ...]:
        """The published categories."""
        return CATEGORIES
