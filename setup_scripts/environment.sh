# Source this: makes ./.venv with glioframe and its development tools, once, and activates it.
# GLIOFRAME_VENV names another folder for the environment.
_venv="${GLIOFRAME_VENV:-$PWD/.venv}"
_stamp="$_venv/.glioframe-installed"
_wanted="$(cat pyproject.toml | sha256sum | cut -d ' ' -f 1) $PWD"
if [ ! -f "$_stamp" ] || [ "$(cat "$_stamp")" != "$_wanted" ]; then
  echo "Setting up the environment in $_venv (1 to 3 minutes) ..." >&2
  "${PYTHON:-python3}" -m venv "$_venv"
  "$_venv/bin/python" -m pip install --quiet --editable ".[dev]"
  echo "$_wanted" > "$_stamp"
fi
export PATH="$_venv/bin:$PATH"
