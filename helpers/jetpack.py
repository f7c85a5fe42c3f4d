"""Which JetPack a board has, by the release of its Linux."""

# L4T release -> JetPack, the longest that fits; on a board the release is in /etc/nv_tegra_release.
JETPACK = {
    "32.1": "4.2", "32.2": "4.2.1", "32.2.1": "4.2.2", "32.2.3": "4.2.3", "32.3": "4.3", "32.4": "4.4", "32.4.4": "4.4.1",
    "32.5": "4.5", "32.5.1": "4.5.1", "32.5.2": "4.5.1", "32.6": "4.6", "32.7.1": "4.6.1", "32.7.2": "4.6.2",
    "32.7.3": "4.6.3", "32.7.4": "4.6.4", "32.7.5": "4.6.5", "32.7.6": "4.6.6", "34.1": "5.0", "34.1.1": "5.0.1",
    "35.1": "5.0.2", "35.2": "5.1", "35.3": "5.1.1", "35.4": "5.1.2", "35.5": "5.1.3", "35.6": "5.1.4", "35.6.1": "5.1.5",
    "35.6.2": "5.1.5", "35.6.3": "5.1.5", "35.6.4": "5.1.6", "36.2": "6.0", "36.3": "6.0", "36.4": "6.1", "36.4.3": "6.2",
    "36.4.4": "6.2.1", "36.4.7": "6.2.1", "36.5": "6.2.2", "38.2": "7.0", "38.4": "7.1", "39.0": "7.2", "39.2": "7.2",
}


def of(l4t):
    """The JetPack that an L4T release belongs to, "5.1.2" for "35.4.1"; "?" for one that is not in the table."""
    known = [prefix for prefix in JETPACK if (l4t + ".").startswith(prefix + ".")]
    return JETPACK[max(known, key=len)] if known else "?"


def tensorflow(jetpack, python):
    """What to do about a board without TensorFlow: a sentence. python: its version, such as "3.8.10"."""
    nvidia = "NVIDIA's build for JetPack %s (their page 'Installing TensorFlow for Jetson')" % jetpack
    if python.startswith("3.6"):  # there is no other for this Python and ARM
        return "install %s, then type `python3 workbook.py run`." % nvidia
    return "`python3 workbook.py run` installs one for the CPU. For the GPU install %s first; it is kept." % nvidia
