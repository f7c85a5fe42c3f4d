"""A working UffParser in a folder: NVIDIA's libraries, stub CUDA libraries for them, the harness.

The libraries are NVIDIA's and come under NVIDIA's licence. The reader fetches them; nothing of them is part of this project.
"""
import collections
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from helpers import artifacts

from . import stubs

HERE = Path(__file__).resolve().parent
# number: as TensorRT writes it in code. artifact: version of org.bytedeco:tensorrt. mb: size of the jar in MB (10^6 bytes).
Version = collections.namedtuple("Version", "number artifact mb")
VERSIONS = collections.OrderedDict([("5.1.5", Version(5105, "5.1-1.5.1", 68)), ("6.0.1", Version(6001, "6.0-1.5.2", 122))])
LIBRARIES = ("libnvinfer", "libnvinfer_plugin", "libnvparsers")
REPOSITORY = "https://github.com/NVIDIA/TensorRT"
NOTICE = ("TensorRT's libraries are NVIDIA's, under NVIDIA's licence, and fetched by you. The CUDA that they find here is a "
          "stub that computes nothing: they read files, and build no plan.")
_HEADERS = ("NvInfer.h", "NvInferPlugin.h", "NvUffParser.h")
_SOURCES = ("harness.cpp", "cuda_stub.c", "stubs.py")

Installation = collections.namedtuple("Installation", "version folder")
Installation.__doc__ = """A built parser. version: "5.1.5". folder: Path; it holds lib/ (NVIDIA's), cuda/ (stubs), include/
and harness."""


def root():
    """The folder that holds the built parsers: the environment variable UFFPARSER_ROOT, else build/parser."""
    return Path(os.environ.get("UFFPARSER_ROOT") or artifacts.BUILD / "parser")


def find(version=None):
    """The built parser of a version, by default the first of `VERSIONS` that is there -> `Installation`, or None.

    Raises ValueError for a version that is not offered.
    """
    for each in VERSIONS if version is None else [_known(version)]:
        if (root() / each / "ready.json").is_file():
            return Installation(each, root() / each)
    return None


def require(version=None):
    """As `find`, but raises FileNotFoundError with what to do when there is none."""
    found = find(version)
    if found is None:
        raise FileNotFoundError("there is no UffParser%s under %s: python3 workbook.py parser%s builds one"
                                % (" of TensorRT " + version if version else "", root(), " " + version if version else ""))
    return found


