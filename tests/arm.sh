#!/usr/bin/env bash
# The workbook on ARM by emulation: Debian 12 for aarch64 with its Python 3.11 in a folder, run by qemu on an x86-64 machine.
#
#     sudo tests/arm.sh FOLDER setup             the system and the workbook's environment (20 to 40 minutes, 4 GB)
#     sudo tests/arm.sh FOLDER doctor            python3 workbook.py doctor
#     sudo tests/arm.sh FOLDER test [...]        python3 workbook.py test ...
#     sudo tests/arm.sh FOLDER run [NN ...]      python3 workbook.py run ...
#     sudo tests/arm.sh FOLDER small [NN ...]    the same where a photo has two vehicles, since an emulated network is slow
#     sudo tests/arm.sh FOLDER board [GB] [...]  `doctor`, or what follows, on what the launcher takes for a Jetson (default: 4 GB)
#     sudo tests/arm.sh FOLDER jetpack5 [...]    `doctor`, or what follows, with Python 3.8, which is compiled for it first
#     sudo tests/arm.sh FOLDER shell [...]       a shell, or one command
#
# Each command first makes what is missing, and a command that was interrupted continues. The workbook there is a clone of this
# checkout's last commit, owned by an ordinary user. Everything is mounted in a namespace of its own: when the command ends,
# nothing stays mounted and no process stays. The way to the package index is that of this machine: PIP_*, the proxies, the
# certificates and /etc/pip.conf; `sudo -E` keeps the variables. DEBIAN_MIRROR names another mirror of Debian, PYTHON38 another
# place of Python's source (a .tgz, by http or file). Python 3.8 is cross-compiled, which needs gcc-aarch64-linux-gnu and a Python
# 3.8 of this machine. What stays on this machine is the registration of qemu for ARM programs, until it is started again:
# `update-binfmts --disable qemu-aarch64` ends it.
#
# Emulation says whether ARM wheels, compilers and code work. It is slow, has no GPU, and its times say nothing about a board.
set -euo pipefail

fail() { echo "arm.sh: $*" >&2; exit 1; }
usage() { sed -n '2,/^set /{/^set /d; s/^# \{0,1\}//; p}' "$0"; }

case "${2:-}" in setup | doctor | test | run | small | board | jetpack5 | shell) ;; *) usage; exit 2 ;; esac
[ "$(id -u)" = 0 ] || fail "must run as root, which debootstrap, mount and chroot need: sudo $0 $*"
for program in debootstrap qemu-aarch64-static update-binfmts git; do
  command -v "$program" >/dev/null || fail "$program is missing: apt-get install qemu-user-static binfmt-support debootstrap git"
done
# In namespaces of its own from here on: mounts go with it, and so do processes.
if [ -z "${ARM_SH_INSIDE:-}" ]; then
  ARM_SH_INSIDE=1 exec unshare --mount --pid --fork --kill-child --propagation private "$0" "$@"
fi

checkout=$(cd "$(dirname "$0")/.." && pwd)
mkdir -p "$1"
folder=$(cd "$1" && pwd)
command=$2
shift 2
system=$folder/system
user=1000
free=$(df --output=avail -B1G "$folder" | tail -1)
[ -e "$folder/environment" ] || [ "$free" -ge 8 ] || fail "$folder has $free GB free; the system needs 4, the board 3 more"

# The kernel of this machine learns to start programs for ARM.
emulation() {
  mount -t proc proc /proc  # of this namespace of processes
  [ -e /proc/sys/fs/binfmt_misc/register ] || mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc
  [ -e /proc/sys/fs/binfmt_misc/qemu-aarch64 ] || update-binfmts --enable qemu-aarch64
  grep -q '^flags:.*F' /proc/sys/fs/binfmt_misc/qemu-aarch64 ||
    fail "qemu-aarch64 is registered without the flag F, by which its interpreter is found in a chroot"
}

kernel_folders() {
  mount -t proc proc "$system/proc"
  # ONNX Runtime looks up the processor there, and x86-64's lines end it with SIGSEGV when it is imported.
  mount --bind "$folder/cpuinfo" "$system/proc/cpuinfo"
  mount -t sysfs -o ro sysfs "$system/sys"
  mount --rbind /dev "$system/dev"
  mount -t tmpfs tmpfs "$system/tmp"
}

