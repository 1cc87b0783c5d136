"""What a clock means in images a second. Not measured: frequency over cycles from simulation."""

from resarray.spec.config import Config

NETWORK = "ResNet-18, 224x224"
PRESET = "default"
# Cycles per image on the RTL by bytes a cycle of memory, in batches of four (docs/performance.md).
CYCLES = {8: 17_749_659 // 4, 2: 26_059_437 // 4}
# What the device's 156 multipliers reach with one product each.
ONE_MAC_PER_MULTIPLIER_AT_100_MHZ = 8.6


def project(config: Config, hz: float) -> dict | None:
    """Images a second of the accelerator at ``hz``, by bytes a cycle of memory; None for a
    configuration without measured cycles."""
    if config.name != PRESET:
        return None
    return {
        "network": NETWORK,
        "mhz": round(hz / 1e6, 2),
        "by_memory": [
            {
                "bytes_per_cycle": bytes_per_cycle,
                "cycles_per_image": cycles,
                "images_per_second": round(hz / cycles, 2),
            }
            for bytes_per_cycle, cycles in CYCLES.items()
        ],
        "one_mac_per_multiplier_at_100_mhz": ONE_MAC_PER_MULTIPLIER_AT_100_MHZ,
    }


def describe(projection: dict) -> str:
    """A projection as a sentence."""
    speeds = " or ".join(
        f"{entry['images_per_second']:.1f} images/s with {entry['bytes_per_cycle']} bytes a cycle "
        f"of memory ({entry['cycles_per_image']:,} cycles)"
        for entry in projection["by_memory"]
    )
    return (
        f"projection, not measured: {projection['network']} at {projection['mhz']:g} MHz: "
        f"{speeds}; one MAC per multiplier at 100 MHz would be "
        f"{projection['one_mac_per_multiplier_at_100_mhz']}/s"
    )
