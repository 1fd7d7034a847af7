# Sourced by the scripts in this folder.

# `xtask ARGUMENT...` runs the harness: $XTASK, which another job of this commit built in a folder of
# the same path, or else through cargo, which builds it.
xtask() {
    if [ -n "${XTASK:-}" ]; then "$XTASK" "$@"; else cargo xtask "$@"; fi
}

# `base_arguments BASE` sets base_args to `--base BASE`, or to nothing for `default`, the default base
# of kernel-patches/bases.toml.
base_arguments() {
    base_args=
    [ "$1" = default ] || base_args="--base $1"
}

# `config_arguments a+b` sets config_args to `--config a --config b`, or to nothing for `base`.
config_arguments() {
    config_args=
    [ "$1" = base ] && return
    for name in $(echo "$1" | tr + ' '); do
        config_args="$config_args --config $name"
    done
}
