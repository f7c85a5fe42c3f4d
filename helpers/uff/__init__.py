"""NVIDIA's UFF, written and read without NVIDIA's package."""