def setup(version="5.1.5", jar=None, folder=None, headers=None, say=print):
    """Build the parser of a TensorRT version, unless it is there already -> `Installation`.

    Args:
        version: one of `VERSIONS`.
        jar: path of the jar of NVIDIA's libraries, downloaded by the reader.
        folder: a folder with libnvinfer.so.5, libnvinfer_plugin.so.5 and libnvparsers.so.5 (or .6), instead of a jar. Without
            both, mvn fetches the jar.
        headers: TensorRT's include folder, or the folder that holds it; by default git fetches it from NVIDIA's repository.
        say: called with lines about what is done.
    Raises:
        ValueError: another version, a jar, folder or headers that are not those of this version.
        FileNotFoundError: what is given is not there.
        RuntimeError: not Linux on x86-64, no g++, mvn or git failed, or the libraries do not load.
    """
    wanted = VERSIONS[_known(version)]
    target, made_from = root() / version, {"version": version, "sources": {
        name: artifacts.digest(HERE / name) for name in _SOURCES}}
    if _ready(target) == made_from:
        say("The UffParser of TensorRT %s is in %s." % (version, target))
        return Installation(version, target)
    if sys.platform != "linux" or platform.machine() != "x86_64":
        raise RuntimeError("NVIDIA's libraries are for Linux on x86-64, and this is %s on %s; the pages use recorded networks"
                           % (platform.system(), platform.machine()))
    if not shutil.which("g++"):
        raise RuntimeError("no C++ compiler: g++ is not on PATH (Debian, Ubuntu: sudo apt install g++)")
    if not (jar or folder or headers) and _ready(target):  # only our own sources are new
        folder, headers = target / "lib", target / "include"
    say(NOTICE)
    root().mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=".%s." % version, dir=str(root())))
    try:
        for name in ("lib", "cuda", "include"):
            (work / name).mkdir()
        _take_headers(version, headers, work / "include", say)
        _take_libraries(version, jar, folder, work / "lib", say)
        _compile(wanted.number // 1000, work)
        _try(version, wanted.number, work, jar or folder or "the jar")
        (work / "ready.json").write_text(json.dumps(made_from))
        _replace(work, target)
    finally:
        shutil.rmtree(str(work), ignore_errors=True)
    say("The UffParser of TensorRT %s is ready in %s." % (version, target))
    return Installation(version, target)


def environment(installation):
    """The environment in which the harness finds NVIDIA's libraries, and they find the stubs."""
    paths = [str(installation.folder / name) for name in ("cuda", "lib")]
    return dict(os.environ, LD_LIBRARY_PATH=os.pathsep.join(paths + list(filter(None, [os.environ.get("LD_LIBRARY_PATH")]))))


def l2norm(installation):
    """The library of the workbook's plugin L2Norm_TRT for this parser, compiled by g++ -> its path.

    Its kernel computes on the CPU and is never called. Raises RuntimeError when the compiler fails.
    """
    from helpers import plugin

    target, include = installation.folder / "l2norm_trt.so", ["-isystem", str(installation.folder / "include"),
                                                              "-isystem", str(installation.folder / "cuda")]
    sources = [plugin.SOURCES / name for name in plugin.PLUGIN]
    made_from = {"flags": plugin.GXX_FLAGS, "sources": {path.name: artifacts.digest(path) for path in sources}}
    if not artifacts.fresh(target, **made_from):
        with artifacts.atomic(target, made_from=made_from) as temporary:
            _run(["g++"] + plugin.GXX_FLAGS + ["-shared", "-fPIC", "-fvisibility=hidden"] + include
                 + [path for path in sources if path.suffix != ".h"] + ["-o", temporary])
    return target


def _known(version):
    if version not in VERSIONS:
        raise ValueError("no TensorRT %s here; there are %s. What 7.1 to 8.6 say is recorded in docs/versions.md"
                         % (version, " and ".join(VERSIONS)))
    return version


def _ready(target):
    """What the parser in a folder was made from, or None."""
    try:
        return json.loads((target / "ready.json").read_text())
    except (OSError, ValueError):
        return None


def _take_headers(version, given, target, say):
    if given is None:
        with tempfile.TemporaryDirectory() as temporary:
            say("Fetching the headers of %s, tag v%s, folder include." % (REPOSITORY, version))
            clone = Path(temporary, "clone")
            _git(version, ["clone", "--quiet", "--depth", "1", "--branch", "v" + version, "--filter=blob:none", "--no-checkout",
                           REPOSITORY, str(clone)])
            _git(version, ["-C", str(clone), "checkout", "--quiet", "v" + version, "--", "include"])
            return _copy_headers(version, clone, target)
    return _copy_headers(version, Path(given), target)


def _copy_headers(version, given, target):
    if not given.is_dir():
        raise FileNotFoundError("there is no folder %s; --headers takes the folder include of NVIDIA/TensorRT at tag v%s"
                                % (given, version))
    source = next((path for path in (given, given / "include") if (path / "NvInfer.h").is_file()), None)
    missing = [name for name in _HEADERS if source is None or not (source / name).is_file()]
    if missing:
        raise ValueError("%s has no %s; --headers takes the folder include of NVIDIA/TensorRT at tag v%s"
                         % (given, missing[0], version))
    text = "".join((source / name).read_text(encoding="utf-8", errors="replace")
                   for name in ("NvInfer.h", "NvInferVersion.h") if (source / name).is_file())
    found = ".".join(re.findall(r"#define\s+NV_TENSORRT_(?:MAJOR|MINOR|PATCH)\s+(\d+)", text)[:3])
    if found != version:
        raise ValueError("the headers in %s are of TensorRT %s, not %s: take the folder include at tag v%s"
                         % (source, found or "an unknown version", version, version))
    for path in source.glob("*.h"):
        shutil.copyfile(str(path), str(target / path.name))


def _git(version, arguments):
    if not shutil.which("git"):
        raise RuntimeError("git is not on PATH; download the folder include of NVIDIA/TensorRT at tag v%s yourself and name "
                           "it: --headers DIR" % version)
    done = subprocess.run(["git"] + arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          env=dict(os.environ, GIT_TERMINAL_PROMPT="0"))
    if done.returncode:
        raise RuntimeError("git could not fetch the headers (%s); download the folder include of NVIDIA/TensorRT at tag v%s "
                           "yourself and name it: --headers DIR" % (_last(done.stdout), version))


def _take_libraries(version, jar, folder, target, say):
    names = ["%s.so.%s" % (name, version[0]) for name in LIBRARIES]
    if folder is not None:
        found = _in_folder(Path(folder), names)
        for name, path in found.items():
            shutil.copyfile(str(path), str(target / name))
        return
    if jar is None:
        with tempfile.TemporaryDirectory(dir=str(target.parent)) as temporary:
            return _from_jar(_download(version, Path(temporary), say), version, names, target)
    _from_jar(Path(jar), version, names, target)


def _in_folder(folder, names):
    if not folder.is_dir():
        raise FileNotFoundError("there is no folder %s" % folder)
    files = {path.name: path for inside in (folder / "lib", folder) if inside.is_dir() for path in inside.iterdir()}
    # libnvinfer.so.5 may be called libnvinfer.so.5.1.5
    found = {name: next((files[each] for each in sorted(files) if each == name or each.startswith(name + ".")), None)
             for name in names}
    missing = [name for name in names if found[name] is None]
    if missing:
        others = sorted(each for each in files if each.startswith("libnvinfer.so."))
        raise ValueError("%s has no %s%s" % (folder, missing[0], "; it has %s, of another TensorRT" % others[0] if others
                                             and missing[0].startswith("libnvinfer.so") else ""))
    return found


def _from_jar(jar, version, names, target):
    if not jar.is_file():
        raise FileNotFoundError("there is no file %s" % jar)
    try:
        with zipfile.ZipFile(str(jar)) as archive:
            members = {Path(name).name: name for name in archive.namelist()}
            missing = [name for name in names if name not in members]
            if missing:
                raise ValueError("%s has no %s; for TensorRT %s take %s" % (jar, missing[0], version, _where(version)))
            for name in names:
                with archive.open(members[name]) as source, open(str(target / name), "wb") as stream:
                    shutil.copyfileobj(source, stream, 1 << 20)
    except (zipfile.BadZipFile, EOFError):
        raise ValueError("%s is not a whole jar (a zip file): download it again, %s" % (jar, _where(version))) from None


def _where(version):
    artifact = VERSIONS[version].artifact
    return ("tensorrt-%s-linux-x86_64-redist.jar (%d MB) of org.bytedeco:tensorrt:%s on Maven Central"
            % (artifact, VERSIONS[version].mb, artifact))


def _download(version, folder, say):
    if not shutil.which("mvn"):
        raise RuntimeError("mvn is not on PATH to fetch the libraries; download %s yourself and name it: python3 workbook.py "
                           "parser %s --jar FILE" % (_where(version), version))
    artifact = VERSIONS[version].artifact
    coordinates = "org.bytedeco:tensorrt:%s:jar:linux-x86_64-redist" % artifact
    say("Fetching %s with mvn, %d MB." % (coordinates, VERSIONS[version].mb))
    done = subprocess.run(["mvn", "-q", "-B", "dependency:copy", "-Dartifact=" + coordinates, "-DoutputDirectory=%s" % folder],
                          cwd=str(folder), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    jars = sorted(folder.glob("*.jar"))
    if done.returncode or not jars:
        raise RuntimeError("mvn could not fetch %s (%s); download %s yourself and name it: --jar FILE"
                           % (coordinates, _last(done.stdout, "ERROR"), _where(version)))
    return jars[0]


def _compile(major, work):
    libraries = [work / "lib" / ("%s.so.%d" % (name, major)) for name in LIBRARIES]
    stubs.build(work / "cuda", libraries, _run)
    _run(["g++", "-std=c++11", "-O1", "-w", "-I", work / "cuda", "-I", work / "include", HERE / "harness.cpp"] + libraries
         + ["-ldl", "-Wl,--unresolved-symbols=ignore-in-shared-libs", "-o", work / "harness"])


def _try(version, number, work, source):
    """Load the libraries, and ask them for their version."""
    done = subprocess.run([str(work / "harness")], env=environment(Installation(version, work)), stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=120)
    if done.returncode:
        raise RuntimeError("the libraries of %s do not load: %s" % (source, _last(done.stdout)))
    if done.stdout.strip() != b"%d" % number:
        raise ValueError("%s calls itself version %s; TensorRT %s is %d"
                         % (source, done.stdout.decode("ascii", "replace").strip(), version, number))


def _replace(work, target):
    """Move a finished folder to its place; what is there goes first."""
    old = work.with_name(work.name + ".old")
    if target.exists():
        os.rename(str(target), str(old))
    os.chmod(str(work), 0o755)
    os.rename(str(work), str(target))
    shutil.rmtree(str(old), ignore_errors=True)


def _run(command):
    """Run a compiler. Raises RuntimeError with its last lines."""
    command = [str(part) for part in command]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode:
        lines = done.stdout.decode("utf-8", "replace").strip().splitlines()
        raise RuntimeError("%s failed:\n%s\n%s" % (command[0], " ".join(command), "\n".join(lines[-10:])))


def _last(output, word=""):
    """The last line of a program's output, of those with a word where there are any."""
    lines = [line.strip() for line in output.decode("utf-8", "replace").splitlines() if line.strip()] or ["no message"]
    return ([line for line in lines if word in line] or lines)[-1 if not word else 0]
