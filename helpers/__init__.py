"""The plumbing of the TensorRT surgery workbook; the idea of a lesson is never here, but in its notebook.

Importing any module changes nothing in the process and takes less than 100 ms: what a function needs beyond NumPy
(TensorFlow, onnx, ONNX Runtime, matplotlib, TensorRT), it imports when it is called.

The rooms, from the ground up. Each uses only rooms of the floors below its own, and `uffsurgeon`, which uses none of them.
`through_uff` also uses the package `uffparser`, which uses `artifacts` and `plugin`:

    floor  rooms
    1      archives artifacts boxes child jetpack page probes
    2      cuda_libraries machine
    3      process
    4      board cuda functions network scenes
    5      engine parity saved
    6      freeze plugin
    7      kernel patients run
    8      through_uff timing
    9      show
"""
