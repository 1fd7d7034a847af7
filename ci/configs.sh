# Read by the scripts beside: `config_arguments a+b` sets config_args to `--config a --config b`.
config_arguments() {
    config_args=
    [ "$1" = base ] && return
    for name in $(echo "$1" | tr + ' '); do
        config_args="$config_args --config $name"
    done
}
