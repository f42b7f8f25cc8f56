#!/bin/bash
# Installs the Debian packages that the named parts of the build need: install_packages.sh PART...
# Quick and silent when they are there. Uses sudo only when not root; with neither, prints the one line to run, exits 3.
set -euo pipefail

declare -A packages=(
    [build]="make g++ cmake ninja-build ccache pkg-config python3 libgtest-dev libgmock-dev libboost1.81-dev
             nlohmann-json3-dev prometheus-cpp-dev libcli11-dev librapidcheck-dev"
    [check]="clang-format-19 clang-tidy-19"
    [sanitize]="clang-19 libclang-rt-19-dev"
    [instructions]="valgrind"
    [test]="chromium prometheus wrk"
)

wanted=()
for part in build "$@"; do
    if [[ ! -v packages[$part] ]]; then
        echo "install_packages.sh: unknown part '$part'; there are: ${!packages[*]}" >&2
        exit 2
    fi
    wanted+=(${packages[$part]})
done

missing=()
if command -v dpkg-query >/dev/null; then
    installed=" $(dpkg-query --show --showformat='${db:Status-Status}=${Package} ' | tr '\n' ' ')"
    for name in "${wanted[@]}"; do
        [[ $installed == *" installed=$name "* ]] || missing+=("$name")
    done
else
    missing=("${wanted[@]}")
fi
[[ ${#missing[@]} -eq 0 ]] && exit 0

install="apt-get install -y --no-install-recommends ${missing[*]}"
if ! command -v apt-get >/dev/null; then
    echo "This is no Debian; what corresponds to these packages is needed: ${missing[*]}" >&2
    exit 3
elif [[ $(id -u) -eq 0 ]]; then
    as_root=(env)
elif command -v sudo >/dev/null; then
    as_root=(sudo env)
else
    echo "Packages are missing. Run as root: apt-get update && $install" >&2
    exit 3
fi
echo "Installing ${missing[*]}"
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" DEBIAN_FRONTEND=noninteractive $install
