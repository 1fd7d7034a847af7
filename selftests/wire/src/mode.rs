//! The modes in which the kernel executes programs: a table with one row per mode.

use serde::{Deserialize, Serialize};

/// A row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// Name on the command line and in reports.
    pub name: &'static str,
    /// One-line description.
    pub about: &'static str,
    /// `net.core.bpf_jit_enable` and `net.core.bpf_jit_harden`.
    pub sysctls: (u32, u32),
    /// Whether the JIT blinds constants of programs that are loaded with `CAP_BPF`, as the agent
    /// loads them (`include/linux/filter.h`, `bpf_jit_blinding_enabled()`).
    pub blinds: bool,
    /// Numbers of the capabilities to drop while loading a module.
    pub without_caps: &'static [u8],
    /// Whether cases run in this mode.
    pub cases: bool,
}

macro_rules! modes {
    ($($variant:ident => $row:expr,)*) => {
        /// How the kernel executes programs.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Mode {
            $(#[doc = concat!("See its [`Row`] in the table: [`Mode::row`].")] $variant,)*
        }

        impl Mode {
            /// All modes, in the order of the table.
            pub const EVERY: &[Self] = &[$(Self::$variant,)*];

            /// The mode's row of the table.
            pub const fn row(self) -> &'static Row {
                match self {
                    $(Self::$variant => const { &$row },)*
                }
            }
        }
    };
}

// Hardening does not affect the interpreter; it is off there to keep the modes well-defined.
modes! {
    Interp => Row {
        name: "interp",
        about: "The interpreter",
        sysctls: (0, 0),
        blinds: false,
        without_caps: &[],
        cases: true,
    },
    Jit => Row {
        name: "jit",
        about: "The JIT",
        sysctls: (1, 0),
        blinds: false,
        without_caps: &[],
        cases: true,
    },
    JitHardened => Row {
        name: "jit-hardened",
        about: "The JIT with constant blinding",
        sysctls: (1, 2),
        blinds: true,
        without_caps: &[],
        cases: true,
    },
    // Cases need CAP_BPF; a module is loaded without CAP_SYS_ADMIN and CAP_BPF, otherwise hardening
    // would have no effect on it.
    JitHardenedUnpriv => Row {
        name: "jit-hardened-unpriv",
        about: "The JIT with constant blinding of what is loaded without CAP_BPF; kernel/test_bpf alone",
        sysctls: (1, 1),
        blinds: false,
        without_caps: &[21, 39],
        cases: false,
    },
}

impl Mode {
    /// The modes for cases, in the order of the table.
    pub const ALL: [Self; Self::OF_CASES] = {
        let (mut modes, mut at, mut count) = ([Self::EVERY[0]; Self::OF_CASES], 0, 0);
        while at < Self::EVERY.len() {
            if Self::EVERY[at].row().cases {
                modes[count] = Self::EVERY[at];
                count += 1;
            }
            at += 1;
        }
        modes
    };

    const OF_CASES: usize = {
        let (mut at, mut count) = (0, 0);
        while at < Self::EVERY.len() {
            count += Self::EVERY[at].row().cases as usize;
            at += 1;
        }
        count
    };

    /// The mode with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::EVERY.iter().copied().find(|mode| mode.name() == name)
    }

    /// The mode's name on the command line and in reports.
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// `net.core.bpf_jit_enable` and `net.core.bpf_jit_harden`.
    pub fn sysctls(self) -> (u32, u32) {
        self.row().sysctls
    }

    /// Whether programs are JITed.
    pub fn jits(self) -> bool {
        self.row().sysctls.0 != 0
    }

    /// Whether the JIT is hardened for at least some programs.
    pub fn hardens(self) -> bool {
        self.row().sysctls.1 != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_has_a_name_and_settings_of_its_own() {
        for (at, mode) in Mode::EVERY.iter().enumerate() {
            assert_eq!(Mode::named(mode.name()), Some(*mode));
            for other in &Mode::EVERY[..at] {
                assert_ne!(mode.sysctls(), other.sysctls(), "{mode:?} is {other:?}");
            }
        }
    }
}
