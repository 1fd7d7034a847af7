//! What the kernel's tests share: a tree that make takes for a kernel, and small patches.

use std::fs;
use std::path::Path;

use super::series::{Patch, Series};

/// vmlinux is all C files and the configuration; kernel/core.c must not say `broken`.
const MAKEFILE: &str = r##"
K = $(KCONFIG_CONFIG)
.PHONY: tinyconfig olddefconfig vmlinux modules
tinyconfig:
	echo "# tiny" > $(K)
olddefconfig:
	sed -i /CONFIG_DROPPED/d $(K)
vmlinux:
	@echo run >> $(O)/runs
	@if grep -n broken kernel/core.c; then echo 'kernel/core.c:1:1: error: broken'; exit 1; fi
	@if grep -q slow kernel/core.c; then sleep 1; fi
	@echo "  CC      kernel/core.o"
	@mkdir -p $(O)/include/config && echo 7.3.4 > $(O)/include/config/kernel.release
	@cat kernel/*.c $(O)/.config > $(O)/vmlinux
modules: vmlinux
	@mkdir -p $(O)/lib && echo module > $(O)/lib/test_bpf.ko
"##;

const MERGE: &str = "#!/bin/sh\nshift\nconfig=$1\nshift\ncat \"$@\" >> $config\n";

/// Writes such a tree.
pub(crate) fn fake_kernel(dir: &Path) {
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

/// A diff with one hunk that turns the whole of `old` into `new`.
pub(crate) fn diff(file: &str, old: &str, new: &str) -> String {
    let lines = |sign: char, text: &str| -> String {
        text.lines().map(|line| format!("{sign}{line}\n")).collect()
    };
    format!(
        "diff --git a/{file} b/{file}\n--- a/{file}\n+++ b/{file}\n@@ -1,{} +1,{} @@\n{}{}",
        old.lines().count(),
        new.lines().count(),
        lines('-', old),
        lines('+', new),
    )
}

/// A series of (subject, diff).
pub(crate) fn series_of(patches: &[(&str, &str)]) -> Series {
    let patch = |(number, (subject, diff)): (usize, &(&str, &str))| Patch {
        name: format!("{:04}-{subject}.patch", number + 1),
        content: format!(
            "From 0000000000000000000000000000000000000000 Mon Sep 17 00:00:00 2001\n\
             From: A <a@example.org>\nDate: Tue, 3 Mar 2026 10:00:00 +0200\n\
             Subject: [PATCH] {subject}\n\nWhy.\n\nSigned-off-by: A <a@example.org>\n---\n{diff}"
        )
        .into_bytes(),
    };
    Series { patches: patches.iter().enumerate().map(patch).collect() }
}
