//! A tree that make takes for a kernel and builds in no time. The tests of the whole program, in
//! `xtask/tests`, use this file too.

use std::fs;
use std::path::Path;

/// vmlinux is all C files and the configuration. What kernel/core.c says changes how the build goes:
/// `broken` has it fail, `slow` and `stuck` have it take a second and forever, `waits` until there is a file `go` beside the
/// objects, `large` makes vmlinux
/// one of 8 MiB. So does `stuck` in Kconfig with the configuration.
const MAKEFILE: &str = r##"
K = $(KCONFIG_CONFIG)
.PHONY: tinyconfig olddefconfig vmlinux modules
tinyconfig:
	@if grep -q stuck Kconfig; then echo 'configuring' >> $(O)/runs; sleep 1000; fi
	echo "# tiny" > $(K)
olddefconfig:
	sed -i /CONFIG_DROPPED/d $(K)
vmlinux:
	@echo run >> $(O)/runs
	@if grep -n broken kernel/core.c; then echo 'kernel/core.c:1:1: error: broken'; exit 1; fi
	@if grep -q slow kernel/core.c; then sleep 1; fi
	@if grep -q stuck kernel/core.c; then sleep 1000; fi
	@if grep -q waits kernel/core.c; then until test -e $(O)/go; do sleep 0.01; done; fi
	@echo "  CC      kernel/core.o"
	@mkdir -p $(O)/include/config && echo 7.3.4 > $(O)/include/config/kernel.release
	@cat kernel/*.c $(O)/.config > $(O)/vmlinux
	@if grep -q large kernel/core.c; then head -c 8M /dev/zero >> $(O)/vmlinux; fi
modules: vmlinux
	@mkdir -p $(O)/lib && echo module > $(O)/lib/test_bpf.ko
"##;

const MERGE: &str = "#!/bin/sh\nshift\nconfig=$1\nshift\ncat \"$@\" >> $config\n";

/// Writes such a tree.
pub fn fake_kernel(dir: &Path) {
    for (name, content) in [
        ("Makefile", MAKEFILE),
        ("Kconfig", "config A\n"),
        ("scripts/kconfig/merge_config.sh", MERGE),
        ("kernel/core.c", "one\ntwo\nthree\n"),
        ("kernel/other.c", "other\n"),
    ] {
        let path = dir.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
}
