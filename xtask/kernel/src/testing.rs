//! What the kernel's tests share: a tree that make takes for a kernel, and small patches.

#![expect(clippy::unwrap_used, reason = "shared by the tests of several crates")]

mod fake_kernel;

pub use fake_kernel::fake_kernel;

use super::series::{Patch, Series};

/// A diff with one hunk that turns the whole of `old` into `new`.
pub fn diff(file: &str, old: &str, new: &str) -> String {
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
pub fn series_of(patches: &[(&str, &str)]) -> Series {
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
