# shellcheck shell=bash
# Sourced by the scripts beside it: a virtual environment with fanout and the extras they need.
#
#   source "$(dirname "${BASH_SOURCE[0]}")/_venv.sh"
#   ensure_venv test lint
#   "$VENV/bin/python" ...
#
# FANOUT_PYTHON  the interpreter to use (default: the first of python3.11, python3 ... that is 3.11 or newer)
# FANOUT_VENV    where the environment goes (default: .venv in the repository)
# PIP_*          honoured by pip as always (index, certificates, timeouts ...)

REPOSITORY="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)"
VENV="${FANOUT_VENV:-$REPOSITORY/.venv}"

_fail() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

_is_recent_python() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

_find_python() {
    local candidate
    if [[ -n "${FANOUT_PYTHON:-}" ]]; then
        _is_recent_python "$FANOUT_PYTHON" \
            || _fail "FANOUT_PYTHON=$FANOUT_PYTHON is not a Python 3.11 or newer that runs"
        printf '%s' "$FANOUT_PYTHON"
        return
    fi
    for candidate in python3.11 python3 python3.12 python3.13 python3.14 python; do
        if _is_recent_python "$candidate"; then
            printf '%s' "$candidate"
            return
        fi
    done
    _fail "Python 3.11 or newer is needed, and none was found; install it, or name it: FANOUT_PYTHON=/path/to/python"
}

_create_venv() {
    local python
    python="$(_find_python)" || exit 1
    printf 'creating %s with %s\n' "$VENV" "$("$python" --version)" >&2
    if _can_install_into_others "$python"; then
        "$python" -m venv --clear --without-pip "$VENV" && return
    fi
    "$python" -m venv --clear "$VENV" \
        || _fail "'$python -m venv' failed: on Debian and Ubuntu install the package python3-venv"
    _has_pip "$VENV/bin/python" \
        || _fail "the virtual environment has no pip: on Debian and Ubuntu install the package python3-venv"
}

_has_pip() {
    "$1" -m pip --version >/dev/null 2>&1
}

# pip 22.3 and newer can; then the environment needs none of its own, which takes 6 s to install. It
# takes the path of an interpreter, not its name.
_can_install_into_others() {
    "$1" -m pip --python "$("$1" -c 'import sys; print(sys.executable)')" --version >/dev/null 2>&1
}

_pip() {
    local python="$VENV/bin/python"
    if _has_pip "$python"; then
        "$python" -m pip "$@"
    else
        "$(_find_python)" -m pip --python "$python" "$@"
    fi
}

# What an installation depends on; an environment cannot be moved, hence the paths.
_fingerprint() {
    "$VENV/bin/python" - "$REPOSITORY" "$VENV" <<'PYTHON'
import hashlib
import pathlib
import sys

folder = pathlib.Path(sys.argv[1])
files = [folder / name for name in ("pyproject.toml", "setup.py", "fanout/compiled.py")]
files += sorted(folder.glob("fanout/**/*.[ch]"))
project = [path.read_bytes() for path in files]
print(hashlib.sha256(repr((sys.argv[1:], sys.version, project)).encode()).hexdigest())
PYTHON
}

# What `pip install --editable .[EXTRA,...]` does, by two at once: the project is built while what it
# needs is downloaded and unpacked, which takes the longest. What is said by the one that builds
# follows what the other says. Only what is used is compiled, when it is: all of it takes a third of
# the installation.
_pip_install() {
    local scratch building failed=0
    scratch="$(mktemp -d)" || return
    _requirements "$@" >"$scratch/requirements" || return
    _pip install --quiet --no-compile --no-deps --disable-pip-version-check \
        --editable "$REPOSITORY" >"$scratch/said" 2>&1 &
    building=$!
    # shellcheck disable=SC2064  # who is interrupted is in no function any more
    trap "kill $building 2>/dev/null; rm -rf '$scratch'" EXIT
    _pip install --quiet --no-compile --requirement "$scratch/requirements" || failed=1
    wait "$building" || failed=1
    cat "$scratch/said" >&2
    rm -rf "$scratch"
    trap - EXIT
    return "$failed"
}

# One line for each of what fanout and these extras need.
_requirements() {
    "$VENV/bin/python" - "$REPOSITORY/pyproject.toml" "$@" <<'PYTHON'
import pathlib
import sys
import tomllib

path, *extras = sys.argv[1:]
project = tomllib.loads(pathlib.Path(path).read_text(encoding="utf-8"))["project"]
needed = [project["dependencies"], *(project["optional-dependencies"][one] for one in extras)]
print(*dict.fromkeys(sum(needed, [])), sep="\n")
PYTHON
}

_install_missing() {
    local fingerprint extra missing=()
    fingerprint="$(_fingerprint)"
    for extra in core "$@"; do
        [[ "$(cat "$VENV/.installed-$extra" 2>/dev/null)" == "$fingerprint" ]] || missing+=("$extra")
    done
    ((${#missing[@]})) || return 0
    local names
    names="$(IFS=,; printf '%s' "$*")"
    printf 'installing fanout-zmq%s into %s\n' "${names:+[$names]}" "$VENV" >&2
    _pip_install "$@" \
        || _fail "pip could not install fanout-zmq[$names]; the reason is above (PIP_* variables are honoured)"
    _find_without_hook || _fail "fanout could not be linked into $VENV; the reason is above"
    for extra in core "$@"; do
        printf '%s\n' "$fingerprint" >"$VENV/.installed-$extra"
    done
}

# setuptools has an editable package found by a hook that each process loads at its start, which then
# takes twice as long. A folder with a link to the package on the path does as well, and has nothing
# else in it either: no top-level `workers` above all. Where there is no such hook nothing is done.
_find_without_hook() {
    "$VENV/bin/python" - "$REPOSITORY" "$VENV" <<'PYTHON'
import pathlib
import sys
import sysconfig

repository, environment = map(pathlib.Path, sys.argv[1:])
folder = environment / "editable"
folder.mkdir(exist_ok=True)
(folder / "fanout").unlink(missing_ok=True)
(folder / "fanout").symlink_to(repository / "fanout")
for hook in pathlib.Path(sysconfig.get_path("purelib")).glob("__editable__.fanout_zmq-*.pth"):
    hook.write_text(f"{folder}\n", encoding="utf-8")
PYTHON
}

# ensure_venv EXTRA...: afterwards $VENV/bin/python has fanout and these extras. Fast when nothing changed.
ensure_venv() {
    # Two scripts at once must not install into one environment; the lock goes with the subshell.
    (
        mkdir -p "$(dirname "$VENV")"
        if command -v flock >/dev/null; then
            exec 9>"$VENV.lock"
            flock 9
        fi
        _is_recent_python "$VENV/bin/python" || _create_venv
        _install_missing "$@"
    ) || exit 1
}

# answer_help MODULE "$@": if help is asked for, prints that of a program and ends. Nothing is installed for it.
answer_help() {
    local argument python="$VENV/bin/python"
    for argument in "${@:2}"; do
        case "$argument" in
            --) return 0 ;;
            -h | --help)
                _is_recent_python "$python" || python="$(_find_python)" || exit 1
                exec "$python" "$REPOSITORY/scripts/_help.py" "$@"
                ;;
        esac
    done
}
