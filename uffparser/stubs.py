"""CUDA libraries that compute nothing, made from the list of functions that NVIDIA's libraries want of them.

A shared library says in its ELF tables which functions it takes from which other library (`wanted`). For every library of CUDA,
cuBLAS, cuDNN and NVRTC in these lists, `build` compiles one of the same name whose functions return 0; the few that must do
more are in cuda_stub.c. That is enough for a parser, which puts layers into a list; building a plan would fail.
"""
import re
import struct
from collections import defaultdict
from pathlib import Path

SPECIAL = Path(__file__).with_name("cuda_stub.c")
STUBBED = re.compile(r"lib(cudart|cublas|cublasLt|cudnn|nvrtc)\.so")
# Functions whose library is not noted in the table belong to the library that begins with these letters.
PREFIXES = (("cublas", "libcublas."), ("cudnn", "libcudnn."), ("nvrtc", "libnvrtc."), ("cuda", "libcudart."),
            ("__cuda", "libcudart."))
# What the public headers of TensorRT include of CUDA's: three types.
HEADERS = {"cuda_runtime_api.h": "typedef struct CUstream_st* cudaStream_t;\ntypedef struct CUevent_st* cudaEvent_t;\n"
                                 "typedef int cudaError_t;\n",
           "cudnn.h": "typedef struct cudnnContext* cudnnHandle_t;\n",
           "cublas_v2.h": "typedef struct cublasContext* cublasHandle_t;\n"}


def wanted(path):
    """{library's file name: set of function names} that the ELF library at `path` takes from the libraries to be stubbed.

    Raises ValueError when the file is not a whole ELF library for x86-64.
    """
    try:
        with open(str(path), "rb") as stream:
            return _wanted(stream)
    except (struct.error, IndexError, KeyError, AssertionError):
        raise ValueError("%s is not a whole shared library for Linux on x86-64" % path) from None


def _wanted(stream):
    header = stream.read(64)
    assert header[:6] == b"\x7fELF\x02\x01" and struct.unpack_from("<H", header, 18)[0] == 62  # 64 bits, x86-64
    start, (size, count) = struct.unpack_from("<Q", header, 40)[0], struct.unpack_from("<HH", header, 58)

    def read(offset, length):
        stream.seek(offset)
        data = stream.read(length)
        assert len(data) == length
        return data

    sections = {}  # type -> (data, link)
    table = read(start, size * count)
    rows = [struct.unpack_from("<IIQQQQIIQQ", table, size * i) for i in range(count)]
    for _, kind, _, _, offset, length, link, _, _, _ in rows:
        if kind in (6, 11, 0x6FFFFFFE, 0x6FFFFFFF):  # dynamic, dynsym, gnu.version_r, gnu.version
            sections[kind] = read(offset, length), link

    symbols, link = sections[11]
    strings = read(rows[link][4], rows[link][5])

    def text(offset):
        return strings[offset:strings.index(b"\0", offset)].decode("ascii")

    needed = [text(value) for tag, value in struct.iter_unpack("<qQ", sections[6][0]) if tag == 1]
    needed = [name for name in needed if STUBBED.match(name)]
    library_of = _libraries_by_version(sections.get(0x6FFFFFFE, (b"", 0))[0], text)
    versions = sections.get(0x6FFFFFFF, (b"\0" * (len(symbols) // 12), 0))[0]
    found = {name: set() for name in needed}
    for i, (name, _, _, section, _, _) in enumerate(struct.iter_unpack("<IBBHQQ", symbols)):
        if section or not name:
            continue  # defined here
        name, library = text(name), library_of.get(struct.unpack_from("<H", versions, 2 * i)[0] & 0x7FFF)
        if library is None:
            library = next((each for prefix, begin in PREFIXES if name.startswith(prefix)
                            for each in needed if each.startswith(begin)), None)
        if library in found:
            found[library].add(name)
    return found


def _libraries_by_version(data, text):
    """{index of a version: name of the library that has it}, from the table of needed versions."""
    found, at = {}, 0
    while data:
        _, count, file, entry, following = struct.unpack_from("<HHIII", data, at)
        entry += at
        for _ in range(count):
            _, _, index, _, more = struct.unpack_from("<IHHII", data, entry)
            found[index & 0x7FFF] = text(file)
            entry += more
        at += following
        if not following:
            break
    return found


def build(folder, libraries, run):
    """Write the stubs that `libraries` (paths) want, and the headers, into `folder`.

    run: a function that runs a compiler's command line, a list of str and paths. Raises ValueError as `wanted`, and what `run`
        raises.
    """
    functions = defaultdict(set)
    for path in libraries:
        for name, symbols in wanted(path).items():
            functions[name] |= symbols
    special = set(re.findall(r"^(?:const )?[a-z_]\w*[ *]+(\w+)\(", SPECIAL.read_text(encoding="utf-8"), re.M))
    for name, symbols in functions.items():
        plain = "".join("void *%s(void) { return 0; }\n" % symbol for symbol in sorted(symbols - special))
        # A library that wants "cudaMalloc, version libcudart.so.10.1" is content with a version of that name.
        exported = "".join(" %s;" % symbol for symbol in sorted(symbols)) or " no_function;"
        source, script = folder / (name + ".c"), folder / (name + ".map")
        source.write_text('#include "%s"\n%s' % (SPECIAL, plain))
        script.write_text("%s { global:%s local: *; };\n" % (name, exported))
        run(["g++", "-x", "c", "-shared", "-fPIC", "-w", "-o", folder / name, source, "-Wl,-soname," + name,
             "-Wl,--version-script=%s" % script])
    for name, declarations in HEADERS.items():
        (folder / name).write_text("#pragma once\n" + declarations)
