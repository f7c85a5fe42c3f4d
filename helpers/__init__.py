"""The plumbing of the TensorRT surgery workbook.

Nothing is imported here, so that `import helpers` is instant and every notebook pays only for the
rooms it enters: `from helpers import freeze` brings TensorFlow, `from helpers import boxes` only NumPy.
"""
