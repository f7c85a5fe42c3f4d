"""The folder that data/render/crops.py writes, as arrays."""