# /proc/cpuinfo as an ARM kernel writes it, for the processor that qemu plays.
processors() {
  local core
  for core in $(seq 0 $(($(nproc) - 1))); do
    printf '%s\n' "processor	: $core" "BogoMIPS	: 62.50" \
      "Features	: fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp" \
      "CPU implementer	: 0x41" "CPU architecture: 8" "CPU variant	: 0x4" "CPU part	: 0xd0b" "CPU revision	: 0" ""
  done
}

# The system; another command that makes it or the environment at this moment is waited for.
debian() {
  if [ ! -e "$folder/debian" ]; then
    echo "Debian 12 for aarch64 in $system"
    rm -rf --one-file-system "$system"
    debootstrap --arch=arm64 --variant=minbase --include=ca-certificates,git,g++,python3-venv \
      bookworm "$system" "${DEBIAN_MIRROR:-http://deb.debian.org/debian}" >"$folder/debootstrap.log" 2>&1 ||
      fail "debootstrap failed; the end of $folder/debootstrap.log: $(tail -3 "$folder/debootstrap.log")"
    touch "$folder/debian"
  fi
  kernel_folders
  # The way to the network.
  local name
  for name in /etc/resolv.conf /etc/hosts /etc/pip.conf "${PIP_CERT:-}" "${SSL_CERT_FILE:-}" "${REQUESTS_CA_BUNDLE:-}"; do
    if [ -f "$name" ]; then
      mkdir -p "$system$(dirname "$name")"
      cp -L "$name" "$system$name"
    fi
  done
  grep -q "^reader:" "$system/etc/passwd" || inside 0 / useradd --create-home --uid $user --shell /bin/bash reader
}

# inside USER FOLDER COMMAND ...: run it in the system, with the variables that lead to the package index. A sanitizer's search for
# leaks does not work under qemu.
inside() {
  local who=$1 where=$2 variables=() name home=/home/reader
  shift 2
  [ "$who" = 0 ] && home=/root
  for name in $(compgen -e); do
    case "$name" in
      PIP_FIND_LINKS) ;;  # a folder of this machine
      PIP_* | *_proxy | *_PROXY | QEMU_CPU | QEMU_LD_PREFIX | SSL_CERT_FILE | REQUESTS_CA_BUNDLE) variables+=("$name=${!name}") ;;
    esac
  done
  chroot --userspec="$who:$who" "$system" env -i "HOME=$home" PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    LANG=C.UTF-8 TERM=dumb ASAN_OPTIONS=detect_leaks=0 "${variables[@]}" sh -c 'cd "$0" && exec "$@"' "$where" "$@"
}

# clone NAME: this checkout's last commit in the user's folder NAME. What git ignores there, the environment, stays.
clone() {
  local target=$system/home/reader/$1
  [ -e "$target/.git" ] || git init -q "$target"
  git -c safe.directory='*' -C "$target" fetch -q --depth 1 "file://$checkout" "$(git -C "$checkout" rev-parse HEAD)"
  git -c safe.directory='*' -C "$target" -c advice.detachedHead=false checkout -q --force FETCH_HEAD
  chown -R $user:$user "$target"
  git -C "$checkout" log -1 --format="workbook: commit %h of %cs"
}

workbook() {
  echo "\$ python3 workbook.py $*"
  inside $user /home/reader/workbook python3 workbook.py "$@"
}

environment() {
  inside 0 / uname -srm
  clone workbook
  if [ ! -e "$folder/environment" ]; then
    workbook test --version  # the first of the workbook's commands sets up the environment
    touch "$folder/environment"
    report workbook
  fi
}

# Disk and packages that were built from source.
report() {
  local venv=$system/home/reader/$1/.venv
  du -sh "$venv" | sed 's/\t.*/ of disk for the environment/'
  echo "built from source: $(sed -n 's/^ *Building wheel for \([^ ]*\).*/\1/p' "$venv"/py*/install.log | sort -u | tr '\n' ' ')"
  echo "wheels of another processor: $(find "$venv" -name WHEEL -exec grep -l '^Tag:.*x86_64' {} + | wc -l)"
}

