# Source this from bash: makes an environment with glioframe and its development tools, once, and activates it.
#   GLIOFRAME_VENV   folder of the environment; by default .venv in the checkout
#   PYTHON           the Python to make it with, 3.11 or newer; by default the first that is found
# The second time it only looks at a stamp file. No command here depends on the current folder.

_glioframe_stop() {
  printf '%s\n' "$@" >&2
  return 1
}

_glioframe_find_python() {
  local candidate
  for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11 python}; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      command -v "$candidate"
      return 0
    fi
  done
  _glioframe_stop "glioframe needs Python 3.11 or newer; found ${PYTHON:-$(python3 --version 2>&1 || echo none)}." \
    "Install one (Debian, Ubuntu: apt install python3 python3-venv python3-dev), or set PYTHON to its path."
}

# pyradiomics-bhklab comes as C sources.
_glioframe_check_compiler() {
  local python="$1" headers
  headers="$("$python" -c 'import sysconfig; print(sysconfig.get_path("include"))')"
  if ! command -v "${CC:-gcc}" >/dev/null && ! command -v cc >/dev/null; then
    _glioframe_stop "glioframe builds one of its dependencies from C sources, but there is no C compiler." \
      "Install one (Debian, Ubuntu: apt install build-essential; macOS: xcode-select --install)."
  elif [ ! -f "$headers/Python.h" ]; then
    _glioframe_stop "glioframe builds one of its dependencies from C sources, but $headers/Python.h is missing." \
      "Install Python's headers (Debian, Ubuntu: apt install python3-dev; Fedora: dnf install python3-devel)."
  fi
}

# Shows pip's steps on one line of the terminal; a log file keeps all of it.
_glioframe_show_steps() {
  local line start=$SECONDS
  while IFS= read -r line; do
    case "$line" in
      *Collecting* | *Downloading* | *Building* | *Installing*)
        if [ -t 2 ]; then printf '\r\033[K  %3d s  %.70s' "$((SECONDS - start))" "${line#"${line%%[![:space:]]*}"}" >&2; fi ;;
    esac
  done
  if [ -t 2 ]; then printf '\r\033[K' >&2; fi
}

_glioframe_install() {
  local root="$1" venv="$2" python start=$SECONDS
  python="$(_glioframe_find_python)" || return 1
  _glioframe_check_compiler "$python" || return 1
  echo "Setting up the environment in $venv with $("$python" --version) (1 to 3 minutes) ..." >&2
  if ! "$python" -m venv "$venv"; then
    _glioframe_stop "Python could not make an environment. On Debian and Ubuntu: apt install python3-venv."
    return 1
  fi
  "$venv/bin/python" -m pip install --editable "${root}[dev]" 2>&1 | tee "$venv/install.log" | _glioframe_show_steps
  if [ "${PIPESTATUS[0]}" -ne 0 ]; then
    tail -n 15 "$venv/install.log" >&2
    _glioframe_stop "The installation failed; all of its output is in $venv/install.log."
    return 1
  fi
  echo "Environment ready after $((SECONDS - start)) s." >&2
}

_glioframe_activate() {
  local root venv stamp wanted owner
  root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)" || return 1
  venv="${GLIOFRAME_VENV:-$root/.venv}"
  stamp="$venv/.glioframe-installed"
  wanted="$(cksum <"$root/pyproject.toml") $root"
  if [ ! -x "$venv/bin/python" ] || [ ! -f "$stamp" ] || [ "$(cat "$stamp")" != "$wanted" ]; then
    owner="$(cut -d " " -f 3- "$stamp" 2>/dev/null || true)"
    if [ -n "${GLIOFRAME_VENV:-}" ] && [ -n "$owner" ] && [ "$owner" != "$root" ]; then
      _glioframe_stop "$venv belongs to the checkout $owner. Unset GLIOFRAME_VENV, or name another folder in it."
      return 1
    fi
    _glioframe_install "$root" "$venv" || return 1
    echo "$wanted" >"$stamp"
  fi
  PATH="$(cd "$venv/bin" && pwd):$PATH"
  export PATH
}

_glioframe_activate