# on_a_layer NAME: what is written from now on goes to a layer over the system, so that the system itself stays an ordinary one.
on_a_layer() {
  layer=$folder/$1
  mkdir -p "$layer"/{files,work,root}
  exec 8>"$layer/lock"
  flock 8  # a layer is mounted once
  mount -t overlay "$1" -o "lowerdir=$system,upperdir=$layer/files,workdir=$layer/work" "$layer/root"
  system=$layer/root
  kernel_folders
}

# What the launcher takes for a Jetson. The stand-ins have the names and the metadata of JetPack's packages and do nothing: pages that
# convert with NVIDIA's uff stop there.
board() {
  local packages=usr/lib/python3/dist-packages name version
  on_a_layer board
  if [ ! -e "$layer/made" ]; then
    inside 0 / sh -c "apt-get update -q && apt-get install -q -y --no-install-recommends python3-numpy" >"$layer/apt.log" 2>&1 ||
      fail "apt-get failed: $(tail -3 "$layer/apt.log")"
    for name in tensorrt==8.5.2 uff==0.6.9 graphsurgeon==0.4.6; do
      version=${name#*==} name=${name%%==*}
      mkdir -p "$system/$packages/$name" "$system/$packages/$name-$version.dist-info"
      printf '__version__ = "%s"\nSTAND_IN = True\n' "$version" >"$system/$packages/$name/__init__.py"
      printf 'Metadata-Version: 2.1\nName: %s\nVersion: %s\nRequires-Dist: numpy\n' "$name" "$version" \
        >"$system/$packages/$name-$version.dist-info/METADATA"
    done
    echo "# R35 (release), REVISION: 4.1, GCID: 33958178, BOARD: t186ref, EABI: aarch64, DATE: Tue Aug  1 19:57:35 UTC 2023" \
      >"$system/etc/nv_tegra_release"
    # Qemu looks for each file below this folder first (QEMU_LD_PREFIX); x86-64 has no /proc/device-tree.
    mkdir -p "$system/opt/board/proc/device-tree"
    printf 'NVIDIA Jetson Orin Nano, a stand-in\0' >"$system/opt/board/proc/device-tree/model"
    touch "$layer/made"
  fi
  # The memory of the board, as programs are told it: half a gigabyte is the system's own.
  awk -v gb="$1" '/^MemTotal/ {$2 = gb * 1e6} /^MemAvailable/ {$2 = gb * 1e6 - 5e5} /^Swap/ {$2 = 0} {print $1, $2, "kB"}' \
    /proc/meminfo >"$system/opt/board/proc/meminfo"
  export QEMU_LD_PREFIX=/opt/board
}

# Python 3.8 in a layer over the system, as on JetPack 5; cross-compiled, because an emulated compiler is slow.
python38() {
  local source=$folder/python38 headers python
  on_a_layer jetpack5
  [ ! -e "$layer/made" ] || return 0
  python=$(find_python38)
  inside 0 / sh -c "apt-get update -q && apt-get install -q -y --no-install-recommends pkg-config libhdf5-dev \
    libbz2-dev libffi-dev liblzma-dev libsqlite3-dev libssl-dev zlib1g-dev" >"$layer/apt.log" 2>&1 ||
    fail "apt-get failed: $(tail -3 "$layer/apt.log")"
  # An absolute link leads out of the system, and then the linker takes the static library.
  find "$system/usr/lib/aarch64-linux-gnu" -maxdepth 1 -lname '/*' -printf '%p %l\n' | while read -r name target; do
    ln -sfr "$system$target" "$name"
  done
  rm -rf "$source"
  mkdir -p "$source/made"
  curl -fsSL "${PYTHON38:-https://www.python.org/ftp/python/3.8.20/Python-3.8.20.tgz}" |
    tar -xz -C "$source" --strip-components=1 ||
    fail "no source of Python 3.8; PYTHON38 names another place of it"
  headers=$system/usr/include/aarch64-linux-gnu
  echo "Python 3.8 for aarch64 in $system"
  (cd "$source/made" && compile "$python" "$headers") >"$layer/python.log" 2>&1 ||
    fail "Python 3.8 could not be compiled; the end of $layer/python.log: $(tail -3 "$layer/python.log")"
  inside $user / python3.8 -c "import bz2, ctypes, hashlib, lzma, sqlite3, ssl, zlib" || fail "see $layer/python.log"
  touch "$layer/made"
}

# compile FOLDER HEADERS: what is in .. for the system. FOLDER: of a Python 3.8 of this machine. `set -e` does not hold in here.
compile() {
  export PATH=$1:$PATH CC="aarch64-linux-gnu-gcc --sysroot=$system" CPPFLAGS="-I$2 -I$system/usr/include"
  export LDFLAGS="-L$system/usr/lib/aarch64-linux-gnu -Wl,-rpath-link,$system/usr/lib/aarch64-linux-gnu"
  export PKG_CONFIG_LIBDIR=$system/usr/lib/aarch64-linux-gnu/pkgconfig PKG_CONFIG_SYSROOT_DIR=$system
  ../configure --host=aarch64-linux-gnu --build=x86_64-linux-gnu --prefix=/usr/local --without-ensurepip --disable-ipv6 \
    ac_cv_file__dev_ptmx=yes ac_cv_file__dev_ptc=no &&
    sed -i "s:^LIBFFI_INCLUDEDIR=.*:LIBFFI_INCLUDEDIR=$2:" Makefile && # pkg-config leaves the processor's folder out
    make -j "$(nproc)" &&
    make install "DESTDIR=$system" &&
    # Packages are compiled there with what Python was compiled with here.
    sed -i "s: --sysroot=$system::g; s:$system::g" "$system"/usr/local/lib/python3.8/{_sysconfigdata_*.py,config-3.8-*/Makefile} &&
    rm -rf "$system"/usr/local/lib/python3.8/__pycache__
}

# The folder of a Python 3.8 of this machine.
find_python38() {
  local candidate
  for candidate in aarch64-linux-gnu-gcc curl; do
    command -v $candidate >/dev/null || fail "$candidate is missing: apt-get install gcc-aarch64-linux-gnu curl"
  done
  for candidate in "$(command -v python3.8 || true)" "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.8.*/bin/python3.8; do
    if [ -x "$candidate" ] && "$candidate" -c "" 2>/dev/null; then
      dirname "$candidate"
      return
    fi
  done
  fail "no Python 3.8 here, which compiling one for ARM needs: put python3.8 on PATH, or install it with pyenv"
}

main() {
  exec 9>"$folder/lock"
  flock 9
  export QEMU_CPU=${QEMU_CPU:-cortex-a76}  # of what qemu 7.2 has, the nearest to Orin's A78AE; neither has SVE
  [ -s "$folder/cpuinfo" ] || processors >"$folder/cpuinfo"
  emulation
  debian
  case "$command" in
    setup) environment ;;
    doctor | test | run) environment; exec 9>&-; workbook "$command" "$@" ;;
    small)
      environment
      exec 9>&-
      on_a_layer small
      clone workbook
      for name in "$system"/home/reader/workbook/data/scenes/label_2/*.txt; do
        cars=$(grep -m 2 '^Car ' "$name")
        echo "$cars" >"$name"
      done
      workbook run --timeout 36000 "$@"
      ;;
    board)
      gb=4
      case "${1:-}" in [0-9]*) gb=$1; shift ;; esac
      board "$gb"
      clone board
      exec 9>&-
      inside $user /home/reader/board python3 workbook.py "${@:-doctor}"
      ;;
    jetpack5)
      python38
      clone jetpack5
      exec 9>&-
      inside $user /home/reader/jetpack5 python3.8 workbook.py "${@:-doctor}"
      ;;
    shell) exec 9>&-; [ $# -gt 0 ] || set -- bash; inside $user /home/reader "$@" ;;
  esac
}

main "$@"  # read to its end before it runs, so that a new version of this file does no harm
